"""The pins: none on a machine that has none, a sentence when they were asked for and cannot be had."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from appliance.room.pins import PinsError, open_pins


def test_where_no_pins_are_wanted_there_are_none() -> None:
    assert open_pins("none") is None


def test_a_machine_without_a_chip_has_no_pins_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: str(path) != "/dev/gpiochip0")
    assert open_pins("auto") is None


def test_a_chip_that_cannot_be_reached_is_no_reason_not_to_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setitem(sys.modules, "gpiozero.pins.lgpio", None)
    assert open_pins("auto") is None
    assert "no pins" in caplog.text


def test_pins_that_were_asked_for_and_cannot_be_had_are_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiozero.pins.lgpio", None)
    with pytest.raises(PinsError) as wrong:
        open_pins("lgpio")
    assert "python3-lgpio" in str(wrong.value)
    assert 'factory = "none"' in str(wrong.value)


def test_the_simulated_chip_is_one_chip_as_a_real_one_is() -> None:
    pins = open_pins("mock")
    assert isinstance(pins, MockFactory)
    assert open_pins("mock") is pins
