"""Sticks by UDisks2 over the system's D-Bus: they appear, are mounted for the copy, and are powered off to be taken out.

What it promises:
- Mounted are only fit file systems (`plugged`), with nosuid, nodev and noexec, for this user alone: nothing on a stick is
  ever run, and UDisks2's own checks stand between us and the device. It works without root by the polkit rule in
  systemd/polkit/.
- A stick that was pulled out, or switched off, while it was written to is repaired before it is mounted (fsck, by UDisks2): what its
  tables say wrongly would give one copy's place to the next. One that is clean is only looked at; one that cannot be repaired, or
  not in time, is refused as damaged.
- Sticks have nothing in common: each is mounted by a task of its own, and one that takes minutes holds up no other.
- No bus, no UDisks2, or one that starts again is no end: what was in went, and we look again every few seconds.
- A stick pulled and put back faster than we look is told as gone and come: a mount does not outlive its stick.

Theory. UDisks2 is an object manager (D-Bus specification, 'Standard Interfaces'): one call gives all objects, signals
every change. Here the signals keep a picture of the objects; after each change that touches what is plugged in, and a moment of
quiet (a stick comes as a drive, a disk and its partitions, one after the other), the picture is judged anew and compared with
what was told. `sda` names the next stick too: an object path is only good until it was removed, so removals are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbus_fast import BusType, DBusError, DBusFastError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.unpack import unpack_variants

from appliance.copies.plugged import BLOCK, DRIVE, FILESYSTEM, Plugged, mount_points, plugged
from appliance.copies.sticks import Stick, StickBusyError, StickCame, StickEvent, StickRefused, StickWent, room_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MOUNT_OPTIONS = ("nosuid", "nodev", "noexec", "noatime")
FAT_OPTIONS = ("umask=0077",)
"""FAT and exFAT know no owners: all that is on it belongs to who mounted it, and nobody else may look."""

MOUNT_WITHIN_SECONDS = 60.0
CHECK_WITHIN_SECONDS, REPAIR_WITHIN_SECONDS = 60.0, 120.0
ASKED_WITHIN_SECONDS = 25.0
BUSY_FOR_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 3.0
QUIET_SECONDS, LONGEST_UNQUIET_SECONDS = 0.4, 3.0

_NAME, _ROOT = "org.freedesktop.UDisks2", "/org/freedesktop/UDisks2"
_BUS, _BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_OBJECTS, _PROPERTIES = "org.freedesktop.DBus.ObjectManager", "org.freedesktop.DBus.Properties"
_ERROR = "org.freedesktop.UDisks2.Error"
_NO_QUESTIONS = {"auth.no_user_interaction": Variant("b", True)}

log = logging.getLogger(__name__)


class UDisksError(Exception):
    """UDisks2 cannot be reached, or went."""


class Disks:
    """A connection to UDisks2, and the picture of its objects that the signals keep."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """changed: called when what is plugged in may have changed; it must not block."""
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self.removals: Counter[str] = Counter()
        """How often an object path came to mean nothing."""
        self.lost = asyncio.Event()
        self._changed = changed
        self._early: list[Message] | None = []
        self._bus: MessageBus | None = None

    async def connect(self, address: str | None) -> None:
        """UDisksError, or what dbus-fast raises."""
        bus = self._bus = MessageBus(bus_address=address, bus_type=BusType.SYSTEM)
        async with asyncio.timeout(ASKED_WITHIN_SECONDS):
            await bus.connect()
        bus.add_message_handler(self._hear)
        for rule in (
            f"type='signal',sender='{_NAME}'",
            f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{_NAME}'",
        ):
            await self._call(_BUS, _BUS_PATH, _BUS, "AddMatch", "s", [rule])
        (objects,) = await self._call(_NAME, _ROOT, _OBJECTS, "GetManagedObjects")
        self.objects = unpack_variants(objects)
        early, self._early = self._early or [], None
        for message in early:  # those from before the answer are in it already; told again, in order, they change nothing
            self._learn(message)
        self._changed()

    async def until_lost(self) -> None:
        """Until the bus or UDisks2 is no more."""
        if self._bus is None:
            return
        gone = asyncio.ensure_future(self._bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
        lost = asyncio.ensure_future(self.lost.wait())
        await asyncio.wait((gone, lost), return_when=asyncio.FIRST_COMPLETED)
        for waiting in (gone, lost):
            waiting.cancel()
        await asyncio.gather(gone, lost, return_exceptions=True)

    def close(self) -> None:
        if self._bus is not None:
            self._bus.disconnect()

    async def mount(self, block: str, options: str) -> Path:
        """Where it is mounted now. DBusError."""
        asked = {**_NO_QUESTIONS, "options": Variant("s", options)}
        (place,) = await self._call(_NAME, block, FILESYSTEM, "Mount", "a{sv}", [asked], within=MOUNT_WITHIN_SECONDS)
        return Path(place)

    async def can_repair(self, file_system: str) -> bool:
        """Whether UDisks2 has what it needs for `is_clean` and `repair`; that of Debian 12 has nothing for exFAT."""
        try:
            for member in ("CanCheck", "CanRepair"):
                ((can, *_),) = await self._call(_NAME, f"{_ROOT}/Manager", f"{_NAME}.Manager", member, "s", [file_system])
                if not can:
                    return False
        except DBusError:  # it does not know the kind at all
            return False
        return True

    async def is_clean(self, block: str) -> bool:
        """Whether the file system, which must not be mounted, is as it should be. Nothing is written. DBusError, TimeoutError."""
        (clean,) = await self._call(_NAME, block, FILESYSTEM, "Check", "a{sv}", [_NO_QUESTIONS], within=CHECK_WITHIN_SECONDS)
        return bool(clean)

    async def repair(self, block: str) -> None:
        """Have it repaired, as far as that is safe without a question; `is_clean` tells whether that helped. DBusError, TimeoutError."""
        await self._call(_NAME, block, FILESYSTEM, "Repair", "a{sv}", [_NO_QUESTIONS], within=REPAIR_WITHIN_SECONDS)

    async def unmount(self, block: str) -> None:
        await self._call(_NAME, block, FILESYSTEM, "Unmount", "a{sv}", [_NO_QUESTIONS])

    async def power_off(self, drive: str) -> None:
        await self._call(_NAME, drive, DRIVE, "PowerOff", "a{sv}", [_NO_QUESTIONS])

    async def _call(
        self,
        name: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: list[Any] | None = None,
        *,
        within: float = ASKED_WITHIN_SECONDS,
    ) -> list[Any]:
        if self._bus is None or not self._bus.connected:
            raise UDisksError("There is no connection to UDisks2.")
        message = Message(destination=name, path=path, interface=interface, member=member, signature=signature, body=body or [])
        async with asyncio.timeout(within):
            reply = await self._bus.call(message)
        if reply.message_type is MessageType.ERROR:
            raise DBusError(reply.error_name or f"{_ERROR}.Failed", str(reply.body[0]) if reply.body else "")
        return list(reply.body)

    def _hear(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "NameOwnerChanged" and message.path == _BUS_PATH:
            if not message.body[2]:
                self.lost.set()
        elif str(message.path).startswith(_ROOT):
            if self._early is None:
                self._learn(message)
            else:
                self._early.append(message)

    def _learn(self, message: Message) -> None:
        match message.interface, message.member, message.body:
            case str(manager), "InterfacesAdded", [str(path), dict(interfaces)] if manager == _OBJECTS:
                self.objects.setdefault(path, {}).update(unpack_variants(interfaces))
                self._changed()
            case str(manager), "InterfacesRemoved", [str(path), list(names)] if manager == _OBJECTS:
                self._forget(path, names)
                self._changed()
            case str(properties), "PropertiesChanged", [str(name), dict(now), _] if properties == _PROPERTIES:
                known = self.objects.get(str(message.path), {}).get(name)
                if known is not None:
                    known.update(unpack_variants(now))
                    self._changed()

    def _forget(self, path: str, names: list[str]) -> None:
        there = self.objects.get(path, {})
        for name in names:
            there.pop(name, None)
        if {BLOCK, DRIVE, FILESYSTEM} & set(names):
            self.removals[path] += 1
        if not there:
            self.objects.pop(path, None)


@dataclass
class _In:
    """A stick that is in, as it was when it was first seen, and what became of it."""

    seen: Plugged
    life: tuple[int, int]
    key: str
    taking_in: asyncio.Task[None] | None = None
    told: Stick | None = None
    """As it was told to have come or to be refused; None before that, and after it was told to have gone."""
    place: str | None = None
    out: bool = False
    """It may be taken out, or was unmounted by somebody else: nothing of it is told until it is put in again."""


class UDisksSticks:
    """The sticks that are in this machine. For one event loop."""

    def __init__(
        self,
        *,
        address: str | None = None,
        loops: str = "",
        also: frozenset[str] = frozenset(),
        again: float = LOOK_AGAIN_SECONDS,
    ) -> None:
        """address: the bus, if it is not the system's. loops, also: see `plugged`. again: seconds until UDisks2 is tried again."""
        self._address = address
        self._loops = loops
        self._also = also
        self._again = again
        self._disks: Disks | None = None
        self._in: dict[str, _In] = {}
        self._events: asyncio.Queue[StickEvent] = asyncio.Queue()
        self._something = asyncio.Event()

    async def watch(self) -> AsyncIterator[StickEvent]:
        self._events = asyncio.Queue()
        following = asyncio.create_task(self._follow(), name="sticks: UDisks2")
        try:
            while True:
                yield await self._events.get()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def free_bytes(self, stick: Stick) -> int:
        return await room_at(stick.path)

    async def let_go(self, stick: Stick) -> None:
        here = next((one for one in self._in.values() if one.told == stick), None)
        if here is None or self._disks is None:
            return
        if here.place is not None:
            await self._unmount(self._disks, here)
        here.out = True
        self._tell_gone(here)
        if here.seen.can_power_off:
            try:
                await self._disks.power_off(here.seen.drive)
            except (DBusFastError, UDisksError, TimeoutError) as error:
                log.warning("%s is unmounted, but could not be powered off: %s", stick.known_by, error)

    async def _unmount(self, disks: Disks, here: _In) -> None:
        """A child that wrote to it has a moment to end."""
        until = asyncio.get_running_loop().time() + BUSY_FOR_SECONDS
        while True:
            try:
                await disks.unmount(here.seen.block)
            except DBusError as error:
                if error.type == f"{_ERROR}.DeviceBusy" and asyncio.get_running_loop().time() < until:
                    await asyncio.sleep(0.1)
                    continue
                if error.type in {f"{_ERROR}.NotMounted", "org.freedesktop.DBus.Error.UnknownMethod"}:
                    return
                raise StickBusyError(f"{here.seen.label} cannot be let go: {error}") from error
            except (DBusFastError, UDisksError, TimeoutError) as error:
                raise StickBusyError(f"{here.seen.label} cannot be let go: {error}") from error
            return

    # Following UDisks2.

    async def _follow(self) -> None:
        while True:
            disks = self._disks = Disks(self._something.set)
            try:
                await disks.connect(self._address)
                log.info("sticks are seen by UDisks2")
                await self._keep_up(disks)
                log.warning("UDisks2 went; looking again")
            except (DBusFastError, UDisksError, OSError, EOFError, TimeoutError) as error:
                log.warning("UDisks2 cannot be reached, so no stick is seen: %s", error)
            finally:
                disks.close()
                for here in list(self._in.values()):
                    self._leave(here)
            await asyncio.sleep(self._again)

    async def _keep_up(self, disks: Disks) -> None:
        """Until the connection is lost."""
        losing = asyncio.create_task(disks.until_lost(), name="sticks: connection")
        losing.add_done_callback(lambda _: self._something.set())
        try:
            while True:
                await self._something.wait()
                await self._until_quiet()
                if losing.done():
                    return
                self._compare(disks)
        finally:
            losing.cancel()

    async def _until_quiet(self) -> None:
        until = asyncio.get_running_loop().time() + LONGEST_UNQUIET_SECONDS
        while self._something.is_set() and asyncio.get_running_loop().time() < until:
            self._something.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIET_SECONDS):
                    await self._something.wait()
        self._something.clear()

    def _compare(self, disks: Disks) -> None:
        now = {one.drive: one for one in plugged(disks.objects, loops=self._loops, also=self._also)}
        for drive, here in list(self._in.items()):
            there = now.get(drive)
            if there is None or here.life != _life(disks, there) or _who(here.seen) != _who(there):
                self._leave(here)
            elif here.place is not None and not here.out and _options_of(here.place) is None:
                log.warning("%s was unmounted by somebody else", here.seen.device)
                here.out = True
                self._tell_gone(here)
        for drive, seen in now.items():
            if drive not in self._in:
                here = self._in[drive] = _In(seen, _life(disks, seen), self._own_key(seen.key))
                here.taking_in = asyncio.create_task(self._take_in(disks, here), name=f"sticks: {here.key}")

    def _own_key(self, key: str) -> str:
        """Cheap sticks may all bear the same number: then the second one in has a key of its own."""
        taken = {here.key for here in self._in.values()}
        return next(one for n in range(1, len(taken) + 2) if (one := key if n == 1 else f"{key}-{n}") not in taken)

    async def _take_in(self, disks: Disks, here: _In) -> None:
        seen = here.seen
        if seen.unfit is not None:
            self._tell(here, Path(seen.device), refused=True)
            return
        try:
            place = await self._mount(disks, seen)
            here.place = str(place)
            await room_at(place)  # counted now, and asked for cheaply later
        except (DBusFastError, UDisksError, OSError, TimeoutError) as error:
            log.warning("%s (%s) cannot be mounted: %s", seen.device, seen.label, error)
            self._tell(here, Path(seen.device), refused=True)
        else:
            self._tell(here, place, refused=False)

    async def _mount(self, disks: Disks, seen: Plugged) -> Path:
        """Where it is; one that is mounted otherwise than we do it (by a desktop, say) is unmounted first."""
        for place in seen.mounted:
            if _is_mounted_safely(place):
                return Path(place)
            await disks.unmount(seen.block)
        await _clean(disks, seen)
        fat = FAT_OPTIONS if seen.file_system in {"vfat", "exfat"} else ()
        try:
            return await disks.mount(seen.block, ",".join((*MOUNT_OPTIONS, *fat)))
        except DBusError as error:
            if error.type != f"{_ERROR}.AlreadyMounted":
                raise
            return await _place_of(disks, seen.block)

    # Telling.

    def _tell(self, here: _In, place: Path, *, refused: bool) -> None:
        seen = here.seen
        here.told = stick = Stick(here.key, seen.label, place, seen.make, seen.size, seen.largest_file)
        self._events.put_nowait(StickRefused(stick, seen.unfit or "damaged") if refused else StickCame(stick))

    def _tell_gone(self, here: _In) -> None:
        if here.told is not None:
            self._events.put_nowait(StickWent(here.told))
            here.told = None

    def _leave(self, here: _In) -> None:
        if here.taking_in is not None:
            here.taking_in.cancel()
        self._tell_gone(here)
        del self._in[here.seen.drive]


