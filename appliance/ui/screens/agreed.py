"""Agreed: everybody confirmed, and the recording waits for the press that starts it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from appliance.protocol import Snapshot
from appliance.ui.screens.room_screen import RoomScreen, at_the_button, confirmation_stands, join, press, ways_out
from appliance.ui.ways import Way
from appliance.ui.widgets.confirmation import Confirmations
from appliance.ui.widgets.level import Level
from appliance.words import Say


class Agreed(RoomScreen):
    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Agreed")

    def happening(self, now: Snapshot, say: Say) -> str:
        return say("Nothing is being recorded now.") if now.started else say("Nothing is being recorded yet.")

    def next_step(self, now: Snapshot, say: Say) -> str:
        if now.started:
            return at_the_button(
                now,
                say("Press the button. Then the recording goes on, and the light goes on again."),
                say("Press a button. Then the recording goes on, and the light goes on again."),
            )
        return at_the_button(
            now,
            say("Press the button. Then the recording starts and the light goes on."),
            say("Press a button. Then the recording starts and the light goes on."),
        )

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:
        begin = say("Go on recording") if now.started else say("Start the recording")
        return [press(begin, say), join(say), *ways_out(now, say)]

    def middle(self) -> ComposeResult:
        yield Confirmations()
        yield Level()

    def show_middle(self, now: Snapshot, say: Say) -> None:
        self.query_one(Confirmations).show(confirmation_stands(now, say))
        self.query_one(Level).show(now.level, say)
