"""What lies on the appliance's disk: a folder a recording, with its journal, and one register for what happens after the seal.

The truth is here. A line is told to people only after it is on the disk (`JournalFile.sync`), and what a start-up knows it
knows from these files. A log that ends in a torn line is cut back to its last whole one, and what was cut is set aside (unless
it is nothing but zeros): a power cut tears half a line, but it might have been damage to a line before. Nothing else is ever
taken out.

**What can be read need not be on the disk.** When a sync fails, Linux calls the pages clean all the same: they read well from its
cache, and no later sync writes them (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). A process
that goes on where another one ended, in the same boot, cannot know whether that happened. `write_again` makes such bytes sure.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from appliance.disk import Disk, write_whole
from appliance.journal import Break, Chain, Entry, Keep, check, everything, of_kind, undoubted, whole

WAV = Path("data/gesprek.wav")
JOURNAL = Path("data/journal.jsonl")
AGREEMENT = Path("data/agreement.txt")
LEVELS = Path("data/levels.csv")
BAG_IS_WHOLE = Path("bagit.txt")
SET_ASIDE = "set aside"
"""The folder for what was cut off a torn log, beside the recordings' folders (and beside the register): part of no recording."""
WORD_FOR_RECORDING = "gesprek"
NO_DATE = "zonder datum"
ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""No letter or digit that is read as another one."""


LARGEST_BATCH = 64 * 1024
"""Bytes. No sync writes more journal lines than this at once, so no power cut can tear more."""

MOST_STRETCHES = 2_000
"""So many stretches of a journal are read where not every one is needed: those of 13 hours would take more memory than all else."""

_PIECE_BYTES = 1 << 20

log = logging.getLogger(__name__)


class StoreError(Exception):
    """Something on the disk is not as it must be; the sentence says what, and what is safe."""


class JournalFile:
    """A log on the disk. Lines are appended in memory and become durable, in order, with `sync`.

    After a `sync` that raised OSError the lines are still in memory, and the next `sync` writes them again, at the same place.
    Not for two threads at once.
    """

    def __init__(self, disk: Disk, path: Path, fd: int, chain: Chain, length: int) -> None:
        self._disk = disk
        self._path = path
        self._fd = fd
        self._length = length
        self._pending: list[bytes] = []
        self.chain = chain

    @classmethod
    def create(cls, disk: Disk, path: Path) -> Self:
        """A new, empty log whose name is durable. FileExistsError if there is one."""
        fd = disk.create(path)
        try:
            disk.sync_folder(path.parent)
        except BaseException:
            disk.close(fd)
            raise
        return cls(disk, path, fd, Chain(), 0)

    @classmethod
    def open(cls, disk: Disk, path: Path, aside: Path) -> tuple[Self, tuple[Entry, ...]]:
        """An existing log and what it says. A torn last line is cut off; a break before the end raises StoreError.

        `aside` is the folder for what is cut, made when it is needed; it is durable there before it is gone here.
        """
        entries, chain, good_bytes = read_log(path)
        fd = disk.open(path)
        try:
            if torn := path.read_bytes()[good_bytes:]:
                set_aside(disk, aside, f"{path.name}.{good_bytes}", torn)
                disk.truncate(fd, good_bytes)
                disk.sync(fd)
        except BaseException:
            disk.close(fd)
            raise
        return cls(disk, path, fd, chain, good_bytes), entries

    def append(self, event: str, fields: Entry) -> None:
        """The next line, in memory until `sync`."""
        text, chain = self.chain.line(event, fields)
        if len(text) > LARGEST_BATCH:
            raise StoreError(f"A journal line of {len(text)} bytes is longer than a journal can make durable in one step.")
        self.chain = chain
        self._pending.append(text)

    def sync(self) -> None:
        """Make every line durable. OSError: not all of them are; call again."""
        while self._pending:
            batch, size = 0, 0
            while batch < len(self._pending) and size + len(self._pending[batch]) <= LARGEST_BATCH:
                size += len(self._pending[batch])
                batch += 1
            self._disk.write_at(self._fd, b"".join(self._pending[:batch]), self._length)
            self._disk.sync(self._fd)
            self._length += size
            del self._pending[:batch]

    def write_again(self) -> None:
        """Make the last lines sure, whatever became of the sync that they were written with.

        A batch is written only when the one before it was synced: so what can be in doubt is the last one.
        """
        write_again(self._disk, self._path, max(0, self._length - LARGEST_BATCH), self._length)

    def close(self) -> None:
        self._disk.close(self._fd)


def read_log(path: Path, *, every_stretch: bool = False) -> tuple[tuple[Entry, ...], Chain, int]:
    """A log's entries, where its chain stands, and how many bytes of the file that is.

    Of a journal's stretches some `MOST_STRETCHES`, spread evenly, unless every one is asked for; of all else everything.

    What a power cut leaves of the last batch of lines (half a line, zeros, a later line without the one before it) is
    not part of it, nor is a last line that what comes behind it contradicts. More than a batch behind a break is no power cut's
    work: StoreError.
    """
    content = path.read_bytes()
    keep = everything if every_stretch else _in_brief(content)
    checked = check(content, keep)
    if checked.broken is not None and len(content) - checked.good_bytes > LARGEST_BATCH:
        raise StoreError(f"{path} was changed: {_where(checked.broken)}. It is left as it is.")
    checked = undoubted(content, checked, keep)
    return checked.entries, checked.chain, checked.good_bytes


def write_again(disk: Disk, path: Path, begin: int, end: int) -> None:
    """Write a file's bytes from `begin` to `end`, as they can be read, once more in their place, and sync them."""
    fd = disk.open(path)
    try:
        with path.open("rb") as written:
            written.seek(begin)
            while begin < end and (piece := written.read(min(_PIECE_BYTES, end - begin))):
                disk.write_at(fd, piece, begin)
                begin += len(piece)
        disk.sync(fd)
    finally:
        disk.close(fd)


