"""A recording's folder becomes a bag: BagIt 1.0 (RFC 8493), made in place, once.

What it promises:
- `bagit.txt` is written last. Where it is, every other file is whole, durable and read-only.
- The same arguments give the same bytes, however often and wherever it was killed in between. A whole bag's bytes are
  never touched.
- Nothing is read that somebody already read: digests that are known (the WAV's, computed at the seal) are taken as
  given.

What a bag is. The payload lies in `data/`, `manifest-sha256.txt` has its digests, `bag-info.txt` says in plain lines
what it is, and `tagmanifest-sha256.txt` has the digests of all those: so one digest, that of the tag manifest, stands
for every byte of the folder. A signature and a time-stamp request over the tag manifest lie beside it and outside it: they
are made from its bytes, between it and `bagit.txt`.
Both manifests are in the form that `sha256sum -c` reads.

Every file's modification time is the seal's, cut to an even second (FAT counts in steps of two), so that copies can be
equal in that too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from appliance.copies.names import PAYLOAD, SIGNATURES, TAG_MANIFEST, WHOLE, StrangeFolderError, file_names

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from appliance.disk import Disk
    from appliance.signing import Signs

__all__ = ["BagError", "even_second", "file_names", "is_whole", "write_bag"]

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST = "manifest-sha256.txt"
INFO = "bag-info.txt"
_MADE_HERE = (MANIFEST, INFO, TAG_MANIFEST, *SIGNATURES, WHOLE)
_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_OURS_TO_SAY = frozenset({"bagging-date", "payload-oxum"})


class BagError(Exception):
    """A sentence: why this folder cannot become a bag as asked."""


FIRST_OF_FAT = 315_619_200
"""2 January 1980, UTC: FAT knows nothing earlier, in any time zone. A clock without a battery may wake up before it."""


def even_second(moment: datetime) -> int:
    """Seconds since 1970, cut down to an even one: the modification time of everything that was sealed at `moment`."""
    return max(FIRST_OF_FAT, int(moment.timestamp()) // 2 * 2)


def is_whole(folder: Path) -> bool:
    """Whether the folder was made a bag to the end; says nothing of what happened to it since."""
    declaration = folder / WHOLE
    return not declaration.is_symlink() and declaration.is_file() and declaration.read_bytes() == DECLARATION


def write_bag(
    disk: Disk,
    folder: Path,
    *,
    known: Mapping[str, str],
    about: Mapping[str, str],
    sealed_at: datetime,
    beside: Mapping[str, bytes] = _NOTHING,
    signs: Signs | None = None,
) -> None:
    """Make `folder`, which has its payload in `data/`, a whole bag.

    known: SHA-256 in lower-case hex of payload files that need not be read again, by name relative to the folder
    (`data/gesprek.wav`).
    about: what goes into bag-info.txt, in this order; the bagging date and the Payload-Oxum are added.
    sealed_at: with its zone; the bagging date is the day in that zone.
    beside: small files to lay down too, by name relative to the folder (a page, a key, a note in `data/`).
    signs: makes of the tag manifest's bytes what speaks about them.

    Files that already lie beside `data/` (a page, a key) go into the tag manifest; the names in `SIGNATURES` do not.
    BagError if the folder or the arguments cannot make a bag, OSError: nothing is whole yet, call it again.
    """
    if not is_whole(folder):
        _remove_half_written(disk, folder, beside)
        for name, content in beside.items():
            _put(disk, folder / name, content, sealed_at)
        names = _checked_names(folder, known)
        payload = [name for name in names if name.startswith(f"{PAYLOAD}/")]
        for name in payload:
            _settle(disk, folder / name, sealed_at)
        disk.sync_folder(folder / PAYLOAD)
        digests = {name: known.get(name) or _sha256(folder / name) for name in payload}
        octets = sum((folder / name).stat().st_size for name in payload)
        _put(disk, folder / MANIFEST, _manifest(digests), sealed_at)
        _put(disk, folder / INFO, _info(about, octets, len(payload), sealed_at), sealed_at)
        tag_manifest = _manifest(_tag_digests(disk, folder, names, sealed_at))
        _put(disk, folder / TAG_MANIFEST, tag_manifest, sealed_at)
        for ending, content in signs(tag_manifest).items() if signs else ():
            _put(disk, folder / f"{TAG_MANIFEST}{ending}", content, sealed_at)
        _put(disk, folder / WHOLE, DECLARATION, sealed_at)
    _set_times(folder, sealed_at)


def _checked_names(folder: Path, known: Mapping[str, str]) -> list[str]:
    try:
        names = file_names(folder)
    except StrangeFolderError as strange:
        raise BagError(f"{folder.name} cannot be sealed: {strange}") from strange
    if unprintable := [name for name in names if not name.isprintable() or "\\" in name or "%" in name]:
        raise BagError(f"{folder.name} cannot be sealed: {unprintable[0]!r} is no name for a file in it.")
    if missing := set(known) - {name for name in names if name.startswith(f"{PAYLOAD}/")}:
        raise BagError(f"{folder.name} cannot be sealed: {min(missing)} is not there.")
    if not any(name.startswith(f"{PAYLOAD}/") for name in names):
        raise BagError(f"{folder.name} cannot be sealed: nothing is in it.")
    return names


def _tag_digests(disk: Disk, folder: Path, names: list[str], sealed_at: datetime) -> dict[str, str]:
    found = {name for name in names if "/" not in name} - set(_MADE_HERE) - set(SIGNATURES)
    for name in sorted(found):
        _settle(disk, folder / name, sealed_at)
    digests = {name: _sha256(folder / name) for name in found | {MANIFEST, INFO}}
    digests[WHOLE] = hashlib.sha256(DECLARATION).hexdigest()
    return dict(sorted(digests.items()))


def _manifest(digests: Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()


def _info(about: Mapping[str, str], octets: int, files: int, sealed_at: datetime) -> bytes:
    for label, value in about.items():
        if label.lower() in _OURS_TO_SAY or ":" in label or not label.isprintable() or not value.isprintable():
            raise BagError(f"bag-info.txt cannot say {label!r}: {value!r}.")
    lines = {**about, "Bagging-Date": sealed_at.date().isoformat(), "Payload-Oxum": f"{octets}.{files}"}
    return "".join(f"{label}: {value}\n" for label, value in lines.items()).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _put(disk: Disk, path: Path, content: bytes, sealed_at: datetime) -> None:
    """As `write_whole` does, and with its final time and mode before it bears its name: a kill leaves no file half settled."""
    beside = path.with_name(path.name + ".new")
    fd = disk.create(beside)
    try:
        disk.write_at(fd, content, 0)
        os.fchmod(fd, 0o444)
        os.utime(fd, (even_second(sealed_at),) * 2)
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(beside, path)
    disk.sync_folder(path.parent)


def _settle(disk: Disk, path: Path, sealed_at: datetime) -> None:
    """Durable, then read-only (so a second run knows what it need not open for writing), its time the seal's."""
    if path.stat().st_mode & 0o222:
        fd = disk.open(path)
        try:
            disk.sync(fd)
        finally:
            disk.close(fd)
        path.chmod(0o444)
    os.utime(path, (even_second(sealed_at),) * 2)


def _set_times(folder: Path, sealed_at: datetime) -> None:
    """Of the folders too, behind the last name that was made in them."""
    for path in (folder / PAYLOAD, folder):
        if path.stat().st_mtime_ns != even_second(sealed_at) * 10**9:
            os.utime(path, (even_second(sealed_at),) * 2)


def _remove_half_written(disk: Disk, folder: Path, ours: Mapping[str, bytes]) -> None:
    for name in (*ours, *_MADE_HERE):
        half = folder / f"{name}.new"
        if half.is_symlink() or half.exists():
            disk.remove(half)
