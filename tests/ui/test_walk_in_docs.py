"""The walk in docs/room.md is the walk on the screen, word by word."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.ui.app import screen_for
from appliance.ui.screens.invitation import Invitation
from appliance.words import speak
from tests.ui.room import every_screen

DOCS = (Path(__file__).parents[2] / "docs/room.md").read_text("utf-8")
SCREENS = dict(every_screen("nl"))
WALK = [
    "01-invitation", "02-announcement", "03-agreement", "07-agreed", "09-recording", "19-copying", "20-handover", "21-handover-client",
]  # fmt: skip
BESIDE = ["09-summing-up", "14-paused", "15-somebody-joins", "26-declined", "27-switching-off-waits"]


def told(name: str) -> str:
    """A row's cells, as the screen says them."""
    now, say = SCREENS[name], speak("nl")
    kind = screen_for(now)
    screen = Invitation(now, "nl", []) if kind is Invitation else kind(now, "nl")
    return " | ".join((screen.headline(now, say), screen.happening(now, say), screen.next_step(now, say)))


@pytest.mark.parametrize(("number", "name"), list(enumerate(WALK, 1)))
def test_each_step_of_the_walk_stands_in_the_documentation_as_it_is_said(number: int, name: str) -> None:
    assert f"| {number} | {told(name)} |" in DOCS


@pytest.mark.parametrize("name", BESIDE)
def test_what_lies_beside_the_walk_stands_there_too(name: str) -> None:
    assert f"| {told(name)} |" in DOCS


def test_the_recording_is_reached_in_five_presses_or_fewer() -> None:
    assert WALK.index("09-recording") <= 5
