"""Whether a stick keeps up with the meeting, and how long what is missing will still take.

Theory. A copy that is behind is not slow by that: a stick put in after an hour has an hour to catch up, and does it at its own
speed. Slow is one that is behind and does not get nearer. So what counts is the distance between the recording's durable bytes
and the copy's verified ones, looked at over some seconds of the meeting: longer than a stick's own housekeeping, and short
enough to be told within the first seconds. A slow stick is finished after the meeting; what is told of that is what is missing,
divided by what the stick does while it works.

Pure: the caller says what time it is, in seconds of any clock that does not jump.
"""

from __future__ import annotations

import math
from collections import deque

LOOKED_AT_SECONDS = 5.0
"""Behind by more of the meeting than this, and no nearer for as long: slow."""

CAUGHT_UP_SECONDS = 2.0
"""Behind by less of the meeting than this, a slow one is slow no more."""


class Pace:
    """One copy's. `slow`: it does not keep up with the meeting."""

    def __init__(self) -> None:
        self.slow = False
        self._durable = self._verified = 0
        self._looks: deque[tuple[float, int, int]] = deque()

    @property
    def missing(self) -> int:
        """Bytes that are in the recording and not yet verified on the stick."""
        return max(0, self._durable - self._verified)

    def recorded(self, now: float, durable: int) -> None:
        """So many bytes of the recording are durable by now."""
        self._durable = durable
        self._looks.append((now, durable, self._verified))
        while len(self._looks) > 2 and self._looks[1][0] <= now - LOOKED_AT_SECONDS:
            self._looks.popleft()
        self._judge()

    def copied(self, verified: int) -> None:
        """So many bytes of it are verified on the stick."""
        self._verified = verified
        self._judge()

    def _judge(self) -> None:
        if len(self._looks) < 2:
            return
        (then, durable, verified), (now, _, _) = self._looks[0], self._looks[-1]
        a_second = (self._durable - durable) / max(now - then, 1e-3)
        if self.slow:
            self.slow = self.missing > CAUGHT_UP_SECONDS * a_second
        else:
            watched = now - then >= LOOKED_AT_SECONDS
            self.slow = watched and self.missing > LOOKED_AT_SECONDS * a_second and self.missing >= durable - verified > 0


def seconds_left(missing: int, bytes_a_second: int) -> int | None:
    """How long a stick needs for what is missing, in whole seconds, rounded up; None while its speed is not known."""
    if not missing:
        return 0
    return math.ceil(missing / bytes_a_second) if bytes_a_second > 0 else None
