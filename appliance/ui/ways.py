"""What a person can do now: the keys for it, what it is called on the screen, and what it asks for.

One list serves for all: what stands at the foot of the screen is what the keys do, and what a touch does. Nothing that ends or
refuses something happens at the first press: such a way has a sentence that asks for a second one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from textual.message import Message

from appliance.meeting import Alternative
from appliance.protocol import Request


@dataclass(frozen=True, slots=True)
class OtherLanguage:
    """Speak the next language, on the invitation."""


@dataclass(frozen=True, slots=True)
class WhoseMark:
    """A moment is to be marked; the next key says for whom."""


@dataclass(frozen=True, slots=True)
class Choose:
    """What the two do instead of recording, before it is written down."""

    alternative: Alternative


@dataclass(frozen=True, slots=True)
class KeepNote:
    """What was written is kept."""


@dataclass(frozen=True, slots=True)
class LeaveNoteOut:
    """No note after all."""


@dataclass(frozen=True, slots=True)
class Scroll:
    """Read on in a long text; `lines` up or down."""

    lines: int


Does: TypeAlias = Request | OtherLanguage | WhoseMark | Choose | KeepNote | LeaveNoteOut | Scroll | None


@dataclass(frozen=True, slots=True)
class Way:
    """`shown` and `label` stand at the foot of the screen; with an empty `label` it stands elsewhere on the screen, or nowhere."""

    keys: tuple[str, ...]
    shown: str
    label: str
    does: Does
    once_more: str = ""
    """What asks for the second press. Empty: the first press does it."""


class Taken(Message):
    """Somebody took a way, by key or by touch."""

    def __init__(self, way: Way) -> None:
        super().__init__()
        self.way = way


class Written(Message):
    """A short note of what the two chose instead was typed, and is to be kept."""

    def __init__(self, alternative: Alternative, note: str) -> None:
        super().__init__()
        self.alternative = alternative
        self.note = note
