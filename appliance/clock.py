"""Two clocks: the monotonic one measures, the wall clock only names.

Every duration and every cut comes from the monotonic clock (CLOCK_MONOTONIC, the same for all processes of one boot). The
wall clock says when something was, for people; it may jump, and nothing is decided by it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from appliance.journal import Value


class Clock(Protocol):
    def monotonic_ns(self) -> int:
        """Nanoseconds since some point in this boot."""

    def wall(self) -> datetime:
        """Now, in UTC."""

    def boot(self) -> str:
        """What this boot is called; another after each start of the machine."""


class RealClock:
    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def boot(self) -> str:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def wall_of(clock: Clock, at_ns: int) -> datetime:
    """What the wall clock, as it stands now, calls a monotonic moment of this boot."""
    return clock.wall() - timedelta(microseconds=(clock.monotonic_ns() - at_ns) // 1000)


def stamp(clock: Clock, at_ns: int) -> dict[str, Value]:
    """When something happened, as a journal line says it: microseconds of the monotonic clock, and RFC 3339 in UTC."""
    return {"mono_us": at_ns // 1000, "wall": rfc3339(wall_of(clock, at_ns))}


def rfc3339(moment: datetime) -> str:
    """To the millisecond, in UTC, as in 2026-11-23T13:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_rfc3339(text: str) -> datetime:
    return datetime.fromisoformat(text)
