"""Two clocks: the monotonic one measures, the wall clock only names.

Every duration and every cut comes from the monotonic clock (CLOCK_MONOTONIC, the same for all processes of one boot). The
wall clock says when something was, for people; it may jump, and nothing is decided by it. So wherever its time is written down,
how far it could be trusted then stands beside it (`trust.py` has the rules, `timekeeping.py` looks).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from appliance.journal import Value
from appliance.trust import Trust


class Clock(Protocol):
    def monotonic_ns(self) -> int:
        """Nanoseconds since some point in this boot."""

    def wall(self) -> datetime:
        """Now, in UTC."""

    def boot(self) -> str:
        """What this boot is called; another after each start of the machine."""

    def trust(self) -> Trust:
        """How far `wall` could be trusted when somebody last looked."""


class RealClock:
    """The machine's own. Nobody has looked whether its wall clock is right: that is `timekeeping.Timekeeper`'s work."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def boot(self) -> str:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()

    def trust(self) -> Trust:
        return Trust.NONE


def wall_of(clock: Clock, at_ns: int) -> datetime:
    """What the wall clock, as it stands now, calls a monotonic moment of this boot."""
    return clock.wall() - timedelta(microseconds=(clock.monotonic_ns() - at_ns) // 1000)


def stamp(clock: Clock, at_ns: int) -> dict[str, Value]:
    """When something happened, as a journal line says it.

    `mono_us`: microseconds of the monotonic clock. `wall`: RFC 3339, in UTC. `trust`: how far that could be trusted (`trust.Trust`).
    """
    return {"mono_us": at_ns // 1000, "wall": rfc3339(wall_of(clock, at_ns)), "trust": clock.trust().value}


def rfc3339(moment: datetime) -> str:
    """To the millisecond, in UTC, as in 2026-11-23T13:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_rfc3339(text: str) -> datetime:
    return datetime.fromisoformat(text)
