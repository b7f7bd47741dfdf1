"""What every `Sticks` promises: folders, and real sticks by UDisks2 (on this machine: loop devices)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from appliance.copies.sticks import FolderSticks, Stick, StickCame, StickEvent, Sticks, StickWent
from appliance.copies.udisks import UDisksSticks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.copies.sockets import Sockets


class Hand(Protocol):
    """Who puts sticks in and takes them out. `sticks`: what is tested. `can_be_taken`: whether one can be let go."""

    @property
    def sticks(self) -> Sticks: ...

    @property
    def can_be_taken(self) -> bool: ...

    async def put_in(self, name: str) -> None: ...

    async def take_out(self, name: str) -> None: ...


class FolderHand:
    can_be_taken = False

    def __init__(self, top: Path) -> None:
        self._top = top
        (top / "pocket").mkdir()
        self.sticks = FolderSticks([top / "links", top / "rechts"], every=0.01)

    async def put_in(self, name: str) -> None:
        if not (self._top / "pocket" / name).exists():
            (self._top / "pocket" / name).mkdir()
        (self._top / "pocket" / name).rename(self._top / name)

    async def take_out(self, name: str) -> None:
        (self._top / name).rename(self._top / "pocket" / name)


class SocketHand:
    can_be_taken = True

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self.sticks = UDisksSticks(address=sockets.address, loops=str(sockets.folder), also=frozenset({"ext4"}), again=0.2)

    async def put_in(self, name: str) -> None:
        if not (self._sockets.folder / f"{name}.img").exists():
            await asyncio.to_thread(self._sockets.image, name, label=name)
        await asyncio.to_thread(self._sockets.plug, name)

    async def take_out(self, name: str) -> None:
        await asyncio.to_thread(self._sockets.pull, name)


@pytest.fixture(params=["folders", "UDisks2"])
def hand(request: pytest.FixtureRequest, tmp_path: Path) -> Hand:
    if request.param == "folders":
        return FolderHand(tmp_path)
    return SocketHand(request.getfixturevalue("sockets"))


async def told(events: AsyncIterator[StickEvent]) -> StickEvent:
    return await asyncio.wait_for(anext(events), 10)


async def came(events: AsyncIterator[StickEvent]) -> Stick:
    event = await told(events)
    assert isinstance(event, StickCame), event
    return event.stick


async def nothing_is_told(events: AsyncIterator[StickEvent], during: float = 1.0) -> None:
    """The event that comes later is lost: at the end of a test only."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(events), during)


async def test_a_stick_that_is_in_is_told_with_a_place_that_can_be_written_to(hand: Hand) -> None:
    await hand.put_in("links")
    stick = await came(hand.sticks.watch())
    assert stick.label == "links"
    assert "links" in stick.known_by
    (stick.path / "ours").write_bytes(b"ours")
    assert stick.key.isascii()
    assert stick.key.replace("-", "").isalnum()


async def test_sticks_come_and_go_in_order_and_a_stick_keeps_its_key(hand: Hand) -> None:
    events = hand.sticks.watch()
    waiting = asyncio.ensure_future(came(events))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await hand.put_in("links")
    left = await waiting
    await hand.put_in("rechts")
    right = await came(events)
    assert left.key != right.key
    assert left.path != right.path
    await hand.take_out("links")
    assert await told(events) == StickWent(left)
    await hand.put_in("links")
    again = await came(events)
    assert (again.key, again.label) == (left.key, left.label)
    await hand.take_out("rechts")
    assert await told(events) == StickWent(right)


async def test_watched_again_it_starts_from_the_beginning(hand: Hand) -> None:
    await hand.put_in("links")
    for _ in range(2):
        events = hand.sticks.watch()
        stick = await came(events)
        (stick.path / "ours").write_bytes(b"ours")
        await events.aclose()  # type: ignore[attr-defined]


async def test_it_says_how_much_room_there_is_while_it_is_in(hand: Hand) -> None:
    await hand.put_in("links")
    events = hand.sticks.watch()
    stick = await came(events)
    there = os.statvfs(stick.path)
    assert await hand.sticks.free_bytes(stick) == pytest.approx(there.f_bavail * there.f_frsize, rel=0.05)
    await hand.take_out("links")
    assert await told(events) == StickWent(stick)
    if not hand.can_be_taken or not stick.path.exists():
        with pytest.raises(OSError, match="is not there"):
            await hand.sticks.free_bytes(stick)


async def test_a_stick_that_was_let_go_may_be_taken_and_is_not_told_again_before_it_is_put_in_again(hand: Hand) -> None:
    await hand.put_in("links")
    events = hand.sticks.watch()
    stick = await came(events)
    (stick.path / "ours").write_bytes(b"ours")
    await hand.sticks.let_go(stick)
    await hand.sticks.let_go(stick)
    if hand.can_be_taken:
        assert not stick.path.is_mount()
        assert await told(events) == StickWent(stick)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting := asyncio.ensure_future(told(events))), 1.0)
        await hand.take_out("links")
        await asyncio.sleep(0.6)
        await hand.put_in("links")
        again = await waiting
        assert isinstance(again, StickCame)
        stick = again.stick
    assert (stick.path / "ours").read_bytes() == b"ours"
    await nothing_is_told(events, 0.3)
