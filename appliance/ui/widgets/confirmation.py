"""The people at the table, side by side and equal in size: who has confirmed, who has taken a copy, whose turn it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal

from appliance.agreement import Party
from appliance.ui.ways import Taken, Way
from appliance.ui.widgets.words import Words
from appliance.words import Say


@dataclass(frozen=True, slots=True)
class Stand:
    """How it stands with one party. `way`: what their key or a touch on their name does now, if anything."""

    party: Party
    name: str
    says: str
    done: bool
    asked: bool
    way: Way | None = None


class Confirmation(Words):
    """One party's box. The same for each of them but for the colour, which says whether it waits, is asked or is done."""

    def __init__(self) -> None:
        super().__init__()
        self.stand: Stand | None = None

    def show_stand(self, stand: Stand | None) -> None:
        self.stand = stand
        if stand is None:
            self.show("")
            return
        self.set_class(stand.done, "-done")
        self.set_class(stand.asked and not stand.done, "-asked")
        name = f"► {stand.name}" if stand.asked and not stand.done else stand.name
        key = f" [{stand.way.shown}]" if stand.way is not None else ""
        self.show(f"{name}\n{'● ' if stand.done else ''}{stand.says}{key}")

    def on_click(self) -> None:
        if self.stand is not None and self.stand.way is not None:
            self.post_message(Taken(self.stand.way))


class Confirmations(Horizontal):
    """A box for the professional, for the client, and for a guest who is at the table."""

    def __init__(self) -> None:
        super().__init__()
        self._boxes = [Confirmation() for _ in Party]

    def compose(self) -> ComposeResult:
        yield from self._boxes

    def show(self, stands: Sequence[Stand]) -> None:
        for place, box in enumerate(self._boxes):
            box.show_stand(stands[place] if place < len(stands) else None)


def name_of(party: Party, say: Say) -> str:
    return {Party.PROFESSIONAL: say("Professional"), Party.CLIENT: say("Client"), Party.GUEST: say("Guest")}[party]
