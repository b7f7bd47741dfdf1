"""A recording that somebody made on their own phone, taken in: the other party gets a copy, either way round (R4).

What it promises:
- The file is kept **as it came**, byte for byte, whatever is in it: nothing here plays, converts or looks into it. Its SHA-256
  is computed from the very bytes that are written.
- It becomes a recording like any other: a folder, a journal, the agreement, and where it came from, sealed as a bag; so what
  copies, verifies, keeps and deletes recordings does so with this one.
- Until it is sealed to the end it does not bear a recording's name: a kill at any moment leaves nothing that a start would take for
  one, and `forget_half_taken_in` removes what it leaves.

What it cannot promise is said too, in the folder's own `data/herkomst.txt`: the appliance did not hear this meeting. It vouches
for the file from the moment on at which it was taken in, and not for what was done with it before.

The journal has two lines, `taken-in` and `sealed` (docs/formats.md). All texts that come from the stick have passed
`what_people_see`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from appliance import __version__
from appliance.agreement import Party
from appliance.clock import Clock, rfc3339, stamp
from appliance.copies.bag import write_bag
from appliance.copies.names import ALLOWED_SIGNERS
from appliance.copies.sticks import what_people_see
from appliance.disk import Disk, write_whole
from appliance.journal import JournalError
from appliance.papers import Papers
from appliance.store import AGREEMENT, JOURNAL, JournalFile, Recording, Store, folder_name, read_log
from appliance.words import N_, speak

TAKEN_IN = "taken-in"
RECEIVED = "data/ontvangen"
ORIGIN = Path("data/herkomst.txt")
LONGEST_NAME = 120
PIECE_BYTES = 1 << 20

KINDS = frozenset(
    {
        "3gp",
        "aac",
        "aif",
        "aifc",
        "aiff",
        "amr",
        "caf",
        "flac",
        "m4a",
        "mka",
        "mp3",
        "mp4",
        "oga",
        "ogg",
        "opus",
        "wav",
        "webm",
        "wma",
    }
)
"""What phones and recorders call their sound files. The name is all that is looked at."""

Why: TypeAlias = Literal["kind", "empty", "unreadable"]

_UNDER_WAY = "take-in "
_ORIGIN = N_(
    "This recording was not made by this device. It was brought on a stick, and kept as it came.\n"
    "\n"
    "Name of the file: {name}\n"
    "On the stick: {stick}\n"
    "Last changed, by that stick: {modified}\n"
    "Brought by: {party}\n"
    "Length: {bytes} bytes\n"
    "SHA-256: {sha256}\n"
    "\n"
    "From the moment on at which it was taken in, every change to it can be found. What was done with it before, this device cannot know.\n"
)
_UNKNOWN = N_("not known")
_PARTIES = {Party.PROFESSIONAL: N_("the professional"), Party.CLIENT: N_("the client"), Party.GUEST: N_("a guest")}


class TakeInError(Exception):
    """A sentence: why this file is not taken in. why: for a program."""

    def __init__(self, why: Why, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file came from. name: its own. stick: what people know the stick by. modified: by the stick, if it says so."""

    name: str
    stick: str
    party: Party
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What was taken in: `file` relative to the recording's folder, and its digest in hex."""

    recording: Recording
    file: str
    bytes: int
    sha256: str


def kind_of(name: str) -> str:
    """The ending of a sound file's name, in small letters. TakeInError if it is none that we know."""
    kind = Path(name).suffix.removeprefix(".").lower()
    if kind not in KINDS:
        raise TakeInError("kind", f"{what_people_see(name, longest=LONGEST_NAME)} does not look like a sound recording.")
    return kind


