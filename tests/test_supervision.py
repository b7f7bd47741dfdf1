"""What systemd is told and asked: ready when the doors are open, alive while the recorder is, and not to switch off in the middle."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from appliance import protocol, supervision
from appliance.audio import recorder
from appliance.config import Config
from appliance.supervision import StayOn, keep_telling, tell
from tests.copies.sockets import Sockets, sockets_of_a_table
from tests.room.running import running
from tests.room_parts import Table


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, folder: Path) -> None:
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(str(folder / "notify"))
        self.environment = {"NOTIFY_SOCKET": str(folder / "notify")}

    def hear(self, seconds: float) -> list[str]:
        """All that is said from now on for so long."""
        heard, until = [], time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._ear.settimeout(left)
            with suppress(TimeoutError):
                heard.append(self._ear.recv(1000).decode())
        return heard

    def close(self) -> None:
        self._ear.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    with tempfile.TemporaryDirectory() as folder:
        there = Manager(Path(folder))
        yield there
        there.close()


# ── ready, and alive


def test_the_service_is_ready_when_its_doors_answer_and_is_alive_after_that_and_says_when_it_stops(
    table: Table, manager: Manager
) -> None:
    table.environment |= {**manager.environment, "WATCHDOG_USEC": "400000"}
    table.serve("--source", "synthetic")
    heard = manager.hear(1.0)
    assert heard.count("READY=1") == 1
    assert set(heard) == {"READY=1", "WATCHDOG=1"}
    assert 3 <= heard.count("WATCHDOG=1") <= 8
    assert table.stop() == 0
    assert "STOPPING=1" in manager.hear(0.2)


def test_a_service_whose_doors_cannot_be_opened_is_never_ready(table: Table, manager: Manager) -> None:
    table.environment |= manager.environment
    (table.root / "admin.sock").mkdir()
    with pytest.raises(AssertionError):
        table.serve("--source", "synthetic")
    assert "READY=1" not in manager.hear(0.1)


async def test_without_the_recorders_thread_the_watchdog_is_not_fed(tmp_path: Path, manager: Manager) -> None:
    lives = True
    feeding = asyncio.create_task(keep_telling(lambda: lives, {**manager.environment, "WATCHDOG_USEC": "40000"}))
    assert "WATCHDOG=1" in await asyncio.to_thread(manager.hear, 0.2)
    lives = False
    await asyncio.to_thread(manager.hear, 0.05)
    assert await asyncio.to_thread(manager.hear, 0.2) == []
    lives = True
    assert "WATCHDOG=1" in await asyncio.to_thread(manager.hear, 0.2)
    feeding.cancel()


async def test_what_feeds_it_is_the_life_of_the_recorder_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Callable[[], bool]] = []

    async def ask(is_well: Callable[[], bool]) -> None:
        asked.append(is_well)

    monkeypatch.setattr(supervision, "keep_telling", ask)
    async with running(tmp_path / "room", Config()) as room:
        assert asked[0]()
        assert asked[0].__self__ is room.service._recorder  # type: ignore[attr-defined]
    assert isinstance(asked[0].__self__, recorder.Recorder)  # type: ignore[attr-defined]
    assert not asked[0]()


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": ""}, {"WATCHDOG_USEC": "40000", "WATCHDOG_PID": "1"}])
async def test_without_a_watchdog_of_ours_there_is_nothing_to_feed(manager: Manager, environment: dict[str, str]) -> None:
    async with asyncio.timeout(1):
        await keep_telling(lambda: True, {**manager.environment, **environment})
    assert manager.hear(0.05) == []


def test_nobody_to_tell_is_no_failure(tmp_path: Path) -> None:
    assert not tell("READY=1", {})
    assert not tell("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})


def test_a_manager_without_a_file_is_told_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0meeting-recorder-test-{os.getpid()}")
        assert tell("READY=1", {"NOTIFY_SOCKET": f"@meeting-recorder-test-{os.getpid()}"})
        assert ear.recv(100) == b"READY=1"


# ── not to switch off


class Logind:
    """Gives locks as logind does: a pipe's end for each, which is held until it is closed."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.refuses = False
        self._ours: list[int] = []

    async def connect(self, address: str) -> None:
        self._bus = await MessageBus(bus_address=address, negotiate_unix_fd=True).connect()
        await self._bus.request_name("org.freedesktop.login1")
        self._bus.add_message_handler(self._answer)

    def _answer(self, message: Message) -> Message | None:
        if message.member != "Inhibit" or message.message_type is not MessageType.METHOD_CALL:
            return None
        self.asked.append(list(message.body))
        if self.refuses:
            return Message.new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "no")
        theirs, ours = os.pipe()
        self._ours.append(ours)
        os.set_blocking(ours, False)
        asyncio.get_running_loop().call_later(0.05, os.close, theirs)  # sent by then
        return Message.new_method_return(message, "h", [0], [theirs])

    def held(self) -> int:
        """How many locks are out: a pipe that nobody reads any more is broken."""
        count = 0
        for ours in self._ours:
            with suppress(BrokenPipeError):
                os.write(ours, b".")
                count += 1
        return count

    def close(self) -> None:
        self._bus.disconnect()


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    with sockets_of_a_table() as there:
        yield there


