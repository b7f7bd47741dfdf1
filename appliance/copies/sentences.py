"""What the room reads of a stick that cannot be used, or that does not keep up: what happened, what is safe, what to do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from appliance.words import Say, Trouble

if TYPE_CHECKING:
    from appliance.copies.copying import CopyState
    from appliance.copies.sticks import StickRefused, Unfit

_REFUSED: dict[Unfit, Trouble] = {
    "file system": Trouble.STICK_FILE_SYSTEM,
    "empty": Trouble.STICK_NOT_FORMATTED,
    "locked": Trouble.STICK_LOCKED,
    "readonly": Trouble.STICK_WRITE_PROTECTED,
    "damaged": Trouble.STICK_DAMAGED,
}


def refused_in_words(refused: StickRefused, say: Say) -> str:
    return say(_REFUSED[refused.why]).format(stick=refused.stick.known_by)


def slow_in_words(copy: CopyState, say: Say) -> str | None:
    """None for a stick that keeps up. Of one that has taken in nothing at all, nobody knows how long it will take."""
    if not copy.slow or copy.state != "following":
        return None
    if copy.seconds_left is None:
        return say(Trouble.STICK_SLOW).format(stick=copy.label)
    minutes = max(2, math.ceil(copy.seconds_left / 60))
    return say(Trouble.STICK_BEHIND).format(stick=copy.label, minutes=minutes)
