"""From a recording that ended, however it ended, to a bag of which not one byte changes any more."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import bagit
import pytest
import soundfile

from appliance.audio.wav import HEADER_BYTES, describe
from appliance.disk import RealDisk
from appliance.journal import check, of_kind, whole
from appliance.sealing import Seal, file_sha256, mend, seal
from appliance.store import Recording, Store, StoreError
from tests.audio import readers
from tests.audio.simulated_room import (
    MS,
    SECOND,
    SHORT,
    Room,
    RoomClock,
    captured_in,
    short_meeting,
    vouched_for,
)
from tests.disks import SimulatedDisk, Step, Write, luck, sound

THIS_BOOT, ANOTHER_BOOT = RoomClock(), RoomClock("another-boot")
THIS_BOOT.now = ANOTHER_BOOT.now = 100 * SECOND
WHOLE = captured_in(SHORT)


@dataclass
class Lived:
    """A meeting on a simulated disk, and when each of the disk's steps was."""

    room: Room
    folder: tempfile.TemporaryDirectory[str]
    at: list[int] = field(default_factory=list)

    @property
    def disk(self) -> SimulatedDisk:
        return self.room.simulated

    def captured_by(self, instant: int) -> int:
        """Frames that were captured to be stored, when the power went after so many steps."""
        now = self.at[instant] if instant < len(self.at) else self.room.clock.now
        return sum(max(0, min(last, now) - first) for first, last in SHORT) // MS

    def vouched_for_at(self, instant: int) -> int:
        """Frames that a durable line of the journal vouches for."""
        with tempfile.TemporaryDirectory(prefix="recorder-") as found:
            self.disk.after_power_cut(instant, Path(found), None)
            (recording,) = Store(RealDisk(), Path(found)).all() or (None,)
            if recording is None or not recording.journal.exists():
                return 0
            audio = of_kind(check(recording.journal.read_bytes()).entries, "audio")
            return max((whole(entry, "from") + whole(entry, "frames") for entry in audio), default=0)


@cache
def meeting() -> Lived:
    """Short: a mark, a pause, a stop. Made once; tests only look at its disk."""
    folder = tempfile.TemporaryDirectory(prefix="recorder-")
    at: list[int] = []
    lived: list[Room] = []

    def watching(number: int, step: Step) -> None:
        at.append(table.clock.now)

    table = Room(Path(folder.name))
    lived.append(table)
    table.microphone(0, 12 * SECOND)
    table.begin(2 * SECOND)
    table.mark(3_100 * MS)
    table.pause(4 * SECOND)
    table.resume(4_500 * MS)
    table.stop(6 * SECOND)
    table.simulated.fault = watching
    table.run(12 * SECOND)
    table.simulated.fault = sound
    return Lived(table, folder, at)


def only_one(folder: Path) -> Recording | None:
    found = Store(RealDisk(), folder).all()
    assert len(found) <= 1
    return found[0] if found else None


def is_a_good_bag(recording: Recording, sealed: Seal) -> None:
    bagit.Bag(str(recording.folder)).validate()
    info = soundfile.info(str(recording.wav))
    assert info.frames == sealed.frames == describe(recording.wav).frames
    assert readers.heard(recording.wav) == WHOLE[: 2 * sealed.frames]
    assert file_sha256(recording.wav) == sealed.sha256
    checked = check(recording.journal.read_bytes())
    assert checked.broken is None
    assert checked.entries[-1]["event"] == "sealed"
    assert checked.entries[-1]["sha256"] == sealed.sha256
    assert vouched_for(recording, checked.entries) == sealed.frames


# ── what the next start finds ───────────────────────────────────────────────────────────────────────


def test_the_power_cut_at_any_instant_of_a_meeting_leaves_a_recording_that_lost_a_second_at_most() -> None:
    lived = meeting()
    tried = worst = 0
    for instant in range(len(lived.disk.steps) + 1):
        sure, captured = lived.vouched_for_at(instant), lived.captured_by(instant)
        for seed in range(5):
            with tempfile.TemporaryDirectory(prefix="recorder-") as found:
                lived.disk.after_power_cut(instant, Path(found), luck(1_000 * seed + instant))
                frames = mended_and_sealed(Path(found), ANOTHER_BOOT)
                assert sure <= frames <= captured, f"instant {instant}, seed {seed}"
                tried, worst = tried + 1, max(worst, captured - frames)
    assert tried > 500
    assert worst <= 1_000, "milliseconds"


