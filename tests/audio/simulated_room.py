"""A room in simulated time: the recorder as it is, at a real pipe, between a clock, a microphone and a disk that tests play.

The recorder's own loop runs in the test's thread. Whenever it waits, the room's clock goes on to what happens next: blocks that
arrive, somebody who presses. An hour takes no time, and everything happens in the same order each time.

Frame f of the microphone is captured at `began + f / rate`, and its sample is f + 1: so a recording tells what is in it.
"""

from __future__ import annotations

import hashlib
import heapq
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.audio.blocks import Flags, Hello, pack_header, pack_hello
from appliance.audio.pcm import PcmFormat
from appliance.audio.recorder import Opening, Recorder, Report
from appliance.disk import Disk
from appliance.journal import Entry, Value, check
from appliance.store import Recording, Store
from appliance.trust import Trust
from tests.audio import readers
from tests.disks import Fault, SimulatedDisk, Step, Torn

MS = 1_000_000
SECOND = 1_000 * MS
SLOW = PcmFormat(1_000, 16, 1)
"""A millisecond a frame: every moment in a test is exact, and a minute is small."""
AT = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
BLOCK = 50


class RoomClock:
    """Goes on only when the room lets it."""

    def __init__(self, boot: str = "this-boot") -> None:
        self.now = 0
        self._boot = boot

    def monotonic_ns(self) -> int:
        return self.now

    def wall(self) -> datetime:
        return AT + timedelta(microseconds=self.now // 1000)

    def boot(self) -> str:
        return self._boot

    def trust(self) -> Trust:
        return Trust.NTP


def pcm_of(frames: Iterable[int], audio_format: PcmFormat = SLOW) -> bytes:
    size, most = audio_format.bits // 8, 1 << (audio_format.bits - 1)
    return b"".join(((frame + 1) % most).to_bytes(size, "little") * audio_format.channels for frame in frames)


@dataclass
class Ears:
    """A capture child: what it heard waits in its ring until the pipe takes it; what finds no room there is dropped."""

    room: Room
    format: PcmFormat
    began: int
    slots: int = 600
    own_clock: bool = False
    ppm: int = 0
    """By how much its crystal is faster than the clock."""
    dead: range = range(0)
    """Frames that all have one and the same value."""
    frame: int = 0
    sent: int = 0
    ring: deque[bytes] = field(default_factory=deque)
    to: int = -1
    orders: int = -1
    flags: Flags = Flags.NONE

    def plug_in(self) -> None:
        theirs, self.to = os.pipe()
        self.orders, ours = os.pipe()
        os.set_blocking(self.to, False)
        os.set_blocking(self.orders, False)
        os.set_blocking(ours, False)
        self.ring.append(pack_hello(Hello(self.format, self.own_clock, "simulated")))
        self.room.ears.append(self)
        self.room.recorder.listen(theirs, ours)
        self.pump()

    def at(self, frame: int) -> int:
        return self.began + frame * SECOND * 1_000_000 // (self.format.rate * (1_000_000 + self.ppm))

    def hear(self, frames: int, flags: Flags = Flags.NONE) -> None:
        """The next frames, now."""
        self.flags |= flags
        block = pack_header(self.frame, self.at(self.sent), frames, self.flags)
        if len(self.ring) < self.slots:
            heard = range(self.sent, self.sent + frames)
            told = [6 if frame in self.dead else frame for frame in heard] if self.dead else heard
            self.ring.append(block + pcm_of(told, self.format))
            self.flags = Flags.NONE
        self.frame += frames
        self.sent += frames
        self.pump()

    def miss(self, frames: int) -> None:
        """Frames that the driver loses without a number."""
        self.sent += frames

    def pump(self) -> None:
        while self.ring and self.to >= 0:
            try:
                written = os.write(self.to, self.ring[0])
            except (BlockingIOError, BrokenPipeError):
                return
            if written < len(self.ring[0]):
                self.ring[0] = self.ring[0][written:]
            else:
                self.ring.popleft()

    def unplug(self) -> None:
        """The child ends; what is in the pipe can still be read."""
        if self.to >= 0:
            os.close(self.to)
            os.close(self.orders)
            self.to = self.orders = -1


class SteppedRecorder(Recorder):
    """The recorder's own loop; only its waiting is the room's."""

    def __init__(self, room: Room, store: Store, sync_seconds: float) -> None:
        super().__init__(store, room.clock, room.told, sync_seconds=sync_seconds)
        self._room = room

    def _look(self, patience_ms: int) -> set[int]:
        until = self._room.clock.now + patience_ms * MS
        while True:
            self._room.let_happen()
            readable = super()._look(0)
            if readable or self._room.clock.now >= until:
                return readable
            self._room.clock.now = min(until, self._room.next_event(until))


@dataclass(frozen=True)
class Told:
    """A report, when it was made, and how many steps the disk had done."""

    at: int
    steps: int
    report: Report


class Room:
    """`disk` must lie in `folder`. Everything is asked for beforehand; `run` then lets it happen."""

    def __init__(
        self, folder: Path, *, audio_format: PcmFormat = SLOW, disk: Disk | None = None, sync_seconds: float = 1.0
    ) -> None:
        self.folder = folder
        self.format = audio_format
        self.clock = RoomClock()
        self.disk = SimulatedDisk(folder) if disk is None else disk
        self.store = Store(self.disk, folder)
        self.reports: list[Told] = []
        self.ears: list[Ears] = []
        self._events: list[tuple[int, int, Callable[[], object]]] = []
        self._count = 0
        self.recorder = SteppedRecorder(self, self.store, sync_seconds)
        self.recording: Future[Recording] | None = None
        self.done: list[Future[int]] = []

    # ── what happens in it ──

    def when(self, at: int, event: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, event))

    def microphone(
        self,
        began: int = 0,
        until: int = 60 * SECOND,
        *,
        blocks: Sequence[int] = (BLOCK,),
        late: Sequence[int] = (0,),
        slots: int = 600,
        ppm: int = 0,
    ) -> Ears:
        """Plugged in at `began`, it hears blocks of these sizes in turn, each so late (ns) by turns, up to `until`."""
        ears = Ears(self, self.format, began, slots, ppm=ppm)
        self.when(began, ears.plug_in)
        frame = number = 0
        arrives = began
        while ears.at(frame + blocks[number % len(blocks)]) <= until:
            size = blocks[number % len(blocks)]
            frame += size
            arrives = max(arrives, ears.at(frame) + late[number % len(late)])
            self.when(arrives, lambda size=size: ears.hear(size))  # type: ignore[misc]
            number += 1
        return ears

    def begin(self, at: int, heard_after: int = 0, *, recording_id: str = "k7qm", part_of: Sequence[str] = ()) -> None:
        said: tuple[tuple[str, dict[str, Value]], ...] = (("announced", {"mono_us": 0}),)
        started: dict[str, Value] = {"id": recording_id, "part_of": list(part_of)}
        opening = Opening(recording_id, self.clock.wall(), b"Wij nemen dit gesprek op.\n", said, started)

        def press() -> None:
            self.recording = self.recorder.begin(opening, at)

        self.when(at + heard_after, press)

    def pause(self, at: int, heard_after: int = 0) -> None:
        self.when(at + heard_after, lambda: self.done.append(self.recorder.store_until(at, "paused", {})))

    def resume(self, at: int, heard_after: int = 0) -> None:
        self.when(at + heard_after, lambda: self.done.append(self.recorder.store_from(at, "resumed", {})))

    def stop(self, at: int, heard_after: int = 0) -> None:
        self.when(at + heard_after, lambda: self.done.append(self.recorder.finish(at, "stopped", {"by": "client"})))

    def mark(self, at: int) -> None:
        self.when(at, lambda: self.done.append(self.recorder.line("mark", at, {"party": "client"})))

    def run(self, until: int = 60 * SECOND) -> None:
        """Let it all happen, in this thread; afterwards the recorder is over. Its faults are the test's."""
        self.when(until, lambda: self.recorder._order(self.recorder._end))
        try:
            self.recorder._work()
        finally:
            for ears in self.ears:
                ears.unplug()
            for fd in (self.recorder._wake_read, self.recorder._wake_write):
                os.close(fd)

    def told(self, report: Report) -> None:
        steps = len(self.disk.steps) if isinstance(self.disk, SimulatedDisk) else 0
        self.reports.append(Told(self.clock.now, steps, report))

    def let_happen(self) -> None:
        while self._events and self._events[0][0] <= self.clock.now:
            heapq.heappop(self._events)[2]()
        for ears in self.ears:
            ears.pump()

    def next_event(self, until: int) -> int:
        return self._events[0][0] if self._events else until

    # ── what came of it ──

    @property
    def simulated(self) -> SimulatedDisk:
        assert isinstance(self.disk, SimulatedDisk)
        return self.disk

    @property
    def made(self) -> Recording:
        assert self.recording is not None
        return self.recording.result(0)

    def heard(self) -> bytes:
        """The recording's samples, by soundfile."""
        return readers.heard(self.made.wav)

    def journal(self) -> list[Entry]:
        return whole_journal(self.made)

    def lines(self, event: str) -> list[Entry]:
        return [entry for entry in self.journal() if entry["event"] == event]

    def reported(self, kind: type[Report]) -> list[Report]:
        return [told.report for told in self.reports if isinstance(told.report, kind)]


