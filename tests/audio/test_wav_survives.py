"""What a recording's WAV survives: kills, power cuts, failing disks, and files as they were found in the field.

Kills and power cuts are played by the simulated disk (tests/disks.py) from the trace of every step; kills also for real.
"""

from __future__ import annotations

import errno
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import (
    HEADER_BYTES,
    Cue,
    Origination,
    WavError,
    WavWriter,
    describe,
    header,
    read_pcm,
    recover,
    whole_frames,
)
from appliance.disk import RealDisk
from tests.audio import readers
from tests.disks import Found, SimulatedDisk, Sync, Write, failing, luck, sound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from tests.disks import Fault

FORMATS = [PcmFormat(48_000, bits, channels) for bits in (16, 24) for channels in (1, 2)]
ODD = PcmFormat(48_000, 24, 1)
TABLE = Origination("gesprek k7qm", "k7qm", datetime(2026, 11, 23, 14, 0, tzinfo=UTC))
MARKS = (Cue(0, "begin"), Cue(3, "pauze"))
SYNC = 0

formats = pytest.mark.parametrize("audio_format", FORMATS, ids=lambda one: f"{one.bits} bit, {one.channels}")
lives = st.lists(st.just(SYNC) | st.integers(1, 700), min_size=1, max_size=12)
"""What happens to a recording: so many frames are appended, or all is synced."""


@dataclass
class Life:
    """A recording as it was made on a simulated disk, and what was true after which of its steps."""

    disk: SimulatedDisk
    path: Path
    format: PcmFormat
    heard: bytes = b""
    created: int = 0
    synced: list[tuple[int, int]] = field(default_factory=list)
    appended: list[tuple[int, int]] = field(default_factory=list)

    @property
    def instants(self) -> range:
        """Every instant from the creation to the end."""
        return range(self.created, len(self.disk.steps) + 1)

    def first(self, frames: int) -> bytes:
        return self.heard[: frames * self.format.frame_bytes]

    def synced_by(self, instant: int) -> int:
        return max((frames for step, frames in self.synced if step <= instant), default=0)

    def appended_by(self, instant: int) -> int:
        return max((frames for step, frames in self.appended if step <= instant), default=0)

    def note(self, wav: WavWriter) -> None:
        self.appended.append((len(self.disk.steps), wav.frames))
        self.synced.append((len(self.disk.steps), wav.synced_frames))

    def after_kill(self, instant: int, folder: Path, reached: int = 0) -> Path:
        self.disk.after_kill(instant, folder, reached)
        return folder / self.path.name

    def after_power_cut(self, instant: int, folder: Path, by: Random) -> Path:
        self.disk.after_power_cut(instant, folder, by)
        return folder / self.path.name


def lived(folder: Path, audio_format: PcmFormat, life: list[int], cues: tuple[Cue, ...] | None, seed: int) -> Life:
    """Make a recording; it is sealed at the end if there are cues."""
    disk = SimulatedDisk(folder)
    told = Life(disk, folder / "gesprek.wav", audio_format)
    with WavWriter.create(disk, told.path, audio_format, TABLE) as wav:
        told.created = len(disk.steps)
        for number, frames in enumerate(life):
            if frames == SYNC:
                wav.sync()
            else:
                silent = (seed + number) % 4 == 0
                told.heard += bytes(frames * audio_format.frame_bytes) if silent else noise(audio_format, frames, seed)
                wav.append(told.heard[wav.data_bytes :])
            told.note(wav)
        if cues is not None:
            wav.seal(cues)
            told.note(wav)
    return told


def noise(audio_format: PcmFormat, frames: int, seed: int = 0) -> bytes:
    return luck(seed).randbytes(frames * audio_format.frame_bytes)


@contextmanager
def table() -> Iterator[Path]:
    """An empty folder; hypothesis wants a new one for each example."""
    with tempfile.TemporaryDirectory(prefix="recorder-") as folder:
        yield Path(folder)


