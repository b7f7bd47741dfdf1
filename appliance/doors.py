"""The two sockets by which people's ways in reach the service: one for the room, one for the administrators.

Who may use which is decided by the sockets' file permissions, and so by the kernel. A client may say what it likes: a line that is
not a request gets an answer that says so, a line that is too long ends the connection, and a screen that does not read gets the
newest snapshot when it reads again, not a backlog. Nobody can keep others out by taking all the room: each door has so many places,
the one too many is told so, and who begins a line and does not end it, leaves an answer unread, or says nothing at all for a long
time, loses theirs. Each door has places of its own: a crowd in the room does not stand in the administrators' way.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import pwd
import shutil
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from appliance import protocol
from appliance.protocol import AdminRequest, Mistaken, Refused, Reply, RoomRequest, Snapshot, WatchRequest

MODE = 0o660
FEW_SNAPSHOTS_BYTES = 8 * 1024
MOST_AT_ONCE = 1024
"""Clients that may knock at the same moment; one more would be told that nobody is there."""
PLACES = 256
"""Connections that may be open at one door; one more is told so, and may try again."""
AnyRequest = TypeVar("AnyRequest", RoomRequest, AdminRequest)
RoomAnswers: TypeAlias = Callable[[RoomRequest], Awaitable[Reply]]
AdminAnswers: TypeAlias = Callable[[AdminRequest, str], Awaitable[Reply]]
"""The request, and the name of who asks."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `line`: from a line's first byte to its end, and for an answer to be read; `silence`: without a line."""

    line: float = 10.0
    silence: float = 600.0


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


def hold_place(beside: Path) -> int:
    """The lock of the one service of this place, or of who does in its stead what only one may; until closed, or the process's end.

    DoorError when another has it.
    """
    beside.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(beside.with_name(beside.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise DoorError(f"Another recorder's service is already running at {beside.parent}.") from error
    return lock


class Doors:
    """Open while the service runs."""

    def __init__(self, watchers: Watchers, *, places: int = PLACES, patience: Patience = Patience()) -> None:
        self._watchers = watchers
        self._places = places
        self._patience = patience
        self._servers: list[asyncio.Server] = []
        self._visits: set[asyncio.Task[None]] = set()
        self._lock: int | None = None
        self._paths: list[Path] = []

    def take_lock(self, beside: Path) -> None:
        """DoorError when another service has this place; held until `give_up_lock`, or the end of the process, however it comes."""
        self._lock = hold_place(beside)

    def give_up_lock(self) -> None:
        """The very last thing: from now on another service may have this place."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def open_room(self, path: Path, group: str, answer: RoomAnswers) -> None:
        await self._open(path, group, protocol.room_requests, lambda _: answer)

    async def open_administration(self, path: Path, group: str, answer: AdminAnswers) -> None:
        def answer_to(writer: asyncio.StreamWriter) -> Callable[[AdminRequest], Awaitable[Reply]]:
            by = _who(writer)
            return lambda request: answer(request, by)

        await self._open(path, group, protocol.admin_requests, answer_to)

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
        answer_to: Callable[[asyncio.StreamWriter], Callable[[AnyRequest], Awaitable[Reply]]],
    ) -> None:
        inside: set[asyncio.Task[None]] = set()

        async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                for kept in (self._visits, inside):
                    kept.add(task)
                    task.add_done_callback(kept.discard)
            with contextlib.suppress(asyncio.CancelledError):  # only `close` cancels; asyncio would call it an error
                if len(inside) > self._places:
                    _send_away(writer)
                else:
                    await self._serve(reader, writer, requests, answer_to(writer))

        path.unlink(missing_ok=True)
        try:
            # made under another name, so that nobody reaches it before its group and mode are right
            beside = path.with_name(path.name + ".new")
            beside.unlink(missing_ok=True)
            with protocol.address(beside) as address:
                limit = protocol.LONGEST_MESSAGE - 1  # a line's first byte is read by itself
                server = await asyncio.start_unix_server(visit, address, limit=limit, backlog=MOST_AT_ONCE)
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
            while line := await self._line(reader, writer):
                request = _read(line, requests)
                if isinstance(request, WatchRequest):
                    await self._watch(reader, writer)
                    return
                reply = request if isinstance(request, Mistaken) else await _answered(request, answer)
                await self._say(writer, reply)
        except TimeoutError:  # before OSError, of which it is one
            log.debug("a client was too slow")
            writer.transport.abort()
        except OSError as error:
            log.debug("a client went away: %s", error)
        finally:
            writer.close()

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """The next line; nothing at the end, after a long silence, and after a line that is too long or takes too long."""
        first = b""
        try:
            async with asyncio.timeout(self._patience.silence):
                first = await reader.read(1)
            if first in {b"", b"\n"}:
                return first
            async with asyncio.timeout(self._patience.line):
                return first + await reader.readline()
        except TimeoutError:
            late = "The end of this message did not come in time" if first else "Nothing was asked for a long time"
            await self._say(writer, Mistaken(f"{late}. This connection ends."))
        except ValueError:  # asyncio's word for a line longer than the limit; the rest of it is not waited for
            await self._say(writer, Mistaken(f"A message is one line of at most {protocol.LONGEST_MESSAGE} bytes."))
        return b""

    async def _say(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        """TimeoutError when it is not read."""
        writer.write(protocol.line(reply))
        async with asyncio.timeout(self._patience.line):
            await writer.drain()

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


def _send_away(writer: asyncio.StreamWriter) -> None:
    """One short line goes into the socket's own buffer, whoever reads it."""
    writer.write(protocol.line(Refused("too-many", "Too many are connected at this moment. Try again in a minute.")))
    writer.close()


def _who(writer: asyncio.StreamWriter) -> str:
    """The name of the user at the other end, by the kernel (SO_PEERCRED, unix(7)); the number of one without a name."""
    connection: socket.socket = writer.get_extra_info("socket")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


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
