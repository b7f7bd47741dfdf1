"""A stick as a mirror child touches it: its own copies and nothing else, and what is read comes from the medium.

**Nothing is written outside the stick, and nothing on it is followed.** A stick comes from somebody's pocket: where our
folder goes there may lie a symbolic link, a fifo, a device node, a hard link to another file. So every name is taken
relative to an open folder, one step at a time, never through a link; what exists is opened only if it is a regular file
that has no second name, or a folder on the same device.

**Past the page cache.** A read that the page cache answers proves nothing: it gives back what was handed over, not what
arrived (after a pull a cached reader goes on succeeding for as long as anybody watched). So reads go by O_DIRECT into
an aligned buffer. Where a file system cannot, the pages are dropped first (POSIX_FADV_DONTNEED, which drops only pages
that are clean: sync before), and the copy says so. What was read is compared with the original's bytes that are still
in memory. Offsets and lengths are multiples of 4096; of an odd tail the whole block is asked for.

Kept free of imports but the kernel's: see `mirror`.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat

BLOCK = 4096
"""Bytes: what O_DIRECT takes on every medium, and a page."""

CHUNK = 1 << 20
"""Bytes written, synced and read back at a time."""

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})  # they take O_DIRECT (Linux 6.6) and have no medium to read past a cache from
_CODES = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EFBIG: "full",
    errno.EROFS: "readonly",
    errno.EACCES: "readonly",
    errno.EPERM: "readonly",
    errno.ELOOP: "foreign",
    errno.ENOTDIR: "foreign",
    errno.EISDIR: "foreign",
    errno.EEXIST: "foreign",
    errno.ENOTEMPTY: "foreign",
    errno.ENODEV: "gone",
    errno.ENXIO: "gone",
}


class CopyError(Exception):
    """Why a copy is not made. code: for a program, one of `copying.Why`; detail: technical words."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def code_of(error: OSError, *, otherwise: str) -> str:
    """What an error on a stick means, as a code; `otherwise` for those that could be anything."""
    return _CODES.get(error.errno or 0, otherwise)


class Medium:
    """One stick, by the folder where it is mounted. OSError as the kernel gave it; `failure` says what it means for the copy."""

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/") or "/"
        self.root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._device = os.fstat(self.root).st_dev
        self.reader = MediumReader(direct=_file_system(self._device) not in _IN_MEMORY)

    def is_there(self) -> bool:
        """Whether the path still leads to the folder that was opened; an open folder outlives its name, and a mount its stick."""
        try:
            now, then = os.lstat(self.path), os.fstat(self.root)
        except OSError:
            return False
        return (now.st_dev, now.st_ino) == (then.st_dev, then.st_ino) and then.st_nlink > 0

    def failure(self, error: OSError) -> CopyError:
        """What an error on this stick means."""
        return CopyError(code_of(error, otherwise="broken") if self.is_there() else "gone", str(error))

    def exists(self, name: str, at: int) -> bool:
        """Whether anything bears this name, a link that leads nowhere too."""
        try:
            os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def open_folder(self, name: str, at: int) -> int:
        """An existing folder; CopyError (foreign) if it is anything else."""
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
        if os.fstat(fd).st_dev != self._device:
            os.close(fd)
            raise CopyError("foreign", f"{name} lies on another device")
        return fd

    def make_folder(self, name: str, at: int) -> int:
        """A new folder, opened; its name is durable. FileExistsError."""
        os.mkdir(name, 0o755, dir_fd=at)
        os.fsync(at)
        return self.open_folder(name, at)

    def open_file(self, name: str, at: int, *, writing: bool) -> int:
        """An existing file; CopyError (foreign) if it is anything but a regular file with this one name."""
        self._must_be_ours(os.stat(name, dir_fd=at, follow_symlinks=False), name)
        access = os.O_RDWR if writing else os.O_RDONLY
        fd = os.open(name, access | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
        try:
            self._must_be_ours(os.fstat(fd), name)
        except CopyError:
            os.close(fd)
            raise
        return fd

    def create_file(self, name: str, at: int) -> int:
        """A new file, for reading and writing. FileExistsError if anything bears the name, a link too."""
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=at)

    def _must_be_ours(self, found: os.stat_result, name: str) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise CopyError("foreign", f"{name} is not a regular file")
        if found.st_nlink != 1 or found.st_dev != self._device:
            raise CopyError("foreign", f"{name} has another name, or lies on another device")


class MediumReader:
    """Reads what is on the medium. `method` is 'direct' or 'fadvise': how, so far as this stick was read."""

    def __init__(self, *, direct: bool) -> None:
        self.method = "direct" if direct else "fadvise"
        self._page = mmap.mmap(-1, CHUNK + 2 * BLOCK)  # anonymous memory is aligned to a page, as O_DIRECT wants it

    def read(self, fd: int, offset: int, length: int) -> bytes:
        """Up to `length` bytes (at most CHUNK) at `offset`; fewer only where the file ends. Sync the file first."""
        start = offset // BLOCK * BLOCK
        asked = -(-(offset + length - start) // BLOCK) * BLOCK
        os.posix_fadvise(fd, start, asked, os.POSIX_FADV_DONTNEED)
        got = self._read_direct(fd, start, asked) if self.method == "direct" else None
        if got is None:
            self.method = "fadvise"
            got = self._read(fd, start, asked)
        return self._page[offset - start : min(got, offset - start + length)]

    def _read_direct(self, fd: int, start: int, asked: int) -> int | None:
        """None where the file system cannot."""
        try:
            direct = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in {errno.EINVAL, errno.EOPNOTSUPP}:
                return None
            raise
        try:
            return self._read(direct, start, asked)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            raise
        finally:
            os.close(direct)

    def _read(self, fd: int, start: int, asked: int) -> int:
        got = 0
        while got < asked:
            now = os.preadv(fd, [memoryview(self._page)[got:asked]], start + got)
            got += now
            if now == 0 or now % BLOCK:
                break
        return got


def _file_system(device: int) -> str | None:
    """The kind of file system, by the kernel's table of mounts; None if it is not there (btrfs has devices of its own)."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with os.fdopen(os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC), errors="replace") as mounts:
        for line in mounts:
            fields = line.split(" ")
            if fields[2] == wanted:
                return fields[fields.index("-") + 1]
    return None
