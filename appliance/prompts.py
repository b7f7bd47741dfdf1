"""What is said aloud, for somebody who does not see the screen: where things stand, and what to do next, in as few words as will do.

Nothing is said while the recording runs, but for its start: the meeting is theirs. What a prompt says is the truth of the moment at
which it is asked for, as on the screen.
"""

from __future__ import annotations

from appliance.agreement import Party
from appliance.protocol import Snapshot
from appliance.words import Say, speak


def prompt(before: Snapshot | None, now: Snapshot) -> str:
    """What is to be said now that `now` came behind `before`; nothing when nothing changed for who listens."""
    if before is None or (before.state, before.asked, before.joining) == (now.state, now.asked, now.joining):
        return ""
    return _said(now, speak(now.language))


def _said(now: Snapshot, say: Say) -> str:  # noqa: PLR0911 - a row a state
    match now.state:
        case "announcing" | "agreeing":
            headline = say("Somebody joins") if now.joining else say("Do we agree on this?")
            turn = say("{party}, your turn: press the button if you agree.")
            return headline if now.asked is None else f"{headline} {turn.format(party=_name(now.asked, say))}"
        case "agreed":
            return f"{say('Agreed')}. {say('Press the button. Then the recording starts and the light goes on.')}"
        case "recording":
            return say("The recording runs.")
        case "paused":
            return f"{say('Paused. Nothing is being recorded.')} {say('Press the button to go on.')}"
        case "copying":
            return f"{say('The recording is done')}. {say('Leave the sticks in for a moment.')}"
        case "handover":
            taking = say("{party}, take your stick and press the button.")
            return "" if now.asked is None else taking.format(party=_name(now.asked, say))
        case "declined":
            return say("No recording. That is fine.")
        case _:
            return ""


def _name(party: Party, say: Say) -> str:
    return {Party.PROFESSIONAL: say("Professional"), Party.CLIENT: say("Client"), Party.GUEST: say("Guest")}[party]
