"""What UDisks2 says is plugged in, judged: which of it is a stick, and which part of a stick a copy can be made on.

Pure: from UDisks2's objects (its D-Bus API, http://storaged.org/doc/udisks2-api/latest/) to values. The rules:

- A stick is a USB drive that can be taken out and has a medium in it. What the appliance itself lives on is never one, by
  USB or not: a drive of which anything is mounted elsewhere than under /media, or that stands in fstab, or that UDisks2
  calls a part of the system.
- What has no blocks is none: a keyboard that looks like a stick has only keys, and nobody here listens to them.
- FAT32 and exFAT are what every computer at home reads and writes. Anything else is refused, with its reason.
- One copy a stick: of several file systems the largest that is fit, and of equal ones the first.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from appliance.copies.sticks import Unfit, what_people_see

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Properties: TypeAlias = "Mapping[str, Any]"
Objects: TypeAlias = "Mapping[str, Mapping[str, Properties]]"
"""By object path, then by interface, then by property, the variants taken off."""

_UDISKS = "org.freedesktop.UDisks2"
BLOCK, DRIVE, LOOP = f"{_UDISKS}.Block", f"{_UDISKS}.Drive", f"{_UDISKS}.Loop"
FILESYSTEM, ENCRYPTED = f"{_UDISKS}.Filesystem", f"{_UDISKS}.Encrypted"
PARTITION, PARTITION_TABLE = f"{_UDISKS}.Partition", f"{_UDISKS}.PartitionTable"

NOWHERE = "/"
"""What UDisks2 says for no object."""

FAT32_LARGEST_FILE = 2**32 - 1
"""Bytes: the size of a file stands in 32 bits of its directory entry (Microsoft's FAT specification, 2000)."""

_WHERE_STICKS_ARE = ("/media/", "/run/media/")
_LOCKED_TYPES = frozenset({"BitLocker", "crypto_LUKS", "crypto_unknown"})


@dataclass(frozen=True, slots=True)
class Plugged:
    """A stick that is in.

    drive, block: their object paths; the block is what to mount. device: the block's device node.
    file_system: its kind, as libblkid calls it.
    mounted: where it is mounted already.  unfit: why no copy can be made on it.
    The rest as in `Stick`.
    """

    drive: str
    block: str
    device: str
    key: str
    label: str
    make: str
    size: int
    largest_file: int | None
    file_system: str
    unfit: Unfit | None
    mounted: tuple[str, ...]
    can_power_off: bool


def plugged(objects: Objects, *, loops: str = "", also: frozenset[str] = frozenset()) -> list[Plugged]:
    """Every stick that is in and wholly known to UDisks2, by object path.

    loops, also: for tests on a machine without USB. Loop devices of files under the folder `loops` count as sticks, and nothing
    else does; the file systems `also` are fit too.
    """
    found: list[Plugged] = []
    for drive, blocks in sorted(_blocks_by_drive(objects, loops=loops).items()):
        if (loops or _is_a_stick(objects[drive].get(DRIVE, {}))) and not any(
            _is_ours_to_live_on(objects[path], loops=loops) for path in blocks
        ):
            found += _judged(objects, drive, blocks, also)
    return found


def _blocks_by_drive(objects: Objects, *, loops: str) -> dict[str, list[str]]:
    """The blocks of each drive; of each loop device, if those count."""
    grouped: dict[str, list[str]] = {}
    for path, interfaces in objects.items():
        block = interfaces.get(BLOCK)
        if block is None or block.get("HintIgnore"):
            continue
        drive = str(block.get("Drive", NOWHERE))
        if drive != NOWHERE and drive in objects and not loops:
            grouped.setdefault(drive, []).append(path)
        elif loops and (whole := _loop(objects, path, loops)) is not None:
            grouped.setdefault(whole, []).append(path)
    return grouped


def _loop(objects: Objects, path: str, under: str) -> str | None:
    """The loop device that a block is, or is a partition of; None for one with nothing behind it, or somebody else's."""
    whole = str(objects[path].get(PARTITION, {}).get("Table", path))
    behind = bytes(objects.get(whole, {}).get(LOOP, {}).get("BackingFile", b"")).decode(errors="replace")
    return whole if behind.startswith(f"{under}/") else None


def _is_a_stick(drive: Properties) -> bool:
    return bool(
        drive.get("ConnectionBus") == "usb"
        and drive.get("Removable")
        and drive.get("MediaAvailable")
        and not drive.get("Optical")
        and drive.get("Size")
    )


def _is_ours_to_live_on(interfaces: Mapping[str, Properties], *, loops: str) -> bool:
    """HintSystem: UDisks2, or an administrator by a udev rule, calls it a part of this system (and every loop device one)."""
    block = interfaces[BLOCK]
    in_fstab = any(kind == "fstab" for kind, _ in block.get("Configuration", ()))
    a_part = bool(block.get("HintSystem")) and not loops
    return in_fstab or a_part or any(not place.startswith(_WHERE_STICKS_ARE) for place in mount_points(interfaces))


def mount_points(interfaces: Mapping[str, Properties]) -> tuple[str, ...]:
    """Where an object's file system is mounted."""
    points = interfaces.get(FILESYSTEM, {}).get("MountPoints", ())
    return tuple(bytes(point).rstrip(b"\0").decode(errors="surrogateescape") for point in points)


def _judged(objects: Objects, drive: str, blocks: list[str], also: frozenset[str]) -> Iterator[Plugged]:
    """At most one; none while a partition that its table speaks of is not there yet."""
    if any(part not in objects for path in blocks for part in objects[path].get(PARTITION_TABLE, {}).get("Partitions", ())):
        return
    ordered = sorted(blocks, key=lambda path: (-int(objects[path][BLOCK].get("Size", 0)), _number(objects[path])))
    fit = [path for path in ordered if _unfit(objects[path], also) is None]
    chosen = fit[0] if fit else min(ordered, key=lambda path: _says_most.index(_unfit(objects[path], also)))
    yield _described(objects, drive, chosen, _unfit(objects[chosen], also))


_says_most: list[Unfit | None] = ["readonly", "locked", "file system", "empty"]
"""Of the parts of a stick that are all unfit, the one whose reason helps most."""


def _unfit(interfaces: Mapping[str, Properties], also: frozenset[str]) -> Unfit | None:
    block = interfaces[BLOCK]
    kind, version = block.get("IdType"), block.get("IdVersion")
    if FILESYSTEM in interfaces and (kind == "exfat" or (kind == "vfat" and version == "FAT32") or kind in also):
        return "readonly" if block.get("ReadOnly") else None
    if ENCRYPTED in interfaces or kind in _LOCKED_TYPES:
        return "locked"
    return "file system" if kind or FILESYSTEM in interfaces else "empty"


def _number(interfaces: Mapping[str, Properties]) -> int:
    return int(interfaces.get(PARTITION, {}).get("Number", 0))


def _described(objects: Objects, drive_path: str, path: str, unfit: Unfit | None) -> Plugged:
    drive, block = objects[drive_path].get(DRIVE, {}), objects[path][BLOCK]
    make = what_people_see(f"{drive.get('Vendor', '')} {drive.get('Model', '')}", otherwise="")
    who = (drive.get("Vendor"), drive.get("Model"), drive.get("Serial"), block.get("IdUUID"), _number(objects[path]))
    return Plugged(
        drive=drive_path,
        block=path,
        device=bytes(block.get("Device", b"")).rstrip(b"\0").decode(errors="replace"),
        key=f"usb-{hashlib.sha256(repr(who).encode()).hexdigest()[:16]}",
        label=what_people_see(str(block.get("IdLabel", "")), otherwise=make or "USB"),
        make=make,
        size=int(drive.get("Size") or block.get("Size", 0)),
        largest_file=FAT32_LARGEST_FILE if block.get("IdType") == "vfat" else None,
        file_system=str(block.get("IdType", "")),
        unfit=unfit,
        mounted=mount_points(objects[path]),
        can_power_off=bool(drive.get("CanPowerOff")),
    )
