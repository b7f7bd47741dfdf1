"""The two sockets by which people's ways in reach the service: one for the room, one for the administrators.

Who may use which is decided by the sockets' file permissions, and so by the kernel. A client may say what it likes, as slowly as
it likes: a line that is not a request gets an answer that says so, a line that is too long ends the connection, and a screen
that does not read gets the newest snapshot when it reads again, not a backlog.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from appliance import protocol
from appliance.protocol import AdminRequest, Mistaken, Refused, Reply, RoomRequest, Snapshot, WatchRequest

MODE = 0o660
FEW_SNAPSHOTS_BYTES = 8 * 1024
MOST_AT_ONCE = 1024
"""Clients that may knock at the same moment; one more would be told that nobody is there."""
AnyRequest = TypeVar("AnyRequest", RoomRequest, AdminRequest)
RoomAnswers: TypeAlias = Callable[[RoomRequest], Awaitable[Reply]]
AdminAnswers: TypeAlias = Callable[[AdminRequest], Awaitable[Reply]]

log = logging.getLogger(__name__)


class DoorError(Exception):
    """The sockets cannot be opened; the sentence says why."""


class Watchers:
    """Everybody who wants to see each change. A snapshot is made when somebody is ready for it, and never for nobody."""

    def __init__(self, look: Callable[[], Snapshot]) -> None:
        """look: where everything stands now."""
        self._look = look
        self._changed: set[asyncio.Event] = set()

    def changed(self) -> None:
        """There is something new to see. Never waits."""
        for changed in self._changed:
            changed.set()

    async def show(self, writer: asyncio.StreamWriter) -> None:
        """Send the newest snapshot whenever there is a newer one and the other side has read the last."""
        _keep_no_backlog(writer)
        changed = asyncio.Event()
        changed.set()
        self._changed.add(changed)
        try:
            while True:
                await changed.wait()
                changed.clear()
                writer.write(protocol.line(self._look()))
                await writer.drain()
        finally:
            self._changed.discard(changed)


class Doors:
    """Open while the service runs."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers
        self._servers: list[asyncio.Server] = []
        self._visits: set[asyncio.Task[None]] = set()
        self._lock: int | None = None
        self._paths: list[Path] = []

    def take_lock(self, beside: Path) -> None:
        """DoorError when another service has this place; held until `give_up_lock`, or the end of the process, however it comes."""
        beside.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(beside.with_name(beside.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise DoorError(f"Another recorder's service is already running at {beside.parent}.") from error
        self._lock = lock

    def give_up_lock(self) -> None:
        """The very last thing: from now on another service may have this place."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def open_room(self, path: Path, group: str, answer: RoomAnswers) -> None:
        await self._open(path, group, protocol.room_requests, answer)

    async def open_administration(self, path: Path, group: str, answer: AdminAnswers) -> None:
        await self._open(path, group, protocol.admin_requests, answer)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for visit in tuple(self._visits):
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        for path in self._paths:
            path.unlink(missing_ok=True)

    async def _open(
        self,
        path: Path,
        group: str,
        requests: msgspec.json.Decoder[AnyRequest],
        answer: Callable[[AnyRequest], Awaitable[Reply]],
    ) -> None:
        async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                self._visits.add(task)
                task.add_done_callback(self._visits.discard)
            with contextlib.suppress(asyncio.CancelledError):  # only `close` cancels; asyncio would call it an error
                await self._serve(reader, writer, requests, answer)

        path.unlink(missing_ok=True)
        try:
            # made under another name, so that nobody reaches it before its group and mode are right
            beside = path.with_name(path.name + ".new")
            beside.unlink(missing_ok=True)
            with protocol.address(beside) as address:
                server = await asyncio.start_unix_server(visit, address, limit=protocol.LONGEST_MESSAGE, backlog=MOST_AT_ONCE)
            self._servers.append(server)
            if group:
                shutil.chown(beside, group=group)
            beside.chmod(MODE)
            beside.rename(path)
        except (OSError, LookupError) as error:
            raise DoorError(f"The socket {path} cannot be opened: {error}.") from error
        self._paths.append(path)

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        requests: msgspec.json.Decoder[AnyRequest],
        answer: Callable[[AnyRequest], Awaitable[Reply]],
    ) -> None:
        try:
            while line := await _line(reader, writer):
                request = _read(line, requests)
                if isinstance(request, WatchRequest):
                    await self._watch(reader, writer)
                    return
                reply = request if isinstance(request, Mistaken) else await _answered(request, answer)
                writer.write(protocol.line(reply))
                await writer.drain()
        except OSError as error:
            log.debug("a client went away: %s", error)
        finally:
            writer.close()

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        showing = asyncio.create_task(self._watchers.show(writer))
        gone = asyncio.create_task(_until_gone(reader))
        try:
            await asyncio.wait({showing, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (showing, gone):
                task.cancel()
            await asyncio.gather(showing, gone, return_exceptions=True)


async def _answered(request: AnyRequest, answer: Callable[[AnyRequest], Awaitable[Reply]]) -> Reply:
    try:
        return await answer(request)
    except Exception:  # a fault of ours is for the log; whoever asked is told so, and everybody else goes on
        log.exception("%r could not be answered", request)
        return Refused("fault", "The service could not answer this. What was recorded is safe. The log says more.")


async def _line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The next line; nothing at the end, and after a line that is too long, of which the rest is not waited for."""
    try:
        return await reader.readline()
    except ValueError:  # asyncio's word for a line longer than the limit
        writer.write(protocol.line(Mistaken(f"A message is one line of at most {protocol.LONGEST_MESSAGE} bytes.")))
        await writer.drain()
        return b""


def _keep_no_backlog(writer: asyncio.StreamWriter) -> None:
    """What a slow reader has yet to read lies in the kernel's buffer for its socket: room for a few snapshots, and no more."""
    writer.transport.set_write_buffer_limits(0)
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FEW_SNAPSHOTS_BYTES)


async def _until_gone(reader: asyncio.StreamReader) -> None:
    """A watcher says nothing more; what it says all the same is dropped."""
    while await reader.read(4096):
        pass


def _read(line: bytes, requests: msgspec.json.Decoder[AnyRequest]) -> AnyRequest | Mistaken:
    try:
        return requests.decode(line)
    except msgspec.ValidationError as error:
        return Mistaken(f"This is no request that this socket knows: {error}.")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Mistaken(f"This is not a line of JSON: {error}.")
