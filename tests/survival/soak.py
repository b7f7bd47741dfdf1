"""A meeting of eight hours in simulated time, with faults of all kinds at random moments, and one table at the end.

    python -m tests.survival.soak [--hours 8] [--seed 1]

The recorder's own loop runs between a clock, a microphone and a disk that are played (`tests/audio/simulated_room.py`), so that an hour
takes seconds. The meeting has many parts: each ends in a stop, a kill or a power cut, is mended and sealed as the next start does it,
and names the part before it. Meanwhile the disk refuses and stalls, the microphone goes and comes back, the driver loses sound, somebody
pauses, and the wall clock jumps by years.

Frame f of the microphone says f, so a recording tells what is in it. Checked of each part: the bag and its chain; every sample, that it
is what was captured at that moment of real time, give or take what the journal's gaps say; and that no more is missing than was taken away.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from random import Random

import bagit

from appliance.audio.blocks import Flags
from appliance.disk import RealDisk
from appliance.journal import Entry, check, of_kind, whole
from appliance.mending import mend
from appliance.sealing import seal
from appliance.store import Recording
from tests.audio import readers
from tests.audio.simulated_room import (
    BLOCK,
    MS,
    SECOND,
    SLOW,
    Ears,
    Room,
    RoomClock,
    SteppedRecorder,
    pcm_of,
    vouched_for,
)
from tests.disks import SimulatedDisk, Step, Sync, Write, luck
from tests.survival.cuts import KilledHere, only_one
from tests.survival.table import Table, empty_folder

SLOTS = 100
"""Five seconds in the capture child; its pipe holds some 25 more."""
BEGIN = 2 * SECOND
CALM = 70 * SECOND
"""After its last fault a part goes on for so long: what is lost at its end is then lost by its end."""
UNCERTAIN_MS = 50
BITS = 1 << 15


class Fault(StrEnum):
    """What happens meanwhile."""

    IO_ERROR = "the disk gives EIO for a while"
    NO_SPACE = "the disk is full for a while"
    SLOW_CARD = "the writer stalls for 5 s"
    OVERRUN = "the writer stalls longer than the buffer"
    MICROPHONE = "the microphone is lost and comes back"
    DRIVER = "the driver loses sound"
    CLOCK = "the wall clock jumps"
    PAUSE = "a pause"


class Ending(StrEnum):
    STOP = "stopped"
    KILL = "killed"
    POWER_CUT = "power cut"


class JumpingClock(RoomClock):
    """A wall clock that somebody sets, or that never was right."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta(0)

    def wall(self) -> datetime:
        return super().wall() + self.ahead


@dataclass
class CountingEars(Ears):
    """Counts what it had to drop because its ring was full."""

    dropped: int = 0

    def hear(self, frames: int, flags: Flags = Flags.NONE) -> None:
        self.dropped += frames if len(self.ring) >= self.slots else 0
        super().hear(frames, flags)


