"""The handover: each takes one stick. Both are the same, and both see the signs by which that can be checked for ever after."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from appliance.agreement import PARTIES, Party
from appliance.protocol import AnnounceRequest, ReceivedRequest, Snapshot
from appliance.ui.screens.finishing import later_ways
from appliance.ui.screens.recording import seconds
from appliance.ui.screens.room_screen import PARTY_KEYS, RoomScreen, at_the_button, press
from appliance.ui.times import day_and_time
from appliance.ui.ways import Way
from appliance.ui.widgets.code import Code, room_for, what_it_says
from appliance.ui.widgets.confirmation import Confirmations, Stand, name_of
from appliance.ui.widgets.stick_line import Sticks, signs
from appliance.ui.widgets.words import Words
from appliance.words import Say, span

WITH_CODE = 84
"""Columns for the code and all else beside it."""


class Handover(RoomScreen):
    picture = "■"

    def headline(self, now: Snapshot, say: Say) -> str:
        if interrupted(now):
            return say("The recording was interrupted")
        match now.verified:
            case 0:
                return say("No copy is ready yet")
            case 1:
                return say("One copy is ready")
            case _:
                return say("Take one stick each. They are the same.")

    def happening(self, now: Snapshot, say: Say) -> str:
        if interrupted(now):
            return say("It is there, up to {time}. The copies say why it ends there.").format(time=span(seconds(now)))
        safe = say("The recording is safe on this device.") if now.verified < len(PARTIES) else ""
        return f"{safe} {kept(now, say)}".strip()

    def next_step(self, now: Snapshot, say: Say) -> str:
        if now.asked is None:
            return say("You are done. Thank you.")
        name = name_of(now.asked, say)
        if copies_left(now):
            take = (
                say("{party}, take your stick and touch your name.")
                if now.touch
                else at_the_button(
                    now,
                    say("{party}, take your stick and press the button."),
                    say("{party}, take your stick and press your own button."),
                )
            )
            step = take.format(party=name)
        elif now.touch:
            step = say("{party}, you get your copy later. Touch 'later'.").format(party=name)
        else:
            step = say("{party}, you get your copy later. Press the button.").format(party=name)
        go_on = say("Or go on with part 2.") if interrupted(now) else ""
        return f"{step} {go_on}".strip()

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:
        open_parties = [party for party in PARTIES if party not in now.received]
        taking = say("I have my stick") if copies_left(now) else say("Later")
        ways = [] if now.touch or now.asked is None else [press(taking, say)]
        ways += [received_by(party) for party in open_parties]
        ways += later_ways(now, say)
        if interrupted(now):
            ways.append(Way(("2",), "2", say("Go on with part 2"), AnnounceRequest()))
        return ways

    def middle(self) -> ComposeResult:
        with Horizontal(id="proof"):
            yield Code(id="code")
            with Vertical(id="beside-the-code"):
                yield Words(id="twin-say")
                yield Words(id="twin-words")
                yield Words(id="signs-say")
                yield Words(id="signs")
                yield Words(id="key")
                yield Sticks(progress=True)
                yield Confirmations()

    def show_middle(self, now: Snapshot, say: Say) -> None:
        sha256 = now.recording.sha256 if now.recording is not None else None
        code = what_it_says(now.recording.id, sha256) if now.recording is not None and sha256 else ""
        place = self.query_one("#middle").size
        fits = bool(code) and not self.table.few_glyphs and room_for(code).height <= place.height and place.width >= WITH_CODE
        self.query_one(Code).show(code if fits else "")
        self.set_class(fits, "-code")
        self.query_one("#twin-say", Words).show(say("Both sticks have the same four words:") if now.twin_words else "")
        self.query_one("#twin-words", Words).show(" · ".join(now.twin_words))
        take_a_photo = say("Take a photo of the code and the signs.")
        self.query_one("#signs-say", Words).show(
            "" if not sha256 else take_a_photo if fits else say("The signs of this recording. Take a photo of them.")
        )
        self.query_one("#signs", Words).show(signs(sha256, place.width - (room_for(code).width if fits else 0)) if sha256 else "")
        key = say("This device signs with: {key}").format(key=now.fingerprint) if now.fingerprint and fits else ""
        self.query_one("#key", Words).show(key)
        self.query_one(Sticks).show(now.copies, say)
        self.query_one(Confirmations).show([_stand(party, now, say) for party in PARTIES])


def received_by(party: Party) -> Way:
    return Way((PARTY_KEYS[party],), PARTY_KEYS[party].upper(), "", ReceivedRequest(party))


def _stand(party: Party, now: Snapshot, say: Say) -> Stand:
    received = party in now.received
    says = say("has a stick") if received else say("later") if party in now.later else say("not yet")
    return Stand(party, name_of(party, say), says, received, now.asked == party, None if received else received_by(party))


def copies_left(now: Snapshot) -> int:
    return max(0, now.verified - len(now.received))


def interrupted(now: Snapshot) -> bool:
    return now.recording is not None and now.recording.interrupted


def kept(now: Snapshot, say: Say) -> str:
    """Until when the appliance keeps its own copy, as both may know."""
    if now.kept_until is None:
        return say("This device keeps its own copy for now.")
    return say("This device erases its own copy on {date}.").format(date=day_and_time(now.kept_until, say))
