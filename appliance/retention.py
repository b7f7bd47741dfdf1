"""How long the appliance keeps its own copy. It is transit only: days, and both parties see until when.

Pure policy. What is due is not deleted here, nor anywhere yet: until that comes, a date is what the two were told, and a duty.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from appliance.clock import from_rfc3339
from appliance.config import Retention
from appliance.store import Kept


def at_the_latest(began: datetime, days: Retention) -> datetime:
    """What both agreed on before the start: not later than this, whoever has a copy by then."""
    return began + timedelta(days=days.keep_days_without_handover)


def goes_at(kept: Kept, days: Retention) -> datetime | None:
    """When the appliance's own copy of a recording is due to be erased; None while it is not sealed."""
    if kept.sealed_at is None:
        return None
    latest = at_the_latest(from_rfc3339(kept.begun_at or kept.sealed_at), days)
    if kept.handed_over_at is None:
        return latest
    return min(latest, from_rfc3339(kept.handed_over_at) + timedelta(days=days.keep_days))
