"""The agreement: its words, and both confirmations side by side. Neither counts for the other."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from appliance.agreement import PARTIES
from appliance.protocol import Snapshot
from appliance.ui.screens.announcement import seats
from appliance.ui.screens.room_screen import (
    RoomScreen,
    asked_to,
    at_the_button,
    confirmation_stands,
    confirming_ways,
    join,
    read_on,
    ways_out,
)
from appliance.ui.ways import Way
from appliance.ui.widgets.confirmation import Confirmations, name_of
from appliance.ui.widgets.stick_line import present
from appliance.ui.widgets.words import Large, Words
from appliance.words import Say


class Agreement(RoomScreen):
    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Do we agree on this?")

    def happening(self, now: Snapshot, say: Say) -> str:
        match present(now.copies):
            case 0:
                sticks = say("Both of you then get your copy later.")
            case 1:
                sticks = say("One of you then gets a copy later.")
            case _:
                sticks = ""
        return f"{sticks} {say('Nothing is being recorded yet.')}".strip()

    def next_step(self, now: Snapshot, say: Say) -> str:
        if now.touch:
            return say("Do you agree? Touch your own name. Rather not? Just say so.")
        words = at_the_button(
            now,
            say("{party}, press the button if you agree. Rather not? Just say so."),
            say("{party}, press your own button if you agree. Rather not? Just say so."),
        )
        return asked_to(now, say, words, say("Rather not? Just say so."))

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:
        return [*confirming_ways(now, say), join(say), *ways_out(now, say), *read_on(now, say, more=self.there_is_more)]

    def middle(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Words(id="agreement")
        yield Large(id="few-sticks")
        yield Words(id="seats")
        yield Large(id="asked")
        yield Confirmations()

    def show_middle(self, now: Snapshot, say: Say) -> None:
        self.query_one("#agreement", Words).show(now.agreement)
        self.query_one("#seats", Words).show(seats(now, say))
        large = self.has_class("-wide") and not self.has_class("-low")
        few = self.query_one("#few-sticks", Large)
        few.show(few_sticks(now, say))
        few.display = large and bool(few.text)
        asked = self.query_one("#asked", Large)
        asked.show(name_of(now.asked, say) if now.asked is not None else "")
        # What is agreed on must be read whole; the name is also in the box and in the next step.
        asked.display = now.asked is not None and large and not few.display and not self.there_is_more
        self.query_one(Confirmations).show(confirmation_stands(now, say))


def few_sticks(now: Snapshot, say: Say) -> str:
    """What both say yes to when they confirm now: with fewer than two sticks one of them, or both, will get a copy later."""
    there = present(now.copies)
    return "" if there >= len(PARTIES) else say("1 stick") if there else say("No stick")
