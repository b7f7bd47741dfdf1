"""A disk for tests: it works on real files, remembers every step, fails where it is told to, and shows what is left.

`SimulatedDisk` is a `Disk` (its contract: tests/test_disk.py). What it does goes through to real files under `root`, so
whatever is built on it runs unchanged, and other readers can open the files. Beside that it keeps the list of `steps`.
From these it builds, in another folder, what would be found had things ended at an instant, that is, after the first so
many steps:

- `after_kill`: the process was killed. Every write that returned is there, synced or not: the kernel has it.
- `after_power_cut`: only what was synced is sure. Of a write that was not, each 512-byte sector (what a disk writes in
  one piece) is there or not, by luck, in any combination; so are changes of length and of names. A file may also be as
  long as it was in memory while its bytes are missing: zeros, or what lay on the disk before.

A sync that failed is as on Linux (Rebello et al., USENIX ATC 2020): what was written before it may be lost for good, and
the next sync, though it says success, does not change that; only writing again does.

`fault` is asked before each step. It may raise OSError, take its time (a slow card), or say how many bytes of a write
get through before it fails. Left out: errors in reading, and files changed behind the disk's back. One thread a file.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

from appliance.disk import RealDisk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECTOR_BYTES = 512
_ROOT = 0
_Name = tuple[int, str]  # a folder, and a name in it
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Step:
    """Something the disk was asked to do. failed: by a fault; of a write, `content` is then what got through."""

    failed: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Found(Step):
    """A file older than the disk, opened for the first time: its bytes and its name are durable."""

    path: Path
    file: int
    content: bytes


@dataclass(frozen=True)
class Create(Step):
    path: Path
    file: int


@dataclass(frozen=True)
class Write(Step):
    file: int
    content: bytes
    offset: int


@dataclass(frozen=True)
class Truncate(Step):
    file: int
    length: int


@dataclass(frozen=True)
class Sync(Step):
    file: int


@dataclass(frozen=True)
class MakeFolder(Step):
    path: Path
    folder: int


@dataclass(frozen=True)
class Rename(Step):
    old: Path
    new: Path


@dataclass(frozen=True)
class Remove(Step):
    path: Path


@dataclass(frozen=True)
class SyncFolder(Step):
    path: Path


@dataclass(frozen=True)
class Torn:
    """A write fails with `error` when the first `reached` bytes are through."""

    reached: int
    error: int = errno.EIO


class Fault(Protocol):
    def __call__(self, number: int, step: Step, /) -> Torn | None:
        """Asked before step `number` (its place in `steps`): None if all is well, an OSError, or, of a write, `Torn`."""


def sound(_number: int, _step: Step) -> None:
    """No fault at all."""


def failing(numbers: set[int], error: int = errno.EIO, reached: int = 0) -> Fault:
    """Steps of these numbers fail with `error`; of a write, at most `reached` bytes get through."""

    def fault(number: int, step: Step) -> Torn | None:
        if number in numbers and isinstance(step, Write):
            return Torn(min(reached, len(step.content)), error)
        if number in numbers:
            raise OSError(error, "a fault of the simulated disk")
        return None

    return fault


def luck(seed: int) -> Random:
    """The same luck for the same seed."""
    return Random(seed)  # noqa: S311 no secret


class SimulatedDisk:
    """`root` exists, and every path that the disk is given lies in it. `fault` may be changed at any time."""

    def __init__(self, root: Path, fault: Fault = sound) -> None:
        self.root = root
        self.fault = fault
        self.steps: list[Step] = []
        self._real = RealDisk()
        self._open: dict[int, int] = {}  # a file by its descriptor
        self._known: dict[int, int] = {}  # a file by its inode
        self._count = 0

    def create(self, path: Path) -> int:
        step = Create(path, self._next())
        fd = self._do(step, lambda: self._real.create(path))
        self._open[fd] = self._known[path.stat().st_ino] = step.file
        return fd

    def open(self, path: Path) -> int:
        fd = self._real.open(path)
        inode = path.stat().st_ino
        if inode not in self._known:
            self._known[inode] = self._next()
            self.steps.append(Found(path, self._known[inode], path.read_bytes()))
        self._open[fd] = self._known[inode]
        return fd

    def write_at(self, fd: int, content: bytes | bytearray | memoryview, offset: int) -> None:
        step = Write(self._open[fd], bytes(content), offset)
        torn = self._ask(step)
        if torn is not None:
            step = replace(step, content=step.content[: torn.reached], failed=True)
        self._real.write_at(fd, step.content, offset)
        self.steps.append(step)
        if torn is not None:
            raise OSError(torn.error, "a fault of the simulated disk")

    def truncate(self, fd: int, length: int) -> None:
        self._do(Truncate(self._open[fd], length), lambda: self._real.truncate(fd, length))

    def sync(self, fd: int) -> None:
        self._do(Sync(self._open[fd]), lambda: None)  # what is durable is decided in after_power_cut; nobody waits here

    def close(self, fd: int) -> None:
        del self._open[fd]
        self._real.close(fd)

    def make_folder(self, path: Path) -> None:
        self._do(MakeFolder(path, self._next()), lambda: self._real.make_folder(path))

    def rename(self, old: Path, new: Path) -> None:
        self._do(Rename(old, new), lambda: self._real.rename(old, new))

    def remove(self, path: Path) -> None:
        self._do(Remove(path), lambda: self._real.remove(path))

    def sync_folder(self, path: Path) -> None:
        self._do(SyncFolder(path), lambda: self._real.sync_folder(path))

    def after_kill(self, instant: int, into: Path, reached: int = 0) -> None:
        """Fill the empty folder `into` with what is there after `instant` steps, and `reached` bytes of a next write."""
        steps = self.steps[:instant]
        if reached:
            cut = self.steps[instant]
            assert isinstance(cut, Write)
            steps.append(replace(cut, content=cut.content[:reached]))
        _Leftovers(self.root, steps, set(range(len(steps))), None).put(into)

    def after_power_cut(self, instant: int, into: Path, by: Random | None) -> None:
        """Fill the empty folder `into` with what may be there after `instant` steps, by luck; by None: what is sure, no more."""
        steps = self.steps[:instant]
        _Leftovers(self.root, steps, _sure(steps), by).put(into)

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _ask(self, step: Step) -> Torn | None:
        try:
            return self.fault(len(self.steps), step)
        except OSError:
            nothing = replace(step, content=b"") if isinstance(step, Write) else step
            self.steps.append(replace(nothing, failed=True))
            raise

    def _do(self, step: Step, real: Callable[[], Answer]) -> Answer:
        self._ask(step)
        answer = real()
        self.steps.append(step)
        return answer


class _Leftovers:
    """What is left of the steps: of files their bytes, of folders their names, each as it was (live) and as it is kept."""

    def __init__(self, root: Path, steps: list[Step], sure: set[int], luck: Random | None) -> None:
        self._root = root
        self._luck = luck
        self._odds = luck.choice((0.0, 0.1, 0.5, 0.9, 1.0)) if luck else 0.0
        self._live_names: dict[_Name, int] = {}
        self._names: dict[_Name, int] = {}
        self._live_lengths: dict[int, int] = {}
        self._bytes: dict[int, bytearray] = {}
        self._folders = {_ROOT}
        self._older = 0
        self._replay(steps, sure)

    def put(self, into: Path) -> None:
        """Write it all into an empty folder."""
        for file in self._bytes:
            self._guess_length(file)
        self._put_folder(_ROOT, into)

    def _put_folder(self, folder: int, into: Path) -> None:
        for (parent, name), node in self._names.items():
            if parent == folder and node in self._folders:
                (into / name).mkdir()
                self._put_folder(node, into / name)
            elif parent == folder:
                (into / name).write_bytes(self._bytes[node])

    def _replay(self, steps: list[Step], sure: set[int]) -> None:
        for number, step in enumerate(steps):
            if isinstance(step, Write):
                self._write(step, sure=number in sure)
            elif step.failed:
                continue
            elif isinstance(step, Truncate):
                self._truncate(step, kept=number in sure or self._lucky())
            else:
                self._rename(step, sure=number in sure)

    def _write(self, step: Write, *, sure: bool) -> None:
        end = step.offset + len(step.content)
        self._live_lengths[step.file] = max(self._live_lengths[step.file], end)
        for start, stop in _sectors(step.offset, end):
            if sure or self._lucky():
                kept = self._bytes[step.file]
                kept.extend(self._filler(start - len(kept)))
                kept[start:stop] = step.content[start - step.offset : stop - step.offset]

    def _truncate(self, step: Truncate, *, kept: bool) -> None:
        self._live_lengths[step.file] = step.length
        if kept:
            content = self._bytes[step.file]
            del content[step.length :]
            content.extend(bytes(step.length - len(content)))

    def _rename(self, step: Step, *, sure: bool) -> None:
        """Any change of names: a creation gives one, a removal takes one, a renaming does both in one."""
        changes: dict[_Name, int | None] = {}
        if isinstance(step, Create | Found):
            self._live_lengths[step.file] = len(step.content) if isinstance(step, Found) else 0
            self._bytes[step.file] = bytearray(step.content if isinstance(step, Found) else b"")
            changes[self._name(step.path)] = step.file
        elif isinstance(step, MakeFolder):
            self._folders.add(step.folder)
            changes[self._name(step.path)] = step.folder
        elif isinstance(step, Remove):
            changes[self._name(step.path)] = None
        elif isinstance(step, Rename):
            changes[self._name(step.new)] = self._live_names.get(self._name(step.old))
            changes[self._name(step.old)] = None
        _apply(changes, self._live_names)
        if sure or self._lucky():
            _apply(changes, self._names)

    def _name(self, path: Path) -> _Name:
        """A folder older than the disk is durable, and becomes known here."""
        folder = _ROOT
        for part in path.relative_to(self._root).parts[:-1]:
            if (folder, part) not in self._live_names:
                self._older -= 1
                self._folders.add(self._older)
                self._live_names[folder, part] = self._names[folder, part] = self._older
            folder = self._live_names[folder, part]
        return folder, path.name

    def _guess_length(self, file: int) -> None:
        missing = self._live_lengths[file] - len(self._bytes[file])
        if self._luck and missing > 0 and self._luck.random() < 0.5:
            self._bytes[file].extend(self._filler(self._luck.randint(1, missing)))

    def _lucky(self) -> bool:
        return self._luck is not None and self._luck.random() < self._odds

    def _filler(self, length: int) -> bytes:
        length = max(0, length)
        return self._luck.randbytes(length) if self._luck and self._luck.random() < 0.5 else bytes(length)


def _apply(changes: dict[_Name, int | None], names: dict[_Name, int]) -> None:
    for name, node in changes.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _sectors(offset: int, end: int) -> Iterator[tuple[int, int]]:
    while offset < end:
        stop = min(end, (offset // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield offset, stop
        offset = stop


def _sure(steps: list[Step]) -> set[int]:
    """The numbers of the steps that the first sync after them made durable. If that one failed, no later one does."""
    sure: set[int] = set()
    waiting: dict[int | Path, list[int]] = {}
    for number, step in enumerate(steps):
        if isinstance(step, Found):
            sure.add(number)
        elif isinstance(step, Write | Truncate):
            waiting.setdefault(step.file, []).append(number)
        elif isinstance(step, Create | MakeFolder | Remove | Rename):
            path = step.new if isinstance(step, Rename) else step.path
            waiting.setdefault(path.parent, []).append(number)
        elif isinstance(step, Sync | SyncFolder):
            done = waiting.pop(step.file if isinstance(step, Sync) else step.path, [])
            sure.update(() if step.failed else done)
    return sure