def is_left_alone(path: Path, audio_format: PcmFormat, frames: int) -> bool:
    """Whether another recovery finds nothing to mend, and writes nothing."""
    disk = SimulatedDisk(path.parent)
    mended = recover(disk, path, audio_format, TABLE, frames)
    return not mended and [type(step) for step in disk.steps] == [Found, Sync]


# A kill: what was written is there.


@settings(max_examples=40, deadline=None)
@given(life=lives, audio_format=st.sampled_from(FORMATS), sealed=st.booleans(), seed=st.integers(0, 1000))
def test_killed_at_any_instant_the_file_plays_as_it_lies_there_and_holds_all_that_was_synced(
    life: list[int], audio_format: PcmFormat, sealed: bool, seed: int
) -> None:
    with table() as folder:
        told = lived(folder, audio_format, life, MARKS if sealed else None, seed)
        for instant in told.instants:
            with table() as found:
                wav = told.after_kill(instant, found)
                frames = readers.frames_heard(wav)
                assert told.synced_by(instant) <= frames <= told.appended_by(instant)
                assert readers.heard(wav) == told.first(frames)
                assert describe(wav).frames >= told.synced_by(instant)


@settings(max_examples=25, deadline=None)
@given(life=lives, audio_format=st.sampled_from(FORMATS), seed=st.integers(0, 1000))
def test_killed_at_any_instant_it_is_sealed_later_with_every_whole_frame_that_was_written(
    life: list[int], audio_format: PcmFormat, seed: int
) -> None:
    with table() as folder:
        told = lived(folder, audio_format, life, MARKS, seed)
        for instant in told.instants:
            with table() as found:
                wav = told.after_kill(instant, found)
                assert whole_frames(wav, audio_format) == told.appended_by(instant)
                mend_and_seal(told, wav, told.appended_by(instant))


@settings(max_examples=30, deadline=None)
@given(life=lives, audio_format=st.sampled_from(FORMATS), seed=st.integers(0, 1000), reached=st.integers(1, 2000))
def test_killed_within_a_write_of_audio_the_whole_frames_of_it_are_kept(
    life: list[int], audio_format: PcmFormat, seed: int, reached: int
) -> None:
    with table() as folder:
        told = lived(folder, audio_format, life, None, seed)
        for instant, step in enumerate(told.disk.steps):
            if isinstance(step, Write) and step.offset and reached < len(step.content):
                with table() as found:
                    wav = told.after_kill(instant, found, reached)
                    frames = told.appended_by(instant) + audio_format.frames(reached)
                    assert readers.frames_heard(wav) >= told.synced_by(instant)
                    assert whole_frames(wav, audio_format) == frames
                    mend_and_seal(told, wav, frames)


def mend_and_seal(told: Life, path: Path, frames: int) -> None:
    """What the next start does; the result must be the file that a recording of these frames without any kill has."""
    with WavWriter.reopen(RealDisk(), path, told.format, TABLE, frames) as wav:
        assert (wav.frames, wav.synced_frames) == (frames, frames)
        wav.seal(MARKS)
    assert is_left_alone(path, told.format, frames)
    with table() as folder:
        with WavWriter.create(RealDisk(), folder / "undisturbed.wav", told.format, TABLE) as undisturbed:
            undisturbed.append(told.first(frames))
            undisturbed.seal(MARKS)
        assert path.read_bytes() == (folder / "undisturbed.wav").read_bytes()


@pytest.mark.parametrize("audio_format", [PcmFormat(), ODD], ids=["16 bit", "24 bit"])
def test_killed_at_any_instant_of_a_short_meeting_ffprobe_plays_it_too(audio_format: PcmFormat, tmp_path: Path) -> None:
    told = lived(tmp_path, audio_format, [400, SYNC, 401, 402, SYNC], MARKS, seed=1)
    for instant in told.instants:
        with table() as found:
            said = readers.probe(told.after_kill(instant, found))
            assert said.format == audio_format
            assert said.frames >= told.synced_by(instant)


