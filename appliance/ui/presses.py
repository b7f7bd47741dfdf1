"""A key that is held down is one press.

A terminal tells of no key going up; it repeats a held key, first after a quarter to three quarters of a second, then some thirty times
a second. Counted as presses, an elbow on the space bar would walk a meeting from the invitation into the recording. So a press that
comes soon after one of the same key waits a moment: if yet another one follows at once, the key is being held, and none of them counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

SOON_S = 0.8
"""Within this time of the press before it, a press may be a held key's first repetition."""

REPEAT_S = 0.15
"""A terminal repeats faster than this, a person does not press twice faster than this."""


class Press(Enum):
    COUNTS = "counts"
    WAIT = "wait"
    """It counts if the same key is quiet for `REPEAT_S`."""
    HELD = "held"


@dataclass(slots=True)
class Presses:
    """The last press of each key, as far as it matters for the next one."""

    _last: dict[str, float] = field(default_factory=dict)
    _waiting: set[str] = field(default_factory=set)
    _held: set[str] = field(default_factory=set)

    def heard(self, key: str, at: float) -> Press:
        """What the press of `key` at `at` (s, monotonic) is. After WAIT, ask `still_counts` once `REPEAT_S` has passed."""
        since = at - self._last.get(key, float("-inf"))
        self._last[key] = at
        if since >= SOON_S:
            self._waiting.discard(key)
            self._held.discard(key)
            return Press.COUNTS
        if key in self._held or key in self._waiting:
            self._waiting.discard(key)
            self._held.add(key)
            return Press.HELD
        self._waiting.add(key)
        return Press.WAIT

    def still_counts(self, key: str) -> bool:
        """Whether a press that had to wait was a press after all; asked once."""
        counts = key in self._waiting
        self._waiting.discard(key)
        return counts