class SoakRoom(Room):
    """A room whose clock jumps."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for fd in (self.recorder._wake_read, self.recorder._wake_write):
            os.close(fd)
        self.clock: JumpingClock = JumpingClock()
        self.recorder = SteppedRecorder(self, self.store, 1.0)


@dataclass
class Part:
    """One recording of the meeting, and what was done to it. All moments in ns of the room's clock."""

    room: SoakRoom
    chance: Random
    ends: int
    ending: Ending
    part_of: tuple[str, ...]
    recording_id: str
    faults: list[Fault] = field(default_factory=list)
    gate: list[tuple[int, int]] = field(default_factory=list)
    """When it was open."""
    ears: list[CountingEars] = field(default_factory=list)
    taken_ms: int = 0
    """Sound that the microphone or its driver never gave."""
    gaps: Counter[str] = field(default_factory=Counter)
    """How many gaps its journal tells of, by their cause."""
    _quiet: list[tuple[int, int]] = field(default_factory=list)
    _unplugged: list[tuple[int, int]] = field(default_factory=list)
    _refusing: list[tuple[int, int, int]] = field(default_factory=list)
    _stalls: list[tuple[int, int]] = field(default_factory=list)

    def live(self) -> None:
        self._plan()
        self._plug_microphones()
        self.room.begin(BEGIN, recording_id=self.recording_id, part_of=self.part_of)
        for (_, pause), (resume, _) in zip(self.gate, self.gate[1:], strict=False):
            self.room.pause(pause)
            self.room.resume(resume)
        self.room.simulated.fault = self._disk_fault
        if self.ending is Ending.STOP:
            self.room.stop(self.ends)
        else:
            self.room.when(self.ends + self.chance.randrange(SECOND), _kill)
        with suppress(KilledHere):
            self.room.run(self.ends + 60 * SECOND)
        self.room.simulated.fault = lambda _number, _step: None

    # ── what will happen ──

    def _plan(self) -> None:
        open_from, at = BEGIN, BEGIN + 5 * SECOND
        while (at := at + self.chance.randint(10_000, 60_000) * MS) < self.ends - CALM:
            fault = self.chance.choice(list(Fault))
            self.faults.append(fault)
            lasts = self._will_happen(fault, at)
            if fault is Fault.PAUSE:
                self.gate.append((open_from, at))
                open_from = at + lasts
            at += lasts + (60 * SECOND if fault in {Fault.OVERRUN, Fault.SLOW_CARD} else 5 * SECOND)
        self.gate.append((open_from, self.ends))

    def _will_happen(self, fault: Fault, at: int) -> int:
        """How long it will last, ns."""
        chance = self.chance
        match fault:
            case Fault.IO_ERROR | Fault.NO_SPACE:
                lasts = chance.randint(300, 12_000) * MS
                self._refusing.append((at, at + lasts, errno.EIO if fault is Fault.IO_ERROR else errno.ENOSPC))
            case Fault.SLOW_CARD | Fault.OVERRUN:
                lasts = 5 * SECOND if fault is Fault.SLOW_CARD else chance.randint(40, 90) * SECOND
                self._stalls.append((at, lasts))
            case Fault.MICROPHONE:
                lasts = chance.randint(2_000, 15_000) * MS
                self._unplugged.append((at, at + lasts))
                self.taken_ms += lasts // MS
            case Fault.DRIVER:
                lasts = chance.randint(2, 60) * BLOCK * MS
                at -= at % (BLOCK * MS)
                self._quiet.append((at, at + lasts))
                self.taken_ms += lasts // MS
            case Fault.CLOCK:
                lasts = 0
                jump = timedelta(days=chance.choice((-1, 3_652)), seconds=chance.uniform(-3, 3))
                self.room.when(at, lambda: self._jump(jump))
            case Fault.PAUSE:
                lasts = chance.randint(500, 20_000) * MS
        return lasts

    def _jump(self, by: timedelta) -> None:
        self.room.clock.ahead += by

    def _plug_microphones(self) -> None:
        began = 0
        for gone, back in self._unplugged:
            self._plug_in(began, gone)
            began = back
        self._plug_in(began, self.ends + 60 * SECOND)

    def _plug_in(self, began: int, until: int) -> None:
        ears = CountingEars(self.room, SLOW, began, SLOTS)
        self.ears.append(ears)
        self.room.when(began, ears.plug_in)
        lost = False
        for end in range(began + BLOCK * MS, until + 1, BLOCK * MS):
            quiet = any(first < end <= last for first, last in self._quiet)
            self.room.when(end, _hearing(ears, Flags.OVERFLOW if lost and not quiet else Flags.NONE, quiet=quiet))
            lost = quiet
        if until <= self.ends:
            self.room.when(until, ears.unplug)

    def _disk_fault(self, _number: int, step: Step) -> None:
        now = self.room.clock.now
        if self._stalls and now >= self._stalls[0][0] and isinstance(step, Sync):
            self.room.clock.now += self._stalls.pop(0)[1]
        for first, last, error in self._refusing:
            if first <= now < last and isinstance(step, Sync | Write) and self.chance.random() < 0.8:
                raise OSError(error, "refused for a while")

    # ── what came of it ──

    def sealed(self) -> float:
        """Mend and seal it as the next start does, and check it all; milliseconds that were lost."""
        if self.ending is not Ending.POWER_CUT:
            clock = RoomClock()
            clock.now = self.room.clock.now
            return self._judge(self.room.made, clock, self.room.simulated)
        with empty_folder() as found:
            self.room.simulated.after_power_cut(len(self.room.simulated.steps), found, self.chance)
            recording = only_one(found)
            assert recording is not None, "nothing is left of it"
            return self._judge(recording, RoomClock("the next boot"), RealDisk())

    def _judge(self, recording: Recording, clock: RoomClock, disk: SimulatedDisk | RealDisk) -> float:
        assert mend(disk, clock, recording)
        told = seal(disk, clock, recording)
        bagit.Bag(str(recording.folder)).validate()
        checked = check(recording.journal.read_bytes())
        assert checked.broken is None
        assert told.interrupted is (self.ending is not Ending.STOP)
        assert vouched_for(recording, checked.entries) == told.frames
        assert tuple(of_kind(checked.entries, "started")[0]["part_of"] or ()) == self.part_of  # type: ignore[arg-type]
        self.gaps.update(str(gap["why"]) for gap in of_kind(checked.entries, "gap"))
        missing = sum(whole(gap, "frames") for gap in of_kind(checked.entries, "gap"))
        allowed = self.taken_ms + sum(ears.dropped for ears in self.ears) + (len(self._unplugged) + len(self._quiet)) * 4 * BLOCK
        assert missing <= allowed, f"{missing} ms are called missing, and {allowed} may be"
        self._is_what_was_captured(recording, checked.entries)
        ended = min(self.room.clock.now, self.ends if self.ending is Ending.STOP else 1 << 62)
        self.gate[-1] = (self.gate[-1][0], ended)
        captured = sum(max(0, last - first) for first, last in self.gate) // MS
        return max(0, captured - told.frames)

    def _is_what_was_captured(self, recording: Recording, entries: tuple[Entry, ...]) -> None:
        heard = readers.heard(recording.wav)
        for begin, end, moment_ms in _stretches(entries, len(heard) // 2):
            sound = heard[2 * begin : 2 * end]
            if moment_ms is None:
                assert not any(sound), f"a gap at {begin} is not silent"
                continue
            says = int.from_bytes(sound[:2], "little")
            assert sound == pcm_of(range(says - 1, says - 1 + end - begin)), f"from frame {begin} on it is not in one piece"
            off = min(
                abs((moment_ms - ears.began // MS - (says - 1) + BITS // 2) % BITS - BITS // 2)
                for ears in self.ears
                if ears.began // MS <= moment_ms + UNCERTAIN_MS
            )
            assert off <= UNCERTAIN_MS, f"what stands at frame {begin} was captured {off} ms from there"


def _kill() -> None:
    raise KilledHere


def _hearing(ears: CountingEars, flags: Flags, *, quiet: bool) -> Callable[[], None]:
    return (lambda: ears.miss(BLOCK)) if quiet else (lambda: ears.hear(BLOCK, flags))


def _stretches(entries: tuple[Entry, ...], frames: int) -> Iterator[tuple[int, int, int | None]]:
    """Pieces of the WAV between gaps and pauses: from and to which frame, and the moment (ms) of the first; None for a gap."""
    begin = moment = 0
    for entry in entries:
        at = min(frames, whole(entry, "frame")) if "frame" in entry else 0
        if entry["event"] == "started":
            moment = whole(entry, "mono_us") // 1_000
        elif entry["event"] in {"gap", "paused"}:
            if at > begin:
                yield begin, at, moment
            moment += at - begin
            begin = at
            if entry["event"] == "gap" and (length := min(frames - at, whole(entry, "frames"))):
                yield at, at + length, None
                begin, moment = at + length, moment + length
        elif entry["event"] == "resumed":
            moment = whole(entry, "mono_us") // 1_000
    if frames > begin:
        yield begin, frames, moment


# ── all of it ───────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Soaked:
    """What came of the meeting. `hours` of it were lived, in `parts`; `gaps` by their cause, as the journals tell them."""

    table: Table = field(default_factory=Table)
    parts: int = 0
    hours: float = 0.0
    gaps: Counter[str] = field(default_factory=Counter)


def soak(hours: float, seed: int) -> Soaked:
    """One meeting of so many hours, part after part."""
    chance, came = luck(seed), Soaked()
    earlier: tuple[str, ...] = ()
    while came.hours < hours:
        left = int((hours - came.hours) * 3_600) * SECOND
        ends = BEGIN + min(left + CALM, chance.randint(90, 900) * SECOND)
        recording_id = f"p{came.parts:03}"
        with empty_folder() as folder:
            part = Part(SoakRoom(folder), chance, ends, chance.choice(list(Ending)), earlier, recording_id)
            before = len(came.table.corrupt)
            came.table.take(part.ending.value, _live_and_judge, part)
        wrong = len(came.table.corrupt) > before
        for fault in part.faults:
            came.table.count(fault.value, 0.0, wrong=f"in {recording_id}" if wrong else None)
        came.hours += (ends - BEGIN) / SECOND / 3_600
        came.parts += 1
        came.gaps += part.gaps
        earlier = (recording_id,)
    return came


def _live_and_judge(part: Part) -> float:
    part.live()
    return part.sealed()


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--hours", type=float, default=8.0)
    asked.add_argument("--seed", type=int, default=1)
    given = asked.parse_args()
    logging.disable()
    began = time.monotonic()
    came = soak(given.hours, given.seed)
    for wrong in came.table.corrupt:
        sys.stderr.write(f"{wrong}\n")
    gaps = ", ".join(f"{why} {times}" for why, times in came.gaps.most_common())
    sys.stdout.write(
        f"{came.hours:.1f} h of one meeting in {came.parts} parts, seed {given.seed}, in {time.monotonic() - began:.0f} s\n"
        f"gaps that the journals tell of: {gaps}\n\n{came.table}\n"
    )
    return 0 if came.table.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
