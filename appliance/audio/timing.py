"""When a frame was captured, told from when it could be read.

A frame can be read only after it was captured, and some time later: the driver hands frames over in periods, and the reader
sleeps in between. So each read gives an upper bound for the time of frame 0,

    origin <= return of the read - frames still in the driver - all frames so far        (frames as time, by the rate)

and the least of these bounds within the last seconds is the best that can be known. It is never too early, which would lose
a first word, and only too late, which would let in what was said before the press, by as much as *every* read of those seconds
was late. The window is short enough for a crystal that is off by 100 ppm to move it by 1 ms only.
"""

from __future__ import annotations

WINDOW_NS = 5_000_000_000


class CaptureClock:
    """Turns the frames of one stream into monotonic times. `rate` in Hz."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._frames = 0
        self._window_began: int | None = None
        self._before: int | None = None
        self._now: int | None = None

    def captured(self, now_ns: int, frames: int, left: int) -> int:
        """When the first of `frames` frames was captured that a read gave at `now_ns`, with `left` still in the driver."""
        first = self._frames
        self._frames += frames
        bound = now_ns - self._ns(left + self._frames)
        if self._window_began is None or now_ns - self._window_began >= WINDOW_NS:
            self._before, self._now, self._window_began = self._now, bound, now_ns
        self._now = bound if self._now is None else min(self._now, bound)
        origin = self._now if self._before is None else min(self._now, self._before)
        return origin + self._ns(first)

    def lost_count(self) -> None:
        """The driver dropped frames: what was learned of frame 0 no longer holds."""
        self._window_began = self._before = self._now = None

    def _ns(self, frames: int) -> int:
        return frames * 1_000_000_000 // self._rate
