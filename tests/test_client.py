"""The way to the service: whatever is at the other end, there is an answer or a sentence, and never a wait without end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from appliance import protocol
from appliance.client import NoService, ask, send, watch
from appliance.protocol import Refused, Snapshot

STATUS = protocol.StatusRequest()


def snapshot(at: int = 0) -> Snapshot:
    return Snapshot("idle", [], storing=False, light=False, trouble=[], recording=None, copies=[], at=at)


@contextmanager
def somebody(path: Path, *says: bytes, after: float = 0.0, listens: bool = True) -> Iterator[list[bytes]]:
    """Whoever answers at a socket: takes one line from each client, says its piece, and hangs up."""
    heard: list[bytes] = []
    door = socket.socket(socket.AF_UNIX)
    with protocol.address(path) as address:
        door.bind(address)
    door.listen()

    def answer() -> None:
        for words in says:
            client, _ = door.accept()
            with client, client.makefile("rb") as lines:
                if listens:
                    heard.append(lines.readline())
                time.sleep(after)
                with contextlib.suppress(BrokenPipeError):
                    client.sendall(words)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        door.close()
        thread.join(timeout=5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def says(path: Path, patience: float = 2.0) -> str:
    with pytest.raises(NoService) as nobody:
        ask(path, STATUS, patience)
    return str(nobody.value)


def test_a_request_is_one_line_and_so_is_its_answer(path: Path) -> None:
    with somebody(path, protocol.line(snapshot(7))) as heard:
        assert ask(path, STATUS) == snapshot(7)
    assert heard == [b'{"do":"status"}\n']


def test_a_refusal_is_an_answer(path: Path) -> None:
    with somebody(path, protocol.line(Refused("not-now", "Not now."))):
        assert ask(path, STATUS) == Refused("not-now", "Not now.")


def test_fields_that_a_newer_service_adds_are_no_trouble(path: Path) -> None:
    newer = protocol.line(snapshot(7)).replace(b'"at":7', b'"at":7,"weather":{"sun":true}')
    with somebody(path, newer):
        assert ask(path, STATUS) == snapshot(7)


def test_where_no_service_is_a_sentence_says_so(path: Path) -> None:
    assert "does not answer" in says(path)
    assert "does not answer" in says(path.parent / "no-such-folder" / "control.sock")
    path.write_text("this is no socket")
    assert "does not answer" in says(path)
    path.unlink()
    left_behind = socket.socket(socket.AF_UNIX)
    left_behind.bind(str(path))
    left_behind.close()
    assert "does not answer" in says(path)


def test_who_may_not_is_told_about_the_group(path: Path) -> None:
    with somebody(path):
        path.chmod(0o600)
        for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
            folder.chmod(0o755)
        os.seteuid(65534)
        try:
            assert "group" in says(path)
        finally:
            os.seteuid(0)


def test_a_service_that_goes_away_before_it_answers_is_said(path: Path) -> None:
    with somebody(path, b""):
        assert "went away" in says(path)


def test_a_service_that_never_answers_is_not_waited_for_for_ever(path: Path) -> None:
    with somebody(path, b"", after=1.0):
        began = time.monotonic()
        assert "does not answer" in says(path, 0.2)
        assert time.monotonic() - began < 0.8


@pytest.mark.parametrize(
    "words", [b"hello\n", b"{}\n", b'{"is":"weather"}\n', b'{"is":"snapshot","state":7}\n', b"\xff\n", b"null\n"]
)
def test_an_answer_that_is_none_is_said_so(path: Path, words: bytes) -> None:
    with somebody(path, words):
        assert "is not the recorder's service" in says(path)


async def test_a_screen_asks_without_waiting_in_its_own_loop(path: Path) -> None:
    with somebody(path, protocol.line(snapshot(7)), after=0.2):
        asking = asyncio.create_task(send(path, STATUS))
        turns = 0
        while not asking.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert await asking == snapshot(7)
    assert turns > 5


# ── watching


@asynccontextmanager
async def service_that_says(path: Path, *words: bytes) -> AsyncIterator[None]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b'{"do":"watch"}\n'
        for word in words:
            writer.write(word)
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, path)
    try:
        yield
    finally:
        server.close()


async def seen_until_the_end(path: Path) -> tuple[list[int], str]:
    seen = []
    with pytest.raises(NoService) as nobody:
        async for now in watch(path):
            seen.append(now.at)
    return seen, str(nobody.value)


async def test_a_watcher_sees_every_snapshot_and_then_that_the_service_went_away(path: Path) -> None:
    async with service_that_says(path, *(protocol.line(snapshot(at)) for at in range(3))):
        seen, says_why = await seen_until_the_end(path)
    assert seen == [0, 1, 2]
    assert "went away" in says_why


async def test_a_watcher_of_something_else_is_told_so(path: Path) -> None:
    for words in (b"hello\n", b"x" * (9 * protocol.LONGEST_MESSAGE)):
        async with service_that_says(path, protocol.line(snapshot(1)), words):
            seen, says_why = await seen_until_the_end(path)
        assert seen == [1]
        assert "broke" in says_why
        path.unlink(missing_ok=True)


async def test_a_watcher_without_a_service_is_told_at_once(path: Path) -> None:
    seen, says_why = await seen_until_the_end(path)
    assert seen == []
    assert "does not answer" in says_why
