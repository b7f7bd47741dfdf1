"""The pause: nothing is stored, and what was stored is safe."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from appliance.protocol import Snapshot
from appliance.ui.screens.recording import lost, seconds
from appliance.ui.screens.room_screen import RoomScreen, at_the_button, join, press, stop
from appliance.ui.ways import Way
from appliance.ui.widgets.stick_line import Sticks
from appliance.ui.widgets.words import Words
from appliance.words import Say, span


class Paused(RoomScreen):
    picture = "▐▐"

    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Paused. Nothing is being recorded.")

    def happening(self, now: Snapshot, say: Say) -> str:
        if lost(now):
            return say("The microphone is gone. What was recorded is safe.")
        return say("The light is off.")

    def next_step(self, now: Snapshot, say: Say) -> str:
        if lost(now):
            return say("Plug it in again. Then press the button to go on.")
        return at_the_button(now, say("Press the button to go on."), say("Press a button to go on."))

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:  # noqa: ARG002
        return [press(say("Go on"), say), stop(say), join(say)]

    def middle(self) -> ComposeResult:
        yield Words(id="until-here")
        yield Sticks()

    def show_middle(self, now: Snapshot, say: Say) -> None:
        self.query_one("#until-here", Words).show(say("Recorded until here: {time}").format(time=span(seconds(now))))
        self.query_one(Sticks).show(now.copies, say)
