"""The appliance's power: whether it gets enough, and how it is switched off without an administrator.

A Raspberry Pi's firmware tells of too little voltage through the kernel's `rpi_volt` sensor (raspberrypi-hwmon): `in0_lcrit_alarm` is 1
once it happened. A mains adapter, where the machine has one that it can see, is a `power_supply` of type Mains (sysfs-class-power). What
a machine does not tell is not guessed.

Switching off is systemd-logind's `PowerOff` over D-Bus; polkit decides who may (`org.freedesktop.login1.power-off`). It is only asked
for where the service runs as a unit of the system: on a developer's own machine, and in the demonstration, the service just ends.
"""

from __future__ import annotations

import logging
from pathlib import Path

SENSORS = Path("/sys/class/hwmon")
SUPPLIES = Path("/sys/class/power_supply")

log = logging.getLogger(__name__)


class SwitchOffError(Exception):
    """The system did not switch itself off; the sentence says why."""


def is_enough(sensors: Path = SENSORS, supplies: Path = SUPPLIES) -> bool | None:
    """Whether the appliance gets the power that it needs; None where nothing tells."""
    told = [_read(sensor.parent / "in0_lcrit_alarm") == "0" for sensor in sensors.glob("*/name") if _read(sensor) == "rpi_volt"]
    told += [_read(kind.parent / "online") == "1" for kind in supplies.glob("*/type") if _read(kind) == "Mains"]
    return all(told) if told else None


async def switch_off() -> None:
    """Switch the machine off. Raises SwitchOffError."""
    from dbus_fast import BusType, DBusError, Message, MessageType
    from dbus_fast.aio import MessageBus

    try:
        bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        try:
            answer = await bus.call(
                Message(
                    destination="org.freedesktop.login1",
                    path="/org/freedesktop/login1",
                    interface="org.freedesktop.login1.Manager",
                    member="PowerOff",
                    signature="b",
                    body=[False],
                )
            )
        finally:
            bus.disconnect()
    except (OSError, DBusError, EOFError) as error:
        raise SwitchOffError(f"The system could not be asked to switch off: {error}.") from error
    if answer is not None and answer.message_type is MessageType.ERROR:
        raise SwitchOffError(f"The system refused to switch off: {answer.error_name}.")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        log.debug("%s: %s", path, error)
        return ""