async def _clean(disks: Disks, seen: Plugged) -> None:
    """Repair it if it needs to be. OSError if that does not help; TimeoutError.

    What fsck says is not logged: it has the names of what is on the stick. Nor is it relied on: fsck's exit status 1 means that
    it repaired something, which UDisks2 before 2.10 calls a failure. So it is looked at once more.
    """
    if not await disks.can_repair(seen.file_system):
        log.warning("%s (%s): this UDisks2 cannot look whether %s is clean", seen.device, seen.label, seen.file_system)
        return
    if await _is_clean(disks, seen) or mount_points(disks.objects.get(seen.block, {})):
        return
    log.warning("%s (%s) was not unmounted, or is damaged: it is being repaired", seen.device, seen.label)
    with contextlib.suppress(DBusError):
        await disks.repair(seen.block)
    if not await _is_clean(disks, seen):
        raise OSError(errno.EUCLEAN, "it could not be repaired")
    log.info("%s (%s) is repaired", seen.device, seen.label)


async def _is_clean(disks: Disks, seen: Plugged) -> bool:
    try:
        return await disks.is_clean(seen.block)
    except DBusError as error:
        log.warning("%s (%s) could not be looked at: %s", seen.device, seen.label, error.type)
        return False


async def _place_of(disks: Disks, block: str) -> Path:
    """Where somebody, or ourselves for a stick that changed under our hands, mounted it just now. OSError if that is not safe."""
    for _ in range(40):
        places = mount_points(disks.objects.get(block, {}))
        if places and _is_mounted_safely(places[0]):
            return Path(places[0])
        await asyncio.sleep(0.05)
    raise OSError(errno.EBUSY, "somebody else mounted it just now, and not so that it is safe")


def _life(disks: Disks, seen: Plugged) -> tuple[int, int]:
    return disks.removals[seen.drive], disks.removals[seen.block]


def _who(seen: Plugged) -> tuple[object, ...]:
    """What makes it another stick when it changes: it was formatted just now, or had not been looked into when first seen."""
    return seen.block, seen.key, seen.unfit


def _is_mounted_safely(place: str) -> bool:
    """Whether nothing there can be run, and we may write."""
    return {"nosuid", "nodev", "noexec", "rw"} <= (_options_of(place) or set())


def _options_of(place: str) -> set[str] | None:
    """By the kernel's own table, which is never behind: how something is mounted there; None if nothing is."""
    with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            fields = line.split(" ")
            if _unescaped(fields[4]) == place:
                return set(fields[5].split(","))
    return None


def _unescaped(field: str) -> str:
    r"""The kernel writes space, tab, newline and backslash as \040 and so on."""
    for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, letter)
    return field
