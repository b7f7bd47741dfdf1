"""The way to the service: one request and its answer for the command line, and the newest snapshot for a screen."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from appliance import protocol
from appliance.protocol import Reply, Request, Snapshot, WatchRequest

PATIENCE_S = 120.0
"""A request is answered when it is on the disk; a stick or a disk in trouble may take this long and no longer."""


class NoService(Exception):  # noqa: N818 - it is said to people as it is
    """Nobody answers on the socket."""


def ask(socket_path: Path, request: Request, patience: float = PATIENCE_S) -> Reply:
    """Send one request and wait for its answer. Raises NoService when there is no service or it goes away meanwhile."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patience)
            with protocol.address(socket_path) as address:
                connection.connect(address)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what is too long is answered before it is whole
                connection.sendall(protocol.line(request))
            with connection.makefile("rb") as answers:
                answer = answers.readline()
    except PermissionError as error:
        raise NoService(f"You do not belong to the group that may use {socket_path}.") from error
    except OSError as error:
        raise NoService(f"The recorder's service does not answer at {socket_path}. Is it running?") from error
    if not answer:
        raise NoService("The recorder's service went away before it answered. What was recorded is safe on its disk.")
    try:
        return protocol.replies.decode(answer)
    except msgspec.DecodeError as error:
        raise NoService(f"What answers at {socket_path} is not the recorder's service, or is another version of it.") from error


async def send(socket_path: Path, request: Request) -> Reply:
    """`ask`, for a screen that must not wait in its own loop."""
    return await asyncio.to_thread(ask, socket_path, request)


async def watch(socket_path: Path) -> AsyncIterator[Snapshot]:
    """Every snapshot from now on. Raises NoService at once when there is no service, and when the service goes away."""
    try:
        with protocol.address(socket_path) as address:
            reader, writer = await asyncio.open_unix_connection(address, limit=8 * protocol.LONGEST_MESSAGE)
    except OSError as error:
        raise NoService(f"The recorder's service does not answer at {socket_path}. Is it running?") from error
    try:
        writer.write(protocol.line(WatchRequest()))
        await writer.drain()
        while answer := await reader.readline():
            message = protocol.replies.decode(answer)
            if isinstance(message, Snapshot):
                yield message
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise NoService("The connection to the recorder's service broke.") from error
    finally:
        writer.close()
    raise NoService("The recorder's service went away.")
