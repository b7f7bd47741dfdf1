"""Is there room enough on a stick? Asked before the meeting, against the longest one that the administrator allows for.

A recording is one file, whatever its length; FAT32 takes none larger than 4 GiB (less one byte). So there are two limits, and
two different things to do about them: a larger or emptier stick, or one that is formatted as exFAT.

Pure, but for the sentence it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from appliance.words import Say, Trouble

if TYPE_CHECKING:
    from appliance.copies.sticks import Stick

BESIDE_THE_SOUND = 8 << 20
"""Bytes for what stands beside the sound of a meeting: the page, the file system's own room."""

BESIDE_EACH_SECOND = 320
"""Bytes of journal and levels for each second of sound: one line in either."""

Limit: TypeAlias = Literal["room", "file"]


@dataclass(frozen=True, slots=True)
class Shortage:
    """The longest meeting does not fit. limit: for want of room, or as one file.  minutes: how many do fit."""

    limit: Limit
    minutes: int


def shortage(stick: Stick, free_bytes: int, *, longest_seconds: float, bytes_a_second: int) -> Shortage | None:
    """What of the longest meeting does not fit onto this stick; None if all does.

    free_bytes: what `Sticks.free_bytes` said. bytes_a_second: of sound (rate times bytes a frame).
    """
    by_room = max(0.0, (free_bytes - BESIDE_THE_SOUND) / (bytes_a_second + BESIDE_EACH_SECOND))
    by_file = float("inf") if stick.largest_file is None else (stick.largest_file - 4096) / bytes_a_second
    if min(by_room, by_file) >= longest_seconds:
        return None
    return Shortage("room" if by_room <= by_file else "file", int(min(by_room, by_file) / 60))


def shortage_in_words(stick: Stick, short: Shortage, say: Say) -> str:
    """What happened, and what to do."""
    trouble = Trouble.STICK_SMALL if short.limit == "room" else Trouble.STICK_FILE_LIMIT
    return say(trouble).format(stick=stick.known_by, minutes=short.minutes)
