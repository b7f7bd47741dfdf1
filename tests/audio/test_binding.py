"""Sound and journal, bound to each other: the journal vouches for what is on the disk, and for nothing else."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.audio.binding import LONGEST_STRETCH_SECONDS, MOST_UNSYNCED, BoundAudio
from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import HEADER_BYTES, Origination, WavWriter
from appliance.journal import check, of_kind, whole
from appliance.store import JournalFile, Recording
from tests.audio import readers
from tests.audio.simulated_room import SLOW, pcm_of, vouched_for, whole_journal
from tests.disks import SimulatedDisk, Sync, Write, failing, luck, sound

SYNC, LINE = 0, -1
ORIGIN = Origination("Gesprek k7qm", "k7qm", datetime(2026, 11, 23, 14, 0, tzinfo=UTC))


@dataclass
class Bound:
    """A recording that is being written by hand."""

    disk: SimulatedDisk
    recording: Recording
    audio: BoundAudio
    said: int = 0
    said_frames: int = 0

    def live(self, step: int) -> None:
        if step == SYNC:
            self.audio.sync()
        elif step == LINE:
            self.audio.line("mark", {"frame": self.audio.frames})
        else:
            self.audio.append(pcm_of(range(self.audio.frames, self.audio.frames + step)))


@contextmanager
def bound(audio_format: PcmFormat = SLOW) -> Iterator[Bound]:
    with tempfile.TemporaryDirectory(prefix="recorder-") as folder:
        recording = Recording("k7qm", Path(folder))
        (recording.folder / "data").mkdir()
        disk = SimulatedDisk(recording.folder)
        wav = WavWriter.create(disk, recording.wav, audio_format, ORIGIN)
        audio = BoundAudio(audio_format, wav, JournalFile.create(disk, recording.journal))
        yield Bound(disk, recording, audio)
        audio.close()


lives = st.lists(st.sampled_from([SYNC, LINE]) | st.integers(1, 900), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(life=lives, seed=st.integers(0, 1_000))
def test_a_line_never_vouches_for_what_is_not_on_the_disk_at_any_instant(life: list[int], seed: int) -> None:
    with bound() as one:
        created = len(one.disk.steps)
        for step in life:
            one.live(step)
        one.audio.sync()
        assert vouched_for(one.recording, whole_journal(one.recording)) == one.audio.frames == one.audio.durable_frames
        for instant in range(created, len(one.disk.steps) + 1):
            with tempfile.TemporaryDirectory(prefix="recorder-") as found:
                one.disk.after_power_cut(instant, Path(found), luck(seed + instant))
                left = Recording("k7qm", Path(found))
                content = left.wav.read_bytes()[HEADER_BYTES:]
                for entry in of_kind(check(left.journal.read_bytes()).entries, "audio"):
                    begin, frames = whole(entry, "from"), whole(entry, "frames")
                    assert content[2 * begin : 2 * (begin + frames)] == pcm_of(range(begin, begin + frames))


@settings(max_examples=40, deadline=None)
@given(life=lives)
def test_a_stretch_ends_with_a_sync_with_a_line_and_within_its_longest_length(life: list[int]) -> None:
    with bound() as one:
        for step in life:
            one.live(step)
        one.audio.sync()
        entries = whole_journal(one.recording)
        ends = {whole(entry, "from") + whole(entry, "frames") for entry in of_kind(entries, "audio")}
        assert all(whole(entry, "frames") <= LONGEST_STRETCH_SECONDS * SLOW.rate + 900 for entry in of_kind(entries, "audio"))
        assert {whole(entry, "frame") for entry in of_kind(entries, "mark")} <= ends | {0}
        at = 0
        for entry in entries:
            if entry["event"] == "audio":
                at += whole(entry, "frames")
            else:
                assert entry["frame"] == at, "a line stands behind all sound that came before it"


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
@settings(max_examples=60, deadline=None)
@given(life=lives, broken=st.integers(0, 30), how_many=st.integers(1, 6), reached=st.integers(0, 2_000))
def test_after_any_error_writing_again_makes_all_of_it_sure(
    error: int, life: list[int], broken: int, how_many: int, reached: int
) -> None:
    with bound() as one:
        first = len(one.disk.steps) + broken
        one.disk.fault = failing(set(range(first, first + how_many)), error, reached)
        in_doubt = False
        for step in [*life, SYNC]:
            mends = in_doubt and step == SYNC
            in_doubt = failed(one.audio.again) if mends else failed(lambda step=step: one.live(step)) or in_doubt
        one.disk.fault = sound
        one.audio.again()
        frames = sum(step for step in life if step > 0)
        assert one.audio.durable_frames == one.audio.frames == frames
        assert readers.heard(one.recording.wav) == pcm_of(range(frames))
        assert len(of_kind(whole_journal(one.recording), "mark")) == life.count(LINE)
        with tempfile.TemporaryDirectory(prefix="recorder-") as found:
            one.disk.after_power_cut(len(one.disk.steps), Path(found), None)
            left = Recording("k7qm", Path(found))
            assert readers.heard(left.wav) == pcm_of(range(frames)), "and a power cut now takes nothing"
            assert left.journal.read_bytes() == one.recording.journal.read_bytes()


def failed(act: object) -> bool:
    try:
        act()  # type: ignore[operator]
    except OSError:
        return True
    return False


def test_a_sync_that_failed_is_not_believed_when_the_next_one_succeeds() -> None:
    with bound() as one:
        one.live(500)
        one.disk.fault = failing({len(one.disk.steps) + 1})
        with pytest.raises(OSError, match="fault"):
            one.audio.sync()
        with pytest.raises(OSError, match="in doubt"):
            one.audio.sync()
        assert one.audio.durable_frames == 0
        before = len(one.disk.steps)
        one.audio.again()
        written = [step for step in one.disk.steps[before:] if isinstance(step, Write)]
        assert pcm_of(range(500)) in [step.content for step in written]
        assert one.audio.durable_frames == 500


def test_until_it_is_written_again_what_comes_is_kept_in_memory_only() -> None:
    with bound() as one:
        one.live(500)
        one.disk.fault = failing({len(one.disk.steps) + 1})
        with pytest.raises(OSError, match="fault"):
            one.audio.sync()
        before = len(one.disk.steps)
        one.live(300)
        assert len(one.disk.steps) == before
        one.audio.again()
        assert readers.heard(one.recording.wav) == pcm_of(range(800))


def test_the_sound_is_made_durable_before_the_line_that_vouches_for_it() -> None:
    with bound() as one:
        one.live(100)
        before = len(one.disk.steps)
        one.audio.sync()
        files = [(type(step), step.file) for step in one.disk.steps[before:] if isinstance(step, Write | Sync)]
        wav, journal = files[0][1], files[-1][1]
        assert files == [(Write, wav), (Sync, wav), (Write, journal), (Sync, journal)]


def test_it_says_when_as_much_is_unsynced_as_may_be_kept() -> None:
    wide = PcmFormat(48_000, 24, 2)
    with bound(wide) as one:
        piece = bytes(240_000 * 6)
        while not one.audio.is_full:
            assert one.audio._unsynced_bytes < MOST_UNSYNCED
            one.audio.append(piece)
        one.audio.sync()
        assert one.audio._unsynced_bytes == 0
        assert not one.audio.has_unsynced
        assert one.audio.durable_bytes == HEADER_BYTES + one.audio.frames * 6
