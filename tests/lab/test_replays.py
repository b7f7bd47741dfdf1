"""What had been told at a place in the log, by the marks around it."""

from __future__ import annotations

import msgspec

from tests.lab.log_writes import Flags, Write
from tests.lab.outcome import Asked, Told
from tests.lab.replays import Marks


def mark(number: int, told: Told) -> Write:
    return Write(number, 0, 0, Flags.MARK, 0, msgspec.json.encode(told).decode())


def test_told_is_what_stood_before_a_write_and_the_power_went_at_the_mark_behind_it() -> None:
    stop = Asked("stop", 250, answered=True)
    marks = Marks(
        [
            mark(3, Told(100, frames=10, asked=Asked("start", 90, answered=True))),
            mark(7, Told(300, frames=20, asked=stop)),
            Write(9, 0, 0, Flags.MARK, 0, "dm-log-writes-end"),
        ]
    )
    assert marks.at(5) == Told(300, frames=10, asked=Asked("stop", 250, answered=False))
    assert marks.at(7) == Told(300, frames=20, asked=stop)
    assert marks.first() == 3
