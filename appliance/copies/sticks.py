"""Sticks, as a port: which are in, which cannot be used and why, how much room each has, and when one may be taken out.

`UDisksSticks` (in `udisks`) are real ones. `FolderSticks` are plain folders: for the demo, for tests, and for a building
whose own systems take the copies. Both keep one contract (tests/copies/test_sticks_contract.py).

A stick from a pocket is somebody else's writing down to its name, so everything that it says of itself has passed
`what_people_see` before anybody reads it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from appliance.children import dies_with_us

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

LONGEST_LABEL = 32
_MARKUP = frozenset("[]<>{}&`\\")


ROOM_ASKED_SECONDS = 10.0
"""A stick that does not say within this time how much room it has is not asked again."""

Unfit: TypeAlias = Literal[
    "file system",  # one that is neither FAT32 nor exFAT
    "empty",  # never formatted
    "locked",  # encrypted by somebody
    "readonly",  # a switch on its side, or worn out
    "damaged",  # its file system cannot be mounted
]


@dataclass(frozen=True, slots=True)
class Stick:
    """A place for one copy.

    key: the same for the same stick whenever it comes back, and safe in a file name (a-z, 0-9, dash).
    label: what people see of it; only `what_people_see` makes one.
    path: the folder where it is; may be another when it comes back. Of one that is refused: its device.
    make: who made it and what it is called there, as it says itself; made by `what_people_see`, '' if it says nothing.
    size: bytes of the whole of it; 0 where that means nothing (a folder).
    largest_file: bytes that one file on it may have; None where no recording comes near.
    """

    key: str
    label: str
    path: Path
    make: str = ""
    size: int = 0
    largest_file: int | None = None

    @property
    def known_by(self) -> str:
        """All that people can tell it by: 'MUZIEK (SanDisk Ultra, 32 GB)'."""
        more = ", ".join(filter(None, ("" if self.make == self.label else self.make, size_on_the_package(self.size))))
        return f"{self.label} ({more})" if more else self.label


@dataclass(frozen=True, slots=True)
class StickCame:
    stick: Stick


@dataclass(frozen=True, slots=True)
class StickRefused:
    """It is in, and no copy can be made on it. Nothing on it was opened."""

    stick: Stick
    why: Unfit


@dataclass(frozen=True, slots=True)
class StickWent:
    """The stick as it was when it came or was refused; whoever writes to it is late."""

    stick: Stick


StickEvent: TypeAlias = StickCame | StickRefused | StickWent


class StickBusyError(Exception):
    """A sentence: why this stick cannot be taken out just now."""


class Sticks(Protocol):
    """Where sticks come from. An implementation must be usable for one `watch` at a time."""

    def watch(self) -> AsyncIterator[StickEvent]:
        """First a StickCame or a StickRefused for each stick that is in, then every coming and going, without end.

        It must tell a going before it tells that the same key came again, must give each key to one stick at a time, and must
        not tell that a stick came before its `path` can be written to. It may be closed (`aclose`) and called again: then it
        starts from the beginning.
        """
        ...

    async def free_bytes(self, stick: Stick) -> int:
        """Room for files on it, in bytes; OSError if it is not there, or does not answer.

        It must not wait for the medium in this process: a dying stick may never answer.
        """
        ...

    async def let_go(self, stick: Stick) -> None:
        """Make that this stick may be taken out: nothing of it in use by us, its light out where that can be done.

        What can be taken out must then be told as gone (StickWent), and not as come before somebody puts it in again. A folder
        cannot be taken out: it stays in. A stick that is out already is let go. StickBusyError if somebody still writes to it.
        """
        ...


class FolderSticks:
    """Folders as sticks: in while the folder is there, gone when it vanishes or another one bears its name."""

    def __init__(self, folders: Sequence[Path], *, every: float = 0.5) -> None:
        """every: seconds between two looks. A folder need not be there yet; a link to one stands for where it leads."""
        self._sticks = tuple(_folder_stick(folder) for folder in dict.fromkeys(map(_real, folders)))
        self._every = every

    async def watch(self) -> AsyncIterator[StickEvent]:
        seen: dict[str, tuple[int, int]] = {}
        while True:
            for stick in self._sticks:
                before, now = seen.get(stick.key), _identity(stick.path)
                if before is not None and now != before:
                    del seen[stick.key]
                    yield StickWent(stick)
                if now is not None and now != before:
                    seen[stick.key] = now
                    yield StickCame(stick)
            await asyncio.sleep(self._every)

    async def free_bytes(self, stick: Stick) -> int:
        return await room_at(stick.path)

    async def let_go(self, stick: Stick) -> None:
        """Nothing to do: what a mirror wrote is synced before it says so, and a folder stays where it is."""


async def room_at(path: Path) -> int:
    """Bytes free for us on the file system at `path`; OSError.

    Asked by a child (coreutils' stat): FAT32 may have to be counted through for it, and who waits for a dying stick cannot
    be ended. Such a child is left behind.
    """
    asked = await asyncio.create_subprocess_exec(
        *dies_with_us(),
        *("stat", "--file-system", "--format=%a %S", "--", os.fspath(path)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(ROOM_ASKED_SECONDS):
            said, _ = await asked.communicate()
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, f"{path} does not say how much room it has") from None
    finally:
        if asked.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                asked.kill()
    if asked.returncode:
        raise OSError(errno.ENODEV, f"{path} is not there")
    blocks, block_bytes = said.split()
    return int(blocks) * int(block_bytes)


def size_on_the_package(size: int) -> str:
    """A stick's size as it is sold: '32 GB' for 30.8 thousand million bytes, '500 GB' for 500.1; '' for nothing."""
    if size < 0.88e9:
        return f"{max(1, round(size / 1e6))} MB" if size else ""
    whole = max(1, round(size / 1e9))
    if whole % 10 == 0 and abs(size / 1e9 - whole) < 0.005 * whole:
        return f"{whole} GB"
    return f"{next((2**power for power in range(20) if 0.9 * 2**power <= size / 1e9 <= 1.04 * 2**power), whole)} GB"


def what_people_see(label: str, otherwise: str = "USB", longest: int = LONGEST_LABEL) -> str:
    """A label that can be shown anywhere: one short line without control characters, terminal escapes, invisible or
    direction-changing marks, or anything that a screen or a page would take for markup. `otherwise` if nothing is left.
    """
    visible = "".join(_shown(letter) for letter in unicodedata.normalize("NFC", label))
    return " ".join(visible.split())[:longest].rstrip() or otherwise


def _shown(letter: str) -> str:
    if letter in _MARKUP:
        return ""
    kind = unicodedata.category(letter)
    if kind.startswith("Z") or letter in "\t\n\r":
        return " "
    return "" if kind.startswith("C") or kind in {"Mn", "Me"} else letter


def _real(folder: Path) -> Path:
    return folder.resolve()


def _folder_stick(folder: Path) -> Stick:
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
    return Stick(key=f"{name[:24]}-{digest}".lstrip("-"), label=what_people_see(folder.name), path=folder)


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a folder; None if there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None