COUNTING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import Origination, WavWriter
from appliance.disk import RealDisk

wav = WavWriter.create(RealDisk(), Path(sys.argv[1]), PcmFormat(), Origination("", "", datetime.now(UTC)))
while True:
    for _ in range(10):
        wav.append(b"".join((frame % 65536).to_bytes(2, "little") for frame in range(wav.frames, wav.frames + 480)))
    wav.sync()
    print(wav.synced_frames, flush=True)
"""


@pytest.mark.parametrize("syncs", [1, 2, 5, 9])
def test_killed_for_real_it_plays_and_holds_all_that_was_synced(syncs: int, tmp_path: Path) -> None:
    wav = tmp_path / "gesprek.wav"
    with subprocess.Popen([sys.executable, "-c", COUNTING, wav], stdout=subprocess.PIPE, text=True) as recorder:
        assert recorder.stdout is not None
        synced = [int(recorder.stdout.readline()) for _ in range(syncs)][-1]
        recorder.kill()
    frames = readers.frames_heard(wav)
    assert frames >= synced == syncs * 4800
    assert readers.heard(wav) == b"".join((frame % 65_536).to_bytes(2, "little") for frame in range(frames))


# A power cut: only what was synced is sure.


@settings(max_examples=120, deadline=None)
@given(life=lives, audio_format=st.sampled_from(FORMATS), sealed=st.booleans(), seed=st.integers(), at=st.randoms())
def test_after_a_power_cut_at_any_instant_every_synced_frame_comes_back_and_a_second_recovery_writes_nothing(
    life: list[int], audio_format: PcmFormat, sealed: bool, seed: int, at: Random
) -> None:
    with table() as folder:
        told = lived(folder, audio_format, life, MARKS if sealed else None, seed)
        for instant in {at.choice(told.instants) for _ in range(6)}:
            with table() as found:
                wav = told.after_power_cut(instant, found, luck(seed + instant))
                frames = told.synced_by(instant)
                assert whole_frames(wav, audio_format) >= frames
                recover(RealDisk(), wav, audio_format, TABLE, frames)
                assert readers.frames_heard(wav) == describe(wav).frames == frames
                assert readers.heard(wav) == told.first(frames)
                assert is_left_alone(wav, audio_format, frames)


@settings(max_examples=60, deadline=None)
@given(life=lives, audio_format=st.sampled_from(FORMATS), seed=st.integers())
def test_a_power_cut_during_the_recovery_from_a_power_cut_is_recovered_from(
    life: list[int], audio_format: PcmFormat, seed: int
) -> None:
    with table() as folder, table() as found:
        told = lived(folder, audio_format, life, MARKS, seed)
        instant = luck(seed).choice(told.instants)
        frames = told.synced_by(instant)
        first = SimulatedDisk(found)
        recover(first, told.after_power_cut(instant, found, luck(seed)), audio_format, TABLE, frames)
        for again in range(1, len(first.steps) + 1):
            with table() as found_again:
                first.after_power_cut(again, found_again, luck(seed + again))
                wav = found_again / told.path.name
                recover(RealDisk(), wav, audio_format, TABLE, frames)
                assert readers.heard(wav) == told.first(frames)


@settings(max_examples=40, deadline=None)
@given(audio_format=st.sampled_from(FORMATS), seed=st.integers())
def test_after_a_power_cut_during_the_creation_there_is_no_file_or_one_that_is_made_valid(
    audio_format: PcmFormat, seed: int
) -> None:
    with table() as folder:
        told = lived(folder, audio_format, [], None, seed)
        for instant in range(told.created + 1):
            with table() as found:
                wav = told.after_power_cut(instant, found, luck(seed + instant))
                assert wav.exists() or instant < told.created
                if wav.exists():
                    recover(RealDisk(), wav, audio_format, TABLE, 0)
                    assert (readers.frames_heard(wav), wav.stat().st_size) == (0, HEADER_BYTES)


def test_after_a_power_cut_the_final_sizes_stand_there_only_if_all_that_they_count_does(tmp_path: Path) -> None:
    told = lived(tmp_path, ODD, [1001, SYNC], MARKS, seed=1)
    sealed = told.path.read_bytes()
    seen = 0
    for instant in told.instants:
        for seed in range(12):
            with table() as found:
                left = told.after_power_cut(instant, found, luck(seed)).read_bytes()
                if left[:8] == sealed[:8]:
                    assert left[HEADER_BYTES:] == sealed[HEADER_BYTES:]
                    seen += 1
    assert seen


@formats
def test_after_the_seal_a_power_cut_changes_not_one_byte(audio_format: PcmFormat, tmp_path: Path) -> None:
    told = lived(tmp_path, audio_format, [1001], MARKS, seed=1)
    with table() as found:
        told.disk.after_power_cut(len(told.disk.steps), found, None)
        assert (found / told.path.name).read_bytes() == told.path.read_bytes()


# Headers of any kind.

HALF = HEADER_BYTES // 2


@pytest.mark.parametrize("first", ["old", "new", "zeros", "noise"])
@pytest.mark.parametrize("second", ["old", "new", "zeros", "noise"])
@pytest.mark.parametrize("frames", [500, 1001])
@formats
def test_any_mix_of_header_sectors_is_recovered_from(
    audio_format: PcmFormat, first: str, second: str, frames: int, tmp_path: Path
) -> None:
    pcm, heads = noise(audio_format, 1001), {}
    heads["old"], heads["new"] = header(audio_format, TABLE, 500), header(audio_format, TABLE, 1001)
    heads["zeros"], heads["noise"] = bytes(HEADER_BYTES), luck(7).randbytes(HEADER_BYTES)
    wav = tmp_path / "gesprek.wav"
    wav.write_bytes(heads[first][:HALF] + heads[second][HALF:] + pcm)
    if {first, second} <= {"old", "new"}:
        assert readers.frames_heard(wav) >= 500, "it plays as it lies there, too"
    mended = recover(RealDisk(), wav, audio_format, TABLE, frames)
    assert mended is not (first == second == "new" and frames == 1001)
    assert readers.heard(wav) == pcm[: frames * audio_format.frame_bytes]
    assert is_left_alone(wav, audio_format, frames)


# As found in the field.


def sizes_of_zero(pcm: bytes) -> bytes:
    return header(ODD, TABLE, 0) + pcm


def zeros_at_full_size(pcm: bytes) -> bytes:
    return bytes(HEADER_BYTES + len(pcm))


def tail_of_nuls(pcm: bytes) -> bytes:
    return header(ODD, TABLE, 1000) + pcm + bytes(8192)


def right_size_with_random_bytes(pcm: bytes) -> bytes:
    return luck(3).randbytes(HEADER_BYTES + len(pcm))


def no_header_at_all(pcm: bytes) -> bytes:
    return bytes(HEADER_BYTES) + pcm


def half_a_trailer(pcm: bytes) -> bytes:
    return header(ODD, TABLE, 1000) + pcm + b"cue \x1c\0\0\0\1\0\0\0"


FIELD = [
    sizes_of_zero,
    zeros_at_full_size,
    tail_of_nuls,
    right_size_with_random_bytes,
    no_header_at_all,
    half_a_trailer,
]


@pytest.mark.parametrize("found", FIELD, ids=lambda found: found.__name__.replace("_", " "))
@pytest.mark.parametrize("frames", [0, 1, 999, 1000])
def test_a_file_as_found_in_the_field_becomes_valid_with_its_audio_where_it_was(found: type, frames: int, tmp_path: Path) -> None:
    wav = tmp_path / "gesprek.wav"
    wav.write_bytes(found(noise(ODD, 1000)))
    was = wav.read_bytes()[HEADER_BYTES : HEADER_BYTES + frames * 3]
    assert recover(RealDisk(), wav, ODD, TABLE, frames)
    assert describe(wav).frames == readers.frames_heard(wav) == frames
    assert readers.heard(wav) == was
    assert is_left_alone(wav, ODD, frames)


@pytest.mark.parametrize("length", [0, 1, 511, 512, 1023, 1024])
def test_a_file_shorter_than_its_header_is_recovered_as_empty_and_never_as_more(length: int, tmp_path: Path) -> None:
    wav = tmp_path / "gesprek.wav"
    wav.write_bytes(header(ODD, TABLE, 1)[:length])
    assert whole_frames(wav, ODD) == 0
    with pytest.raises(WavError, match=r"gesprek\.wav holds 0 frames, and 1 were asked of it"):
        recover(RealDisk(), wav, ODD, TABLE, 1)
    assert wav.stat().st_size == length
    recover(RealDisk(), wav, ODD, TABLE, 0)
    assert readers.frames_heard(wav) == 0
    assert is_left_alone(wav, ODD, 0)


def test_more_frames_than_the_file_holds_are_an_error_and_the_file_stays_as_it_is(tmp_path: Path) -> None:
    wav = tmp_path / "gesprek.wav"
    wav.write_bytes(bytes(HEADER_BYTES) + noise(ODD, 10) + b"xx")
    was = wav.read_bytes()
    with pytest.raises(WavError, match=r"gesprek\.wav holds 10 frames, and 11 were asked of it"):
        recover(RealDisk(), wav, ODD, TABLE, 11)
    assert wav.read_bytes() == was


# Files that are well.


@formats
@pytest.mark.parametrize("cues", [None, (), MARKS], ids=["open", "sealed", "sealed with marks"])
@pytest.mark.parametrize("frames", [0, 1, 1000, 1001])
def test_a_file_that_is_well_is_never_written_to_by_a_recovery(
    audio_format: PcmFormat, cues: tuple[Cue, ...] | None, frames: int, tmp_path: Path
) -> None:
    told = lived(tmp_path, audio_format, [frames, SYNC] if frames else [SYNC], cues, seed=1)
    was, changed = told.path.read_bytes(), told.path.stat().st_mtime_ns
    assert is_left_alone(told.path, audio_format, frames)
    assert (told.path.read_bytes(), told.path.stat().st_mtime_ns) == (was, changed)


def test_a_sealed_file_that_is_taken_up_again_keeps_its_seal_or_gets_the_new_marks(tmp_path: Path) -> None:
    told = lived(tmp_path, ODD, [1001], MARKS, seed=1)
    sealed = told.path.read_bytes()
    before = len(told.disk.steps)
    with WavWriter.reopen(told.disk, told.path, ODD, TABLE, 1001) as wav:
        wav.seal(MARKS)
        assert [type(step) for step in told.disk.steps[before:]] == [Sync]
        with pytest.raises(WavError, match="sealed"):
            wav.append(bytes(3))
    assert told.path.read_bytes() == sealed
    with WavWriter.reopen(told.disk, told.path, ODD, TABLE, 1001) as wav:
        wav.seal(MARKS[:1])
    assert describe(told.path).cues == MARKS[:1]
    assert readers.heard(told.path) == told.heard
    assert is_left_alone(told.path, ODD, 1001)


# A disk that fails.


def recorded_stubbornly(folder: Path, fault: Fault, pcm: bytes) -> Life:
    """A recorder that keeps what is not synced and, after any error, goes on from where the writer says."""
    disk = SimulatedDisk(folder)
    told = Life(disk, folder / "gesprek.wav", ODD, heard=pcm)
    sealed = False
    with WavWriter.create(disk, told.path, ODD, TABLE) as wav:
        told.created = len(disk.steps)
        disk.fault = fault
        while not sealed:
            try:
                sealed = step_on(wav, pcm)
            except OSError as failed:
                if not told.disk.steps[-1].failed:
                    raise AssertionError("an error that no fault explains") from failed
            told.note(wav)
    return told


def step_on(wav: WavWriter, pcm: bytes) -> bool:
    """Append the next block, with a sync after every second, or seal; whether it is sealed."""
    block = pcm[wav.data_bytes : wav.data_bytes + 900]
    if not block:
        wav.seal(MARKS)
        return True
    wav.append(block)
    if wav.frames % 600 == 0:
        wav.sync()
    return False


CREATED, SEALED = 4, 24
"""The steps of `recorded_stubbornly` without a fault."""


def test_without_a_fault_it_takes_as_many_steps_as_are_made_to_fail(tmp_path: Path) -> None:
    told = recorded_stubbornly(tmp_path, sound, noise(ODD, 2001))
    assert (told.created, len(told.disk.steps)) == (CREATED, SEALED)


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize("step", range(CREATED, SEALED))
def test_an_error_at_any_write_or_sync_loses_nothing_even_if_the_power_is_cut_afterwards(
    step: int, error: int, tmp_path: Path
) -> None:
    pcm = noise(ODD, 2001)
    told = recorded_stubbornly(tmp_path, failing({step, step + 3}, error, reached=step * 13), pcm)
    assert told.disk.steps[step].failed
    assert readers.heard(told.path) == pcm
    assert is_left_alone(told.path, ODD, 2001)
    for instant in told.instants:
        with table() as found:
            wav = told.after_power_cut(instant, found, luck(instant))
            frames = told.synced_by(instant)
            recover(RealDisk(), wav, ODD, TABLE, frames)
            assert readers.heard(wav) == told.first(frames)


def test_a_sync_that_failed_takes_the_audio_back_and_writing_it_again_makes_it_sure(tmp_path: Path) -> None:
    pcm = noise(ODD, 3000)
    disk = SimulatedDisk(tmp_path)
    with WavWriter.create(disk, tmp_path / "gesprek.wav", ODD, TABLE) as wav:
        wav.append(pcm[:3000])
        wav.sync()
        wav.append(pcm[3000:])
        disk.fault = failing({len(disk.steps) + 1})
        with pytest.raises(OSError, match="fault"):
            wav.sync()
        assert (wav.frames, wav.synced_frames) == (1000, 1000)
        assert readers.heard(tmp_path / "gesprek.wav") == pcm, "after a kill it would all be there"
        wav.append(pcm[3000:])
        wav.sync()
        assert (wav.frames, wav.synced_frames) == (3000, 3000)
    with table() as found:
        disk.after_power_cut(len(disk.steps), found, None)
        recover(RealDisk(), found / "gesprek.wav", ODD, TABLE, 3000)
        assert b"".join(read_pcm(found / "gesprek.wav", ODD, 0, 3000)) == pcm


def test_an_append_that_failed_is_repeated_in_the_same_place(tmp_path: Path) -> None:
    pcm = noise(ODD, 100)
    disk = SimulatedDisk(tmp_path)
    with WavWriter.create(disk, tmp_path / "gesprek.wav", ODD, TABLE) as wav:
        disk.fault = failing({len(disk.steps)}, errno.ENOSPC, reached=100)
        with pytest.raises(OSError, match="fault"):
            wav.append(pcm)
        assert wav.frames == 0
        wav.append(pcm)
        wav.sync()
    assert readers.heard(tmp_path / "gesprek.wav") == pcm


def test_what_a_failed_append_left_behind_the_audio_is_not_in_the_sealed_file(tmp_path: Path) -> None:
    disk = SimulatedDisk(tmp_path)
    with WavWriter.create(disk, tmp_path / "gesprek.wav", ODD, TABLE) as wav:
        wav.append(bytes(3))
        disk.fault = failing({len(disk.steps)}, errno.ENOSPC, reached=5000)
        with pytest.raises(OSError, match="fault"):
            wav.append(noise(ODD, 2000))
        wav.seal(MARKS[:1])
    assert is_left_alone(tmp_path / "gesprek.wav", ODD, 1)
    assert describe(tmp_path / "gesprek.wav").cues == MARKS[:1]
