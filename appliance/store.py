"""What lies on the appliance's disk: a folder a recording, with its journal, and one register for what happens after the seal.

The truth is here. A line is told to people only after it is on the disk (`JournalFile.sync`), and what a start-up knows it
knows from these files. A journal that ends in a torn line is cut back to its last whole one; nothing else is ever taken out.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from appliance.agreement import Party
from appliance.disk import Disk
from appliance.journal import Break, Chain, Entry, Value, check, of_kind

WAV = Path("data/gesprek.wav")
JOURNAL = Path("data/journal.jsonl")
AGREEMENT = Path("data/agreement.txt")
BAG_IS_WHOLE = Path("bagit.txt")
WORD_FOR_RECORDING = "gesprek"
NO_DATE = "zonder datum"
ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""No letter or digit that is read as another one."""


LARGEST_BATCH = 64 * 1024
"""Bytes. No sync writes more journal lines than this at once, so no power cut can tear more."""


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
    def open(cls, disk: Disk, path: Path) -> tuple[Self, tuple[Entry, ...]]:
        """An existing log and what it says. A torn last line is cut off; a break before the end raises StoreError."""
        entries, chain, good_bytes = read_log(path)
        fd = disk.open(path)
        try:
            if path.stat().st_size > good_bytes:
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

    def close(self) -> None:
        self._disk.close(self._fd)


def read_log(path: Path) -> tuple[tuple[Entry, ...], Chain, int]:
    """A log's entries, where its chain stands, and how many bytes of the file that is.

    What a power cut leaves of the last batch of lines (half a line, zeros, a later line without the one before it) is
    not part of it. More than a batch behind a break is no power cut's work: StoreError.
    """
    content = path.read_bytes()
    checked = check(content)
    if checked.broken is not None and len(content) - checked.good_bytes > LARGEST_BATCH:
        raise StoreError(f"{path} was changed: {_where(checked.broken)}. It is left as it is.")
    return checked.entries, checked.chain, checked.good_bytes


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
        for path in (recording.wav, recording.journal, recording.agreement):
            with contextlib.suppress(FileNotFoundError):
                self.disk.remove(path)
        for leftover in sorted(recording.folder.glob("data/*.new")):
            self.disk.remove(leftover)
        with contextlib.suppress(FileNotFoundError):  # the power went between the two
            recording.journal.parent.rmdir()
        recording.folder.rmdir()
        self.disk.sync_folder(self.folder)


# ── the register ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class VerifiedCopy:
    """A copy that was read back from its medium and found equal."""

    stick: str
    folder: str
    method: str
    bytes: int
    label: str


@dataclass
class Kept:
    """What the register says of one recording, after its seal."""

    sha256: str | None = None
    seconds: float = 0.0
    interrupted: bool = False
    copies: list[VerifiedCopy] = field(default_factory=list)
    received: set[Party] = field(default_factory=set)
    later: set[Party] = field(default_factory=set)
    begun_at: str | None = None
    sealed_at: str | None = None
    handed_over_at: str | None = None
    """RFC 3339, by the wall clock as it was then."""

    @property
    def handed_over(self) -> bool:
        return self.handed_over_at is not None


class Register:
    """The appliance's own log of what happens after the seal. Of a declined meeting only the count stays."""

    def __init__(self, log: JournalFile, entries: Sequence[Entry]) -> None:
        self._log = log
        self._kept: dict[str, Kept] = {}
        self.order: list[str] = []
        """Every recording that was begun, oldest first, whatever any clock said."""
        self.declined = 0
        for entry in entries:
            self._take_in(entry)

    @classmethod
    def open(cls, disk: Disk, path: Path) -> Self:
        """The register at `path`, made if there is none."""
        if not path.exists():
            return cls(JournalFile.create(disk, path), ())
        return cls(*JournalFile.open(disk, path))

    def add(self, event: str, fields: Mapping[str, Value]) -> None:
        """One line, durable on return. OSError: it is not on the disk yet, and goes along with the next."""
        self._log.append(event, fields)
        self._take_in({"event": event, **fields})
        self._log.sync()

    def of(self, recording_id: str) -> Kept:
        return self._kept.setdefault(recording_id, Kept())

    def knows(self, recording_id: str) -> bool:
        return recording_id in self._kept

    def close(self) -> None:
        self._log.close()

    def _take_in(self, entry: Entry) -> None:
        match entry:
            case {"event": "begun", "id": str(which)}:
                self.of(which).begun_at = str(entry["wall"])
                self.order.append(which)
            case {"event": "sealed", "id": str(which), "sha256": str(sha256), "milliseconds": int(ms), "interrupted": bool(cut)}:
                kept = self.of(which)
                kept.sha256, kept.seconds, kept.interrupted = sha256, ms / 1000, cut
                kept.sealed_at = str(entry["wall"])
            case {"event": "verified", "id": str(which)}:
                self.of(which).copies.append(
                    VerifiedCopy(
                        stick=str(entry["stick"]),
                        folder=str(entry["folder"]),
                        method=str(entry["method"]),
                        bytes=int(str(entry["bytes"])),
                        label=str(entry.get("label", "")),
                    )
                )
            case {"event": "received", "id": str(which), "party": str(party)}:
                self.of(which).received.add(Party(party))
                self.of(which).later.discard(Party(party))
            case {"event": "later", "id": str(which), "party": str(party)}:
                self.of(which).later.add(Party(party))
            case {"event": "handed-over", "id": str(which)}:
                self.of(which).handed_over_at = str(entry["wall"])
            case {"event": "declined"}:
                self.declined += 1


def entries_of(recording: Recording) -> tuple[Entry, ...]:
    """A recording's journal, as far as it holds. Raises StoreError if it was changed."""
    return read_log(recording.journal)[0]


def lines_of(recording: Recording, event: str) -> Iterator[Entry]:
    yield from of_kind(entries_of(recording), event)
