"""The recording: how long it is by now, that the table is heard, that the sticks follow, and that each of the two may stop it.

The headline says 'we are recording' only while samples reach the disk (`storing`, the writer's own word), never because they should.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from appliance.agreement import Party
from appliance.meeting import Microphone
from appliance.protocol import MarkRequest, ResumeRequest, Snapshot, StopRequest, SumUpRequest
from appliance.ui.screens.room_screen import RoomScreen, join, press
from appliance.ui.ways import Way, WhoseMark
from appliance.ui.widgets.confirmation import name_of
from appliance.ui.widgets.elapsed_time import ElapsedTime
from appliance.ui.widgets.level import Level
from appliance.ui.widgets.stick_line import Sticks, following
from appliance.ui.widgets.words import Words
from appliance.words import Say, Trouble, span

SOON_FULL_S = 30 * 60


class Recording(RoomScreen):
    """Before the stop the two are invited to sum up; whoever stops by the button or from elsewhere is not asked, and need not be."""

    picture = "●"

    def headline(self, now: Snapshot, say: Say) -> str:
        if lost(now):
            return say("The microphone is gone")
        if now.summing_up and now.storing:
            return say("Would you like to sum up?")
        return say("We are recording this conversation") if now.storing else say("One moment. Nothing is being recorded yet.")

    def happening(self, now: Snapshot, say: Say) -> str:
        if lost(now):
            return say("All up to {time} is safe. Nothing is being recorded now.").format(time=span(seconds(now)))
        if now.summing_up:
            return f"{say('We are still recording.')} {say('One minute, in your own words: it becomes the first chapter.')}"
        part = say("Part {part}.").format(part=now.part) if now.part > 1 else ""
        return f"{part} {sticks_follow(now, say)}".strip()

    def next_step(self, now: Snapshot, say: Say) -> str:
        if lost(now):
            return say("Plug it in again. The recording then goes on by itself.")
        if not now.storing:
            return say("Wait until the light is on.")
        if now.summing_up:
            return say("Done? Touch Stop, or hold the button.") if now.touch else say("Done? Hold the button, or press S.")
        who = say("Each of you may pause or stop.") if now.guest else say("Either of you may pause or stop.")
        return who if now.touch else f"{who} {say('Stopping? Sum up first, then hold the button.')}"

    def trouble(self, now: Snapshot, say: Say) -> Sequence[str]:
        said = say(Trouble.MICROPHONE_LOST).format(time=span(seconds(now)))
        return [sentence for sentence in now.trouble if sentence != said]

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:
        if now.summing_up:
            on = Way(("x",), "X", say("Go on talking"), ResumeRequest())
            return [press(say("Pause"), say), Way(("s",), "S", say("Stop"), StopRequest()), on, *marking_ways(now, say)]
        finish = Way(("s",), "S", say("Sum up and stop"), SumUpRequest())
        return [press(say("Pause"), say), finish, join(say), *marking_ways(now, say)]

    def middle(self) -> ComposeResult:
        # Apart from the level, which moves five times a second: what stands beside it is composed again with it.
        with Vertical(id="time"):
            yield ElapsedTime()
            yield Words(id="room-left")
        yield Level()
        yield Sticks()

    def show_middle(self, now: Snapshot, say: Say) -> None:
        self.set_class(now.storing and not lost(now), "-storing")
        self.query_one(ElapsedTime).show_seconds(seconds(now))
        left = self.query_one("#room-left", Words)
        left.show(room_left(now, say))
        left.set_class(now.seconds_left is not None and now.seconds_left < SOON_FULL_S, "-soon")
        self.query_one(Level).show(now.level, say)
        self.query_one(Sticks).show(now.copies, say)


def marking_ways(now: Snapshot, say: Say) -> list[Way]:
    """A moment to find again, by a key for each party, or by M and then whose it is."""
    professional, client = MarkRequest(Party.PROFESSIONAL), MarkRequest(Party.CLIENT)
    if now.touch:
        label = say("Moment: {party}")
        return [
            Way((key,), key, label.format(party=name_of(request.party, say)), request)
            for key, request in (("1", professional), ("2", client))
        ]
    return [
        Way((), "1 2", say("Mark this moment"), None),
        Way(("1",), "", "", professional),
        Way(("2",), "", "", client),
        Way(("m",), "", "", WhoseMark()),
    ]


def seconds(now: Snapshot) -> float:
    return now.recording.seconds if now.recording is not None else 0.0


def lost(now: Snapshot) -> bool:
    return now.microphone == Microphone.LOST


def sticks_follow(now: Snapshot, say: Say) -> str:
    match following(now.copies):
        case 0:
            return say("No stick is following. The recording itself is safe on this device.")
        case 1:
            return say("One stick is following.")
        case 2:
            return say("Both sticks are following.")
        case _:
            return say("All sticks are following.")


def room_left(now: Snapshot, say: Say) -> str:
    if now.seconds_left is None:
        return ""
    minutes = now.seconds_left // 60
    return say("Room left: {hours} h {minutes} min.").format(hours=minutes // 60, minutes=f"{minutes % 60:02d}")
