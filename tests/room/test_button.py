"""The button: one press is one press, one hold is one hold, and nothing else is anything. The same for a pin and for a simulated one."""

from __future__ import annotations

from collections.abc import Iterator

import gpiozero
import pytest

from appliance.agreement import Party
from tests.room.fingers import (
    BOUNCE_MS,
    MS,
    Finger,
    FingerAtAPin,
    FingerAtASimulatedButton,
    Heard,
    threads_of_buttons,
)

PRESS = ("press", None)
HOLD = ("hold", None)
KINDS = (FingerAtAPin, FingerAtASimulatedButton)
Kind = type[FingerAtAPin] | type[FingerAtASimulatedButton]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def finger(kind: Kind, heard: Heard) -> Iterator[Finger]:
    there = kind(heard)
    yield there
    there.close()


def after(finger: Finger, milliseconds: int) -> Finger:
    finger.now_ms += milliseconds
    return finger


def tap(finger: Finger, milliseconds: int = 120) -> None:
    after(finger, 400).down()
    after(finger, milliseconds).up()


def test_a_press_counts_when_the_finger_lets_go(finger: Finger, heard: Heard) -> None:
    after(finger, 400).down()
    assert heard.told == []
    after(finger, 120).up()
    assert heard.told == [PRESS]
    assert heard.at == [finger.now_ms * MS]


def test_each_press_counts_once(finger: Finger, heard: Heard) -> None:
    for _ in range(5):
        tap(finger)
    assert heard.told == [PRESS] * 5


def test_a_hold_counts_when_its_time_is_full_and_is_no_press_when_let_go(finger: Finger, heard: Heard) -> None:
    after(finger, 400).down()
    after(finger, 1_500).long()
    assert heard.told == [HOLD]
    assert heard.at == [finger.now_ms * MS]
    after(finger, 200).up()
    assert heard.told == [HOLD]
    tap(finger)
    assert heard.told == [HOLD, PRESS]


def test_a_hold_that_goes_on_counts_once(finger: Finger, heard: Heard) -> None:
    after(finger, 400).down()
    after(finger, 1_500).long()
    after(finger, 1_500).long()
    after(finger, 10).up()
    assert heard.told == [HOLD]


def test_a_contact_that_bounces_is_one_press(finger: Finger, heard: Heard) -> None:
    after(finger, 400).down()
    for _ in range(6):
        after(finger, 3).up()
        after(finger, 3).down()
    after(finger, 200).up()
    for _ in range(6):
        after(finger, 3).down()
        after(finger, 3).up()
    assert heard.told == [PRESS]


def test_a_hold_with_a_contact_that_bounces_is_one_hold(finger: Finger, heard: Heard) -> None:
    after(finger, 400).down()
    after(finger, 3).up()
    after(finger, 3).down()
    after(finger, 1_500).long()
    after(finger, 10).up()
    after(finger, 3).down()
    after(finger, 3).up()
    assert heard.told == [HOLD]


def test_sparks_that_no_finger_made_are_no_press_however_many_come(finger: Finger, heard: Heard) -> None:
    for _ in range(4):
        after(finger, 5_000).down()
        after(finger, 1).up()
    assert heard.told == []
    tap(finger)
    assert heard.told == [PRESS]


def test_the_shortest_touch_that_counts_is_just_longer_than_a_bounce(finger: Finger, heard: Heard) -> None:
    tap(finger, BOUNCE_MS - 1)
    assert heard.told == []
    tap(finger, BOUNCE_MS)
    assert heard.told == [PRESS]


def test_after_close_nothing_is_told(finger: Finger, heard: Heard) -> None:
    after(finger, 400).down()
    finger.close()
    after(finger, 1_500).long()
    finger.up()
    tap(finger)
    assert heard.told == []


def test_a_button_may_be_closed_twice(finger: Finger) -> None:
    finger.close()
    finger.close()


def test_a_button_that_is_down_when_the_appliance_starts_does_nothing_until_it_was_let_go(kind: Kind, heard: Heard) -> None:
    finger = kind(heard, already_down=True)
    if kind is FingerAtAPin:  # a simulated one was never down: its first edge is this release
        after(finger, 3_000).long()
    after(finger, 3_000).up()
    assert heard.told == []
    tap(finger)
    assert heard.told == [PRESS]
    finger.close()


def test_a_button_that_is_stuck_holds_once_and_then_does_nothing_until_it_was_let_go(finger: Finger, heard: Heard) -> None:
    after(finger, 400).down()
    after(finger, 1_500).long()
    for _ in range(3):
        after(finger, 60_000).down()
        finger.long()
    after(finger, 60_000).up()
    assert heard.told == [HOLD]
    tap(finger)
    assert heard.told == [HOLD, PRESS]


def test_a_finger_is_told_as_long_as_something_may_come_of_it(finger: Finger, heard: Heard) -> None:
    after(finger, 400).down()
    assert heard.down_for == [("down", None)]
    after(finger, 1_500).long()
    after(finger, 200).up()
    assert heard.down_for == [("down", None), ("up", None)]


def test_a_contact_that_bounces_is_one_finger(finger: Finger, heard: Heard) -> None:
    after(finger, 400).down()
    for _ in range(3):
        after(finger, 3).up()
        after(finger, 3).down()
    after(finger, 200).up()
    assert heard.down_for.count(("down", None)) == 1
    assert heard.down_for[-1] == ("up", None)


def test_a_pin_that_is_low_when_the_appliance_starts_is_told_as_stuck_until_it_was_let_go(heard: Heard) -> None:
    finger = FingerAtAPin(heard, already_down=True)
    assert heard.down_for == [("stuck", None)]
    after(finger, 3_000).up()
    assert heard.down_for == [("stuck", None), ("up", None)]
    assert heard.told == []
    finger.close()


def test_of_two_buttons_each_speaks_for_its_own_party(kind: Kind) -> None:
    heard = Heard()
    professional, client = kind(heard, Party.PROFESSIONAL), kind(heard, Party.CLIENT)
    tap(client)
    tap(professional)
    after(client, 400).down()
    tap(professional)
    after(client, 400).up()
    assert [whose for _, whose in heard.told] == [Party.CLIENT, Party.PROFESSIONAL, Party.PROFESSIONAL, Party.CLIENT]
    for finger in (professional, client):
        finger.close()


def test_a_closed_button_leaves_no_thread_behind() -> None:
    before = len(threads_of_buttons())
    finger = FingerAtAPin(Heard())
    assert len(threads_of_buttons()) == before + 1
    finger.close()
    assert len(threads_of_buttons()) == before


def test_a_press_in_the_middle_of_closing_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """gpiozero closes a button in steps; its own close of the pin comes last, and a finger may be quicker."""
    heard = Heard()
    finger = FingerAtAPin(heard)
    close = gpiozero.GPIODevice.close

    def close_with_a_finger_on_it(device: gpiozero.GPIODevice) -> None:
        if not device.closed:
            tap(finger)
        close(device)

    monkeypatch.setattr(gpiozero.GPIODevice, "close", close_with_a_finger_on_it)
    finger.close()
    assert heard.told == []