def test_killed_at_any_instant_of_a_meeting_every_frame_that_was_written_is_kept_and_bound() -> None:
    lived = meeting()
    written = worst = 0
    wav = next(step.file for step in lived.disk.steps if isinstance(step, Write) and len(step.content) == HEADER_BYTES)
    for instant, step in enumerate([*lived.disk.steps, None]):
        with tempfile.TemporaryDirectory(prefix="recorder-") as found:
            lived.disk.after_kill(instant, Path(found))
            frames = mended_and_sealed(Path(found), THIS_BOOT)
            assert frames == written
            worst = max(worst, lived.captured_by(instant) - frames)
        if isinstance(step, Write) and step.file == wav and step.offset:
            for reached in (1, len(step.content) // 2 + 1):
                with tempfile.TemporaryDirectory(prefix="recorder-") as found:
                    lived.disk.after_kill(instant, Path(found), reached)
                    assert mended_and_sealed(Path(found), THIS_BOOT) == written + reached // 2
            written += len(step.content) // 2
    assert written == 3_500
    assert worst <= 300


def mended_and_sealed(folder: Path, clock: RoomClock) -> int:
    """What the next start does; the frames of the bag that comes of it, which must be whole. 0 for nothing to seal."""
    recording = only_one(folder)
    if recording is None:
        return 0
    frames = mend(RealDisk(), clock, recording)
    if not frames:
        Store(RealDisk(), folder).discard(recording)
        return 0
    sealed = seal(RealDisk(), clock, recording)
    assert sealed.frames == frames
    is_a_good_bag(recording, sealed)
    events = [entry["event"] for entry in check(recording.journal.read_bytes()).entries]
    assert sealed.interrupted is ("interrupted" in events) is ("stopped" not in events)
    return frames


def test_a_power_cut_while_it_is_being_mended_is_mended_too() -> None:
    lived = meeting()
    for cut in range(20, len(lived.disk.steps), 9):
        with tempfile.TemporaryDirectory(prefix="recorder-") as found:
            lived.disk.after_power_cut(cut, Path(found), luck(cut))
            recording = only_one(Path(found))
            if recording is None:
                continue
            disk = SimulatedDisk(Path(found))
            for path in recording.folder.rglob("*.*"):
                if path.is_file():
                    disk.close(disk.open(path))
            before = len(disk.steps)
            frames = mend(disk, ANOTHER_BOOT, recording)
            for again in range(before, len(disk.steps) + 1):
                with tempfile.TemporaryDirectory(prefix="recorder-") as found_again:
                    disk.after_power_cut(again, Path(found_again), luck(again))
                    assert mended_and_sealed(Path(found_again), RoomClock("a third boot")) == frames


# ── the seal ────────────────────────────────────────────────────────────────────────────────────────


def stopped_meeting(folder: Path) -> tuple[SimulatedDisk, Recording]:
    table = short_meeting(folder)
    return table.simulated, table.made


def test_killed_or_without_power_at_any_step_of_the_seal_it_is_sealed_again_to_a_whole_bag(tmp_path: Path) -> None:
    disk, recording = stopped_meeting(tmp_path)
    before = len(disk.steps)
    sealed = seal(disk, THIS_BOOT, recording)
    undisturbed = recording.wav.read_bytes()
    assert len(disk.steps) - before > 20
    for instant in range(before, len(disk.steps) + 1):
        for by in (None, luck(instant), luck(instant + 7)):
            with tempfile.TemporaryDirectory(prefix="recorder-") as found:
                if by is None:
                    disk.after_kill(instant, Path(found))
                else:
                    disk.after_power_cut(instant, Path(found), by)
                left = only_one(Path(found))
                assert left is not None
                clock = THIS_BOOT if by is None else ANOTHER_BOOT
                assert mend(RealDisk(), clock, left) == 3_500
                again = seal(RealDisk(), clock, left)
                assert (again.sha256, again.frames, again.interrupted) == (sealed.sha256, 3_500, False)
                assert left.wav.read_bytes() == undisturbed
                is_a_good_bag(left, again)


def as_it_lies(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_sealed_twice_it_is_the_same_to_the_byte_and_nothing_is_written(tmp_path: Path) -> None:
    disk, recording = stopped_meeting(tmp_path)
    first = seal(disk, THIS_BOOT, recording)
    lies, steps = as_it_lies(tmp_path), len(disk.steps)
    assert mend(disk, ANOTHER_BOOT, recording) == 3_500
    assert seal(disk, ANOTHER_BOOT, recording) == first
    assert as_it_lies(tmp_path) == lies
    assert not [step for step in disk.steps[steps:] if isinstance(step, Write)]
    for path in tmp_path.rglob("*.*"):
        assert not path.is_file() or path.stat().st_mode & 0o222 == 0


def test_a_recording_that_was_stopped_is_healthy_and_never_touched_by_a_repair(tmp_path: Path) -> None:
    disk, recording = stopped_meeting(tmp_path)
    lies, steps = as_it_lies(tmp_path), len(disk.steps)
    for clock in (THIS_BOOT, ANOTHER_BOOT):
        assert mend(disk, clock, recording) == 3_500
    assert as_it_lies(tmp_path) == lies
    assert not [step for step in disk.steps[steps:] if isinstance(step, Write)]


def test_an_interrupted_recording_that_was_mended_is_not_mended_again(tmp_path: Path) -> None:
    table = short_meeting(tmp_path, stopped=False)
    frames = mend(RealDisk(), ANOTHER_BOOT, table.made)
    lies = as_it_lies(tmp_path)
    assert mend(RealDisk(), RoomClock("a third boot"), table.made) == frames == 3_500
    assert as_it_lies(tmp_path) == lies
    (line,) = of_kind(check(table.made.journal.read_bytes()).entries, "interrupted")
    assert (line["frame"], line["boot"]) == (3_500, "another-boot")


def test_the_seal_shows_in_any_player_where_it_was_paused_what_is_missing_and_what_was_marked(tmp_path: Path) -> None:
    table = Room(tmp_path)
    first = table.microphone(0, 5 * SECOND)
    table.when(5 * SECOND, first.unplug)
    table.microphone(7 * SECOND, 20 * SECOND)
    table.begin(2 * SECOND)
    table.mark(3 * SECOND)
    table.pause(8 * SECOND)
    table.resume(9 * SECOND)
    table.run(10 * SECOND)
    mend(RealDisk(), THIS_BOOT, table.made)
    seal(RealDisk(), THIS_BOOT, table.made)
    marks = readers.marks_heard(table.made.wav)
    assert [frame for frame, _ in marks] == [1_000, 3_000, 6_000, 7_000]
    assert len({label for _, label in marks}) == 4


# ── what no kill and no power cut can have done ─────────────────────────────────────────────────────


def left_as_it_is(folder: Path, recording: Recording) -> None:
    lies = as_it_lies(folder)
    with pytest.raises(StoreError, match=r"\.$"):
        mend(RealDisk(), ANOTHER_BOOT, recording)
    assert as_it_lies(folder) == lies


@pytest.mark.parametrize("stopped", [True, False])
def test_sound_whose_journal_was_lost_or_broken_at_its_beginning_is_never_removed(stopped: bool, tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=stopped).made
    content = bytearray(recording.journal.read_bytes())
    content[10] ^= 1
    recording.journal.write_bytes(content)
    left_as_it_is(tmp_path, recording)
    recording.journal.unlink()
    left_as_it_is(tmp_path, recording)


def test_a_wav_of_zeros_or_noise_that_does_not_hold_what_its_journal_vouches_for_is_never_removed(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    size = recording.wav.stat().st_size
    for content in (bytes(size), luck(1).randbytes(size), b""):
        recording.wav.write_bytes(content)
        left_as_it_is(tmp_path, recording)


@pytest.mark.parametrize(
    "damage",
    [lambda content: bytes(HEADER_BYTES) + content[HEADER_BYTES:], lambda content: content + bytes(8_192)],
    ids=["header", "tail"],
)
def test_a_header_of_zeros_and_a_tail_of_nuls_are_mended(damage: object, tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    recording.wav.write_bytes(damage(recording.wav.read_bytes()))  # type: ignore[operator]
    assert mended_and_sealed(tmp_path, ANOTHER_BOOT) == 3_500


def test_a_stretch_that_does_not_fit_is_cut_off_and_those_before_it_stay(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    stretches = of_kind(check(recording.journal.read_bytes()).entries, "audio")
    last = whole(stretches[-1], "from")
    content = bytearray(recording.wav.read_bytes())
    content[HEADER_BYTES + 2 * last + 5] ^= 1
    recording.wav.write_bytes(content)
    assert mend(RealDisk(), ANOTHER_BOOT, recording) == last
    sealed = seal(RealDisk(), ANOTHER_BOOT, recording)
    assert readers.heard(recording.wav) == WHOLE[: 2 * last]
    assert sealed.frames == last


def test_a_folder_that_cannot_become_a_bag_is_a_store_error_in_a_sentence(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path).made
    (recording.folder / "data/link").symlink_to("/etc/passwd")
    with pytest.raises(StoreError, match=r"\.$"):
        seal(RealDisk(), THIS_BOOT, recording)
    (recording.folder / "data/link").unlink()
    assert seal(RealDisk(), THIS_BOOT, recording).frames == 3_500


def test_a_recording_without_an_end_is_not_sealed(tmp_path: Path) -> None:
    recording = short_meeting(tmp_path, stopped=False).made
    with pytest.raises(StoreError, match="no end in its journal"):
        seal(RealDisk(), THIS_BOOT, recording)


def test_what_never_had_a_whole_frame_is_nothing_to_seal(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 12 * SECOND)
    table.begin(2 * SECOND)
    table.run(2_010 * MS)
    for clock in (THIS_BOOT, ANOTHER_BOOT):
        assert mend(RealDisk(), clock, table.made) == 0
    shutil.rmtree(table.made.folder / "data")
    assert mend(RealDisk(), THIS_BOOT, table.made) == 0
