"""The writer: a thread of its own that takes blocks from the capture child and stores those that the meeting asked for.

The theory. **Stored is what was captured** while the gate was open, to the frame, whatever the latency (`gate.py`). So:

    storing (what the light shows) begins   when the file is durable and the gate open: what is said now will be on the disk
                                   ends     when the last frame that was captured before the switch is on the disk

Apart from pauses the WAV keeps real time: what is missing is filled with silence of its length and written into the journal
(`missing.py`). What a disk refuses is kept and written again (`keeping.py`).

Nothing else writes to a recording while it is open. asyncio never waits for this thread; it gets futures.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace

from appliance.audio.blocks import Block, BlockError, BlockReader, Flags
from appliance.audio.gate import HOLD_BACK_NS, Gate, Switch, promise
from appliance.audio.keeping import Keeping, TriedAgain
from appliance.audio.level import Meter, Pulse
from appliance.audio.levels import LevelsFile
from appliance.audio.missing import ns
from appliance.audio.opening import Opening, make
from appliance.audio.pcm import PcmFormat
from appliance.audio.reports import (
    Died,
    DiskIs,
    Durable,
    GapFilled,
    HearingIs,
    LevelIs,
    Report,
    SoundIs,
    SourceEnded,
    StoringIs,
)
from appliance.clock import Clock, stamp
from appliance.journal import Value
from appliance.store import Recording, Store

__all__ = [
    "Died",
    "DiskIs",
    "Durable",
    "GapFilled",
    "HearingIs",
    "LevelIs",
    "Opening",
    "Recorder",
    "Report",
    "SoundIs",
    "SourceEnded",
    "StoringIs",
]

QUIET_NS, LONGEST_QUIET_NS = 1_500_000_000, 2_000_000_000
"""No block for so long, and the microphone counts as lost: within 2 s of the last sound. Longer where the driver's buffer is longer
than that, and may bear so long a stall. What this thread spends elsewhere, on a slow disk, does not count."""
LONGEST_WAIT_NS, LONGEST_WAIT_LISTENING_NS = 10_000_000_000, 250_000_000
LEVEL_EVERY_NS = 160_000_000
"""With the next block; five times a second or so."""
PIPE_BYTES = 1 << 20
READ_BYTES = 1 << 17
"""At once, into the same place each time. What waits behind that is read in the next turn."""

log = logging.getLogger(__name__)


class Recorder(threading.Thread):
    """`report` is called in this thread for everything that happens; it must return at once.

    The methods may be called from any thread. Each gives a future of the number of frames stored so far, done when what was
    asked is on the disk; it carries OSError when the disk refused it for good.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        report: Callable[[Report], None],
        *,
        sync_seconds: float = 1.0,
        latency_seconds: float = 0.4,
    ) -> None:
        super().__init__(name="recorder", daemon=True)
        self._store = store
        self._clock = clock
        self._report = report
        self._keeping = Keeping(clock, report, sync_seconds)
        self._gate = Gate(self._keeping, clock, latency_seconds, self._tell_source)
        self._orders: deque[Callable[[], None]] = deque()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._polled: int | None = None
        self._looked_at = 0
        self._over = False
        self._microphone: tuple[int, int] | None = None  # the child's output, and its input
        self._reader = BlockReader()
        self._content = bytearray(READ_BYTES)
        self._meter = Meter()
        self._pulse = Pulse()
        self._dead = False
        self._heard_at = self._level_at = 0
        self._quiet_ns = min(max(QUIET_NS, int(latency_seconds * 9e8)), LONGEST_QUIET_NS)

    # ── asked by the service, in any thread ──

    def listen(self, output_fd: int, input_fd: int) -> None:
        """Take blocks from a new capture child. The descriptors are the recorder's from here on."""
        self._order(lambda: self._listen(output_fd, input_fd))

    def stop_listening(self) -> None:
        self._order(self._let_go)

    def begin(self, opening: Opening, at: int) -> Future[Recording]:
        """Make the recording, durably, and open the gate from `at` on. OSError: there is no recording."""
        done = promise(Recording)
        self._order(lambda: self._begin(opening, at, done))
        return done

    def store_from(self, at: int, event: str, fields: Mapping[str, Value]) -> Future[int]:
        return self._switch(Switch(at, opens=True, event=event, fields=fields))

    def store_until(self, at: int, event: str, fields: Mapping[str, Value]) -> Future[int]:
        return self._switch(Switch(at, opens=False, event=event, fields=fields))

    def finish(self, at: int, event: str, fields: Mapping[str, Value]) -> Future[int]:
        """Close the gate at `at`, write the last line, sync, and close the files."""
        return self._switch(Switch(at, opens=False, event=event, fields=fields, ends=True))

    def line(self, event: str, at: int, fields: Mapping[str, Value]) -> Future[int]:
        """A journal line about a moment; while storing it gets the frame that was captured then."""
        done = promise(int)
        self._order(lambda: self._line(event, at, fields, done))
        return done

    def end(self) -> None:
        """Stop the thread; what is open is synced and closed, and the next start-up finds it."""
        self._order(self._end)
        self.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _switch(self, switch: Switch) -> Future[int]:
        self._order(lambda: self._ask(switch))
        return switch.done

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        if self._over:
            self._obey()  # the thread no longer does; what is asked of an ended recorder is refused
            return
        try:
            os.write(self._wake_write, b"!")
        except BlockingIOError:
            return  # the pipe is full of wake-ups: it is awake

    def _obey(self) -> None:
        while self._orders:
            try:
                order = self._orders.popleft()
            except IndexError:  # another thread was quicker
                return
            order()

    # ── the thread ──

    def run(self) -> None:
        try:
            self._work()
        except Exception:
            log.exception("the recorder failed")
            self._over = True
            self._report(Died())
        self._refuse_the_rest()

    def _work(self) -> None:
        while not self._over:
            if self._keeping.must_wait:
                self._heard_at = self._clock.monotonic_ns()
            else:
                now = self._clock.monotonic_ns()
                self._heard_at = min(now, self._heard_at + now - self._looked_at)
            readable = self._look(self._patience_ms())
            self._looked_at = self._clock.monotonic_ns()
            if self._wake_read in readable:
                os.read(self._wake_read, 4096)
            if self._microphone and self._microphone[0] in readable:
                self._take_blocks(self._microphone[0])
            self._obey()
            self._watch()

    def _look(self, patience_ms: int) -> set[int]:
        """Wait until there is something to read, or nothing came for so long."""
        wanted = self._microphone[0] if self._microphone and not self._keeping.must_wait else None
        if wanted != self._polled:
            if self._polled is not None:
                self._poll.unregister(self._polled)
            if wanted is not None:
                self._poll.register(wanted, select.POLLIN)
            self._polled = wanted
        return {fd for fd, _ in self._poll.poll(patience_ms)}

    def _refuse_the_rest(self) -> None:
        """The thread is over, and nobody shall wait for it."""
        self._gate.refuse_all()
        self._obey()

    def _patience_ms(self) -> int:
        if self._keeping.is_failing:
            return 100
        if self._gate.is_asked:
            return 50
        due_ns = LONGEST_WAIT_NS if self._microphone is None else LONGEST_WAIT_LISTENING_NS
        if self._gate.hearing and not self._gate.own_clock:
            due_ns = min(due_ns, self._quiet_ns - (self._looked_at - self._heard_at))
        if (sync_at := self._keeping.sync_due_at) is not None:
            due_ns = min(due_ns, sync_at - self._clock.monotonic_ns())
        return max(1, due_ns // 1_000_000 + 1)

    def _watch(self) -> None:
        """What is due by the clock."""
        now = self._clock.monotonic_ns()
        self._gate.drain(now - HOLD_BACK_NS)
        quiet_ns = self._looked_at - self._heard_at
        if self._gate.hearing and not self._keeping.must_wait and quiet_ns > self._quiet_ns and not self._gate.own_clock:
            self._lost()
        match self._keeping.try_again(now):
            case TriedAgain.WELL:
                self._gate.settle()
                self._gate.tell_storing()
            case TriedAgain.GIVEN_UP:
                self._gate.give_up()
        self._gate.watch(now, quiet_ns)
        self._keeping.sync_if_due(now)

    # ── blocks ──

    def _take_blocks(self, fd: int) -> None:
        try:
            count = os.readv(fd, (self._content,))
            if not count:
                self._child_ended()
                return
            for block in self._reader.feed(memoryview(self._content)[:count]):
                self._take(block)
        except (BlockError, OSError):
            self._let_go()
            self._lost()
            return
        if self._gate.own_clock and not self._gate.hearing:
            self._hear()

    def _take(self, block: Block) -> None:
        if block.flags and block.flags & (Flags.END | Flags.HALTED):
            self._end_of_own_clock(block.flags)
            return
        hello = self._reader.hello
        if hello is None:
            raise BlockError("a block before the hello")
        now = self._heard_at = self._clock.monotonic_ns()
        tally = self._meter.add(hello.format, block.pcm)
        self._feel_the_pulse(hello.format, block)
        if not self._gate.hearing:
            self._level_at = now
            self._hear()
        if now - self._level_at >= LEVEL_EVERY_NS:
            self._level_at = now
            level = self._meter.take()
            self._report(LevelIs(replace(level, hint=None) if self._gate.own_clock else level))
        self._gate.take(hello.format, block, tally)

    def _feel_the_pulse(self, audio_format: PcmFormat, block: Block) -> None:
        self._pulse.add(audio_format, block.pcm)
        # once dead it stays so until something moves: another child for the same dead wire says nothing new
        still = self._dead and self._pulse.still_frames > 0
        dead = (still or self._pulse.is_dead(audio_format)) and not self._gate.own_clock
        if dead is self._dead:
            return
        self._dead = dead
        self._report(SoundIs(not dead))
        if self._gate.is_open:
            since = self._pulse.still_frames - block.frames if dead else 0
            self._tell_pulse(block.captured_ns - ns(since, audio_format))

    def _tell_pulse(self, at: int) -> None:
        """A line in the journal: from that moment on, or from where it was opened, the microphone is dead, or alive again."""
        audio = self._keeping.audio
        if audio is not None:
            frame = self._gate.frame_at(max(at, self._gate.open_from))
            audio.line("silent" if self._dead else "sound-again", {"frame": frame, **self._now()})

    def _end_of_own_clock(self, flags: Flags) -> None:
        """All that the source gave was taken in before this mark came."""
        if not self._gate.halted() and flags & Flags.END and self._gate.is_open:
            self._report(SourceEnded())

    def _hear(self) -> None:
        self._report(HearingIs(self._reader.hello))
        self._gate.hear()

    # ── the microphone ──

    def _listen(self, output_fd: int, input_fd: int) -> None:
        self._let_go()
        if self._over:
            os.close(output_fd)
            os.close(input_fd)
            return
        self._microphone = (output_fd, input_fd)
        self._reader = BlockReader()
        self._pulse = Pulse()
        self._meter = Meter()
        self._level_at = 0
        self._gate.listen(self._reader)

    def _let_go(self) -> None:
        """The child ends when its input is closed."""
        self._gate.let_go()
        if self._microphone is not None:
            for fd in self._microphone:
                os.close(fd)
        self._microphone = None

    def _child_ended(self) -> None:
        ended = self._microphone
        self._obey()  # a child that we were told to let go, or to exchange for another, is not one that was lost
        if self._microphone is ended:
            self._let_go()
            self._lost()

    def _lost(self) -> None:
        self._gate.lost()
        self._report(HearingIs(None))

    def _tell_source(self, order: bytes) -> None:
        if self._microphone is not None:
            try:
                os.write(self._microphone[1], order)
            except OSError:
                self._lost()

    # ── what was asked ──

    def _ask(self, switch: Switch) -> None:
        if self._over:
            switch.done.set_exception(OSError("no recording is open"))
            return
        if switch.opens:
            self._meter.be_patient_anew()
        self._gate.ask(switch)
        if switch.opens and self._gate.is_open and self._dead:
            self._tell_pulse(switch.at)

    def _begin(self, opening: Opening, at: int, done: Future[Recording]) -> None:
        hello = self._reader.hello
        if hello is None or self._over:
            done.set_exception(OSError("no microphone is open"))
            return
        try:
            recording, audio = make(self._store, self._clock, opening, hello, at)
        except OSError as error:
            done.set_exception(error)
            return
        self._keeping.begin(audio, LevelsFile.create(self._store.disk, recording.levels, hello.format))
        self._ask(Switch(at, opens=True, event=None, fields={}))
        done.set_result(recording)

    def _line(self, event: str, at: int, fields: Mapping[str, Value], done: Future[int]) -> None:
        audio = self._keeping.audio
        if audio is None or self._over:
            done.set_exception(OSError("no recording is open"))
            return
        audio.line(event, {"frame": self._gate.frame_at(at), **stamp(self._clock, at), **fields})
        self._keeping.sync()
        if self._keeping.is_failing:
            done.set_exception(OSError("the disk does not take the journal at the moment; the line goes along with the next"))
        else:
            done.set_result(audio.frames)

    def _end(self) -> None:
        self._let_go()
        self._keeping.sync()
        self._keeping.close()
        self._over = True

    def _now(self) -> dict[str, Value]:
        return stamp(self._clock, self._clock.monotonic_ns())
