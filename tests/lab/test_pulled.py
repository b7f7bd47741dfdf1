"""Sticks that were pulled out while they were written to, and come back: this kernel's FAT and exFAT, an appliance's UDisks2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.build import build, default_folder
from tests.lab.machine import BARE, PRODUCT, Machine
from tests.lab.sticks import make_stick
from tests.lab.test_machine import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

NEEDED = ("udisks2.service", "polkit.service")
COMES = f"""cd {PRODUCT} && timeout 300 /opt/meeting-recorder/bin/python -c '
import asyncio, logging, sys
from appliance.copies.udisks import UDisksSticks
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
async def first():
    print(await anext(UDisksSticks().watch()))
asyncio.run(first())'"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(build(default_folder()), "pulled", without=[unit for unit in BARE if unit not in NEEDED]) as there:
        there.as_built()
        there.boot()
        there.put_product_in()
        yield there


@pytest.mark.parametrize("kind", ["vfat", "exfat"])
def test_a_stick_that_was_pulled_while_it_was_written_to_is_clean_when_it_comes_back(
    machine: Machine, tmp_path: Path, kind: str
) -> None:
    image = make_stick(tmp_path / "stick.img", "vfat" if kind == "vfat" else "exfat", "PULLED", 64)
    device = "/dev/disk/by-label/PULLED"
    with machine.hands as hands:
        hands.plug("stick-9", image)
        until(machine, "lsblk -no LABEL", "PULLED")
        machine.run(f"mount {device} /mnt && head -c 9000000 /dev/urandom >/mnt/half && sync /mnt/half && rm /mnt/half")
        hands.pull("stick-9")
        machine.run("umount -l /mnt")
        hands.plug("stick-9", image)
        until(machine, "lsblk -no LABEL", "PULLED")
        said = machine.run(COMES, seconds=400)
        assert "StickCame" in said, said
        assert kind == "exfat" or "is repaired" in said, said  # exFAT takes its flag back at each sync
        machine.run(f"umount {device}; fsck.{kind} -n {device}")
        hands.pull("stick-9")
