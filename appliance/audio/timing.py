"""When a frame was captured, told from when it could be read; what is missing; and how far the crystal is off.

A frame can be read only after it was captured, and some time later: the driver hands frames over in periods, and the
reader sleeps in between. So each read gives an upper bound for the time of frame 0,

    origin <= return of the read - frames still in the driver - all frames so far        (frames as time, by the rate)

and the least of these bounds within the last seconds, the **floor**, is the best that can be known. It is never too early, which
would lose a first word, and only too late, which would let in what was said before the press, by as much as *every* read of those
seconds was late. The window is short enough for a crystal that is off by 100 ppm to move it by half a millisecond only.

**In doubt.** One read alone may be late by a whole period. So when a stream begins, when frames were lost (PortAudio says so), or
when a read is later than the driver's buffer is long, the clock asks for a moment and a few reads before it names a time.
Who reads keeps the sound back for that long: a third of a second to half of one.

**A deficit.** When frames are lost without a word from the driver, every bound from then on is later. Lateness that is caught up
looks the same at first, but it ends: so what every read of `stay` seconds is late by, against the floor of the 5 s before, was lost.
`stay` is 2 s, and longer for a driver with a long buffer, which hands over seldom: there must be reads enough to tell.
What is later than the driver can hold was lost at once, and is told after the moment of doubt. Slower than that nothing is a
deficit but the crystal, whose rate `Drift` fits over minutes; it moves the floor less than a read is late by.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

WATCHED_NS = 5_000_000_000
BUCKET_NS = 250_000_000
REMEMBERED_NS = 30_000_000_000
MOVED_NS = 45_000_000
"""Where a long buffer makes reads that are in time rare, the floor of half a minute is closer to the truth than that of 5 s; a crystal
that is off by 100 ppm moves it by 3 ms. By so much it moves only when something was lost, or the crystal is off by far more."""
SMALLEST_LOSS_NS = 90_000_000
"""A gap is over 100 ms; what is measured may be a little less than what was lost, by as much as the floor before it was late."""
SHORTEST_STAY_NS, LONGEST_STAY_NS = 2_000_000_000, 5_000_000_000
SHORTEST_DOUBT_NS, LONGEST_DOUBT_NS = 300_000_000, 500_000_000
EARLY_NS = 500_000_000
"""The first of the late reads may have come before the loss, and been late as some always are: they do not tell how much was lost."""
FEWEST_LATE_READS = 8
"""A machine that stood still for seconds and then gave one late read has proved nothing."""


@dataclass(frozen=True, slots=True)
class Captured:
    """`at_ns`: monotonic time of the first frame that was not told yet. `jumped`: frames are missing before it."""

    at_ns: int
    jumped: bool


class CaptureClock:
    """Turns the frames of one stream into monotonic times. `rate` in Hz, `latency` in seconds: the most the driver holds."""

    def __init__(self, rate: int, latency: float) -> None:
        self._rate = rate
        held_ns = int(latency * 1e9)
        self._most_held_ns = max(held_ns, LONGEST_DOUBT_NS) + SMALLEST_LOSS_NS
        self._stay_ns = min(max(SHORTEST_STAY_NS, 1_000_000_000 + 2 * held_ns), LONGEST_STAY_NS)
        self._doubt_ns = min(max(SHORTEST_DOUBT_NS, held_ns), LONGEST_DOUBT_NS)
        self._frames = 0
        self._untold = 0
        self._read_at = 0
        self._floors: deque[_Floor] = deque()
        self._long_floors: deque[_Floor] = deque()
        self._origin: int | None = None
        self._doubted: _Late | None = None
        self._late: _Late | None = None
        self._jumped = False

    def heard(self, now_ns: int, frames: int, left: int) -> None:
        """A read gave so many frames at a moment, with `left` still in the driver."""
        self._read_at = now_ns
        self._frames += frames
        bound = now_ns - self._ns(left + self._frames)
        if self._doubted is not None:
            self._doubted.add(bound)
        elif self._origin is None or bound - self._origin > self._most_held_ns:
            self._doubted = _Late(now_ns, bound)
        else:
            self._watch(bound)

    @property
    def is_in_doubt(self) -> bool:
        return self._doubted is not None

    def is_sure(self, now_ns: int) -> bool:
        """Whether what `take` says is as good as it gets."""
        return self._doubted is None or now_ns - self._doubted.since >= self._doubt_ns

    def take(self) -> Captured:
        """When the first frame was captured that was heard since the last time. ValueError if none ever was."""
        if self._doubted is not None:
            doubted, self._doubted = self._doubted, None
            self._decide(doubted.least)
        if self._origin is None:
            raise ValueError("nothing was heard yet")
        told = Captured(self._origin + self._ns(self._untold), self._jumped)
        self._untold, self._jumped = self._frames, False
        return told

    def lost_count(self) -> None:
        """Frames were lost before the next read: what was learned of frame 0 no longer holds."""
        self._origin = self._late = self._doubted = None
        self._floors.clear()
        self._long_floors.clear()

    def _decide(self, bound: int) -> None:
        """The moment of doubt is over, and this was the least of its bounds."""
        if self._origin is None:
            self._begin_anew(bound)
        elif bound - self._origin > self._most_held_ns:
            self._begin_anew(bound)
            self._jumped = True
        else:
            self._watch(bound)

    def _watch(self, bound: int) -> None:
        if self._origin is None or bound - self._before(self._origin) < SMALLEST_LOSS_NS:
            self._late = None
            self._add_to_floor(bound)
            return
        if self._late is None:
            self._late = _Late(self._read_at, bound)
        elif self._read_at - self._late.since < EARLY_NS:
            self._late.least = bound
        else:
            self._late.add(bound)
        if self._read_at - self._late.since >= self._stay_ns and self._late.reads >= FEWEST_LATE_READS:
            self._begin_anew(self._late.least)
            self._jumped = True

    def _begin_anew(self, bound: int) -> None:
        self._late = None
        self._floors.clear()
        self._long_floors.clear()
        self._add_to_floor(bound)

    def _add_to_floor(self, bound: int) -> None:
        _put(self._floors, _Floor(self._read_at, bound), BUCKET_NS, WATCHED_NS)
        _put(self._long_floors, _Floor(self._read_at, bound), WATCHED_NS, REMEMBERED_NS)
        self._origin = min(floor.least for floor in self._floors)

    def _before(self, origin: int) -> int:
        """Against what a read is late."""
        least = min(floor.least for floor in self._long_floors)
        return least if origin - least < MOVED_NS else origin

    def _ns(self, frames: int) -> int:
        return frames * 1_000_000_000 // self._rate


@dataclass(slots=True)
class _Floor:
    """The least bound of a short time."""

    since: int
    least: int


def _put(floors: deque[_Floor], floor: _Floor, each_ns: int, all_ns: int) -> None:
    if not floors or floor.since - floors[-1].since >= each_ns:
        floors.append(floor)
        while floor.since - floors[0].since > all_ns:
            floors.popleft()
    elif floor.least < floors[-1].least:
        floors[-1].least = floor.least


@dataclass(slots=True)
class _Late:
    """Reads one after the other, all of them late; or all since a doubt began."""

    since: int
    least: int
    reads: int = 1

    def add(self, bound: int) -> None:
        self.least = min(self.least, bound)
        self.reads += 1


# ── the crystal ─────────────────────────────────────────────────────────────────────────────────────

FIT_EVERY_NS = 10_000_000_000
MOST_POINTS = 64
FIT_SECONDS = 60
"""Over less than a minute, a few milliseconds of lateness look like a crystal that is off by 100 ppm."""


@dataclass(frozen=True, slots=True)
class DriftIs:
    """`ppb`: how much faster than its nominal rate the microphone runs, in parts per billion of the monotonic clock (below 0:
    slower). `seconds`: over which it was fitted."""

    ppb: int
    seconds: int


class Drift:
    """Fits a line through when frames were captured: the median of all slopes (Theil and Sen), which a few points that are late
    do not move. Bounded: when there are `MOST_POINTS`, every second one is dropped, and from then on half as many are taken."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._every_ns = FIT_EVERY_NS
        self._points: list[tuple[int, int]] = []  # captured at, and how much later than the rate says
        self._last: tuple[int, int] | None = None

    def add(self, frame: int, captured_ns: int) -> None:
        """Frame numbers of one stream without a loss, in order."""
        self._last = captured_ns, frame
        if self._points and captured_ns - self._points[-1][0] < self._every_ns:
            return
        self._points.append(self._point(captured_ns, frame))
        if len(self._points) >= MOST_POINTS:
            del self._points[1::2]
            self._every_ns *= 2

    def fitted(self) -> DriftIs | None:
        """None when there is less than a minute to go by."""
        if self._last is None or not self._points:
            return None
        points = [*self._points, self._point(*self._last)]
        seconds = (points[-1][0] - points[0][0]) // 1_000_000_000
        if seconds < FIT_SECONDS:
            return None
        slopes = [
            (later[1] - earlier[1]) * 1_000_000_000 / (later[0] - earlier[0])
            for number, earlier in enumerate(points)
            for later in points[number + 1 :]
            if later[0] - earlier[0] >= FIT_EVERY_NS // 2
        ]
        return DriftIs(-round(median(slopes)), seconds)

    def _point(self, captured_ns: int, frame: int) -> tuple[int, int]:
        return captured_ns, captured_ns - frame * 1_000_000_000 // self._rate
