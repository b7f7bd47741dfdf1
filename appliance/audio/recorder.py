"""The writer: a thread of its own that takes blocks from the capture child and stores those that the meeting asked for.

The theory. **Stored is what was captured** while the gate was open, to the frame, whatever the latency. Opening and closing the
gate are *switches*, each with the monotonic moment at which somebody pressed; a block that straddles a switch is cut at the frame
that was captured at that moment. A switch that closes is carried out when everything captured before it has arrived, or when it
will not come any more. So:

    storing (what the light shows) begins   when the file is durable and the gate open: what is said now will be on the disk
                                   ends     when the last frame that was captured before the switch is on the disk

A press takes a moment to arrive here. So a live block waits `HOLD_BACK_NS` in memory before it is stored or dropped, whichever
the gate then says: neither the first word after a press nor the last one before it depends on how busy the service is.

A source with its own clock is told `go` and `halt` instead: what it gives in between is what was captured.

**Gaps.** Apart from pauses the WAV keeps real time. What is missing is filled with silence of its length and written into the
journal: frames that the child had to drop are known exactly, by number; frames lost in the driver, or while a microphone was
away, are measured by the clock, give or take `CLOCK_UNCERTAINTY_NS`.

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
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, TypeVar

from appliance.audio.binding import BoundAudio
from appliance.audio.blocks import Block, BlockError, BlockReader, Flags, Hello
from appliance.audio.level import Level, Meter, Pulse
from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import Origination, WavWriter
from appliance.clock import Clock, stamp
from appliance.disk import Disk, write_whole
from appliance.journal import Value
from appliance.store import JournalFile, Recording, Store

HOLD_BACK_NS = 150_000_000
CLOCK_UNCERTAINTY_NS = 50_000_000
SMALLEST_GAP_NS = 100_000_000
LATE_NS = 2_500_000_000
"""A closing switch waits for what was captured before it until no block has come for this much longer than the latency."""
QUIET_NS = 2_000_000_000
"""No block for so long, and the microphone counts as lost. What this thread spends elsewhere, on a slow disk, does not count."""
SYNC_AHEAD_NS = 100_000_000
"""A sync begins this much sooner than the first frame that is not on the disk was captured an interval ago."""
LEVEL_EVERY_NS = 200_000_000
SILENCE_SECONDS = 0.5
PIPE_BYTES = 1 << 20
AGAIN_AFTER_NS = 500_000_000
GIVE_UP_AFTER_NS = 20_000_000_000
"""A disk that fails this long is told to the meeting, which ends the recording; the child's ring holds longer than that."""

log = logging.getLogger(__name__)

Result = TypeVar("Result")


# ── what it reports ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class StoringIs:
    on: bool


@dataclass(frozen=True, slots=True)
class Durable:
    """So many frames and bytes of the WAV are on the disk."""

    frames: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class LevelIs:
    level: Level


@dataclass(frozen=True, slots=True)
class SoundIs:
    """False when a microphone gives one and the same value for seconds: it is there, and dead."""

    alive: bool


@dataclass(frozen=True, slots=True)
class HearingIs:
    """`hello` when blocks arrive; None when they no longer do."""

    hello: Hello | None


@dataclass(frozen=True, slots=True)
class GapFilled:
    frame: int
    frames: int
    uncertainty_ns: int
    why: str


@dataclass(frozen=True, slots=True)
class SourceEnded:
    pass


@dataclass(frozen=True, slots=True)
class DiskIs:
    """False when the disk refuses what is stored, and `given_up` when it has refused for too long."""

    well: bool
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Died:
    """This thread came upon something it does not know. What is on the disk is as safe as after a kill."""


Report: TypeAlias = StoringIs | Durable | LevelIs | SoundIs | HearingIs | GapFilled | SourceEnded | DiskIs | Died


# ── what it is asked ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Opening:
    """What a recording starts with. `lines`: the journal's lines of the meeting so far, then `started` is written."""

    id: str
    began: datetime | None
    """Local time, for the folder's name and bext; None when no clock can be trusted."""
    agreement: bytes
    lines: tuple[tuple[str, Mapping[str, Value]], ...]
    started: Mapping[str, Value]


