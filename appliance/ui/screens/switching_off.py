"""Switching off, from the screen: the copies that are under way come to their end first, or somebody says that they need not."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from appliance.protocol import CancelRequest, Snapshot, SwitchOffRequest
from appliance.ui.screens.room_screen import RoomScreen
from appliance.ui.ways import Way
from appliance.ui.widgets.stick_line import Sticks
from appliance.words import Say


class SwitchingOff(RoomScreen):
    picture = "■"

    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("The device is being switched off")

    def happening(self, now: Snapshot, say: Say) -> str:
        if now.leaving:
            return say("We still wait for the copy on {sticks}.").format(sticks=", ".join(now.leaving))
        return say("Everything is done, and everything is safe.")

    def next_step(self, now: Snapshot, say: Say) -> str:
        if now.leaving:
            return say("Leave the stick in for a moment. Then the device goes off by itself.")
        return say("When this screen is dark, you may take the plug out.")

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:
        stay = Way(("x",), "X", say("Stay on"), CancelRequest())
        if not now.leaving:
            return [stay]
        not_done = say(
            "Not done yet: the copy on {sticks}. It goes on when the device is on again. To switch off now, press O once more."
        )
        now_off = Way(
            ("o",), "O", say("Switch off now"), SwitchOffRequest(now=True), not_done.format(sticks=", ".join(now.leaving))
        )
        return [now_off, stay]

    def middle(self) -> ComposeResult:
        yield Sticks(progress=True)

    def show_middle(self, now: Snapshot, say: Say) -> None:
        sticks = self.query_one(Sticks)
        sticks.display = bool(now.leaving)
        sticks.show(now.copies, say)
