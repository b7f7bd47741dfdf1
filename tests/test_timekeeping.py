"""The clock that the service goes by: its trust is found out, written down, and lost when it must be."""

from __future__ import annotations

import ctypes
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.disk import RealDisk
from appliance.timekeeping import REMEMBER_EVERY, RealSigns, Timekeeper
from appliance.trust import Trust
from tests.disks import SimulatedDisk, luck
from tests.room.running import Shown

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Machine:
    """A machine whose clocks the test turns."""

    folder: Path
    now: timedelta = timedelta(0)
    off: timedelta = timedelta(0)
    boot_id: str = "first"
    signs: Shown = field(default_factory=lambda: Shown(server=False))

    def monotonic_ns(self) -> int:
        return int(self.now.total_seconds() * 1e9)

    def wall(self) -> datetime:
        return NOON + self.now + self.off

    def boot(self) -> str:
        return self.boot_id

    def trust(self) -> Trust:
        return Trust.NONE

    @property
    def memory(self) -> Path:
        return self.folder / "clock.json"

    def start(self) -> Timekeeper:
        """The service starts, and looks."""
        keeper = Timekeeper(self, self.signs, RealDisk(), self.memory)
        keeper.look()
        return keeper

    def restart(self, keeper: Timekeeper) -> Timekeeper:
        keeper.remember()
        return self.start()

    def switched_off(self, keeper: Timekeeper, how_long: timedelta) -> None:
        keeper.remember()
        self.boot_id += " again"
        self.off += self.now + how_long
        self.now = timedelta(0)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


HELD = {
    "boot": "first",
    "last_trusted": "2026-11-24T12:00:00.000Z",
    "mono_ns": 0,
    "trust": "confirmed",
    "wall": "2026-11-24T12:00:00.000Z",
    "without_trust_s": 0,
}
ODD = [
    json.dumps({**HELD, **odd}).encode()
    for odd in (
        {"wall": "2026-11-24T12:00:00"},
        {"last_trusted": "2026-11-24"},
        {"mono_ns": 10**40},
        {"mono_ns": float("inf")},
        {"without_trust_s": 1e30},
        {"trust": "much"},
    )
] + [b"[" * 200_000]


def test_a_clock_that_nobody_vouches_for_is_not_trusted(machine: Machine) -> None:
    assert machine.start().trust() is Trust.NONE


def test_an_administrators_word_holds_until_the_machine_is_switched_off(machine: Machine) -> None:
    keeper = machine.start()
    keeper.confirm()
    assert keeper.trust() is Trust.CONFIRMED
    machine.now += timedelta(hours=3)
    keeper = machine.restart(keeper)
    assert keeper.trust() is Trust.CONFIRMED
    machine.switched_off(keeper, DAY)
    assert machine.start().trust() is Trust.NONE


def test_a_battery_clock_that_agrees_with_the_last_trusted_time_is_trusted(machine: Machine) -> None:
    keeper = machine.start()
    keeper.confirm()
    machine.switched_off(keeper, DAY)
    machine.signs.at = machine.wall()
    assert machine.start().trust() is Trust.BATTERY


def test_a_battery_clock_that_is_behind_the_last_trusted_time_is_not(machine: Machine) -> None:
    keeper = machine.start()
    keeper.confirm()
    machine.switched_off(keeper, -DAY)
    machine.signs.at = machine.wall()
    assert machine.start().trust() is Trust.NONE


@pytest.mark.parametrize("jump", [-DAY, 3650 * DAY], ids=["a day back", "ten years on"])
def test_a_clock_that_was_turned_while_the_service_was_down_is_not_trusted(machine: Machine, jump: timedelta) -> None:
    keeper = machine.start()
    keeper.confirm()
    keeper.remember()
    machine.now += timedelta(minutes=1)
    machine.off += jump
    keeper = Timekeeper(machine, machine.signs, RealDisk(), machine.memory)
    assert (keeper.trust(), keeper.judged.jumped) == (Trust.NONE, jump)


def test_a_look_tells_once_of_a_jump_and_of_a_change_of_trust(machine: Machine) -> None:
    keeper = machine.start()
    keeper.confirm()
    machine.off -= DAY
    jumped = keeper.look()
    assert (jumped.trust, jumped.jumped, jumped.changed) == (Trust.NONE, -DAY, True)
    later = keeper.look()
    assert (later.trust, later.jumped, later.changed) == (Trust.NONE, None, False)


def test_what_is_held_is_written_when_it_is_new_and_then_seldom(machine: Machine) -> None:
    keeper = machine.start()
    assert keeper.must_remember
    keeper.remember()
    due = []
    for passed in (REMEMBER_EVERY - timedelta(seconds=1), timedelta(seconds=1)):
        machine.now += passed
        keeper.look()
        due.append(keeper.must_remember)
    assert due == [False, True]


def test_it_is_known_for_how_long_there_was_no_trusted_time_over_all_boots(machine: Machine) -> None:
    keeper = machine.start()
    machine.now += timedelta(hours=5)
    keeper.look()
    machine.switched_off(keeper, 100 * DAY)
    keeper = machine.start()
    machine.now += timedelta(hours=2)
    keeper.look()
    assert keeper.without_trust == timedelta(hours=7)
    keeper.confirm()
    assert keeper.without_trust == timedelta(0)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"boot": "first"}', b"\xff\xfe", b"\0" * 200, None, *ODD])
def test_a_memory_that_cannot_be_read_leaves_a_clock_that_nobody_vouches_for(machine: Machine, content: bytes | None) -> None:
    if content is None:
        machine.memory.mkdir()
    else:
        machine.memory.write_bytes(content)
    assert machine.start().trust() is Trust.NONE


def test_the_last_trusted_time_survives_a_power_cut_at_any_instant(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "appliance")
    machine.folder.mkdir()
    disk = SimulatedDisk(machine.folder)
    keeper = Timekeeper(machine, machine.signs, disk, machine.memory)
    keeper.confirm()
    keeper.remember()
    first = len(disk.steps)
    machine.now += DAY
    keeper.look()
    keeper.remember()
    held = set()
    for instant in range(first, len(disk.steps) + 1):
        left = tmp_path / str(instant)
        left.mkdir()
        disk.after_power_cut(instant, left, luck(instant))
        held.add(json.loads((left / "clock.json").read_text())["last_trusted"])
    assert held == {"2026-11-24T12:00:00.000Z", "2026-11-25T12:00:00.000Z"}


def test_the_flag_of_a_time_servers_client_is_seen(tmp_path: Path) -> None:
    flag = tmp_path / "synchronized"
    flag.touch()
    assert RealSigns(flag, tmp_path / "none").by_time_server()


def test_a_battery_clock_is_read_as_the_kernel_shows_it(tmp_path: Path) -> None:
    shown = tmp_path / "since_epoch"
    assert RealSigns(battery=shown).battery() is None
    shown.write_text("1795521600\n")
    assert RealSigns(battery=shown).battery() == datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    shown.write_text("")
    assert RealSigns(battery=shown).battery() is None


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    assert RealSigns(tmp_path / "no flag").by_time_server() is kernel_is_synchronised()


def kernel_is_synchronised() -> bool:
    """By Python's own reading of the same call."""
    status = struct.unpack_from("@Illlli", adjtimex())[5]
    return not status & 0x40


def adjtimex() -> bytes:
    """The kernel's struct timex, by the plain system call (clock_adjtime(2) of the real-time clock, which is adjtimex)."""
    buffer = ctypes.create_string_buffer(512)
    assert ctypes.CDLL(None).clock_adjtime(0, buffer) >= 0
    return buffer.raw