@dataclass(slots=True)
class Switch:
    """Open or close the gate for what is captured from `at` on; `event` is the journal's line at that frame."""

    at: int
    opens: bool
    event: str | None
    fields: Mapping[str, Value]
    ends: bool = False
    done: Future[int] = field(default_factory=lambda: _promise(int))


@dataclass(slots=True)
class _HeldBlock:
    block: Block
    ends_ns: int


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
        self._disk: Disk = store.disk
        self._clock = clock
        self._report = report
        self._sync_ns = max(int(sync_seconds * 1e9) - SYNC_AHEAD_NS, int(sync_seconds * 5e8))
        self._late_ns = LATE_NS + int(latency_seconds * 1e9)
        self._orders: deque[Callable[[], None]] = deque()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._polled: int | None = None
        self._looked_at = 0
        self._over = False
        self._microphone: tuple[int, int] | None = None  # the child's output, and its input
        self._reader = BlockReader()
        self._meter = Meter()
        self._pulse = Pulse()
        self._dead = False
        self._heard_at = self._level_at = self._synced_at = self._durable_to = 0
        self._hearing = False
        self._audio: BoundAudio | None = None
        self._open = False
        self._open_from = 0
        self._switches: deque[Switch] = deque()
        self._unsettled: deque[Switch] = deque()  # carried out, and not known to be on the disk yet
        self._held: deque[_HeldBlock] = deque()
        self._next_frame: int | None = None
        self._expected_ns: int | None = None
        self._why_missing = "microphone"
        self._failing_since: int | None = None
        self._again_at = 0
        self._given_up = False
        self._storing = False
        self._halting = False

    # ── asked by the service, in any thread ──

    def listen(self, output_fd: int, input_fd: int) -> None:
        """Take blocks from a new capture child. The descriptors are the recorder's from here on."""
        self._order(lambda: self._listen(output_fd, input_fd))

    def stop_listening(self) -> None:
        self._order(self._let_go)

    def begin(self, opening: Opening, at: int) -> Future[Recording]:
        """Make the recording, durably, and open the gate from `at` on. OSError: there is no recording."""
        done = _promise(Recording)
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
        done = _promise(int)
        self._order(lambda: self._line(event, at, fields, done))
        return done

    def end(self) -> None:
        """Stop the thread; what is open is synced and closed, and the next start-up finds it."""
        self._order(self._end)
        self.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _switch(self, switch: Switch) -> Future[int]:
        self._order(lambda: self._set(switch))
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
            if self._must_wait:
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
        wanted = self._microphone[0] if self._microphone and not self._must_wait else None
        if wanted != self._polled:
            if self._polled is not None:
                self._poll.unregister(self._polled)
            if wanted is not None:
                self._poll.register(wanted, select.POLLIN)
            self._polled = wanted
        return {fd for fd, _ in self._poll.poll(patience_ms)}

    def _refuse_the_rest(self) -> None:
        """The thread is over, and nobody shall wait for it."""
        refused = (*self._unsettled, *self._switches)
        self._unsettled.clear()
        self._switches.clear()
        for switch in refused:
            switch.done.set_exception(OSError("the recorder has ended"))
        self._obey()

    @property
    def _must_wait(self) -> bool:
        """Nothing more is taken in while the disk refuses: the child's ring is the place to wait."""
        return self._failing_since is not None and not self._given_up

    def _patience_ms(self) -> int:
        if self._failing_since is not None:
            return 100
        if self._switches:
            return 50
        return 250 if self._audio is not None or self._microphone is not None else 10_000

    def _watch(self) -> None:
        """What is due by the clock."""
        now = self._clock.monotonic_ns()
        self._drain(now - HOLD_BACK_NS)
        if self._hearing and not self._must_wait and self._quiet_ns > QUIET_NS and not self._has_own_clock:
            self._lost()
        if self._failing_since is not None:
            self._try_again(now)
        while self._switches and self._is_overdue(self._switches[0], now):
            self._next_switch()
        if self._audio is not None and self._audio.has_unsynced and self._is_sync_due(now):
            self._sync()

    def _is_sync_due(self, now: int) -> bool:
        """By the age of the first frame that is not on the disk; sound that comes late is no reason to sync all the time."""
        return now - self._durable_to >= self._sync_ns and now - self._synced_at >= self._sync_ns // 2

    @property
    def _quiet_ns(self) -> int:
        """For how long this thread has looked for sound in vain."""
        return self._looked_at - self._heard_at

    def _is_overdue(self, switch: Switch, now: int) -> bool:
        if self._must_wait:
            return False
        if switch.opens or not self._open:
            return True
        nothing_comes = self._microphone is None or not self._hearing
        return nothing_comes or (now - switch.at > self._late_ns and self._quiet_ns > self._late_ns)

    # ── blocks ──

    @property
    def _has_own_clock(self) -> bool:
        return self._reader.hello is not None and self._reader.hello.own_clock

    def _take_blocks(self, fd: int) -> None:
        try:
            content = os.read(fd, PIPE_BYTES)
            if not content:
                self._child_ended()
                return
            for block in self._reader.feed(content):
                self._take(block)
        except (BlockError, OSError):
            self._let_go()
            self._lost()
            return
        if self._has_own_clock and not self._hearing:
            self._hear()

    def _feel_the_pulse(self, audio_format: PcmFormat, block: Block) -> None:
        self._pulse.add(audio_format, block.pcm)
        dead = self._pulse.is_dead(audio_format) and not self._has_own_clock
        if dead is self._dead:
            return
        self._dead = dead
        self._report(SoundIs(not dead))
        if self._audio is not None and self._open:
            since = self._pulse.still_frames if dead else 0
            self._audio.line("silent" if dead else "sound-again", {"frame": max(0, self._audio.frames - since), **self._now()})

    def _child_ended(self) -> None:
        ended = self._microphone
        self._obey()  # a child that we were told to let go, or to exchange for another, is not one that was lost
        if self._microphone is ended:
            self._let_go()
            self._lost()

    def _hear(self) -> None:
        self._hearing = True
        self._report(HearingIs(self._reader.hello))
        if self._open:
            self._set_storing(on=True)

    def _take(self, block: Block) -> None:
        if block.flags & (Flags.END | Flags.HALTED):
            self._end_of_own_clock(block.flags)
            return
        hello = self._reader.hello
        if hello is None:
            raise BlockError("a block before the hello")
        now = self._heard_at = self._clock.monotonic_ns()
        self._meter.add(hello.format, block.pcm)
        self._feel_the_pulse(hello.format, block)
        if not self._hearing:
            self._level_at = now
            self._hear()
        if now - self._level_at >= LEVEL_EVERY_NS:
            self._level_at = now
            self._report(LevelIs(self._meter.take()))
        if self._has_own_clock:
            if self._open:
                self._keep(hello.format, block, 0, block.frames)
        else:
            copy = Block(block.frame, block.captured_ns, block.frames, block.flags, memoryview(bytes(block.pcm)))
            self._held.append(_HeldBlock(copy, copy.captured_ns + _ns(copy.frames, hello.format)))

    def _drain(self, until_ns: int | None) -> None:
        """Store or drop what was captured before a moment, or all of it."""
        hello = self._reader.hello
        while hello is not None and self._held and (until_ns is None or self._held[0].ends_ns <= until_ns):
            self._pass(hello.format, self._held.popleft().block)

    def _pass(self, audio_format: PcmFormat, block: Block) -> None:
        """Store of a live block what was captured while the gate was open, cut to the frame at each switch."""
        begin = 0
        ends_ns = block.captured_ns + _ns(block.frames, audio_format)
        while self._switches and self._switches[0].at < ends_ns:
            switch = self._switches.popleft()
            cut = max(begin, _first_frame_at(block, audio_format, switch.at))
            if self._open:
                self._keep(audio_format, block, begin, cut)
                if cut == 0 and not switch.opens:
                    self._fill_of_a_hole(audio_format, block, switch.at)
            begin = cut
            self._carry_out(switch, reached=True)
        if self._open:
            self._keep(audio_format, block, begin, block.frames)

    def _keep(self, audio_format: PcmFormat, block: Block, begin: int, end: int) -> None:
        """Store frames `begin` to `end` of a block, after what is missing before them."""
        if not self._has_own_clock and self._next_frame is None:
            begin = max(begin, _first_frame_at(block, audio_format, self._open_from))
        if end <= begin or self._audio is None:
            return
        first = block.frame + begin
        begin_ns = block.captured_ns + _ns(begin, audio_format)
        if not self._has_own_clock:
            self._fill_what_is_missing(audio_format, block, first, begin_ns)
        self._next_frame = block.frame + end
        self._expected_ns = block.captured_ns + _ns(end, audio_format)
        self._append(bytes(block.pcm[begin * audio_format.frame_bytes : end * audio_format.frame_bytes]))
        self._set_storing(on=True)

    def _fill_what_is_missing(self, audio_format: PcmFormat, block: Block, first: int, begin_ns: int) -> None:
        exact = 0 if self._next_frame is None else first - self._next_frame
        if exact > 0:
            self._fill(exact, 0, "overrun")
        why = self._why_by_clock(block)
        if why is None or self._expected_ns is None:
            return
        missing_ns = begin_ns - self._expected_ns - _ns(exact, audio_format)
        if missing_ns >= SMALLEST_GAP_NS or (why == "overflow" and missing_ns > 0):
            self._fill(missing_ns * audio_format.rate // 1_000_000_000, CLOCK_UNCERTAINTY_NS, why)

    def _why_by_clock(self, block: Block) -> str | None:
        """Why frames may be missing that no number tells of; None when the block follows the last one for sure."""
        if self._next_frame is None:
            return self._why_missing
        if block.flags & Flags.OVERFLOW:
            return "overflow"
        return "deficit" if block.flags & Flags.DEFICIT else None

    def _fill_of_a_hole(self, audio_format: PcmFormat, block: Block, at: int) -> None:
        """Somebody pressed within what is missing before a block: up to then it belongs to the recording."""
        if self._next_frame is None:
            self._fill_up_to(at)
            return
        exact = block.frame - self._next_frame
        why = "overrun" if exact > 0 else self._why_by_clock(block)
        if why is None or self._expected_ns is None:
            return
        self._why_missing = why
        missing_ns = at - self._expected_ns
        if missing_ns >= (0 if exact > 0 else SMALLEST_GAP_NS):
            self._fill(missing_ns * audio_format.rate // 1_000_000_000, CLOCK_UNCERTAINTY_NS, why)

    def _fill_up_to(self, at: int) -> None:
        """The recording ends, or pauses, while nothing is heard: what is missing up to then."""
        if self._audio is not None and not self._has_own_clock and self._expected_ns is not None:
            missing_ns = at - self._expected_ns
            if missing_ns >= SMALLEST_GAP_NS:
                frames = missing_ns * self._audio.format.rate // 1_000_000_000
                self._fill(frames, CLOCK_UNCERTAINTY_NS, self._why_missing)

    def _fill(self, frames: int, uncertainty_ns: int, why: str) -> None:
        """Silence of a gap's length, in bounded pieces, and the journal's line for it."""
        if self._audio is None or frames <= 0:
            return
        audio_format, at = self._audio.format, self._audio.frames
        uncertainty = -(-uncertainty_ns * audio_format.rate // 1_000_000_000)
        self._audio.line("gap", {"frame": at, "frames": frames, "uncertainty_frames": uncertainty, "why": why, **self._now()})
        self._report(GapFilled(at, frames, uncertainty_ns, why))
        piece = int(audio_format.rate * SILENCE_SECONDS)
        silence = bytes(piece * audio_format.frame_bytes)  # the same one each time: hours of it take no memory
        for begin in range(0, frames, piece):
            rest = frames - begin
            self._append(silence if rest >= piece else bytes(rest * audio_format.frame_bytes))

    def _append(self, pcm: bytes) -> None:
        if self._audio is None:
            return
        try:
            self._audio.append(pcm)
        except OSError:
            self._disk_failed()
            return
        if self._audio.is_full:
            self._sync()

    def _end_of_own_clock(self, flags: Flags) -> None:
        """All that the source gave was taken in before this mark came."""
        if self._halting:
            self._next_switch()
        elif flags & Flags.END and self._open:
            self._report(SourceEnded())

    def _next_switch(self) -> None:
        """Carry out the first of those that wait; of a source with its own clock, all up to the next halt."""
        self._halting = False
        self._carry_out(self._switches.popleft())
        if self._has_own_clock:
            self._turn_own_clock()

    def _turn_own_clock(self) -> None:
        """What was asked is carried out in order. A halt has to be answered first: until then all that comes is stored."""
        while self._switches and not self._halting:
            switch = self._switches[0]
            if not switch.opens and self._open and self._hearing:
                self._tell_source(b"halt\n")
                self._halting = self._hearing
                continue
            self._switches.popleft()
            self._carry_out(switch)
            if switch.opens:
                self._tell_source(b"go\n")

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
        self._halting = False
        if self._open:
            self._tell_source(b"go\n")

    def _let_go(self) -> None:
        """The child ends when its input is closed."""
        self._drain(None)
        if self._microphone is not None:
            for fd in self._microphone:
                os.close(fd)
        self._microphone = None
        self._hearing = False
        self._next_frame = None

    def _lost(self) -> None:
        """No sound arrives. What is missing from here on becomes a gap when it comes back, or at the stop."""
        self._hearing = False
        self._why_missing = "microphone"
        self._set_storing(on=False)
        self._report(HearingIs(None))

    def _tell_source(self, order: bytes) -> None:
        if self._microphone is not None:
            try:
                os.write(self._microphone[1], order)
            except OSError:
                self._lost()

    # ── the gate ──

    def _set(self, switch: Switch) -> None:
        if self._audio is None or self._over:
            switch.done.set_exception(OSError("no recording is open"))
            return
        if switch.opens:
            self._set_storing(on=self._hearing)
        if self._has_own_clock:
            self._switches.append(switch)
            self._turn_own_clock()
        elif switch.opens and not self._switches:
            self._carry_out(switch)
        else:
            self._switches.append(switch)

    def _carry_out(self, switch: Switch, *, reached: bool = False) -> None:
        """Open or close the gate at the frame that is next. `reached`: sound came that far; else nothing more comes."""
        audio = self._audio
        if audio is None:
            switch.done.set_exception(OSError("no recording is open"))
            return
        if switch.opens:
            self._open = True
            self._open_from = self._expected_ns = switch.at
            self._next_frame = None
        else:
            if self._open and not reached:
                self._fill_up_to(switch.at)
            self._open = False
        if switch.event is not None:
            audio.line(switch.event, {"frame": audio.frames, **stamp(self._clock, switch.at), **switch.fields})
        self._unsettled.append(switch)
        self._sync()
        if self._failing_since is None or self._given_up:
            self._settle()

    def _settle(self) -> None:
        """What was carried out is on the disk, or never will be: say so to who asked."""
        while self._unsettled:
            self._done(self._unsettled.popleft())

    def _done(self, switch: Switch) -> None:
        audio = self._audio
        if not switch.opens:
            self._set_storing(on=self._open and self._hearing)
        if switch.ends and audio is not None:
            audio.close()
            self._audio = None
        if self._given_up:
            switch.done.set_exception(OSError("the disk refused the recording's end"))
        else:
            switch.done.set_result(audio.frames if audio else 0)

    def _begin(self, opening: Opening, at: int, done: Future[Recording]) -> None:
        hello = self._reader.hello
        if hello is None or self._over:
            done.set_exception(OSError("no microphone is open"))
            return
        try:
            recording = self._store.make(opening.id, opening.began)
            self._audio = self._make_files(recording, opening, hello, at)
        except OSError as error:
            done.set_exception(error)
            return
        self._failing_since, self._given_up = None, False
        self._report(Durable(0, self._audio.durable_bytes))
        self._set(Switch(at, opens=True, event=None, fields={}))
        done.set_result(recording)

    def _make_files(self, recording: Recording, opening: Opening, hello: Hello, at: int) -> BoundAudio:
        """The agreement, the journal up to `started`, and a WAV of 0 frames, all durable."""
        wav = journal = None
        try:
            write_whole(self._disk, recording.agreement, opening.agreement)
            journal = JournalFile.create(self._disk, recording.journal)
            for event, fields in opening.lines:
                journal.append(event, fields)
            began = (opening.began or self._clock.wall()).replace(microsecond=0)
            fields = {
                "frame": 0,
                "rate": hello.format.rate,
                "bits": hello.format.bits,
                "channels": hello.format.channels,
                "device": hello.device,
                "boot": self._clock.boot(),
                "local": began.isoformat(timespec="seconds"),
                **stamp(self._clock, at),
                **opening.started,
            }
            journal.append("started", fields)
            wav = WavWriter.create(self._disk, recording.wav, hello.format, origination(opening.id, began))
            journal.sync()
        except BaseException:
            for opened in (wav, journal):
                if opened is not None:
                    opened.close()
            self._store.discard(recording)
            raise
        return BoundAudio(hello.format, wav, journal)

    # ── lines and syncs ──

    def _line(self, event: str, at: int, fields: Mapping[str, Value], done: Future[int]) -> None:
        if self._audio is None or self._over:
            done.set_exception(OSError("no recording is open"))
            return
        self._audio.line(event, {"frame": self._frame_at(at), **stamp(self._clock, at), **fields})
        self._sync()
        if self._failing_since is not None:
            done.set_exception(OSError("the disk does not take the journal at the moment; the line goes along with the next"))
        else:
            done.set_result(self._audio.frames)

    def _frame_at(self, at: int) -> int:
        """Which frame of the WAV was captured at a moment; the last one, when that moment is not stored yet."""
        if self._audio is None:
            return 0
        if not self._open or self._expected_ns is None or self._has_own_clock:
            return self._audio.frames
        closing = next((switch.at for switch in self._switches if not switch.opens), at)
        # rounded up, as every cut is: a mark at the moment of a pause names the pause's own frame
        ahead = -((self._expected_ns - min(at, closing)) * self._audio.format.rate // 1_000_000_000)
        return max(0, self._audio.frames + ahead)

    def _now(self) -> dict[str, Value]:
        return stamp(self._clock, self._clock.monotonic_ns())

    def _sync(self) -> None:
        if self._audio is None or self._failing_since is not None:
            return
        try:
            self._audio.sync()
        except OSError:
            self._disk_failed()
            return
        self._synced_at = self._clock.monotonic_ns()
        heard_to = None if self._has_own_clock else self._expected_ns
        self._durable_to = self._synced_at if heard_to is None else heard_to
        self._report(Durable(self._audio.durable_frames, self._audio.durable_bytes))

    def _disk_failed(self) -> None:
        if self._failing_since is None:
            now = self._clock.monotonic_ns()
            self._failing_since, self._again_at = now, now + AGAIN_AFTER_NS
            self._set_storing(on=False)
            self._report(DiskIs(well=False))

    def _try_again(self, now: int) -> None:
        if self._audio is None or self._given_up or now < self._again_at:
            return
        try:
            self._audio.again()
        except OSError:
            self._again_at = now + AGAIN_AFTER_NS
            if self._failing_since is not None and now - self._failing_since > GIVE_UP_AFTER_NS:
                self._give_up()
            return
        self._failing_since = None
        self._audio.line("disk-failed", {"frame": self._audio.frames, **self._now()})
        self._sync()
        if self._must_wait:
            return
        self._report(DiskIs(well=True))
        self._settle()
        if self._open and self._hearing:
            self._set_storing(on=True)

    def _give_up(self) -> None:
        """Nothing more is stored; what is on the disk is as safe as after a kill."""
        self._given_up = True
        self._open = self._halting = False
        self._report(DiskIs(well=False, given_up=True))
        self._unsettled.extend(self._switches)
        self._switches.clear()
        self._settle()

    def _set_storing(self, *, on: bool) -> None:
        on = on and self._audio is not None and self._failing_since is None
        if on is not self._storing:
            self._storing = on
            self._report(StoringIs(on))

    def _end(self) -> None:
        self._let_go()
        self._sync()
        if self._audio is not None:
            self._audio.close()
            self._audio = None
        self._over = True


def _promise(_what: type[Result]) -> Future[Result]:
    """A future that whoever waits for it cannot cancel: what was asked is carried out, also when nobody waits any more."""
    promise: Future[Result] = Future()
    promise.set_running_or_notify_cancel()
    return promise


def origination(recording_id: str, began: datetime) -> Origination:
    """What bext says: the same for the writer and for whoever mends the file from its journal."""
    return Origination(f"Gesprek {recording_id}", recording_id, began)


def started_locally(started: Mapping[str, Value]) -> datetime:
    """The local time that a `started` line holds."""
    return datetime.fromisoformat(str(started["local"]))


def _first_frame_at(block: Block, audio_format: PcmFormat, at: int) -> int:
    """The block's first frame that was captured at a moment or after it: rounded up, so that what came before is never stored."""
    since = max(0, at - block.captured_ns)
    return min(block.frames, -(-since * audio_format.rate // 1_000_000_000))


def _ns(frames: int, audio_format: PcmFormat) -> int:
    return frames * 1_000_000_000 // audio_format.rate
