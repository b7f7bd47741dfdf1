"""The light: dark when it is made, dark after close, and in between what it was told. The same at a pin and simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from gpiozero.pins.mock import MockFactory

from appliance.room.light import Lamp, PinLamp, SimulatedLamp

PIN = 27


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    pins = MockFactory()
    yield pins
    pins.close()


@pytest.fixture(params=["at a pin", "simulated"])
def make_lamp(request: pytest.FixtureRequest, factory: MockFactory) -> Callable[[], Lamp]:
    return SimulatedLamp if request.param == "simulated" else lambda: PinLamp(factory, PIN)


def test_a_lamp_is_dark_when_it_is_made(make_lamp: Callable[[], Lamp]) -> None:
    assert make_lamp().is_lit is False


def test_a_lamp_shows_what_it_is_told(make_lamp: Callable[[], Lamp]) -> None:
    lamp = make_lamp()
    for on in (True, True, False, True, False, False):
        lamp.show(on=on)
        assert lamp.is_lit is on


def test_a_lamp_is_dark_after_close(make_lamp: Callable[[], Lamp]) -> None:
    lamp = make_lamp()
    lamp.show(on=True)
    lamp.close()
    assert lamp.is_lit is False
    lamp.close()
    assert lamp.is_lit is False


def test_the_pin_itself_says_what_the_lamp_says(factory: MockFactory) -> None:
    pin = factory.pin(PIN)
    lamp = PinLamp(factory, PIN)
    pin.clear_states()
    lamp.show(on=True)
    lamp.show(on=False)
    lamp.show(on=True)
    lamp.close()
    assert [state.state for state in pin.states] == [False, True, False, True, False]


def test_a_lamp_at_a_pin_that_was_high_is_dark_at_once(factory: MockFactory) -> None:
    """As after a service that was killed while it was lit."""
    pin = factory.pin(PIN)
    pin.function = "output"
    pin.state = 1
    lamp = PinLamp(factory, PIN)
    assert (lamp.is_lit, pin.state) == (False, 0)
    lamp.close()
