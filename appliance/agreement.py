"""The agreement: who is at the table, in which words they agree, and whether everybody whose word is needed has confirmed.

Both parties confirm in the same way, and neither confirmation counts for the other (T2). A guest who came in confirms too (R3).
The wording is the organisation's own text with three places to fill: {date}, {contact} and {organisation}.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Party(StrEnum):
    """Somebody at the table, by what they are in the room. Never a name."""

    PROFESSIONAL = "professional"
    CLIENT = "client"
    GUEST = "guest"


PARTIES = (Party.PROFESSIONAL, Party.CLIENT)
"""The two who always confirm and who each take a copy home, in the order in which the screen asks them."""

PLACES = frozenset({"date", "contact", "organisation"})


class WordingError(Exception):
    """An agreement's text that cannot be shown as it stands."""


_LEFT_OUT = re.compile(r"\w*(?:toe(?:ge)?[s]tem|con[s]ent|per[m]ission)\w*", re.IGNORECASE)


def left_out_words(text: str) -> tuple[str, ...]:
    """The words in a text that T2 leaves out: two people agree with each other, and neither of them asks the other for leave."""
    return tuple(_LEFT_OUT.findall(text))


def needed(*, guest: bool) -> tuple[Party, ...]:
    """Whose confirmation the agreement needs, in the order in which they are asked."""
    return (*PARTIES, Party.GUEST) if guest else PARTIES


def is_complete(confirmed: frozenset[Party], *, guest: bool) -> bool:
    return confirmed.issuperset(needed(guest=guest))


@dataclass(frozen=True, slots=True)
class Agreement:
    """The words that both confirm, filled in, and what the professional says aloud before them."""

    language: str
    announcement: str
    text: str

    @property
    def version(self) -> str:
        """SHA-256 (hex) of the text as it stands in the copy's data/agreement.txt."""
        return hashlib.sha256(self.as_file()).hexdigest()

    def as_file(self) -> bytes:
        return self.text.strip().encode() + b"\n"


def fill(template: str, places: Mapping[str, str]) -> str:
    """Put the organisation's words into the places of a wording.

    Raises WordingError for a place that does not exist, so that a typing error is found at start-up and not at the table.
    """
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise WordingError(f"A brace in the agreement is not closed: {error}.") from error
    if unknown := names - PLACES:
        raise WordingError(f"The agreement has a place {{{min(unknown)}}}; the places are {', '.join(sorted(PLACES))}.")
    return template.format_map({place: places[place] for place in names})
