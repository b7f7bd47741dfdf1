"""The agreement: its words, and both confirmations side by side. Neither counts for the other."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from appliance.protocol import Snapshot
from appliance.ui.screens.room_screen import RoomScreen, asked_to, confirmation_stands, confirming_ways, join, read_on, ways_out
from appliance.ui.ways import Way
from appliance.ui.widgets.confirmation import Confirmations, name_of
from appliance.ui.widgets.words import Large, Words
from appliance.words import Say


class Agreement(RoomScreen):
    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Do we agree on this?")

    def happening(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Nothing is being recorded yet.")

    def next_step(self, now: Snapshot, say: Say) -> str:
        if now.touch:
            return say("Do you agree? Touch your own name. Rather not? Just say so.")
        return asked_to(
            now, say, say("{party}, press the button if you agree. Rather not? Just say so."), say("Rather not? Just say so.")
        )

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:
        return [*confirming_ways(now, say), join(say), *ways_out(now, say), *read_on(say, more=self.there_is_more)]

    def middle(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Words(id="agreement")
        yield Large(id="asked")
        yield Confirmations()

    def show_middle(self, now: Snapshot, say: Say) -> None:
        self.query_one("#agreement", Words).show(now.agreement)
        asked = self.query_one("#asked", Large)
        asked.show(name_of(now.asked, say) if now.asked is not None else "")
        # What is agreed on must be read whole; the name is also in the box and in the next step.
        asked.display = (
            now.asked is not None and self.has_class("-wide") and not self.has_class("-low") and not self.there_is_more
        )
        self.query_one(Confirmations).show(confirmation_stands(now, say))
