"""Power cuts, kills and failing syncs, played on the simulated disk (`tests/disks.py`) from the trace of a short meeting.

A meeting is lived once; then what would be found after any of its steps is laid out, a start mends and seals it as the product
does, and the bag that comes of it is compared with what was captured, sample by sample.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import bagit
import soundfile

from appliance.audio.wav import HEADER_BYTES, describe
from appliance.disk import Disk, RealDisk
from appliance.journal import check, of_kind, whole
from appliance.mending import mend
from appliance.sealing import Seal, file_sha256, seal
from appliance.store import Recording, Store
from tests.audio import readers
from tests.audio.simulated_room import MS, SECOND, SHORT, Room, RoomClock, captured_in, vouched_for
from tests.disks import SimulatedDisk, Step, Sync, Write, luck, sound
from tests.survival.table import Table, empty_folder

THIS_BOOT, ANOTHER_BOOT, A_THIRD_BOOT = RoomClock(), RoomClock("another-boot"), RoomClock("a third boot")
THIS_BOOT.now = ANOTHER_BOOT.now = A_THIRD_BOOT.now = 100 * SECOND
WHOLE = captured_in(SHORT)
ALL_FRAMES = len(WHOLE) // 2


class KilledHere(BaseException):
    """The process ends at this step of the disk: what it had handed over before stays, and nothing else happens."""


# ── what was lived ──────────────────────────────────────────────────────────────────────────────────


@dataclass
class Lived:
    """A meeting on a simulated disk, and when each of the disk's steps was. Tests only look at it."""

    room: Room
    folder: tempfile.TemporaryDirectory[str]
    at: list[int] = field(default_factory=list)
    stopped: int = 0
    """How many steps there were before the seal began."""
    sealed: Seal | None = None
    _sure: dict[int, int] = field(default_factory=dict)

    @property
    def disk(self) -> SimulatedDisk:
        return self.room.simulated

    @property
    def instants(self) -> range:
        """From before the first step to behind the last one of the recording."""
        return range(self.stopped + 1)

    @property
    def instants_of_seal(self) -> range:
        return range(self.stopped, len(self.disk.steps) + 1)

    def captured_by(self, instant: int) -> int:
        """Frames that were captured to be stored, when the power went after so many steps."""
        now = self.at[instant] if instant < len(self.at) else self.room.clock.now
        return captured_until(now)

    def vouched_for_at(self, instant: int) -> int:
        """Frames that a durable line of the journal vouches for."""
        if instant not in self._sure:
            with empty_folder() as found:
                self.disk.after_power_cut(instant, found, None)
                recording = only_one(found)
                if recording is None or not recording.journal.exists():
                    return 0
                audio = of_kind(check(recording.journal.read_bytes()).entries, "audio")
                self._sure[instant] = max((whole(entry, "from") + whole(entry, "frames") for entry in audio), default=0)
        return self._sure[instant]

    @property
    def wav(self) -> int:
        """Which of the disk's files is the sound."""
        return next(step.file for step in self.disk.steps if isinstance(step, Write) and len(step.content) == HEADER_BYTES)

    def sound_in(self, instant: int) -> int:
        """Bytes of sound that the recording's next step writes, after so many steps; 0 when it does something else."""
        step = self.disk.steps[instant] if instant < self.stopped else None
        return len(step.content) if isinstance(step, Write) and step.file == self.wav and step.offset else 0

    def written_by(self, instant: int) -> int:
        """Frames whose writes returned within so many steps."""
        return sum(self.sound_in(earlier) for earlier in range(instant)) // 2


def captured_until(now: int) -> int:
    """Frames (milliseconds) that were captured to be stored before a moment of the short meeting."""
    return sum(max(0, min(last, now) - first) for first, last in SHORT) // MS


def a_meeting(folder: Path) -> Room:
    """Short: a mark, a pause, a stop."""
    room = Room(folder)
    room.microphone(0, 12 * SECOND)
    room.begin(2 * SECOND)
    room.mark(3_100 * MS)
    room.pause(4 * SECOND)
    room.resume(4_500 * MS)
    room.stop(6 * SECOND)
    return room


@cache
def meeting() -> Lived:
    """Lived once, and sealed."""
    folder = tempfile.TemporaryDirectory(prefix="recorder-")
    room = a_meeting(Path(folder.name))
    lived = Lived(room, folder)

    def watching(number: int, step: Step) -> None:
        lived.at.append(room.clock.now)

    room.simulated.fault = watching
    room.run(12 * SECOND)
    room.simulated.fault = sound
    lived.stopped = len(lived.disk.steps)
    lived.sealed = seal(lived.disk, THIS_BOOT, room.made)
    return lived