def pieces_of(path: Path) -> Iterator[bytes]:
    """A file's bytes. TakeInError if it is anything but a regular file: a link on a stick is not followed.

    It waits for the stick, which may never answer: run it where that can be borne.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise TakeInError("unreadable", f"{_shown(path)} cannot be opened: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise TakeInError("unreadable", f"{_shown(path)} is not a file.")
    with os.fdopen(fd, "rb", buffering=0) as content:
        try:
            while piece := content.read(PIECE_BYTES):
                yield piece
        except OSError as error:
            raise TakeInError("unreadable", f"{_shown(path)} cannot be read to its end: {error.strerror}.") from error


def take_in(
    store: Store,
    clock: Clock,
    content: Iterable[bytes],
    origin: Origin,
    *,
    agreement: str,
    language: str,
    local: datetime | None,
    papers: Papers | None = None,
) -> TakenIn:
    """Make a sealed recording of a file that was brought.

    content: its bytes (`pieces_of`). agreement: the words that both confirmed. local: the time in the room, None if no clock can
    be trusted. Without `papers` it bears no signature. TakeInError, OSError: then nothing is left of it but what
    `forget_half_taken_in` removes.
    """
    kind, disk, recording_id = kind_of(origin.name), store.disk, store.new_id()
    under_way = store.folder / f"{_UNDER_WAY}{recording_id}"
    disk.make_folder(under_way)
    try:
        disk.make_folder(under_way / "data")
        file = f"{RECEIVED}.{kind}"
        length, sha256 = _keep(disk, under_way / file, content)
        write_whole(disk, under_way / AGREEMENT, f"{agreement.strip()}\n".encode())
        said = _as_said(origin)
        write_whole(disk, under_way / ORIGIN, _origin_in_words(said, origin.party, length, sha256, language).encode())
        _write_journal(
            disk,
            under_way / JOURNAL,
            clock,
            {
                **said,
                "id": recording_id,
                "file": file,
                "bytes": length,
                "sha256": sha256,
                "party": origin.party.value,
                "language": language,
                "wording": hashlib.sha256((under_way / AGREEMENT).read_bytes()).hexdigest(),
                "local": local.isoformat(timespec="seconds") if local else None,
                "boot": clock.boot(),
            },
        )
        write_bag(
            disk,
            under_way,
            known={file: sha256},
            about={
                "External-Identifier": recording_id,
                "External-Description": f"Ontvangen opname {recording_id}",
                "Bag-Software-Agent": f"meeting-recorder {__version__}",
            },
            sealed_at=local or clock.wall(),
            beside={ALLOWED_SIGNERS: papers.key.allowed_signers} if papers else {},
            signs=papers.key.signs if papers else None,
        )
        recording = Recording(recording_id, store.folder / folder_name(recording_id, local))
        disk.rename(under_way, recording.folder)
        disk.sync_folder(store.folder)
    except BaseException:
        _remove(under_way)
        raise
    return TakenIn(recording, file, length, sha256)


def is_taken_in(recording: Recording) -> bool:
    """Whether it was brought, and not made here. StoreError if its journal was changed, OSError."""
    entries = read_log(recording.journal)[0]
    return bool(entries) and entries[0]["event"] == TAKEN_IN


def forget_half_taken_in(store: Store) -> tuple[str, ...]:
    """At a start: remove what a kill left of takings-in; their ids. What was brought is still on the stick it came on."""
    left = sorted(store.folder.glob(f"{_UNDER_WAY}????")) if store.folder.is_dir() else []
    for folder in left:
        _remove(folder)
    return tuple(folder.name.removeprefix(_UNDER_WAY) for folder in left)


def _keep(disk: Disk, path: Path, content: Iterable[bytes]) -> tuple[int, str]:
    """The bytes as they come, durable; how many, and their SHA-256."""
    digest, length = hashlib.sha256(), 0
    fd = disk.create(path)
    try:
        for piece in content:
            disk.write_at(fd, piece, length)
            digest.update(piece)
            length += len(piece)
        disk.sync(fd)
    finally:
        disk.close(fd)
    if not length:
        raise TakeInError("empty", "There is nothing in this file, so it was not taken in.")
    return length, digest.hexdigest()


def _as_said(origin: Origin) -> dict[str, str | None]:
    """What the stick says of the file, made harmless."""
    return {
        "name": what_people_see(origin.name, longest=LONGEST_NAME),
        "stick": what_people_see(origin.stick, longest=LONGEST_NAME),
        "modified": rfc3339(origin.modified) if origin.modified else None,
    }


def _origin_in_words(said: dict[str, str | None], party: Party, length: int, sha256: str, language: str) -> str:
    say = speak(language)
    shown = {name: text or say(_UNKNOWN) for name, text in said.items()}
    return say(_ORIGIN).format(**shown, party=say(_PARTIES[party]), bytes=length, sha256=sha256)


def _write_journal(disk: Disk, path: Path, clock: Clock, fields: dict[str, str | int | None]) -> None:
    journal = JournalFile.create(disk, path)
    try:
        journal.append(TAKEN_IN, {**fields, **stamp(clock, clock.monotonic_ns())})
        journal.append("sealed", {"bytes": fields["bytes"], "sha256": fields["sha256"], **stamp(clock, clock.monotonic_ns())})
        journal.sync()
    except JournalError as error:  # a name that no journal can hold
        raise TakeInError("kind", f"This file's name cannot be written down: {error}") from error
    finally:
        journal.close()


def _remove(folder: Path) -> None:
    """Files of a bag are read-only, and folders are not: that is enough."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _shown(path: Path) -> str:
    return what_people_see(path.name, longest=LONGEST_NAME)
