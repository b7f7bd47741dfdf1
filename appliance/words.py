"""What the appliance says to people: sentences, by gettext, in the language of the table.

The msgids are the English texts; `locale/<language>/LC_MESSAGES/meeting-recorder.po` holds the others, and one more file is
one more language. Texts say what happened, what is safe and what to do next, in this order, and never blame anybody.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from datetime import date
from enum import StrEnum
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
    Refusal.NO_NOTE_BESIDE_A_RECORDING: N_(
        "There is a recording already, so no note was made. Nothing has changed. Go on without a note."
    ),
}

MONTHS = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)


WEEKDAYS = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)


def day(moment: date, say: Say) -> str:
    """A day as people say it: 7 December 2026, 7 december 2026."""
    return f"{moment.day} {say(MONTHS[moment.month - 1])} {moment.year}"


def span(seconds: float) -> str:
    """How far into a recording: 00:41:11."""
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


class Trouble(StrEnum):
    """What can be wrong in the room: each is one sentence or three, what happened, what is safe, what to do."""

    MICROPHONE_LOST = N_("The microphone is gone. All up to {time} is safe. Put the plug in again: it then goes on by itself.")
    MICROPHONE_MISSING = N_("No microphone is heard. Nothing is being recorded. Put the plug in.")
    MICROPHONE_DEAD = N_(
        "The microphone gives no sound at all, not even of the room. What was recorded is safe. Check its plug and its switch."
    )
    TOO_QUIET = N_(
        "We hear the table only very softly. What was recorded is safe. Is somebody speaking? Then put the microphone closer."
    )
    TOO_LOUD = N_(
        "It is too loud for the microphone, and the sound crackles. What was recorded is safe. Put the microphone further away."
    )
    DISK_FAILING = N_("The device's own disk gives errors. What was stored before is safe. We keep trying.")
    CLOCK_NOT_TRUSTED = N_(
        "Nobody knows whether this device's clock is right. The recording will have no date; how long it is, is right. "
        "Say the date aloud. The administrator can confirm the clock."
    )
    LEFT_AS_THEY_ARE = N_(
        "An earlier recording ({recordings}) was damaged. It is kept as it is, and others are safe. Call the administrator."
    )
    REGISTER_DAMAGED = N_(
        "The device's own list was damaged. The recordings are safe. What could be read was written anew. Call the administrator."
    )
    ORIGINAL_DAMAGED = N_("The device's own copy of this recording was damaged, so it is not copied. Call the administrator.")
    CLOCK_TOO_LONG_UNKNOWN = N_(
        "For many days nobody has known whether this device's clock is right. All recordings are safe, and none is erased. "
        "The administrator can confirm the clock."
    )
    HALF_AN_HOUR_LEFT = N_("The device has room for {minutes} more minutes. All up to now is safe. Keep an eye on the time.")
    TEN_MINUTES_LEFT = N_(
        "In {minutes} minutes the device is full. All up to now is safe. Round off the meeting: it then stops by itself."
    )
    DISK_FULL = N_("The device has too little room. What was recorded is safe. Ask the administrator to make room.")
    NOT_BEGUN = N_("The recording could not begin: the device's own disk refused it. Nothing was recorded. Press again.")
    NOT_SEALED = N_("The recording is stored, but could not be closed yet. It is safe. Switch the device off and on.")
    BUTTON_STUCK = N_("The button is down, or stuck. Nothing has changed. Let go of it, or tap it. The keys still work.")
    POWER_WEAK = N_("The device gets too little power. What was recorded is safe. Use its own plug and cable.")
    NOT_SWITCHED_OFF = N_("The device could not switch itself off. Everything is safe. Call the administrator.")
    NOT_REGISTERED = N_("The device's own list could not be written. The recording is safe. Call the administrator.")
    NO_STICK = N_("There is no stick in the device. Put in two, so that each of you can take the recording home.")
    ONE_STICK = N_("There is only one stick in the device. Put in a second one, so that each of you can take one home.")
    STICK_OUT = N_("The stick {stick} is out. The recording is safe. Put it back: it goes on where it was.")
    STICK_FULL = N_("The stick {stick} is full. The recording is safe. Put in another stick.")
    STICK_READ_ONLY = N_("The stick {stick} cannot be written on. The recording is safe. Put in another stick.")
    STICK_FOREIGN = N_(
        "The stick {stick} already has something of the same name, and we leave that alone. The recording is safe. "
        "Put in another stick."
    )
    STICK_DIFFERENT = N_("The stick {stick} does not keep what is written on it. The recording is safe. Put in another stick.")
    STICK_BROKEN = N_("The stick {stick} gives errors. The recording is safe. Put in another stick.")
    STICK_FILE_SYSTEM = N_(
        "Not every computer can read the stick {stick}. Nothing on it has changed. Put in another stick: FAT32 or exFAT."
    )
    STICK_NOT_FORMATTED = N_("The stick {stick} was never made ready for use. Nothing on it has changed. Put in another stick.")
    STICK_LOCKED = N_("The stick {stick} is locked with a password. Nothing on it has changed. Put in another stick.")
    STICK_DAMAGED = N_("The stick {stick} cannot be opened: it is damaged. Nothing on it has changed. Put in another stick.")
    STICK_WRITE_PROTECTED = N_("The stick {stick} cannot be written on. Is there a switch on its side? Or put in another stick.")
    STICK_SMALL = N_(
        "On the stick {stick} there is room for {minutes} minutes. If you need longer, put in a larger or emptier stick."
    )
    STICK_FILE_LIMIT = N_(
        "The stick {stick} can hold {minutes} minutes in one piece. If you need longer, put in a stick that is formatted as exFAT."
    )
    STICK_BEHIND = N_(
        "The stick {stick} is slow. The recording is safe. After the meeting, leave it in for about {minutes} more minutes."
    )
    STICK_SLOW = N_("The stick {stick} has stopped taking anything. The recording is safe. Take it out and put it back.")
    ORIGINAL_BROKEN = N_("The copy on {stick} could not be made. The recording is safe on this device. Call the administrator.")
