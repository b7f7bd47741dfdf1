"""What is plugged into this machine that the appliance could use: microphones, sticks, chips with pins.

Looking changes nothing, and never fails: of what cannot be looked at, it says why.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from appliance.audio.listing import HeardDevice, microphones
from appliance.audio.sources import SourceError
from appliance.copies.plugged import Plugged, plugged

GPIO_GET_CHIPINFO = 0x8044B401
GPIO_V2_GET_LINEINFO = 0xC100B405
"""ioctls of <linux/gpio.h>: who asks takes no line away from anybody."""
GPIO_LINE_USED = 1


@dataclass(frozen=True, slots=True)
class PinLine:
    """A line of a chip, by its number there. `used_by`: who holds it, '' if nobody."""

    number: int
    name: str
    used_by: str


@dataclass(frozen=True, slots=True)
class PinChip:
    device: str
    label: str
    lines: int
    asked: tuple[PinLine, ...]
    """Of the configured pins."""


@dataclass(frozen=True, slots=True)
class Found:
    """`missing`: a sentence for each kind of part that is not there or cannot be looked at."""

    microphones: list[HeardDevice] = field(default_factory=list)
    sticks: list[Plugged] = field(default_factory=list)
    chips: list[PinChip] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def look(pins: tuple[int, ...], bus: str | None = None, devices: Path = Path("/dev")) -> Found:
    """pins: the configured ones. bus: of UDisks2, None for the system's."""
    found = Found()
    try:
        found.microphones.extend(microphones())
        if not found.microphones:
            found.missing.append("No microphone: plug one in, and look again.")
    except SourceError as error:
        found.missing.append(f"No microphone can be looked for: {error}")
    try:
        found.sticks.extend(asyncio.run(sticks(bus)))
        if not found.sticks:
            found.missing.append("No stick is in.")
    except OSError as error:
        found.missing.append(f"No stick can be looked for: UDisks2 does not answer ({error}).")
    for device in sorted(devices.glob("gpiochip*")):
        try:
            found.chips.append(_chip(device, pins))
        except OSError as error:
            found.missing.append(f"{device} cannot be looked at: {error.strerror}. Are you in the group gpio?")
    if not found.chips:
        found.missing.append("No pins: this machine shows no chip for a button or a light. Keys and screen stand in for them.")
    return found


async def sticks(bus: str | None) -> list[Plugged]:
    """What UDisks2 says is in. OSError when it does not answer."""
    from dbus_fast import DBusFastError

    from appliance.copies.udisks import Disks, UDisksError

    disks = Disks(lambda: None)
    try:
        await disks.connect(bus)
        return plugged(disks.objects)
    except (DBusFastError, UDisksError, EOFError, TimeoutError) as error:
        raise OSError(str(error) or type(error).__name__) from error
    finally:
        disks.close()


def _chip(device: Path, pins: tuple[int, ...]) -> PinChip:
    """By the kernel's own words (struct gpiochip_info, struct gpio_v2_line_info)."""
    fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    try:
        _, label, lines = struct.unpack("32s32sI", fcntl.ioctl(fd, GPIO_GET_CHIPINFO, bytes(68)))
        asked = []
        for pin in (pin for pin in pins if pin < lines):
            question = bytearray(256)
            struct.pack_into("=I", question, 64, pin)
            name, consumer, _, _, flags = struct.unpack_from("=32s32sIIQ", fcntl.ioctl(fd, GPIO_V2_GET_LINEINFO, bytes(question)))
            asked.append(PinLine(pin, _text(name), (_text(consumer) or "the kernel") if flags & GPIO_LINE_USED else ""))
    finally:
        os.close(fd)
    return PinChip(str(device), _text(label), lines, tuple(asked))


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")
