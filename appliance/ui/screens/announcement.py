"""The announcement: the professional says aloud what a recording would mean. Nothing is stored; the level shows that the table is heard."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from appliance.agreement import PARTIES
from appliance.protocol import Snapshot
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
from appliance.ui.times import today_is
from appliance.ui.ways import Way
from appliance.ui.widgets.confirmation import Confirmations, name_of
from appliance.ui.widgets.level import Level
from appliance.ui.widgets.words import Words
from appliance.words import Say

PICTURES = {"good": "●", "waiting": "░", "bad": "■"}


class Announcement(RoomScreen):
    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Tell each other first")

    def happening(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("Say this aloud. Nothing is being recorded yet.")

    def next_step(self, now: Snapshot, say: Say) -> str:
        if now.touch:
            return say("Done? Each of you touches their own name.")
        return at_the_button(
            now,
            asked_to(now, say, say("Done? Each of you confirms. {party}, press the button."), say("Done? Each of you confirms.")),
            say("Done? Each of you presses your own button."),
        )

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:
        return [*confirming_ways(now, say), join(say), *ways_out(now, say), *read_on(now, say, more=self.there_is_more)]

    def middle(self) -> ComposeResult:
        yield Words(id="today")
        with VerticalScroll(can_focus=False):
            yield Words(id="announcement")
            yield Words(id="both-confirm")
            yield Words(id="agreement")
        yield Words(id="checks")
        yield Level()
        yield Confirmations()

    def show_middle(self, now: Snapshot, say: Say) -> None:
        self.query_one("#today", Words).show(_today(now, say))
        self.query_one("#announcement", Words).show(now.announcement)
        self.query_one("#both-confirm", Words).show(say("What each of you confirms:") if now.agreement else "")
        self.query_one("#agreement", Words).show(now.agreement)
        self.query_one("#checks", Words).show(f"{checks(now, say)}   {seats(now, say)}".strip())
        self.query_one(Level).show(now.level, say)
        self.query_one(Confirmations).show(confirmation_stands(now, say))


def checks(now: Snapshot, say: Say) -> str:
    """What was looked at before the start; what to do about what is not good stands below, as trouble."""
    names = {
        "microphone": say("Microphone"),
        "sticks": say("Sticks"),
        "clock": say("Clock"),
        "power": say("Power"),
        "room": say("Disk"),
    }
    return "   ".join(f"{PICTURES.get(check.state, '░')} {names.get(check.what, check.what)}" for check in now.checks)


def seats(now: Snapshot, say: Say) -> str:
    """Whether the microphone hears each seat: who is asked says something, and the appliance tells whether that was loud enough."""
    if now.started or not now.checks:
        return ""
    heard, not_yet = say("{party}: heard"), say("{party}: say something")
    asked = [party for party in PARTIES if party in now.heard or party == now.asked or now.buttons > 1]
    return "   ".join(
        f"● {heard.format(party=name_of(party, say))}" if party in now.heard else f"░ {not_yet.format(party=name_of(party, say))}"
        for party in asked
    )


def _today(now: Snapshot, say: Say) -> str:
    """Both look at the date; where nobody vouches for it, they are asked whether it is right."""
    if now.clock is None:
        return ""
    today = today_is(now.clock, say)
    return today if now.clock_trust != "none" else f"{today} {say('Is that right?')}"
