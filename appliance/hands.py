"""Fingers on the table's buttons, as the meeting and the screen hear of them.

A press and a hold are events of the meeting. That a finger is still down is for the screen, which shows how much of a hold is done; a
button that is down for longer than any finger stays is stuck, which the room is told.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.agreement import Party
from appliance.errands import Errands
from appliance.meeting import Hold, MeetingEvent, Press
from appliance.sight import Sight

STUCK_AFTER_NS = 10_000_000_000
"""No meeting wants a finger for so long."""


class Hands:
    """What the buttons tell, in gpiozero's threads; everything happens in the event loop."""

    def __init__(
        self, sight: Sight, errands: Errands, happen: Callable[[MeetingEvent], object], changed: Callable[[], None]
    ) -> None:
        self._sight = sight
        self._errands = errands
        self._happen = happen
        self._changed = changed
        self._down: dict[Party | None, int] = {}

    def down(self, party: Party | None, at: int) -> None:
        self._errands.from_thread(lambda: self._is_down(party, at))

    def let_go(self, party: Party | None, at: int) -> None:  # noqa: ARG002 - when does not matter
        self._errands.from_thread(lambda: self._is_up(party))

    def stuck(self, party: Party | None, at: int) -> None:
        self._errands.from_thread(lambda: self._is_stuck(party, at))

    def pressed(self, party: Party | None, at: int) -> None:
        self._errands.from_thread(lambda: self._happen(Press(party, at)))

    def held(self, at: int) -> None:
        self._errands.from_thread(lambda: self._is_held(at))

    def look(self, now: int) -> None:
        """To be called every few seconds: is one stuck? `now`: monotonic ns."""
        stuck = any(now - since > STUCK_AFTER_NS for since in self._down.values())
        if stuck is not self._sight.button_stuck:
            self._sight.button_stuck = stuck
            self._changed()

    def _is_down(self, party: Party | None, at: int) -> None:
        self._down[party] = at
        self._sight.held_since = at
        self._changed()

    def _is_up(self, party: Party | None) -> None:
        self._down.pop(party, None)
        self._sight.held_since = None
        self._sight.button_stuck = self._sight.button_stuck and bool(self._down)
        self._changed()

    def _is_stuck(self, party: Party | None, at: int) -> None:
        self._down[party] = at - STUCK_AFTER_NS
        self._sight.button_stuck = True
        self._changed()

    def _is_held(self, at: int) -> None:
        self._sight.held_since = None
        self._happen(Hold(at))
