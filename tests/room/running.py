"""A service that runs in the test's own process, so that a finger reaches its button's pin and an eye its lamp's."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gpiozero.pins.mock import MockPin

from appliance import protocol
from appliance.agreement import PARTIES
from appliance.audio.microphone import SourceSpec
from appliance.audio.pcm import PcmFormat
from appliance.client import NoService, send
from appliance.clock import Clock
from appliance.config import Config, Places, places
from appliance.copies.sticks import FolderSticks
from appliance.disk import Disk
from appliance.protocol import Refused, Request, Snapshot
from appliance.room.pins import open_pins
from appliance.service import Service
from appliance.timekeeping import Signs


@dataclass
class Shown:
    """What the machine shows of its clock, set by the test."""

    server: bool = True
    at: datetime | None = None

    def by_time_server(self) -> bool:
        return self.server

    def battery(self) -> datetime | None:
        return self.at


@dataclass
class Room:
    """The table, seen through the same socket as everybody's."""

    where: Places
    sticks: tuple[Path, ...]
    service: Service

    async def do(self, *requests: Request) -> Snapshot:
        answers = [await self._allowed(request) for request in requests]
        return answers[-1]

    async def _allowed(self, request: Request) -> Snapshot:
        reply = await send(self.where.control_socket, request)
        assert isinstance(reply, Snapshot), reply
        return reply

    async def refused(self, request: Request) -> str:
        reply = await send(self.where.control_socket, request)
        assert isinstance(reply, Refused), reply
        return reply.why

    async def status(self) -> Snapshot:
        return await self.do(protocol.StatusRequest())

    async def agree(self) -> Snapshot:
        return await self.do(protocol.AnnounceRequest(), *(protocol.ConfirmRequest(party) for party in PARTIES))

    async def until(self, holds: Callable[[Snapshot], bool], seconds: float = 15) -> Snapshot:
        end = time.monotonic() + seconds
        while not holds(snapshot := await self.status()):
            assert time.monotonic() < end, snapshot
            await asyncio.sleep(0.02)
        return snapshot

    async def until_state(self, state: str) -> Snapshot:
        return await self.until(lambda snapshot: snapshot.state == state)


@asynccontextmanager
async def running(
    root: Path,
    config: Config,
    *sticks: Path,
    source: str = "synthetic",
    disk: Disk | None = None,
    clock: Clock | None = None,
    signs: Signs | None = None,
) -> AsyncIterator[Room]:
    """`signs`: without, a time server keeps the clock.

    From the moment it answers until it was told to stop, by SIGTERM as the system does, and has ended."""
    for folder in (root, *sticks):
        folder.mkdir(exist_ok=True)
    spec = SourceSpec(source, "real", PcmFormat(), 0.4)
    service = Service(places(root), config, spec, FolderSticks(sticks, every=0.1), disk=disk, clock=clock, signs=signs or Shown())
    run = asyncio.create_task(service.run())
    room = Room(places(root), sticks, service)
    until = time.monotonic() + 10
    while True:
        try:
            await room.status()
            break
        except NoService:
            assert time.monotonic() < until
            if run.done():
                await run
            await asyncio.sleep(0.01)
    try:
        yield room
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(15):
            await run


def pin(number: int) -> MockPin:
    """A line of the simulated chip that the service's button and lamp are on."""
    chip = open_pins("mock")
    assert chip is not None
    there = chip.pin(number)
    assert isinstance(there, MockPin)
    return there


class Lamp:
    """An eye that does not leave the lamp."""

    def __init__(self, number: int) -> None:
        self._pin = pin(number)
        self._pin.clear_states()
        self._since = time.monotonic()

    @property
    def is_lit(self) -> bool:
        return bool(self._pin.function == "output" and self._pin.state)

    @property
    def is_dark(self) -> bool:
        return not self.is_lit

    def lit(self) -> list[tuple[float, float]]:
        """From when to when it was lit, in monotonic seconds; each ended."""
        moment, changes = self._since, []
        for state in self._pin.states[1:]:
            moment += state.timestamp
            changes.append((moment, bool(state.state)))
        assert [on for _, on in changes] == [n % 2 == 0 for n in range(len(changes))]
        return [(changes[n][0], changes[n + 1][0]) for n in range(0, len(changes) - 1, 2)]


class OneFinger:
    """At the button on a line."""

    def __init__(self, number: int, hold_seconds: float) -> None:
        self._pin = pin(number)
        self._hold_seconds = hold_seconds

    async def press(self) -> None:
        self._pin.drive_low()
        await asyncio.sleep(0.06)
        self._pin.drive_high()
        await asyncio.sleep(0.06)

    async def hold(self) -> None:
        self._pin.drive_low()
        await asyncio.sleep(self._hold_seconds + 0.15)
        self._pin.drive_high()
