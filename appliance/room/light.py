"""The light: on if and only if samples are being stored. It decides nothing; `meeting.Light` is the only one who tells it.

It never blinks: a light that is on is a recording, and a dark one is none, at whatever moment somebody looks. All else that a light
could say is left to a second one of another colour, which a table may have, and which is never on for long.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol


class Lamp(Protocol):
    """An implementation must be dark when it is made and after `close`."""

    @property
    def is_lit(self) -> bool:
        """What the lamp itself says, where it can be asked."""

    def show(self, *, on: bool) -> None: ...

    def close(self) -> None: ...


class Signal(Enum):
    """What the second light says; the seconds that it is on and off."""

    NOTHING = (0.0, 1.0)
    STANDS_STILL = (0.1, 2.9)
    """A recording was begun and stands still: a short flash, now and then."""
    TROUBLE = (0.5, 0.5)
    """Something is wrong, and the screen says what."""


class SecondLamp(Protocol):
    """An implementation must be dark when it is made and after `close`."""

    def say(self, signal: Signal) -> None: ...

    def close(self) -> None: ...


class PinSecondLamp:
    """A LED of another colour at a pin, by gpiozero, which blinks it from a thread of its own."""

    def __init__(self, factory: Any, pin: int) -> None:
        import gpiozero

        self._led: Any = gpiozero.LED(pin, initial_value=False, pin_factory=factory)
        self._said = Signal.NOTHING

    def say(self, signal: Signal) -> None:
        if signal is self._said or self._led.closed:
            return
        self._said = signal
        on, off = signal.value
        if on:
            self._led.blink(on, off)
        else:
            self._led.off()

    def close(self) -> None:
        if not self._led.closed:
            self._led.off()
        self._led.close()


class NoSecondLamp:
    """A table without one."""

    def say(self, signal: Signal) -> None:
        """The screen says it."""

    def close(self) -> None: ...


class PinLamp:
    """A LED at a pin, by gpiozero."""

    def __init__(self, factory: Any, pin: int) -> None:
        import gpiozero

        self._led: Any = gpiozero.LED(pin, initial_value=False, pin_factory=factory)

    @property
    def is_lit(self) -> bool:
        return not self._led.closed and bool(self._led.is_lit)

    def show(self, *, on: bool) -> None:
        self._led.value = on

    def close(self) -> None:
        if not self._led.closed:
            self._led.off()
        self._led.close()


class SimulatedLamp:
    """A lamp that only the screen shows."""

    def __init__(self) -> None:
        self._lit = False

    @property
    def is_lit(self) -> bool:
        return self._lit

    def show(self, *, on: bool) -> None:
        self._lit = on

    def close(self) -> None:
        self._lit = False
