"""The machine itself: what other tests of the room need of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.build import build, default_folder
from tests.lab.machine import Machine
from tests.lab.sticks import make_stick

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(build(default_folder()), "try", screen=True) as there:
        there.as_built()
        there.boot()
        yield there


def until(machine: Machine, command: str, expected: str) -> None:
    end = time.monotonic() + 60
    while expected not in (said := machine.run(command, check=False)):
        assert time.monotonic() < end, said
        time.sleep(0.5)


@pytest.mark.parametrize("kind", ["vfat", "exfat"])
def test_a_stick_is_plugged_in_mounted_and_pulled_out(machine: Machine, tmp_path: Path, kind: str) -> None:
    image = make_stick(tmp_path / "stick.img", "vfat" if kind == "vfat" else "exfat", "MEETING", 64)
    with machine.hands as hands:
        hands.plug("stick-7", image, bytes_a_second=4_000_000)
        until(machine, "lsblk -no SERIAL,LABEL,FSTYPE", kind)
        assert "stick-7" in machine.run("lsblk -dno SERIAL")
        assert "Mounted" in machine.run("udisksctl mount --no-user-interaction -b /dev/disk/by-label/MEETING")
        hands.pull("stick-7")
        until(machine, "lsblk -dno SERIAL | grep -c stick-7", "0")


def test_a_broken_stick_gives_an_error_at_its_broken_place(machine: Machine, tmp_path: Path) -> None:
    image = make_stick(tmp_path / "stick.img", "vfat", "BROKEN", 64)
    with machine.hands as hands:
        hands.plug("stick-8", image, broken_sector=60_000)
        until(machine, "lsblk -dno SERIAL", "stick-8")
        write = "dd if=/dev/zero of=/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_stick-8-0:0 bs=512 count=8 oflag=direct conv=notrunc"
        assert machine.run(f"{write} seek=50000 2>&1 && echo written").endswith("written\n")
        assert "Input/output error" in machine.run(f"{write} seek=59996 2>&1", check=False)
        hands.pull("stick-8")


def test_the_button_the_sound_card_and_the_screen_are_there(machine: Machine, tmp_path: Path) -> None:
    assert "54 lines" in machine.run("gpiodetect")
    machine.run("echo pull-down > /run/gpio-sim/sim_gpio17/pull")
    assert "inactive" in machine.run("gpioget -c gpiochip0 17")
    assert "Loopback" in machine.run("arecord -l")
    with machine.hands as hands:
        hands.photograph(tmp_path / "screen.png")
        hands.type("a", "ret")
        hands.touch(50, 50)
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")
