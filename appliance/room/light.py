"""The light: on if and only if samples are being stored. It decides nothing; `meeting.Light` is the only one who tells it."""

from __future__ import annotations

from typing import Any, Protocol


class Lamp(Protocol):
    """An implementation must be dark when it is made and after `close`."""

    @property
    def is_lit(self) -> bool:
        """What the lamp itself says, where it can be asked."""

    def show(self, *, on: bool) -> None: ...

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
