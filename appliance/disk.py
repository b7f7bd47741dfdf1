"""The disk, as a port: the few operations by which something becomes durable.

Everything that must survive a power cut goes through here, so that tests can record a trace of writes and flushes,
replay it torn, or fail any single one of them. The real disk is `RealDisk`; a simulated one must keep its contract
(tests/test_disk.py).

What the theory is: a file's bytes are sure after `sync` of the file, its name after `sync_folder` of the folder that
holds it. Nothing else is promised by POSIX. A `sync` that failed says nothing about the next one (Rebello et al.,
"Can Applications Recover from fsync Failures?", USENIX ATC 2020): who gets an error here writes again from its own
memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """All offsets and lengths in bytes. Every operation raises OSError as the kernel gave it."""

    def create(self, path: Path) -> int:
        """Open a new file for reading and writing; FileExistsError if the name is taken, by a link too."""

    def open(self, path: Path) -> int:
        """Open an existing regular file for reading and writing; a symbolic link is refused (ELOOP)."""

    def write_at(self, fd: int, content: bytes | bytearray | memoryview, offset: int) -> None:
        """Write all of `content` at `offset`; on an error an unknown part of it was written."""

    def truncate(self, fd: int, length: int) -> None:
        """Make the file `length` bytes long."""

    def sync(self, fd: int) -> None:
        """Make the file's bytes and length durable (fdatasync)."""

    def close(self, fd: int) -> None:
        """Close without syncing."""

    def make_folder(self, path: Path) -> None:
        """Create one folder; FileExistsError if the name is taken."""

    def rename(self, old: Path, new: Path) -> None:
        """Give a file its name in one step, in place of what bore it (rename(2))."""

    def remove(self, path: Path) -> None:
        """Remove a file."""

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""


class RealDisk:
    """The kernel's own calls. Writes go to given offsets, so that writing again after an error is harmless."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)

    def write_at(self, fd: int, content: bytes | bytearray | memoryview, offset: int) -> None:
        rest = memoryview(content)
        while rest:
            written = os.pwrite(fd, rest, offset)
            rest, offset = rest[written:], offset + written

    def truncate(self, fd: int, length: int) -> None:
        os.ftruncate(fd, length)

    def sync(self, fd: int) -> None:
        os.fdatasync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o750)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def remove(self, path: Path) -> None:
        path.unlink()

    def sync_folder(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_whole(disk: Disk, path: Path, content: bytes, *, mode: int | None = None, owner_of: Path | None = None) -> None:
    """Put a small file there in one step: after any kill `path` is absent, as it was, or `content`, whole and durable.

    It has its `mode`, and the owner of `owner_of` (so that what root makes is the service's), before it holds a byte.
    """
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    fd = disk.create(beside)
    try:
        if mode is not None:
            os.fchmod(fd, mode)
        if owner_of is not None and os.geteuid() == 0:
            os.fchown(fd, (owner := owner_of.stat()).st_uid, owner.st_gid)
        disk.write_at(fd, content, 0)
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(beside, path)
    disk.sync_folder(path.parent)
