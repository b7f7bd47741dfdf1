"""What the appliance says to people: sentences, by gettext, in the language of the table.

The msgids are the English texts; `locale/<language>/LC_MESSAGES/meeting-recorder.po` holds the others, and one more file is one more
language. Texts say what happened, what is safe and what to do next, in this order, and never blame anybody.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeAlias

from appliance.meeting import Refusal

DOMAIN = "meeting-recorder"
LOCALE = Path(__file__).parent / "locale"
SOURCE_LANGUAGE = "en"

Say: TypeAlias = Callable[[str], str]


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for 'translate this later'
    """Mark a text for translation where it is written; it is translated where it is said."""
    return text


@cache
def speak(language: str) -> Say:
    """The words of one language. A text that it does not have is said in English."""
    return gettext.translation(DOMAIN, LOCALE, [language], fallback=True).gettext


@cache
def languages() -> tuple[str, ...]:
    """The languages that there are, Dutch first."""
    there = {mo.parts[-3] for mo in LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")} | {SOURCE_LANGUAGE}
    return tuple(sorted(there, key=lambda language: (language != "nl", language)))


REFUSALS: dict[Refusal, str] = {
    Refusal.NOT_NOW: N_("That is not possible at this moment. Nothing has changed."),
    Refusal.NO_MEETING: N_("No meeting has begun yet. Press the button to begin."),
    Refusal.MEETING_GOES_ON: N_("A meeting is still going on. End it first."),
    Refusal.NOT_ALL_CONFIRMED: N_("Not everybody has confirmed yet. Nothing is being recorded. First each of you confirms."),
    Refusal.NO_GUEST: N_("No guest has joined. Say first that somebody joins."),
    Refusal.NO_MICROPHONE: N_("No microphone is heard, so the recording cannot begin. Put the plug in, and press again."),
    Refusal.MICROPHONE_NOT_YET: N_("The microphone is being switched on. Wait a moment, and press again."),
    Refusal.NO_ROOM_ON_DISK: N_("This device has too little room for a recording. Ask the administrator to make room."),
    Refusal.ALREADY_RECORDING: N_("The recording has begun already. You may pause it, go on, or stop it."),
    Refusal.NOT_RECORDING: N_("Nothing is being recorded now. What was recorded is safe."),
    Refusal.NO_COPY_LEFT: N_("There is no checked copy left to take. The recording is safe on this device. You may say 'later'."),
    Refusal.COPIES_NOT_READY: N_("The copies are not ready yet. Leave the sticks in for a moment."),
    Refusal.ONLY_PARTIES_RECEIVE: N_("The professional and the client each take one copy."),
    Refusal.TOUCH_THE_SCREEN: N_("Touch your own name on the screen."),
}
