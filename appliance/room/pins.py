"""Which way to the pins: gpiozero's factories, or none on a machine without a GPIO chip.

gpiozero is an extra of this package: where it or the chip is missing, the table has no button and no light of its own, and
keys and screen stand in for them.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any, Literal

FactoryName = Literal["auto", "lgpio", "mock", "none"]

log = logging.getLogger(__name__)


class PinsError(Exception):
    """The pins that were configured cannot be reached; the sentence says why and what to do."""


def open_pins(name: FactoryName) -> Any | None:
    """A gpiozero pin factory; None when there are no pins to be had and none were demanded.

    "mock" gives the one simulated chip of this process: who opens it again reaches the same pins, and may press and look.
    """
    if name == "none" or (name == "auto" and not Path("/dev/gpiochip0").exists()):
        return None
    try:
        if name == "mock":
            return _simulated_chip()
        from gpiozero.pins.lgpio import LGPIOFactory

        return LGPIOFactory()
    except Exception as error:  # gpiozero raises what its back end raises, and there are many
        if name == "auto":
            log.warning("no pins: %s", error)
            return None
        raise PinsError(
            f"The pins cannot be reached ({error}). On a Pi: apt install python3-lgpio, and let this user into the group gpio; "
            'without button and light: [pins] factory = "none".'
        ) from error


@cache
def _simulated_chip() -> Any:
    from gpiozero.pins.mock import MockFactory

    return MockFactory()