@pytest.fixture
async def logind(sockets: Sockets) -> AsyncIterator[Logind]:
    there = Logind()
    await there.connect(sockets.address)
    yield there
    there.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what it waits for happens in another process
            await asyncio.sleep(0.01)


async def test_the_machine_stays_on_exactly_while_it_is_wanted(logind: Logind, sockets: Sockets, tmp_path: Path) -> None:
    stay_on = StayOn(sockets.address, booted=tmp_path)
    keeping = asyncio.create_task(stay_on.keep())
    await asyncio.sleep(0.05)
    assert logind.asked == []
    stay_on.want(on=True)
    stay_on.want(on=True)
    await until(lambda: len(logind.asked) == 1)
    assert logind.asked[0] == ["shutdown:sleep", "meeting-recorder", "A meeting is being recorded.", "block"]
    await asyncio.sleep(0.1)
    assert logind.held() == 1
    stay_on.want(on=False)
    await until(lambda: logind.held() == 0)
    stay_on.want(on=True)
    await until(lambda: len(logind.asked) == 2)
    await asyncio.sleep(0.1)
    assert logind.held() == 1
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert logind.held() == 0


async def test_a_logind_that_refuses_or_is_not_there_holds_nothing_up(logind: Logind, sockets: Sockets, tmp_path: Path) -> None:
    logind.refuses = True
    for address in (sockets.address, f"unix:path={tmp_path}/nobody"):
        stay_on = StayOn(address, booted=tmp_path)
        keeping = asyncio.create_task(stay_on.keep())
        stay_on.want(on=True)
        await asyncio.sleep(0.2)
        assert not keeping.done()
        stay_on.want(on=False)
        await asyncio.sleep(0.05)
        keeping.cancel()
    async with asyncio.timeout(1):
        await StayOn(booted=tmp_path / "not-booted-by-it").keep()


async def test_a_meeting_holds_the_machine_on_from_its_start_until_it_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[tuple[str, bool]] = []
    async with running(tmp_path / "room", Config()) as room:
        said = room.service._stay_on.want

        def want(*, on: bool) -> None:
            if not wanted or wanted[-1][1] is not on:
                wanted.append((room.service._meeting.state.value, on))
            said(on=on)

        monkeypatch.setattr(room.service._stay_on, "want", want)
        await room.agree()
        assert not any(on for _, on in wanted)
        await room.do(protocol.StartRequest())
        await room.do(protocol.PauseRequest(), protocol.StopRequest())
        await room.until_state("handover")
    assert [on for _, on in wanted] == [False, True, False]
    assert wanted[1][0] == "recording"
    assert wanted[2][0] in {"copying", "handover"}
