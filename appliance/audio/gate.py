"""The gate: which frames are stored, by when they were captured and when somebody pressed.

Opening and closing the gate are *switches*, each with the monotonic moment at which somebody pressed; a block that straddles a
switch is cut at the frame that was captured at that moment. A switch that closes is carried out when everything captured before
it has arrived, or when it will not come any more. A press takes a moment to arrive here. So a live block waits `HOLD_BACK_NS` in
memory before it is stored or dropped, whichever the gate then says: neither the first word after a press nor the last one before
it depends on how busy the service is.

A source with its own clock is told `go` and `halt` instead: what it gives in between is what was captured.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from appliance.audio.blocks import Block, BlockReader, Flags
from appliance.audio.keeping import Keeping
from appliance.audio.level import Tally
from appliance.audio.missing import Missing, Place, first_frame_at, ns
from appliance.audio.pcm import PcmFormat
from appliance.audio.timing import Drift
from appliance.clock import Clock, stamp
from appliance.journal import Value

HOLD_BACK_NS = 150_000_000
LATE_NS = 2_500_000_000
"""A closing switch waits for what was captured before it until no block has come for this much longer than the latency."""

Result = TypeVar("Result")


def promise(_what: type[Result]) -> Future[Result]:
    """A future that whoever waits for it cannot cancel: what was asked is carried out, also when nobody waits any more."""
    made: Future[Result] = Future()
    made.set_running_or_notify_cancel()
    return made


@dataclass(slots=True)
class Switch:
    """Open or close the gate for what is captured from `at` on; `event` is the journal's line at that frame."""

    at: int
    opens: bool
    event: str | None
    fields: Mapping[str, Value]
    ends: bool = False
    done: Future[int] = field(default_factory=lambda: promise(int))


@dataclass(slots=True)
class _HeldBlock:
    block: Block
    ends_ns: int
    tally: Tally


