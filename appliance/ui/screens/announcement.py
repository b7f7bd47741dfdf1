"""The announcement: the professional says aloud what a recording would mean. Nothing is stored; the level shows that the table is heard."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from appliance.protocol import Snapshot
from appliance.ui.screens.room_screen import RoomScreen, asked_to, confirmation_stands, confirming_ways, join, read_on, ways_out
from appliance.ui.ways import Way
from appliance.ui.widgets.confirmation import Confirmations
from appliance.ui.widgets.level import Level
from appliance.ui.widgets.words import Words
from appliance.words import Say


class Announcement(RoomScreen):
    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Tell each other first")

    def happening(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Say this aloud. Nothing is being recorded yet.")

    def next_step(self, now: Snapshot, say: Say) -> str:
        if now.touch:
            return say("Done? Each of you touches their own name.")
        return asked_to(
            now, say, say("Done? Each of you confirms. {party}, press the button."), say("Done? Each of you confirms.")
        )

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:
        return [*confirming_ways(now, say), join(say), *ways_out(now, say), *read_on(say, more=self.there_is_more)]

    def middle(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Words(id="announcement")
            yield Words(id="both-confirm")
            yield Words(id="agreement")
        yield Level()
        yield Confirmations()

    def show_middle(self, now: Snapshot, say: Say) -> None:
        self.query_one("#announcement", Words).show(now.announcement)
        self.query_one("#both-confirm", Words).show(say("What each of you confirms:") if now.agreement else "")
        self.query_one("#agreement", Words).show(now.agreement)
        self.query_one(Level).show(now.level, say)
        self.query_one(Confirmations).show(confirmation_stands(now, say))