# ── what came of it ─────────────────────────────────────────────────────────────────────────────────


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
    assert recording.levels.read_text() == readers.levels(recording.wav)


def mended_and_sealed(folder: Path, clock: RoomClock, disk: Disk | None = None) -> int:
    """What the next start does; the frames of the bag that comes of it, which must be whole. 0 for nothing to seal."""
    recording = only_one(folder)
    if recording is None:
        return 0
    disk = disk or RealDisk()
    frames = mend(disk, clock, recording)
    if not frames:
        Store(disk, folder).discard(recording)
        assert list(folder.rglob("*.wav")) == []
        return 0
    sealed = seal(disk, clock, recording)
    assert sealed.frames == frames
    is_a_good_bag(recording, sealed)
    events = [entry["event"] for entry in check(recording.journal.read_bytes()).entries]
    assert sealed.interrupted is ("interrupted" in events) is ("stopped" not in events)
    return frames


# ── trials: milliseconds that were lost ─────────────────────────────────────────────────────────────


def cut_while_recording(instant: int, seed: int) -> float:
    lived = meeting()
    with empty_folder() as found:
        lived.disk.after_power_cut(instant, found, luck(seed))
        frames = mended_and_sealed(found, ANOTHER_BOOT)
        assert lived.vouched_for_at(instant) <= frames <= lived.captured_by(instant), f"instant {instant}, seed {seed}"
        return lived.captured_by(instant) - frames


def killed_while_recording(instant: int, reached: int = 0) -> float:
    """`reached`: bytes of the next write, which is one of sound, that got through."""
    lived = meeting()
    with empty_folder() as found:
        lived.disk.after_kill(instant, found, reached)
        frames = mended_and_sealed(found, THIS_BOOT)
        assert frames == lived.written_by(instant) + reached // 2, f"instant {instant}, {reached} bytes of the next"
        return lived.captured_by(instant) - frames


def ended_while_sealing(instant: int, seed: int | None) -> float:
    """By a power cut with this luck; by a kill if it is None."""
    lived = meeting()
    assert lived.sealed is not None
    with empty_folder() as found:
        if seed is None:
            lived.disk.after_kill(instant, found)
        else:
            lived.disk.after_power_cut(instant, found, luck(seed))
        left = only_one(found)
        assert left is not None
        clock = THIS_BOOT if seed is None else ANOTHER_BOOT
        assert mend(RealDisk(), clock, left) == ALL_FRAMES
        again = seal(RealDisk(), clock, left)
        assert (again.sha256, again.frames, again.interrupted) == (lived.sealed.sha256, ALL_FRAMES, False)
        is_a_good_bag(left, again)
    return 0.0


def cut_while_mending(first: int, second: int, seed: int) -> float:
    """Without power after `first` steps of the meeting, and again after some of the mending's, `second` modulo how many it has."""
    lived = meeting()
    with empty_folder() as found, empty_folder() as found_again:
        lived.disk.after_power_cut(first, found, luck(seed))
        recording = only_one(found)
        if recording is None:
            return 0.0
        disk = SimulatedDisk(found)
        for path in sorted(recording.folder.rglob("*.*")):
            disk.close(disk.open(path))  # what a disk does not know it cannot lose
        before = len(disk.steps)
        frames = mended_and_sealed(found, ANOTHER_BOOT, disk) if (seed % 2) else mend(disk, ANOTHER_BOOT, recording)
        instant = before + second % (len(disk.steps) + 1 - before)
        disk.after_power_cut(instant, found_again, luck(seed + second))
        assert mended_and_sealed(found_again, A_THIRD_BOOT) == frames, f"{first}, then {instant}"
        return lived.captured_by(first) - frames


# A disk that fails, and a kernel that calls its pages clean.


@dataclass
class Failing:
    """From step `first` on no sync succeeds; the process ends at step `dies`."""

    room: Room
    first: int
    dies: int
    at: int = 0
    """When the first one failed: from then on the light is off."""

    def __call__(self, number: int, step: Step) -> None:
        if number >= self.dies:
            raise KilledHere
        if number >= self.first and isinstance(step, Sync):
            self.at = self.at or self.room.clock.now
            raise OSError(errno.EIO, "the disk does not sync any more")


def syncs_of_recording() -> list[int]:
    """The steps of the meeting that sync a file, once its beginning is there."""
    lived = meeting()
    begun = next(number for number, _ in enumerate(lived.disk.steps) if lived.written_by(number))
    return [number for number in range(begun, lived.stopped) if isinstance(lived.disk.steps[number], Sync)]