def set_aside(disk: Disk, folder: Path, name: str, torn: bytes) -> None:
    """Keep, beside everything, bytes that are about to be cut off; durable on return.

    The name tells the content, so that doing it twice is doing it once.
    """
    if not torn.strip(b"\0"):
        log.warning("%s: %d zeros behind the last whole line are cut off", name, len(torn))
        return
    for missing in (folder.parent, folder):
        if not missing.is_dir():
            disk.make_folder(missing)
            disk.sync_folder(missing.parent)
    kept = folder / f"{name}.{hashlib.sha256(torn).hexdigest()[:8]}"
    write_whole(disk, kept, torn)
    log.warning("%s: %d bytes behind the last whole line are cut off; they are kept in %s", name, len(torn), kept)


def _in_brief(content: bytes) -> Keep:
    """For `check`: of the stretches only some, the same ones for as long as no stretch is added."""
    step = content.count(b'"event":"audio"') // MOST_STRETCHES + 1
    return lambda entry: entry["event"] != "audio" or whole(entry, "n") % step == 0


def _where(broken: Break) -> str:
    return f"in line {broken.n + 1}, {broken.why}"


# ── recordings ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording's folder on the appliance."""

    id: str
    folder: Path

    @property
    def wav(self) -> Path:
        return self.folder / WAV

    @property
    def journal(self) -> Path:
        return self.folder / JOURNAL

    @property
    def agreement(self) -> Path:
        return self.folder / AGREEMENT

    @property
    def levels(self) -> Path:
        return self.folder / LEVELS

    @property
    def set_aside(self) -> Path:
        """What was cut off its journal, if anything ever was."""
        return self.folder.parent / SET_ASIDE / self.folder.name

    @property
    def is_bagged(self) -> bool:
        return (self.folder / BAG_IS_WHOLE).is_file()


def folder_name(recording_id: str, began: datetime | None) -> str:
    """'2026-11-23 14.00 gesprek k7qm': sorts by time, names nobody, and every file system takes it. `began` is local time."""
    return (
        f"{began:%Y-%m-%d %H.%M} {WORD_FOR_RECORDING} {recording_id}"
        if began
        else f"{NO_DATE} {WORD_FOR_RECORDING} {recording_id}"
    )


class Store:
    """The recordings under one folder."""

    def __init__(self, disk: Disk, recordings: Path) -> None:
        self.disk = disk
        self.folder = recordings

    def new_id(self) -> str:
        """Four random letters that no recording here bears."""
        taken = {recording.id for recording in self.all()}
        while True:
            letters = "".join(secrets.choice(ID_LETTERS) for _ in range(4))
            if letters not in taken:
                return letters

    def make(self, recording_id: str, began: datetime | None) -> Recording:
        """A recording's empty folders, durable. OSError: there are none."""
        recording = Recording(recording_id, self.folder / folder_name(recording_id, began))
        self.disk.make_folder(recording.folder)
        try:
            self.disk.make_folder(recording.folder / "data")
            self.disk.sync_folder(recording.folder)
            self.disk.sync_folder(self.folder)
        except OSError:
            self.discard(recording)
            raise
        return recording

    def all(self) -> list[Recording]:
        """Every recording here, oldest first by name; folders of other names are nobody's business."""
        found = []
        for folder in sorted(self.folder.iterdir()) if self.folder.is_dir() else []:
            before, _, recording_id = folder.name.rpartition(f" {WORD_FOR_RECORDING} ")
            if before and recording_id and folder.is_dir() and not folder.is_symlink():
                found.append(Recording(recording_id, folder))
        return found

    def discard(self, recording: Recording) -> None:
        """Remove a recording without a single frame of audio: that it has none is the caller's to know.

        OSError when the disk refuses, or when something lies in the folder that is not ours: call it again.
        """
        for path in (recording.wav, recording.journal, recording.agreement, recording.levels):
            with contextlib.suppress(FileNotFoundError):
                self.disk.remove(path)
                if path == recording.wav:  # sound without a journal would be taken for a damaged recording, and kept
                    self.disk.sync_folder(path.parent)
        for leftover in sorted(recording.folder.glob("data/*.new")):
            self.disk.remove(leftover)
        with contextlib.suppress(FileNotFoundError):  # the power went between the two
            recording.journal.parent.rmdir()
        recording.folder.rmdir()
        self.disk.sync_folder(self.folder)
        self._discard_what_wasset_aside(recording)

    def _discard_what_wasset_aside(self, recording: Recording) -> None:
        if recording.set_aside.is_dir():
            for piece in sorted(recording.set_aside.iterdir()):
                self.disk.remove(piece)
            recording.set_aside.rmdir()
            self.disk.sync_folder(recording.set_aside.parent)


def entries_of(recording: Recording) -> tuple[Entry, ...]:
    """A recording's journal, as far as it holds, in brief (see `read_log`). Raises StoreError if it was changed."""
    return read_log(recording.journal)[0]


def lines_of(recording: Recording, event: str) -> Iterator[Entry]:
    yield from of_kind(entries_of(recording), event)
