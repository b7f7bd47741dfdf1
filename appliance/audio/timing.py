"""When a frame was captured, told from when it could be read.

A frame can be read only after it was captured, and some time later: the driver hands frames over in periods, and the
reader sleeps in between. So each read gives an upper bound for the time of frame 0,

    origin <= return of the read - frames still in the driver - all frames so far        (frames as time, by the rate)

and the least of these bounds within the last seconds is the best that can be known. It is never too early, which would lose a
first word, and only too late, which would let in what was said before the press, by as much as *every* read of those seconds
was late. The window is short enough for a crystal that is off by 100 ppm to move it by 1 ms only.

**A deficit.** When frames are lost without a word from the driver, every bound from then on is later. Lateness that is caught up
looks the same at first; but the driver holds no more than its latency, so what is later than that was lost, at once; and what is
still missing when a window has passed was lost, too. Then the origin jumps, and `captured` says so.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_NS = 5_000_000_000
SMALLEST_JUMP_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class Captured:
    """`at_ns`: monotonic time of a read's first frame. `jumped`: frames are missing before it."""

    at_ns: int
    jumped: bool


class CaptureClock:
    """Turns the frames of one stream into monotonic times. `rate` in Hz, `latency` in seconds: the most the driver holds."""

    def __init__(self, rate: int, latency: float) -> None:
        self._rate = rate
        self._most_held_ns = int(latency * 1e9) + SMALLEST_JUMP_NS
        self._jump_ns = max(SMALLEST_JUMP_NS, int(latency * 1e9) // 4)
        self._frames = 0
        self._window_began = 0
        self._before: int | None = None
        self._now: int | None = None
        self._origin: int | None = None

    def captured(self, now_ns: int, frames: int, left: int) -> Captured:
        """When the first of `frames` frames was captured that a read gave at `now_ns`, with `left` still in the driver."""
        first = self._frames
        self._frames += frames
        bound = now_ns - self._ns(left + self._frames)
        if self._origin is not None and bound - self._origin > self._most_held_ns:
            self.lost_count()
        origin = self._least(bound, now_ns)
        jumped = self._origin is not None and origin - self._origin > self._jump_ns
        self._origin = origin
        return Captured(origin + self._ns(first), jumped)

    def lost_count(self) -> None:
        """Frames were lost: what was learned of frame 0 no longer holds."""
        self._before = self._now = None

    def _least(self, bound: int, now_ns: int) -> int:
        if self._now is None or now_ns - self._window_began >= WINDOW_NS:
            self._before, self._now, self._window_began = self._now, bound, now_ns
        self._now = min(self._now, bound)
        return self._now if self._before is None else min(self._now, self._before)

    def _ns(self, frames: int) -> int:
        return frames * 1_000_000_000 // self._rate
