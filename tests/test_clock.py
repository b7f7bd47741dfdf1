"""Two clocks: one measures, the other only names."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from appliance.clock import RealClock, from_rfc3339, rfc3339, stamp, wall_of
from tests.audio.simulated_room import AT, MS, SECOND, RoomClock


def test_the_real_clock_is_the_kernel_s() -> None:
    clock = RealClock()
    before, now, after = time.monotonic_ns(), clock.monotonic_ns(), time.monotonic_ns()
    assert before <= now <= after
    assert abs(clock.wall() - datetime.now(UTC)) < timedelta(seconds=1)
    assert clock.wall().utcoffset() == timedelta(0)
    assert clock.boot() == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def test_a_moment_that_is_past_is_named_by_how_long_ago_it_was() -> None:
    clock = RoomClock()
    clock.now = 100 * SECOND
    assert wall_of(clock, 100 * SECOND) == AT + timedelta(seconds=100)
    assert wall_of(clock, 97_500 * MS) == AT + timedelta(seconds=97.5)


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(days=3650), timedelta(seconds=2)])
def test_a_wall_clock_that_jumps_changes_what_a_moment_is_called_and_not_when_it_was(
    jump: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = RoomClock()
    clock.now = 5 * SECOND
    before = stamp(clock, 4 * SECOND)
    monkeypatch.setattr(clock, "wall", lambda: AT + timedelta(seconds=5) + jump)
    after = stamp(clock, 4 * SECOND)
    assert before["mono_us"] == after["mono_us"] == 4_000_000
    assert from_rfc3339(str(after["wall"])) - from_rfc3339(str(before["wall"])) == jump


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 23, 13, 0, tzinfo=UTC), "2026-11-23T13:00:00.000Z"),
        (datetime(2026, 11, 23, 14, 0, 0, 999_999, timezone(timedelta(hours=1))), "2026-11-23T13:00:00.999Z"),
        (datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_in_the_journal_is_rfc_3339_in_utc_and_reads_back(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text
    assert abs(from_rfc3339(text) - moment) < timedelta(milliseconds=1)
