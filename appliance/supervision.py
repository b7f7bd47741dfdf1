"""What systemd is told, and asked: that the service is ready, that it is alive, and that nobody switches off while it records.

- `tell` and `keep_telling` speak sd_notify(3): a datagram to the socket that the environment names. READY=1 when the sockets answer;
  WATCHDOG=1 from the event loop, and only while the parts that make a recording live too, so that a service that looks alive and
  records nothing is ended and started afresh (a start is a recovery).
- `StayOn` holds one of logind's inhibitor locks (org.freedesktop.login1(5)) while a meeting is recorded. It is a courtesy: a stop of
  the system seals the recording anyway, and a machine without logind has none.

Without systemd nothing of this happens, and nothing is missing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

BOOTED_BY_SYSTEMD = Path("/run/systemd/system")
"""sd_booted(3)"""
ASKED_WITHIN_SECONDS = 10.0

log = logging.getLogger(__name__)


def tell(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Say something to whoever started us, such as READY=1; whether there was somebody to say it to."""
    place = environment.get("NOTIFY_SOCKET", "")
    if not place:
        return False
    address = f"\0{place[1:]}" if place.startswith("@") else place
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.sendto(state.encode(), address)
    except OSError as error:
        log.warning("systemd could not be told %s: %s", state, error)
        return False
    return True


async def keep_telling(is_well: Callable[[], bool], environment: Mapping[str, str] = os.environ) -> None:
    """Feed the watchdog twice in its time, while all is well; for ever, or not at all where there is none (WATCHDOG_USEC)."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    while True:
        if is_well():
            tell("WATCHDOG=1", environment)
        else:
            log.error("the watchdog is not fed: a part that makes the recording is gone")
        await asyncio.sleep(int(microseconds) / 2_000_000)


class StayOn:
    """Asks that the machine is not switched off or put to sleep, as long as that is wanted."""

    def __init__(self, address: str | None = None, booted: Path = BOOTED_BY_SYSTEMD) -> None:
        """address: of the bus that logind is on; None for the system's."""
        self._address = address
        self._booted = booted
        self._is_wanted = False
        self._changed = asyncio.Event()

    def want(self, *, on: bool) -> None:
        """From now on. Never waits."""
        if on is not self._is_wanted:
            self._is_wanted = on
            self._changed.set()

    async def keep(self) -> None:
        """Hold the lock exactly while it is wanted; for ever. The kernel gives it back when the process ends."""
        if not self._booted.is_dir():
            return
        held: int | None = None
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._is_wanted and held is None:
                    held = await self._take()
                elif not self._is_wanted and held is not None:
                    os.close(held)
                    held = None
        finally:
            if held is not None:
                os.close(held)

    async def _take(self) -> int | None:
        """The lock is a file descriptor. None when logind does not give it: said in the log, and no reason not to record."""
        from dbus_fast import BusType, DBusFastError, Message, MessageType
        from dbus_fast.aio import MessageBus

        asked = Message(
            destination="org.freedesktop.login1",
            path="/org/freedesktop/login1",
            interface="org.freedesktop.login1.Manager",
            member="Inhibit",
            signature="ssss",
            body=["shutdown:sleep", "meeting-recorder", "A meeting is being recorded.", "block"],
        )
        bus = MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM, negotiate_unix_fd=True)
        try:
            async with asyncio.timeout(ASKED_WITHIN_SECONDS):
                await bus.connect()
                reply = await bus.call(asked)
        except (OSError, EOFError, DBusFastError) as error:  # a time-out is an OSError
            log.warning("logind could not be asked to keep the machine on: %s", error)
            return None
        finally:
            bus.disconnect()
        if reply.message_type is MessageType.ERROR or not reply.unix_fds:
            log.warning("logind does not keep the machine on: %s", reply.error_name)
            return None
        return int(reply.unix_fds[reply.body[0]])
