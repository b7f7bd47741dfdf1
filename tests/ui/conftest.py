"""What the tests of the screen find on the table."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from appliance.ui.app import RoomApp
from tests.ui.room import Room, a_room, snapshot
from tests.ui.translations import compile_translations

compile_translations()


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """Short: the kernel takes 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="room") as folder:
        yield Path(folder) / "control.sock"


@pytest_asyncio.fixture
async def room(socket_path: Path) -> AsyncIterator[Room]:
    async with a_room(socket_path, snapshot("idle")) as room:
        yield room


@pytest.fixture
def screen(socket_path: Path) -> RoomApp:
    return RoomApp(socket_path)
