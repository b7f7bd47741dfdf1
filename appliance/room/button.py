"""The button: what fingers do becomes presses and holds.

A press counts when the finger lets go, because only then is it known not to be a hold; a hold counts when the time is full.
Contacts bounce: a change so soon after the last one that no finger did it is not a change. A button that is down when the
appliance starts, or stays down, does nothing until it was let go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from appliance.agreement import Party


class Fingers(Protocol):
    """Who wants to know. Called in any thread, and must return at once. `at`: monotonic nanoseconds."""

    def down(self, party: Party | None, at: int) -> None:
        """A finger is on the button: a press will come of it, or a hold."""

    def let_go(self, party: Party | None, at: int) -> None:
        """After `down` or `stuck`, whatever came of it."""

    def stuck(self, party: Party | None, at: int) -> None:
        """It was down already when the appliance began to look: nothing will come of it."""

    def pressed(self, party: Party | None, at: int) -> None: ...

    def held(self, at: int) -> None: ...


class Contact:
    """One button's contact, from its edges to presses and holds. Pure: it is told the times."""

    def __init__(self, fingers: Fingers, party: Party | None, bounce_ns: int) -> None:
        self._fingers = fingers
        self._party = party
        self._bounce_ns = bounce_ns
        self._is_down = False
        self._down_at: int | None = None
        self._changed_at: int | None = None
        self._was_held = False

    def down(self, at: int) -> None:
        was_let_go, self._is_down = not self._is_down, True
        # a touch that was too short to count leaves `_down_at` behind: the next one begins anew
        if was_let_go and not self._bounces(at):
            self._down_at, self._was_held = at, False
            self._fingers.down(self._party, at)

    def was_down(self, at: int) -> None:
        """It is down, and nobody saw it go down."""
        self._is_down = True
        self._fingers.stuck(self._party, at)

    def held(self, at: int) -> None:
        """It has been down for the whole hold time."""
        if self._is_down and self._down_at is not None and not self._was_held:
            self._was_held = True
            self._fingers.held(at)

    def up(self, at: int) -> None:
        if self._is_down:
            self._fingers.let_go(self._party, at)
        self._is_down = False
        if self._down_at is None or self._bounces(at):
            return
        self._down_at = None
        if not self._was_held:
            self._fingers.pressed(self._party, at)

    def _bounces(self, at: int) -> bool:
        bounces = self._changed_at is not None and at - self._changed_at < self._bounce_ns
        if not bounces:
            self._changed_at = at
        return bounces


class Button(Protocol):
    """An implementation must report to its `Fingers` from the moment it is made until `close`, and never before or after."""

    def close(self) -> None: ...


class PinButton:
    """A button between a pin and ground, by gpiozero: pressed is low."""

    def __init__(
        self,
        factory: Any,
        pin: int,
        contact: Contact,
        clock_ns: Callable[[], int],
        *,
        hold_seconds: float,
        bounce_seconds: float,
    ) -> None:
        import gpiozero

        self._button = gpiozero.Button(pin, pull_up=True, bounce_time=bounce_seconds, hold_time=hold_seconds, pin_factory=factory)
        self._button.when_pressed = lambda: contact.down(clock_ns())
        self._button.when_held = lambda: contact.held(clock_ns())
        self._button.when_released = lambda: contact.up(clock_ns())
        if self._button.is_pressed:
            contact.was_down(clock_ns())

    def close(self) -> None:
        if self._button.closed:
            return
        # gpiozero takes itself apart piece by piece while the pin still tells it of presses: an AttributeError in the pin's thread
        self._button.pin.when_changed = None
        for event in ("when_pressed", "when_held", "when_released"):
            setattr(self._button, event, None)
        self._button.close()


class SimulatedButton:
    """A button that is pressed by calling it."""

    def __init__(self, contact: Contact, clock_ns: Callable[[], int]) -> None:
        self._contact: Contact | None = contact
        self._clock_ns = clock_ns

    def down(self) -> None:
        if self._contact is not None:
            self._contact.down(self._clock_ns())

    def hold_time_is_full(self) -> None:
        if self._contact is not None:
            self._contact.held(self._clock_ns())

    def up(self) -> None:
        if self._contact is not None:
            self._contact.up(self._clock_ns())

    def close(self) -> None:
        self._contact = None
