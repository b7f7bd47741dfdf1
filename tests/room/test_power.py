"""Power: what the machine tells of it, and switching it off through systemd-logind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from appliance.room.power import SwitchOffError, is_enough, switch_off
from tests.copies.sockets import sockets_of_a_table


def sensor(top: Path, name: str, **values: str) -> None:
    folder = top / f"hwmon{len(list(top.iterdir())) if top.is_dir() else 0}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    for file, value in values.items():
        (folder / file).write_text(f"{value}\n")


def supply(top: Path, kind: str, online: str) -> None:
    folder = top / kind.lower()
    folder.mkdir(parents=True)
    (folder / "type").write_text(f"{kind}\n")
    (folder / "online").write_text(f"{online}\n")


def test_a_pi_tells_of_too_little_voltage(tmp_path: Path) -> None:
    sensor(tmp_path / "well", "cpu_thermal")
    sensor(tmp_path / "well", "rpi_volt", in0_lcrit_alarm="0")
    sensor(tmp_path / "low", "rpi_volt", in0_lcrit_alarm="1")
    assert is_enough(tmp_path / "well", tmp_path / "none") is True
    assert is_enough(tmp_path / "low", tmp_path / "none") is False


def test_a_mains_adapter_that_is_out_is_too_little(tmp_path: Path) -> None:
    supply(tmp_path / "out", "Mains", "0")
    supply(tmp_path / "in", "Mains", "1")
    supply(tmp_path / "in", "Battery", "0")
    assert is_enough(tmp_path / "none", tmp_path / "out") is False
    assert is_enough(tmp_path / "none", tmp_path / "in") is True


def test_a_machine_that_tells_nothing_is_not_guessed_about(tmp_path: Path) -> None:
    assert is_enough(tmp_path, tmp_path) is None


class Logind:
    """Whom the machine asks to be switched off."""

    def __init__(self) -> None:
        self.asked: list[list[object]] = []
        self.refuses = False

    async def connect(self, address: str) -> MessageBus:
        bus = await MessageBus(bus_address=address).connect()
        await bus.request_name("org.freedesktop.login1")
        bus.add_message_handler(self._answer)
        return bus

    def _answer(self, message: Message) -> Message | None:
        if message.member != "PowerOff" or message.message_type is not MessageType.METHOD_CALL:
            return None
        self.asked.append(list(message.body))
        if self.refuses:
            return Message.new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "no")
        return Message.new_method_return(message)


@pytest.fixture
def bus_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A system bus of our own."""
    with sockets_of_a_table() as sockets:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", sockets.address)
        yield sockets.address


async def test_logind_is_asked_to_switch_off_and_may_refuse(bus_address: str) -> None:
    logind = Logind()
    bus = await logind.connect(bus_address)
    await switch_off()
    assert logind.asked == [[False]], "without asking a person for a password"
    logind.refuses = True
    with pytest.raises(SwitchOffError, match="AccessDenied"):
        await switch_off()
    bus.disconnect()


async def test_a_system_without_logind_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")
    with pytest.raises(SwitchOffError, match="could not be asked"):
        await switch_off()
