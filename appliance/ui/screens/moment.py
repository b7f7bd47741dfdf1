"""One moment: the screen does not hear the recorder. It says so calmly, and shows nothing that might no longer be true."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.protocol import Snapshot
from appliance.ui.screens.room_screen import RoomScreen
from appliance.ui.ways import Way
from appliance.words import Say

A_WHILE_S = 10.0
"""After this long it is no longer a moment, and 'the recording goes on' is more than the screen can know."""

NOTHING_HEARD = Snapshot(state="", confirmed=[], storing=False, light=False, trouble=[], recording=None, copies=[])


class Moment(RoomScreen):
    def __init__(self, last: Snapshot | None, language: str) -> None:
        super().__init__(NOTHING_HEARD, language)
        self.last = last
        self.silent_for = 0.0

    def show_silence(self, silent_for: float) -> None:
        """`silent_for`: seconds since the recorder was last heard."""
        self.silent_for = silent_for
        self.show(self.now, self.say)

    def headline(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        return say("One moment")

    def happening(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        if self.silent_for > A_WHILE_S:
            return say("The recorder does not answer. What was recorded is safe.")
        if self.last is None:
            return say("The recorder is being switched on.")
        if self.last.storing:
            return say("This screen does not hear the recorder for a moment. The recording goes on.")
        return say("This screen does not hear the recorder for a moment. What was recorded is safe.")

    def next_step(self, now: Snapshot, say: Say) -> str:  # noqa: ARG002
        if self.silent_for > A_WHILE_S:
            return say("Look at the light: it is on while a recording is made. Ask the administrator for help.")
        return say("You need not do anything. This goes on by itself.")

    def ways(self, now: Snapshot, say: Say) -> Sequence[Way]:  # noqa: ARG002
        return []
