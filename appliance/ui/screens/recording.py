"""The recording: how long it is by now, that the table is heard, that the sticks follow, and that each of the two may stop it.

The headline says 'we are recording' only while samples reach the disk (`storing`, the writer's own word), never because they should.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from appliance.agreement import Party
from appliance.meeting import Microphone
from appliance.protocol import MarkRequest, Snapshot
from appliance.ui.screens.room_screen import RoomScreen, join, press, stop
from appliance.ui.ways import Way, WhoseMark
from appliance.ui.widgets.elapsed_time import ElapsedTime
from appliance.ui.widgets.level import Level
from appliance.ui.widgets.stick_line import Sticks, following
from appliance.ui.widgets.words import Words
from appliance.words import Say, Trouble, span

SOON_FULL_S = 30 * 60


class Recording(RoomScreen):
    picture = "●"

    def headline(self, now: Snapshot, say: Say) -> str:
        if lost(now):
            return say("The microphone is gone")
        return say("We are recording this conversation") if now.storing else say("One moment. Nothing is being recorded yet.")

    def happening(self, now: Snapshot, say: Say) -> str:
        if lost(now):
            return say("All up to {time} is safe. Nothing is being recorded now.").format(time=span(seconds(now)))
        part = say("Part {part}.").format(part=now.part) if now.part > 1 else ""
        return f"{part} {sticks_follow(now, say)}".strip()

    def next_step(self, now: Snapshot, say: Say) -> str:
        if lost(now):
            return say("Plug it in again. The recording then goes on by itself.")
        if not now.storing:
            return say("Wait until the light is on.")
        return say("Each of you may pause or stop.") if now.guest else say("Either of you may pause or stop.")

    def trouble(self, now: Snapshot, say: Say) -> Sequence[str]:
        said = say(Trouble.MICROPHONE_LOST).format(time=span(seconds(now)))
        return [sentence for sentence in now.trouble if sentence != said]

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:  # noqa: ARG002
        return [press(say("Pause"), say), stop(say), join(say), *marking_ways(say)]

    def middle(self) -> ComposeResult:
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


def marking_ways(say: Say) -> list[Way]:
    """A moment to find again, by a key for each party, or by M and then whose it is."""
    professional, client = MarkRequest(Party.PROFESSIONAL), MarkRequest(Party.CLIENT)
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