class Gate:
    """Stores, through `keeping`, what of the blocks it is given was captured while it was open. In the recorder's thread only.

    `tell_source` says `go` and `halt` to a source with its own clock; it may find out that nobody hears, and call `lost`.
    """

    def __init__(self, keeping: Keeping, clock: Clock, latency_seconds: float, tell_source: Callable[[bytes], None]) -> None:
        self.is_open = False
        self.hearing = False
        """Whether blocks arrive."""
        self._keeping = keeping
        self._clock = clock
        self._late_ns = LATE_NS + int(latency_seconds * 1e9)
        self._tell_source = tell_source
        self._reader = BlockReader()
        self._place = Place()
        self._drift: Drift | None = None
        self._open_from = 0
        self._switches: deque[Switch] = deque()
        self._unsettled: deque[Switch] = deque()  # carried out, and not known to be on the disk yet
        self._held: deque[_HeldBlock] = deque()
        self._halting = False

    @property
    def is_asked(self) -> bool:
        """Somebody waits for a switch."""
        return bool(self._switches)

    @property
    def open_from(self) -> int:
        """The monotonic moment from which on it is open, or was the last time."""
        return self._open_from

    @property
    def own_clock(self) -> bool:
        return self._reader.hello is not None and self._reader.hello.own_clock

    # ── the source ──

    def listen(self, reader: BlockReader) -> None:
        """Blocks come from a new child, by this reader."""
        self._reader = reader
        self._drift = None
        self._halting = False
        if self.is_open:
            self._tell_source(b"go\n")

    def hear(self) -> None:
        self.hearing = True
        self.tell_storing()

    def lost(self) -> None:
        """No sound arrives. What is missing from here on becomes a gap when it comes back, or at the stop."""
        self.hearing = False
        self._place.why = "microphone"
        self._tell_drift()
        self._keeping.sync()
        self._keeping.set_storing(on=False)

    def let_go(self) -> None:
        """Nothing more comes from this child; what it gave is stored or dropped."""
        self.drain(None)
        self.hearing = False
        self._place.next_frame = None

    # ── blocks ──

    def take(self, audio_format: PcmFormat, block: Block, tally: Tally) -> None:
        """`tally`: of the block's sound."""
        if self.own_clock:
            if self.is_open:
                self._keep(audio_format, block, 0, block.frames, tally)
        else:
            self._follow_drift(audio_format, block)
            self._held.append(_HeldBlock(block, block.captured_ns + ns(block.frames, audio_format), tally))

    def drain(self, until_ns: int | None) -> None:
        """Store or drop what was captured before a moment, or all of it."""
        hello = self._reader.hello
        while hello is not None and self._held and (until_ns is None or self._held[0].ends_ns <= until_ns):
            held = self._held.popleft()
            self._pass(hello.format, held.block, held.tally)

    def _pass(self, audio_format: PcmFormat, block: Block, tally: Tally) -> None:
        """Store of a live block what was captured while the gate was open, cut to the frame at each switch."""
        begin = 0
        ends_ns = block.captured_ns + ns(block.frames, audio_format)
        while self._switches and self._switches[0].at < ends_ns:
            switch = self._switches.popleft()
            cut = max(begin, first_frame_at(block, audio_format, switch.at))
            if self.is_open:
                self._keep(audio_format, block, begin, cut, tally)
                if cut == 0 and not switch.opens:
                    self._fill(self._place.within(audio_format, block, switch.at))
            begin = cut
            self._carry_out(switch, reached=True)
        if self.is_open:
            self._keep(audio_format, block, begin, block.frames, tally)

    def _keep(self, audio_format: PcmFormat, block: Block, begin: int, end: int, tally: Tally) -> None:
        """Store frames `begin` to `end` of a block, after what is missing before them."""
        if not self.own_clock and self._place.next_frame is None:
            begin = max(begin, first_frame_at(block, audio_format, self._open_from))
        if end <= begin or self._keeping.audio is None:
            return
        if not self.own_clock:
            self._fill(self._place.before(audio_format, block, begin))
        self._reached(audio_format, block, end)
        pcm = bytes(block.pcm[begin * audio_format.frame_bytes : end * audio_format.frame_bytes])
        self._keeping.append(pcm, tally if end - begin == block.frames else None)
        self._keeping.set_storing(on=True)

    def _reached(self, audio_format: PcmFormat, block: Block, end: int) -> None:
        self._place.reached(audio_format, block, end)
        self._keeping.captured_to = None if self.own_clock else self._place.expected_ns

    def _follow_drift(self, audio_format: PcmFormat, block: Block) -> None:
        if self._drift is None or (block.flags and block.flags & (Flags.OVERFLOW | Flags.DEFICIT)):
            self._tell_drift()
            self._drift = Drift(audio_format.rate)
        self._drift.add(block.frame, block.captured_ns)

    def _tell_drift(self) -> None:
        """A stretch of capture is over: how far the crystal was off in it, if it was long enough to tell."""
        audio, fitted = self._keeping.audio, self._drift.fitted() if self._drift else None
        self._drift = None
        if audio is not None and fitted is not None:
            now = stamp(self._clock, self._clock.monotonic_ns())
            audio.line("drift", {"frame": audio.frames, "ppb": fitted.ppb, "seconds": fitted.seconds, **now})

    def _fill(self, missing: Iterable[Missing]) -> None:
        for one in missing:
            self._keeping.fill(one)

    # ── switches ──

    def ask(self, switch: Switch) -> None:
        if self._keeping.audio is None:
            switch.done.set_exception(OSError("no recording is open"))
            return
        if switch.opens:
            self._keeping.set_storing(on=self.hearing)
        if self.own_clock:
            self._switches.append(switch)
            self._turn_own_clock()
        elif switch.opens and not self._switches:
            self._carry_out(switch)
        else:
            self._switches.append(switch)

    def watch(self, now: int, quiet_ns: int) -> None:
        """Carry out what waits for sound that will not come. `quiet_ns`: for how long none has."""
        while self._switches and self._is_overdue(self._switches[0], now, quiet_ns):
            self._next_switch()

    def _is_overdue(self, switch: Switch, now: int, quiet_ns: int) -> bool:
        if self._keeping.must_wait:
            return False
        if switch.opens or not self.is_open:
            return True
        return not self.hearing or (now - switch.at > self._late_ns and quiet_ns > self._late_ns)

    def halted(self) -> bool:
        """A source with its own clock stands still, and all that it gave was taken in. False if nobody had asked it to."""
        if self._halting:
            self._next_switch()
            return True
        return False

    def _next_switch(self) -> None:
        """Carry out the first of those that wait; of a source with its own clock, all up to the next halt."""
        self._halting = False
        self._carry_out(self._switches.popleft())
        if self.own_clock:
            self._turn_own_clock()

    def _turn_own_clock(self) -> None:
        """What was asked is carried out in order. A halt has to be answered first: until then all that comes is stored."""
        while self._switches and not self._halting:
            switch = self._switches[0]
            if not switch.opens and self.is_open and self.hearing:
                self._tell_source(b"halt\n")
                self._halting = self.hearing
                continue
            self._switches.popleft()
            self._carry_out(switch)
            if switch.opens:
                self._tell_source(b"go\n")

    def _carry_out(self, switch: Switch, *, reached: bool = False) -> None:
        """Open or close the gate at the frame that is next. `reached`: sound came that far; else nothing more comes."""
        audio = self._keeping.audio
        if audio is None:
            switch.done.set_exception(OSError("no recording is open"))
            return
        if switch.opens:
            self.is_open = True
            self._open_from = switch.at
            self._place.opens(switch.at)
            self._keeping.captured_to = None if self.own_clock else switch.at
        else:
            if self.is_open and not reached and not self.own_clock:
                self._fill(self._place.up_to(audio.format, switch.at))
            self.is_open = False
        if switch.ends:
            self._tell_drift()
        if switch.event is not None:
            audio.line(switch.event, {"frame": audio.frames, **stamp(self._clock, switch.at), **switch.fields})
        self._unsettled.append(switch)
        self._keeping.sync()
        if not self._keeping.must_wait:
            self.settle()

    def settle(self) -> None:
        """What was carried out is on the disk, or never will be: say so to who asked."""
        while self._unsettled:
            self._done(self._unsettled.popleft())

    def _done(self, switch: Switch) -> None:
        audio = self._keeping.audio
        if not switch.opens:
            self._keeping.set_storing(on=self.is_open and self.hearing)
        if switch.ends and audio is not None:
            self._keeping.close()
        if self._keeping.given_up:
            switch.done.set_exception(OSError("the disk refused the recording's end"))
        else:
            switch.done.set_result(audio.frames if audio else 0)

    def tell_storing(self) -> None:
        if self.is_open:
            self._keeping.set_storing(on=self.hearing)

    def give_up(self) -> None:
        """Nothing more is stored; what is on the disk is as safe as after a kill."""
        self.is_open = self._halting = False
        self._unsettled.extend(self._switches)
        self._switches.clear()
        self.settle()

    def refuse_all(self) -> None:
        """The recorder is over, and nobody shall wait for it."""
        refused = (*self._unsettled, *self._switches)
        self._unsettled.clear()
        self._switches.clear()
        for switch in refused:
            switch.done.set_exception(OSError("the recorder has ended"))

    # ── places ──

    def frame_at(self, at: int) -> int:
        """Which frame of the WAV was captured at a moment; the last one, when that moment is not stored yet."""
        audio, expected = self._keeping.audio, self._place.expected_ns
        if audio is None:
            return 0
        if not self.is_open or expected is None or self.own_clock:
            return audio.frames
        closing = next((switch.at for switch in self._switches if not switch.opens), at)
        # rounded up, as every cut is: a mark at the moment of a pause names the pause's own frame
        ahead = -((expected - min(at, closing)) * audio.format.rate // 1_000_000_000)
        return max(0, audio.frames + ahead)
