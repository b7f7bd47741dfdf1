"""How long the appliance keeps its own copy: days, and never longer than both read in the agreement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from appliance.config import Retention
from appliance.register import Hold, Kept
from appliance.retention import Decision, Fate, Now, Why, at_the_latest, fates, goes_at
from appliance.trust import Trust

BEGAN = datetime(2026, 11, 23, 14, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYS = Retention(keep_days=7, keep_days_without_handover=14)


def kept(*, sealed: bool = True, handed_over: timedelta | None = None) -> Kept:
    return Kept(
        sealed=sealed,
        handed_over=handed_over is not None,
        begun_at=BEGAN,
        sealed_at=BEGAN + HOUR if sealed else None,
        handed_over_at=BEGAN + handed_over if handed_over else None,
    )


def test_a_recording_that_is_not_sealed_has_no_day_to_go() -> None:
    assert goes_at(kept(sealed=False), DAYS) is None


@pytest.mark.parametrize(("handed_over", "after"), [(None, 14 * DAY), (HOUR, 7 * DAY + HOUR), (12 * DAY, 14 * DAY)])
def test_it_goes_some_days_after_the_handover_and_never_later_than_was_agreed(
    handed_over: timedelta | None, after: timedelta
) -> None:
    assert goes_at(kept(handed_over=handed_over), DAYS) == BEGAN + after
    assert BEGAN + after <= at_the_latest(BEGAN, DAYS)


@pytest.mark.parametrize(
    "configured_since",
    [Retention(keep_days=1, keep_days_without_handover=1), Retention(keep_days=300, keep_days_without_handover=300)],
)
def test_what_both_agreed_to_stays_so_whatever_is_configured_since(configured_since: Retention) -> None:
    for handed_over in (None, HOUR):
        recording = kept(handed_over=handed_over)
        recording.promised_days = (7, 14)
        assert goes_at(recording, configured_since) == goes_at(kept(handed_over=handed_over), DAYS)


# ── what goes now, what not, and why


def now(at: datetime, trust: Trust = Trust.NTP, newest: datetime | None = None) -> Now:
    return Now(at, trust, newest)


def decided(fate: Fate) -> tuple[Decision, Why]:
    return fate.decision, fate.why


def test_it_goes_when_its_days_are_over_and_not_a_moment_before() -> None:
    due = BEGAN + 14 * DAY
    (before,) = fates({"aaaa": kept()}, now(due - timedelta(microseconds=1)), DAYS)
    (after,) = fates({"aaaa": kept()}, now(due), DAYS)
    assert decided(before) == (Decision.KEEP, Why.NOT_YET)
    assert decided(after) == (Decision.GOES, Why.DUE)


def test_a_clock_that_nobody_vouches_for_never_deletes() -> None:
    (fate,) = fates({"aaaa": kept()}, now(BEGAN + 100 * DAY, Trust.NONE), DAYS)
    assert decided(fate) == (Decision.REFUSED, Why.CLOCK_NOT_TRUSTED)


def test_a_clock_behind_what_the_register_says_never_deletes() -> None:
    (fate,) = fates({"aaaa": kept()}, now(BEGAN + 20 * DAY, newest=BEGAN + 21 * DAY), DAYS)
    assert decided(fate) == (Decision.REFUSED, Why.CLOCK_BEHIND)


def test_what_has_no_date_and_what_is_in_the_room_stays() -> None:
    undated = Kept(sealed=True, sha256="f" * 64)
    there = {"aaaa": undated, "bbbb": kept(), "cccc": kept(sealed=False)}
    assert [decided(fate) for fate in fates(there, now(BEGAN + 100 * DAY), DAYS, in_use=["bbbb"])] == [
        (Decision.KEEP, Why.NO_DATE),
        (Decision.KEEP, Why.IN_USE),
        (Decision.KEEP, Why.NOT_SEALED),
    ]


@pytest.mark.parametrize(
    ("until", "trust", "decision"),
    [
        (None, Trust.NTP, Decision.HELD),
        (BEGAN + 101 * DAY, Trust.NTP, Decision.HELD),
        (BEGAN + 99 * DAY, Trust.NTP, Decision.GOES),
        (BEGAN + 99 * DAY, Trust.NONE, Decision.HELD),
    ],
)
def test_what_is_held_stays_until_a_trusted_clock_says_that_the_hold_is_over(
    until: datetime | None, trust: Trust, decision: Decision
) -> None:
    held = kept()
    held.hold = Hold("complaint 7", until, "jo")
    (fate,) = fates({"aaaa": held}, now(BEGAN + 100 * DAY, trust), DAYS)
    assert fate.decision is decision


@pytest.mark.parametrize(
    ("due", "of", "expected", "goes"),
    [(3, 3, None, True), (4, 8, None, True), (5, 8, None, False), (5, 8, 5, True), (5, 8, 4, False), (1, 8, 2, False)],
)
def test_many_at_once_stop_until_somebody_has_looked_and_says_how_many(
    due: int, of: int, expected: int | None, goes: bool
) -> None:
    late = Kept(sealed=True, begun_at=BEGAN + 99 * DAY)
    there = {str(n): kept() if n < due else late for n in range(of)}
    decisions = [fate.decision for fate in fates(there, now(BEGAN + 100 * DAY), DAYS, expected=expected)]
    assert decisions == [Decision.GOES if goes else Decision.REFUSED] * due + [Decision.KEEP] * (of - due)
