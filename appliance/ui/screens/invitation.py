"""The invitation: nobody has asked for anything yet."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from appliance.protocol import AnnounceRequest, Snapshot
from appliance.ui.screens.room_screen import BUTTON, RoomScreen, at_the_button, switch_off
from appliance.ui.ways import OtherLanguage, Way
from appliance.ui.widgets.words import Words
from appliance.words import Say, speak

COFFEE_TEA_MICROPHONE = """\
                                     ┌───┐
 ┌──────┐          ┌──────┐          │▒▒▒│
 │░░░░░░├─┐        │░░░░░░├─┐        │▒▒▒│
 │░░░░░░├─┘        └┐░░░░┌┴─┘        └┐▒┌┘
 └──────┘         ──└────┘──         ──█──"""
PICTURE = COFFEE_TEA_MICROPHONE.replace("├", "│").replace("┴", "─")
"""A mug, a cup on its saucer and a microphone, of the few shapes that every console has."""


class Invitation(RoomScreen):
    def __init__(self, now: Snapshot, language: str, others: Sequence[str]) -> None:
        super().__init__(now, language)
        self.language = language
        self.others = others
        """The languages that the key goes on to; the first one is next."""

    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002 - one signature for all screens
        return say("Coffee? Tea? A recording?")

    def happening(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say(
            "Would you like to record this conversation? Talk about it together. It need not be a secret. And it need not be done."
        )

    def next_step(self, now: Snapshot, say: Say) -> str:
        return at_the_button(now, say("Press the button to begin."), say("Press a button to begin."))

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:  # noqa: ARG002
        begin = Way(BUTTON, say("Space"), say("Begin"), AnnounceRequest(language=self.language))
        other = [Way(("l",), "L", own_name(self.others[0]), OtherLanguage())] if self.others else []
        return [begin, *other, switch_off(say)]

    def middle(self) -> ComposeResult:
        yield Words(id="picture")
        yield Words(id="comparison")

    def show_middle(self, now: Snapshot, say: Say) -> None:  # noqa: ARG002
        self.query_one("#picture", Words).show(PICTURE)
        self.query_one("#comparison", Words).show(now.comparison or "")


def own_name(language: str) -> str:
    """A language's name as its own speakers write it."""
    say = speak(language)
    name = say("English")
    return name if name != "English" or language == "en" else language