def sync_failed_then_killed(first: int, steps_later: int, seed: int | None) -> float:
    """A sync fails, the process ends soon after it, the next one mends in the same boot; then the power goes.

    What the first process wrote before that sync reads well and is never written by the kernel. `seed`: luck; None: only what
    is sure is found. Sound counts as lost up to the failure: then the room is told that nothing is stored.
    """
    with empty_folder() as folder, empty_folder() as found:
        room = a_meeting(folder)
        room.simulated.fault = failing = Failing(room, first, first + 1 + steps_later)
        with _killed():
            room.run(12 * SECOND)
        room.simulated.fault = sound
        captured = captured_until(failing.at)
        mend(room.simulated, THIS_BOOT, room.made)
        if of_kind(check(room.made.journal.read_bytes()).entries, "interrupted"):
            _journal_is_sure(room)
        frames = mended_and_sealed(folder, THIS_BOOT, room.simulated)
        room.simulated.after_power_cut(len(room.simulated.steps), found, None if seed is None else luck(seed))
        assert mended_and_sealed(found, ANOTHER_BOOT) == frames
        return max(0, captured - frames)


def _journal_is_sure(room: Room) -> None:
    """What was mended is so without the seal, too."""
    with empty_folder() as found:
        room.simulated.after_power_cut(len(room.simulated.steps), found, None)
        left = only_one(found)
        assert left is not None
        checked = check(left.journal.read_bytes())
        assert checked.broken is None
        assert checked.entries[-1]["event"] == "interrupted"


def sync_failed_while_sealing(which: int, seed: int | None) -> float:
    """The `which`th sync of mending and sealing (modulo how many there are) fails; it is done again; then the power goes."""
    with empty_folder() as folder, empty_folder() as found:
        room = a_meeting(folder)
        disk = room.simulated
        room.simulated.fault = Failing(room, 1 << 40, syncs_of_recording()[-1] - (which // 24 % 2) * 30)
        with _killed():
            room.run(12 * SECOND)
        disk.fault = sound
        recording = room.made
        failed = _fails_once(disk, which % 24)
        mended: list[int] = []
        for _ in range(2):
            try:
                mended.append(mend(disk, THIS_BOOT, recording))
                seal(disk, THIS_BOOT, recording)
            except OSError:
                assert failed
        disk.fault = sound
        is_a_good_bag(recording, seal(disk, THIS_BOOT, recording))
        disk.after_power_cut(len(disk.steps), found, None if seed is None else luck(seed))
        assert mended_and_sealed(found, ANOTHER_BOOT) == mended[-1]
        left = only_one(found)
        assert left is not None
        assert left.is_bagged
    return 0.0


def _fails_once(disk: SimulatedDisk, which: int) -> list[int]:
    """The `which`th sync from now on fails; the numbers of those that did."""
    seen: list[int] = []
    failed: list[int] = []

    def fault(number: int, step: Step) -> None:
        if isinstance(step, Sync):
            seen.append(number)
            if len(seen) == which + 1:
                failed.append(number)
                raise OSError(errno.EIO, "one sync fails")

    disk.fault = fault
    return failed


@contextmanager
def _killed() -> Iterator[None]:
    try:
        yield
    except KilledHere:
        return


# ── all of them ─────────────────────────────────────────────────────────────────────────────────────


def try_cuts(table: Table, count: int, seed: int) -> None:
    """About `count` instants, half of them power cuts while recording, the rest shared out."""
    lived = meeting()
    recording, sealing, syncs = lived.instants, lived.instants_of_seal, syncs_of_recording()
    chance = luck(seed)

    def any_luck() -> int:
        return chance.randrange(1 << 30)

    for number in range(count // 2):
        table.take("power cut while recording", cut_while_recording, recording[number % len(recording)], any_luck())
    for number in range(count // 8):
        at = recording[number % len(recording)]
        within = chance.randrange(lived.sound_in(at) + 1)
        table.take("killed while recording, also within a write", killed_while_recording, at, within)
        table.take("power cut while sealing and bagging", ended_while_sealing, sealing[number % len(sealing)], any_luck())
        table.take("power cut while mending after a power cut", cut_while_mending, at, any_luck(), any_luck())
    for number in range(count // 16):
        luckless = None if number % 2 else any_luck()
        sync = syncs[number % len(syncs)]
        table.take("a sync failed, killed, mended, power cut", sync_failed_then_killed, sync, chance.randrange(6), luckless)
        table.take("a sync failed while sealing, power cut", sync_failed_while_sealing, number, luckless)
