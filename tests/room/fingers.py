"""A finger at a button, in the two ways in which there are buttons: at a pin that goes low, and simulated."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from gpiozero.pins.mock import MockFactory, MockPin

from appliance.agreement import Party
from appliance.room.button import Button, Contact, PinButton, SimulatedButton

MS = 1_000_000
BOUNCE_MS = 50
HOLD_SECONDS = 0.08
LONGER_THAN_A_HOLD = 3 * HOLD_SECONDS


@dataclass
class Heard:
    """What a button told: ("press" | "hold", whose)."""

    told: list[tuple[str, Party | None]] = field(default_factory=list)
    at: list[int] = field(default_factory=list)

    down_for: list[tuple[str, Party | None]] = field(default_factory=list)
    """Of fingers: ("down" | "up" | "stuck", whose)."""

    def down(self, party: Party | None, at: int) -> None:  # noqa: ARG002
        self.down_for.append(("down", party))

    def let_go(self, party: Party | None, at: int) -> None:  # noqa: ARG002
        self.down_for.append(("up", party))

    def stuck(self, party: Party | None, at: int) -> None:  # noqa: ARG002
        self.down_for.append(("stuck", party))

    def pressed(self, party: Party | None, at: int) -> None:
        self.told.append(("press", party))
        self.at.append(at)

    def held(self, at: int) -> None:
        self.told.append(("hold", None))
        self.at.append(at)


class Finger(Protocol):
    """`now_ms` is the time that the contact is told; `long` waits until a hold is due."""

    now_ms: int

    def down(self) -> None: ...

    def up(self) -> None: ...

    def long(self) -> None: ...

    def close(self) -> None: ...


class PinThatIsDown(MockPin):  # type: ignore[misc]
    """A pin that something holds low while the appliance starts: its pull-up cannot lift it."""

    def __init__(self, factory: MockFactory, info: Any) -> None:
        super().__init__(factory, info)
        self._state = False

    def _set_pull(self, value: str) -> None:
        self._pull = value


class FingerAtAPin:
    """A button between a mock pin and ground: down drives the pin low."""

    def __init__(self, heard: Heard, party: Party | None = None, *, pin: int = 17, already_down: bool = False) -> None:
        self.now_ms = 1_000
        self._factory = MockFactory()
        if already_down:
            self._factory.pin(pin, pin_class=PinThatIsDown)
        self._pin = self._factory.pin(pin)
        self._button: Button = PinButton(
            self._factory,
            pin,
            Contact(heard, party, BOUNCE_MS * MS),
            lambda: self.now_ms * MS,
            hold_seconds=HOLD_SECONDS,
            bounce_seconds=BOUNCE_MS / 1000,
        )

    def down(self) -> None:
        self._pin.drive_low()

    def up(self) -> None:
        self._pin.drive_high()

    def long(self) -> None:
        time.sleep(LONGER_THAN_A_HOLD)

    def close(self) -> None:
        self._button.close()


class FingerAtASimulatedButton:
    def __init__(self, heard: Heard, party: Party | None = None, *, already_down: bool = False) -> None:  # noqa: ARG002
        self.now_ms = 1_000
        self._button = SimulatedButton(Contact(heard, party, BOUNCE_MS * MS), lambda: self.now_ms * MS)

    def down(self) -> None:
        self._button.down()

    def up(self) -> None:
        self._button.up()

    def long(self) -> None:
        self._button.hold_time_is_full()

    def close(self) -> None:
        self._button.close()


def threads_of_buttons() -> list[threading.Thread]:
    """gpiozero's own, which wait for a hold."""
    return [thread for thread in threading.enumerate() if type(thread).__name__ == "HoldThread"]
