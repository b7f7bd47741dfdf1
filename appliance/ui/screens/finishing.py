"""Finishing: the recording is being sealed and the last of it checked on the sticks, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from appliance.agreement import PARTIES
from appliance.meeting import State
from appliance.protocol import LaterRequest, Snapshot
from appliance.ui.screens.recording import seconds
from appliance.ui.screens.room_screen import PARTY_KEYS, RoomScreen
from appliance.ui.ways import Way
from appliance.ui.widgets.confirmation import name_of
from appliance.ui.widgets.stick_line import Sticks, present
from appliance.ui.widgets.words import Words
from appliance.words import Say, span


class Finishing(RoomScreen):
    picture = "■"

    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("The recording is done")

    def happening(self, now: Snapshot, say: Say) -> str:
        match present(now.copies):
            case 0:
                return say("We now close the recording. It is kept on this device.")
            case 1:
                return say("We now check the last part on the stick, so that you can be sure that it is right.")
            case _:
                return say(
                    "We now check the last part on both sticks, so that you can be sure that they are right, and the same."
                )

    def next_step(self, now: Snapshot, say: Say) -> str:
        return say("Leave the sticks in for a moment.") if present(now.copies) else say("Wait a moment.")

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:
        if now.state != State.COPYING:
            return []
        return later_ways(now, say)

    def middle(self) -> ComposeResult:
        yield Words(id="length")
        yield Sticks(progress=True)

    def show_middle(self, now: Snapshot, say: Say) -> None:
        self.query_one("#length", Words).show(say("Length: {time}").format(time=span(seconds(now))))
        self.query_one(Sticks).show(now.copies, say)


def later_ways(now: Snapshot, say: Say) -> list[Way]:
    """Each party may go without waiting, or without a stick; the copy is made for them later."""
    parties = [party for party in PARTIES if party not in {*now.received, *now.later}]
    keys = {party: PARTY_KEYS[party].upper() for party in parties}
    if now.touch:
        label = say("{party}: later")
        return [
            Way((key,), f"Shift+{key}", label.format(party=name_of(party, say)), LaterRequest(party))
            for party, key in keys.items()
        ]
    ways = [Way((keys[party],), f"Shift+{keys[party]}", "", LaterRequest(party)) for party in parties]
    return [Way((), f"Shift+{'/'.join(keys.values())}", say("Later"), None), *ways] if ways else []
