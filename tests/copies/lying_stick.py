# ruff: noqa: ARG002 - the signatures are FUSE's
"""A stick that lies: a file system in user space (FUSE) that passes everything through to a folder, but for one fault.

    python -m tests.copies.lying_stick BACKING MOUNTPOINT FAULT OFFSET

flip: the WAV's byte at OFFSET is written inverted, while the kernel's page cache has it as it was handed over.
vanish: nothing behind OFFSET reaches the medium, which says that it did (a stick of a false size).
eio: a write that reaches OFFSET fails.
slow: every sync takes OFFSET milliseconds.
shared: the last file gets the place of another: what is written to it stands in the WAV too, from OFFSET on, and if that is 0 in the
manifest (a FAT that was not repaired after a power cut).
hang: a sync behind OFFSET never comes back, and not even SIGKILL ends who waits for it.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path
from typing import Any

import mfusepy  # type: ignore[import-untyped,unused-ignore]

from appliance.copies.names import WAV
from appliance.copies.names import WHOLE as LAST


class LyingStick(mfusepy.Operations):  # type: ignore[misc,unused-ignore]
    use_ns = True

    def __init__(self, backing: str, fault: str, offset: int) -> None:
        self._backing = backing
        self._fault = fault
        self._offset = offset
        self._reached = 0

    def _real(self, path: str) -> str:
        return self._backing + path

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._real(path))
        keys = ("st_mode", "st_nlink", "st_size", "st_ino", "st_uid", "st_gid")
        return {key: getattr(found, key) for key in keys} | {
            "st_mtime": found.st_mtime_ns,
            "st_atime": found.st_atime_ns,
            "st_ctime": found.st_ctime_ns,
        }

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *(entry.name for entry in Path(self._real(path)).iterdir())]

    def mkdir(self, path: str, mode: int) -> int:
        Path(self._real(path)).mkdir(mode)
        return 0

    def rename(self, old: str, new: str) -> int:
        Path(self._real(old)).rename(self._real(new))
        return 0

    def create(self, path: str, mode: int, fi: object = None) -> int:
        return os.open(self._real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._real(path), flags & ~os.O_DIRECT)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        if path.endswith(".wav"):
            self._reached = max(self._reached, offset + len(data))
            return os.pwrite(fh, self._lie(data, offset), offset) and len(data)
        if path.endswith(f"/{LAST}") and self._fault == "shared":
            other = Path(self._real(path)).parent / (WAV if self._offset else "manifest-sha256.txt")
            with other.open("r+b") as content:
                content.seek(self._offset + offset)
                content.write(data)
        return os.pwrite(fh, data, offset)

    def _lie(self, data: bytes, offset: int) -> bytes:
        at = self._offset - offset
        if self._fault == "flip" and 0 <= at < len(data):
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        if self._fault == "vanish" and at < len(data):
            return data[: max(0, at)].ljust(len(data), b"\0")
        if self._fault == "eio" and at < len(data):
            raise mfusepy.FuseOSError(errno.EIO)
        return data

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        os.truncate(self._real(path), length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        if self._fault == "slow":
            time.sleep(self._offset / 1000)
        while self._fault == "hang" and self._reached > self._offset:
            time.sleep(1)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        os.utime(self._real(path), ns=times or (0, 0))
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0


if __name__ == "__main__":
    mfusepy.FUSE(LyingStick(sys.argv[1], sys.argv[3], int(sys.argv[4])), sys.argv[2], foreground=True, nothreads=True)
