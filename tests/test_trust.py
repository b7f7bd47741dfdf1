"""The clock: what it is trusted for, and what takes that trust away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.trust import Judged, Observation, Trust, confirm, first_look, look_again

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def observe(seconds: float, *, ntp: bool = False, rtc: datetime | None = None, off: timedelta = timedelta()) -> Observation:
    """So long after the start of the machine, with the clock off by so much."""
    return Observation(int(seconds * 1e9), NOON + timedelta(seconds=seconds) + off, ntp, rtc)


def confirmed() -> Judged:
    return confirm(first_look(observe(0), None))


def test_a_clock_that_nobody_set_is_not_trusted() -> None:
    assert first_look(observe(0), None).trust is Trust.NONE
    assert first_look(observe(0), NOON - DAY).trust is Trust.NONE


def test_a_time_server_makes_it_trusted_and_losing_the_network_later_takes_nothing_back() -> None:
    judged = look_again(first_look(observe(0), None), observe(10, ntp=True))
    assert judged.trust is Trust.NTP
    assert look_again(judged, observe(20)).trust is Trust.NTP


@pytest.mark.parametrize(
    ("last", "trust"), [(NOON - DAY, Trust.BATTERY), (NOON + DAY, Trust.NONE), (NOON - 500 * DAY, Trust.NONE)]
)
def test_a_battery_clock_is_trusted_when_it_agrees_with_the_last_trusted_time(last: datetime, trust: Trust) -> None:
    assert first_look(observe(0, rtc=NOON), last).trust is trust


def test_a_battery_clock_that_says_something_else_than_the_clock_is_not_believed() -> None:
    assert first_look(observe(0, rtc=NOON - DAY), NOON - 2 * DAY).trust is Trust.NONE


def test_an_administrators_word_holds_until_the_clock_jumps() -> None:
    judged = look_again(confirmed(), observe(10))
    assert judged.trust is Trust.CONFIRMED
    assert judged.jumped is None
    judged = look_again(judged, observe(20, off=-DAY))
    assert (judged.trust, judged.jumped) == (Trust.NONE, -DAY)


def test_a_step_by_a_time_server_is_a_jump_and_is_trusted() -> None:
    judged = look_again(confirmed(), observe(10, ntp=True, off=10 * 365 * DAY))
    assert judged.trust is Trust.NTP
    assert judged.jumped == 10 * 365 * DAY


def test_a_clock_that_jumps_back_keeps_the_last_trusted_time() -> None:
    judged = look_again(confirmed(), observe(10, off=-DAY))
    assert judged.last_trusted == NOON


@given(st.integers(-200, 200), st.integers(1, 13 * 3600))
def test_drift_alone_is_no_jump(ppm: int, seconds: int) -> None:
    judged = look_again(confirmed(), observe(seconds, off=timedelta(seconds=seconds * ppm / 1_000_000)))
    assert judged.trust is Trust.CONFIRMED
