"""How long the appliance keeps its own copy. It is transit only: days, and both parties see until when.

Pure policy: what may go, what may not, and why. `deletion.py` does it. The theory: **a wrong clock never deletes.** A recording goes
only when its own time was written by a clock that could be trusted, and a clock that is trusted now says that its days are over. What
looks like a clock gone wrong stops everything, and a person is asked: a time before something that was already written, or suddenly
many recordings due at once. To keep something a day too long can be mended; to erase it a day too early cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from appliance.config import Retention
from appliance.register import Kept
from appliance.trust import Trust

FEW = 3
"""So many may go at once without anybody asking, whatever share of all that is."""


class Decision(StrEnum):
    KEEP = "keep"
    GOES = "goes"
    HELD = "held"
    REFUSED = "refused"


class Why(StrEnum):
    NOT_YET = "its days are not over"
    IN_USE = "it is in the room now"
    NOT_SEALED = "it is not sealed yet"
    NO_DATE = "no clock that could be trusted says when it was made"
    DUE = "its days are over"
    HELD = "it is held"
    CLOCK_NOT_TRUSTED = "it is due by a clock that nobody vouches for: look whether the clock is right, then `clock confirm`"
    CLOCK_BEHIND = "the clock is earlier than what the register already says: look whether it is right"
    TOO_MANY = "many recordings are due at once, as after a clock gone wrong: look, then run it with their number"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one recording now."""

    id: str
    decision: Decision
    goes_at: datetime | None
    why: Why


@dataclass(frozen=True, slots=True)
class Now:
    """The clock, as it stands: its time in UTC, how far it is trusted, and the newest trusted time that the register knows."""

    at: datetime
    trust: Trust
    newest: datetime | None


def at_the_latest(began: datetime, days: Retention) -> datetime:
    """What both agreed on before the start: not later than this, whoever has a copy by then."""
    return began + timedelta(days=days.keep_days_without_handover)


def as_promised(kept: Kept, days: Retention) -> Retention:
    """The days that both agreed to before the start, whatever is configured since."""
    if kept.promised_days is None:
        return days
    after, without = kept.promised_days
    return msgspec.structs.replace(days, keep_days=after, keep_days_without_handover=without)


def goes_at(kept: Kept, days: Retention) -> datetime | None:
    """When the appliance's own copy of a recording is due to be erased.

    None while it is not sealed, or as long as no clock that could be trusted says when it was made.
    """
    days = as_promised(kept, days)
    began = kept.begun_at or kept.sealed_at or kept.not_after
    if not kept.sealed or began is None:
        return None
    latest = at_the_latest(began, days)
    return latest if kept.handed_over_at is None else min(latest, kept.handed_over_at + timedelta(days=days.keep_days))


def fates(
    there: Mapping[str, Kept], now: Now, days: Retention, *, in_use: Sequence[str] = (), expected: int | None = None
) -> list[Fate]:
    """What becomes of each recording that is there, in their order.

    in_use: what the room still has its hands on. expected: the number of recordings that an administrator, having looked, expects
    to go; it takes the place of the rule against many at once, and only when it is exactly right.
    """
    each = [_fate(which, kept, now, days, which in in_use) for which, kept in there.items()]
    due = [fate for fate in each if fate.decision is Decision.GOES]
    why = _why_not(len(due), len(each), now, days, expected)
    if why is None:
        return each
    return [Fate(fate.id, Decision.REFUSED, fate.goes_at, why) if fate in due else fate for fate in each]


def _fate(which: str, kept: Kept, now: Now, days: Retention, is_in_use: bool) -> Fate:
    due = goes_at(kept, days)
    if kept.hold is not None and not _is_over(kept.hold.until, now):
        return Fate(which, Decision.HELD, due, Why.HELD)
    if is_in_use:
        return Fate(which, Decision.KEEP, due, Why.IN_USE)
    if not kept.sealed:
        return Fate(which, Decision.KEEP, None, Why.NOT_SEALED)
    if due is None:
        return Fate(which, Decision.KEEP, None, Why.NO_DATE)
    if now.at < due:
        return Fate(which, Decision.KEEP, due, Why.NOT_YET)
    return Fate(which, Decision.GOES, due, Why.DUE)


def _is_over(until: datetime | None, now: Now) -> bool:
    return until is not None and now.trust is not Trust.NONE and now.at >= until


def _why_not(due: int, of: int, now: Now, days: Retention, expected: int | None) -> Why | None:
    """Why nothing may go now, though its time seems to have come."""
    if not due:
        return None
    if now.trust is Trust.NONE:
        return Why.CLOCK_NOT_TRUSTED
    if now.newest is not None and now.at < now.newest:
        return Why.CLOCK_BEHIND
    too_many = due > FEW and due * 100 > of * days.most_at_once_percent
    if (expected is None and too_many) or (expected is not None and expected != due):
        return Why.TOO_MANY
    return None
