"""Switching off from the room: it waits for the copies, says which, and may be taken back."""

from __future__ import annotations

import asyncio

from appliance import farewell
from appliance.farewell import Farewell
from appliance.room.power import SwitchOffError


class Machine:
    """What is switched off, and the sticks that it still copies to."""

    def __init__(self, *sticks: str, refuses: bool = False) -> None:
        self.sticks = list(sticks)
        self.refuses = refuses
        self.times_off = 0
        self.told = 0

    async def switch_off(self) -> None:
        if self.refuses:
            raise SwitchOffError("The system refused.")
        self.times_off += 1

    def changed(self) -> None:
        self.told += 1

    def farewell(self) -> Farewell:
        return Farewell(lambda: list(self.sticks), self.switch_off, self.changed)


async def a_while() -> None:
    await asyncio.sleep(farewell.LOOK_EVERY_SECONDS * 1.5)


async def test_it_waits_for_the_copies_and_then_goes_off_by_itself() -> None:
    machine = Machine("KINGSTON ROOD")
    leaving = machine.farewell()
    waited_for = [leaving.waits_for]
    leaving.begin()
    await a_while()
    waited_for.append(leaving.waits_for)
    assert waited_for == [None, ["KINGSTON ROOD"]]
    assert machine.times_off == 0
    machine.sticks.clear()
    await a_while()
    assert machine.times_off == 1


async def test_whoever_cannot_wait_need_not() -> None:
    machine = Machine("KINGSTON ROOD")
    leaving = machine.farewell()
    leaving.begin()
    leaving.at_once()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert machine.times_off == 1


async def test_it_may_be_taken_back_and_then_nothing_goes_off() -> None:
    machine = Machine("KINGSTON ROOD")
    leaving = machine.farewell()
    assert not leaving.take_back()
    leaving.begin()
    assert leaving.take_back()
    machine.sticks.clear()
    await a_while()
    assert machine.times_off == 0
    assert leaving.waits_for is None


async def test_a_system_that_refuses_is_told_and_may_be_asked_again() -> None:
    machine = Machine(refuses=True)
    leaving = machine.farewell()
    leaving.begin()
    await a_while()
    assert (leaving.failed, leaving.waits_for) == (True, None)
    machine.refuses = False
    leaving.begin()
    await a_while()
    assert machine.times_off == 1
    assert not leaving.failed
