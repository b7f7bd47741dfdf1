"""The room's table and its microphone, as fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.room_parts import RoomMicrophone, Table


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    """Two sticks and a service that does not run yet."""
    root, sticks = tmp_path / "room", (tmp_path / "stick-a", tmp_path / "stick-b")
    for folder in (root, *sticks):
        folder.mkdir()
    laid = Table(root, sticks)
    yield laid
    laid.close()


@pytest.fixture
def microphone(tmp_path: Path) -> Iterator[RoomMicrophone]:
    """A microphone that PortAudio hears, in front of which tests play sounds."""
    there = RoomMicrophone(tmp_path / "microphone")
    yield there
    there.close()
