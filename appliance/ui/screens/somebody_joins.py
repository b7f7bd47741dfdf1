"""Somebody joins: the announcement is said once more, for them, and they confirm too. Nothing is stored meanwhile."""

from __future__ import annotations

from appliance.agreement import Party
from appliance.protocol import Snapshot
from appliance.ui.screens.announcement import Announcement
from appliance.ui.screens.room_screen import asked_to, at_the_button
from appliance.words import Say


class SomebodyJoins(Announcement):
    picture = "►"

    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Somebody joins")

    def happening(self, now: Snapshot, say: Say) -> str:
        if now.started:
            return say("The recording stands still. Tell this person too what you agreed.")
        return say("Nothing is being recorded yet. Tell this person too what you want to agree on.")

    def next_step(self, now: Snapshot, say: Say) -> str:
        if now.touch or now.asked in {None, Party.GUEST}:
            pressing = at_the_button(
                now, say("Do you agree as well? Then press the button."), say("Do you agree as well? Then press either button.")
            )
            return say("Do you agree as well? Touch your name.") if now.touch else pressing
        return asked_to(now, say, say("Done? Each of you confirms. {party}, press the button."), "")
