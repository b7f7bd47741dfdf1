"""How long the appliance keeps its own copy: days, and never longer than both read in the agreement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from appliance.clock import rfc3339
from appliance.config import Retention
from appliance.retention import at_the_latest, goes_at
from appliance.store import Kept

BEGAN = datetime(2026, 11, 23, 14, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYS = Retention(keep_days=7, keep_days_without_handover=14)


def kept(*, sealed: bool = True, handed_over: timedelta | None = None) -> Kept:
    return Kept(
        begun_at=rfc3339(BEGAN),
        sealed_at=rfc3339(BEGAN + HOUR) if sealed else None,
        handed_over_at=rfc3339(BEGAN + handed_over) if handed_over else None,
    )


def test_a_recording_that_is_not_sealed_has_no_day_to_go() -> None:
    assert goes_at(kept(sealed=False), DAYS) is None


@pytest.mark.parametrize(("handed_over", "after"), [(None, 14 * DAY), (HOUR, 7 * DAY + HOUR), (12 * DAY, 14 * DAY)])
def test_it_goes_some_days_after_the_handover_and_never_later_than_was_agreed(
    handed_over: timedelta | None, after: timedelta
) -> None:
    assert goes_at(kept(handed_over=handed_over), DAYS) == BEGAN + after
    assert BEGAN + after <= at_the_latest(BEGAN, DAYS)