def whole_journal(recording: Recording) -> list[Entry]:
    """Its journal, which must hold from the first line to the last, and whose every stretch must be in the WAV, end to end."""
    checked = check(recording.journal.read_bytes())
    assert checked.broken is None, checked.broken
    assert vouched_for(recording, checked.entries) == readers.frames_heard(recording.wav)
    return list(checked.entries)


def vouched_for(recording: Recording, entries: Iterable[Entry]) -> int:
    """How many frames the journal vouches for; every digest must fit what the WAV holds."""
    end = 0
    for entry in entries:
        if entry["event"] == "audio":
            begin, frames = int(str(entry["from"])), int(str(entry["frames"]))
            assert begin == end
            assert hashlib.sha256(readers.heard(recording.wav, begin, frames)).hexdigest() == entry["sha256"]
            end += frames
    return end


SHORT = ((2 * SECOND, 4 * SECOND), (4_500 * MS, 6 * SECOND))
"""When the gate is open in a short meeting."""


def short_meeting(folder: Path, fault: Fault | None = None, *, stopped: bool = True) -> Room:
    """With a mark, a pause, and a stop if it comes to that."""
    table = Room(folder)
    table.microphone(0, 12 * SECOND)
    table.begin(2 * SECOND)
    table.mark(3_100 * MS)
    table.pause(4 * SECOND)
    table.resume(4_500 * MS)
    if stopped:
        table.stop(6 * SECOND)
    if fault is not None:
        table.simulated.fault = fault
    table.run((12 if stopped else 6) * SECOND)
    return table


def captured_in(intervals: Iterable[tuple[int, int]], began: int = 0, audio_format: PcmFormat = SLOW) -> bytes:
    """What was captured from each first moment on, and before each second one."""
    return b"".join(pcm_of(frames_in(first, last, began, audio_format), audio_format) for first, last in intervals)


def frames_in(first: int, last: int, began: int = 0, audio_format: PcmFormat = SLOW) -> range:
    def up(at: int) -> int:
        return max(0, -(-(at - began) * audio_format.rate // SECOND))

    return range(up(first), up(last))


def stalling(room: Room, at: int, for_ns: int, kind: type[Step]) -> Callable[[int, Step], Torn | None]:
    """A disk whose first step of a kind after a moment takes its time, as a slow card does."""
    stalled: list[int] = []

    def fault(number: int, step: Step) -> Torn | None:
        if not stalled and isinstance(step, kind) and room.clock.now >= at:
            stalled.append(number)
            room.clock.now += for_ns
        return None

    return fault


def silence(frames: int, audio_format: PcmFormat = SLOW) -> bytes:
    return bytes(frames * audio_format.frame_bytes)
