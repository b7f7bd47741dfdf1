"""What a disk was told, write by write: the log of the kernel's dm-log-writes, and the states a power cut could have left.

The format is the kernel's (Documentation/admin-guide/device-mapper/log-writes.rst, drivers/md/dm-log-writes.c), little endian:

    sector 0   u64 magic, u64 version, u64 number of entries, u32 sector size (in bytes)
    entry      one sector: u64 sector, u64 sectors, u64 flags, u64 length of the text behind it (a mark's)
               then, but for a discard, so many sectors of data

A write is logged when a flush, or its own FUA, made it sure: so all that stands before a flush in the log had been completed
when the flush was given. A flush that has data is read as two: the flush, and behind it the data. A **mark** is a text put in by a
program, behind all that was sure then.

The theory of the states. The log falls into *epochs*, each ended by a flush. Of the epochs before the instant of a power cut
everything is there. Of the epoch in which it falls the writes with FUA that were answered are there, and of the others any part,
in any order: each 512 bytes by themselves, old or new. `Replay.sure` is the least of that, `Replay.by_luck` some of it.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntFlag
from pathlib import Path
from typing import BinaryIO

MAGIC = 0x6A736677736872
SUPER = struct.Struct("<QQQI")
ENTRY = struct.Struct("<QQQQ")
TORN_BYTES = 512


class LogError(Exception):
    """This is no log of dm-log-writes."""


class Flags(IntFlag):
    """LOG_FLUSH_FLAG and so on."""

    FLUSH = 1
    FUA = 2
    DISCARD = 4
    MARK = 8
    METADATA = 16


@dataclass(frozen=True, slots=True)
class Write:
    """One entry. `at`, `length`: bytes on the disk; `found_at`: where in the log its data is; `text`: a mark's."""

    number: int
    at: int
    length: int
    flags: Flags
    found_at: int
    text: str = ""


def read_log(path: Path) -> list[Write]:
    """Every entry. LogError if it is not a log."""
    with path.open("rb") as log:
        magic, version, count, sector = SUPER.unpack(_exactly(log, 0, SUPER.size))
        if (magic, version) != (MAGIC, 1):
            raise LogError(f"{path} is not a log of dm-log-writes: magic {magic:x}, version {version}.")
        writes, at = [], sector
        for number in range(count):
            first, sectors, flag_bits, text_length = ENTRY.unpack(_exactly(log, at, ENTRY.size))
            flags = Flags(flag_bits)
            text = _exactly(log, at + ENTRY.size, text_length).decode() if Flags.MARK in flags else ""
            write = Write(number, first * sector, sectors * sector, flags, at + sector, text)
            if Flags.FLUSH in flags and sectors:
                writes.append(replace(write, length=0, flags=Flags.FLUSH))
                write = replace(write, flags=flags & ~Flags.FLUSH)
            writes.append(write)
            at += sector + (0 if flags & (Flags.DISCARD | Flags.MARK) else sectors * sector)
        return writes


def _exactly(log: BinaryIO, at: int, length: int) -> bytes:
    log.seek(at)
    content = log.read(length)
    if len(content) < length:
        raise LogError(f"The log ends at byte {at + len(content)}, in the midst of something.")
    return content


@dataclass(frozen=True, slots=True)
class Epoch:
    """What was written between two flushes; the second one is the last of `writes`."""

    writes: tuple[Write, ...]

    @property
    def promises(self) -> list[int]:
        """The places in it of what makes something sure: each FUA, and the flush at its end."""
        return [place for place, write in enumerate(self.writes) if write.flags & (Flags.FUA | Flags.FLUSH)]


def epochs(writes: Sequence[Write]) -> Iterator[Epoch]:
    begun: list[Write] = []
    for write in writes:
        begun.append(write)
        if Flags.FLUSH in write.flags:
            yield Epoch(tuple(begun))
            begun = []
    if begun:
        yield Epoch(tuple(begun))


class Replay:
    """Puts a log back onto a disk, epoch by epoch. `disk` was as empty as the one that was logged."""

    def __init__(self, log: Path, disk: Path) -> None:
        self._log = log.open("rb")
        self._disk = disk

    def close(self) -> None:
        self._log.close()

    def whole(self, epoch: Epoch) -> None:
        """All of an epoch: its flush came back."""
        self._put(self._disk, [(write, None) for write in epoch.writes])

    def sure(self, epoch: Epoch, before: int, onto: Path) -> None:
        """Only what had been made sure by itself before a place in the epoch, onto another disk that holds all before it."""
        self._put(onto, [(write, None) for write in epoch.writes[:before] if Flags.FUA in write.flags])

    def by_luck(self, epoch: Epoch, onto: Path, luck: random.Random) -> int:
        """Some of an epoch, onto another disk that holds all before it: the power went somewhere in it.

        Gives the number of the last write that had been answered when it did, as far as that is known."""
        instant = luck.randrange(len(epoch.writes) + 1)
        odds = luck.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        chosen: list[tuple[Write, random.Random | None]] = []
        for place, write in enumerate(epoch.writes):
            if Flags.FUA in write.flags:
                if place < instant:
                    chosen.append((write, None))
            elif luck.random() < odds:
                chosen.append((write, luck if luck.random() < 0.5 else None))
        self._put(onto, chosen)
        return epoch.writes[instant - 1].number if instant else epoch.writes[0].number - 1

    def _put(self, disk: Path, writes: Sequence[tuple[Write, random.Random | None]]) -> None:
        """Each write whole, or, with luck, some of its sectors."""
        with disk.open("r+b", buffering=0) as onto:
            for write, luck in writes:
                if Flags.MARK in write.flags or not write.length:
                    continue
                for at in range(0, write.length, TORN_BYTES if luck else write.length):
                    if luck is None or luck.random() < 0.5:
                        length = min(write.length - at, TORN_BYTES if luck else write.length)
                        onto.seek(write.at + at)
                        onto.write(self._content(write, at, length))

    def _content(self, write: Write, at: int, length: int) -> bytes:
        if Flags.DISCARD in write.flags:
            return bytes(length)
        return _exactly(self._log, write.found_at + at, length)
