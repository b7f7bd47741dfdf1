"""How far the wall clock can be trusted, and why: pure rules over what was observed.

A Pi without a battery wakes up in the past; an administrator's finger slips; a network sets it right in the middle of
a meeting. So nothing is decided by the wall clock, and what it says is written down together with how far it could be
trusted then:

    ntp         the kernel says that a time server keeps it (adjtimex(2): not STA_UNSYNC)
    battery     a battery clock set it at the start of the machine, later than the last time that was trusted, and not absurdly so
    confirmed   an administrator looked at it in this boot and said that it is right (registered)
    none        nobody knows

Trust that was given in this boot is lost when the clock jumps against the monotonic one and no time server did it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

LARGEST_DRIFT_PPM = 500
"""No clock that works is further off than this; adjtimex(2) itself corrects no more."""
SMALLEST_JUMP = timedelta(seconds=2)
LONGEST_ON_BATTERY = timedelta(days=400)
"""A battery clock that claims more than this since the last trusted time was set by somebody, or broke."""


class Trust(StrEnum):
    NTP = "ntp"
    BATTERY = "battery"
    CONFIRMED = "confirmed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Observation:
    """What can be seen at one moment. `rtc`: what the battery clock says, None where there is none."""

    monotonic_ns: int
    wall: datetime
    ntp: bool
    rtc: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What is held of the clock since the last look. `last_trusted`: the newest wall time that was trusted, over all boots."""

    trust: Trust
    seen: Observation
    last_trusted: datetime | None
    jumped: timedelta | None = None
    """How far the clock jumped between the last look and this one, when it did."""


def first_look(seen: Observation, last_trusted: datetime | None) -> Judged:
    """At the start of the service."""
    if seen.ntp:
        return Judged(Trust.NTP, seen, seen.wall)
    if _battery_agrees(seen, last_trusted):
        return Judged(Trust.BATTERY, seen, seen.wall)
    return Judged(Trust.NONE, seen, last_trusted)


def look_again(before: Judged, seen: Observation) -> Judged:
    """Every few seconds, in the same boot."""
    jump = jump_between(before.seen, seen)
    jumped = jump if abs(jump) > _allowed(before.seen, seen) else None
    if seen.ntp:
        trust = Trust.NTP
    elif jumped is not None:
        trust = Trust.NONE
    elif before.trust is Trust.NTP and not seen.ntp:
        trust = Trust.NTP  # a time server set it in this boot; that it is out of reach now takes nothing back
    else:
        trust = before.trust
    trusted_now = seen.wall if trust is not Trust.NONE else before.last_trusted
    return Judged(trust, seen, trusted_now, jumped)


def confirm(before: Judged) -> Judged:
    """An administrator says that the clock is right as it stands."""
    if before.trust in {Trust.NTP, Trust.BATTERY}:
        return before
    return replace(before, trust=Trust.CONFIRMED, last_trusted=before.seen.wall)


def jump_between(before: Observation, after: Observation) -> timedelta:
    """How much further the wall clock went than the monotonic one."""
    passed = timedelta(microseconds=(after.monotonic_ns - before.monotonic_ns) // 1000)
    return after.wall - before.wall - passed


def _allowed(before: Observation, after: Observation) -> timedelta:
    passed = timedelta(microseconds=(after.monotonic_ns - before.monotonic_ns) // 1000)
    return SMALLEST_JUMP + passed * LARGEST_DRIFT_PPM / 1_000_000


def _battery_agrees(seen: Observation, last_trusted: datetime | None) -> bool:
    """The battery clock, the clock that it set, and the last trusted time tell one story."""
    if seen.rtc is None or last_trusted is None:
        return False
    since = seen.wall - last_trusted
    return timedelta(0) <= since <= LONGEST_ON_BATTERY and abs(seen.wall - seen.rtc) <= SMALLEST_JUMP
