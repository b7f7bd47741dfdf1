"""Sticks, as a port: which are in, and how much room each has. Copies are made on whatever folder a stick says it is.

`FolderSticks` are plain folders: for the demo, for tests, and for a building whose own systems take the copies. A stick
from a pocket is somebody else's writing down to its name, so `Stick.label` has passed `what_people_see` before anybody
reads it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

LONGEST_LABEL = 32
_MARKUP = frozenset("[]<>{}&`\\")


@dataclass(frozen=True, slots=True)
class Stick:
    """A place for one copy.

    key: the same for the same stick whenever it comes back, and safe in a file name (a-z, 0-9, dash).
    label: what people see of it; only `what_people_see` makes one.
    path: the folder where it is; may be another when it comes back.
    """

    key: str
    label: str
    path: Path


@dataclass(frozen=True, slots=True)
class StickCame:
    stick: Stick


@dataclass(frozen=True, slots=True)
class StickWent:
    """The stick as it was when it came; whoever writes to it is late."""

    stick: Stick


StickEvent: TypeAlias = StickCame | StickWent


class Sticks(Protocol):
    """Where sticks come from. An implementation must be usable for one `watch` at a time."""

    def watch(self) -> AsyncIterator[StickEvent]:
        """First a StickCame for each stick that is in, then every coming and going, without end.

        It must tell a going before it tells that the same key came again, must give each key to one stick at a time, and must
        not tell that a stick came before its `path` can be written to. It may be closed (`aclose`) and called again: then it
        starts from the beginning.
        """
        ...

    def free_bytes(self, stick: Stick) -> int:
        """Room for files on it, in bytes; OSError if it is not there.

        It must not read from the medium: a dying stick may never answer.
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

    def free_bytes(self, stick: Stick) -> int:
        room = os.statvfs(stick.path)
        return room.f_bavail * room.f_frsize


def what_people_see(label: str, otherwise: str = "USB") -> str:
    """A label that can be shown anywhere: one short line without control characters, terminal escapes, invisible or
    direction-changing marks, or anything that a screen or a page would take for markup. `otherwise` if nothing is left.
    """
    visible = "".join(_shown(letter) for letter in unicodedata.normalize("NFC", label))
    return " ".join(visible.split())[:LONGEST_LABEL].rstrip() or otherwise


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
