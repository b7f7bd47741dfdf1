"""What the files of a recording's folder are called, and in which order a copy takes them.

A recording is one folder: a payload in `data/`, and around it what describes it (RFC 8493 calls those tag files). Two
levels, no links, nothing else. `bagit.txt` comes last everywhere: where it is, the rest is.

Kept free of imports but the kernel's: the mirror children start from here, and they must stay small.
"""

from __future__ import annotations

import os
import stat

PAYLOAD = "data"
WAV = "data/gesprek.wav"
JOURNAL = "data/journal.jsonl"
AGREEMENT = "data/agreement.txt"

WHOLE = "bagit.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
PAGE = "LEESMIJ.html"
NOTE = "data/NOTE.txt"
LEVELS = "data/levels.csv"
ALLOWED_SIGNERS = "allowed_signers"
SIGNATURES = (f"{TAG_MANIFEST}.sig", f"{TAG_MANIFEST}.tsq")
"""They speak about the tag manifest, so they cannot be in it."""

UNFINISHED = " (onvolledig)"
"""Behind a folder's name on a stick, until every byte in it was read back."""

GROWING = (WAV, JOURNAL, AGREEMENT)
"""What a copy takes along while the meeting is still going on."""

SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", ".ds_store", "desktop.ini"})
SYSTEM_FOLDERS = frozenset({"system volume information", ".spotlight-v100", ".trashes", ".fseventsd"})


class StrangeFolderError(Exception):
    """A sentence: what lies in a recording's folder that does not belong in one."""


def in_order(names: set[str] | frozenset[str]) -> list[str]:
    """Payload, tag files, the tag manifest, what signs it, and `bagit.txt` last; by name within each."""
    return sorted(names, key=lambda name: (_rank(name), name))


def _rank(name: str) -> int:
    if name.startswith(f"{PAYLOAD}/"):
        return 0
    return {TAG_MANIFEST: 2, SIGNATURES[0]: 3, SIGNATURES[1]: 3, WHOLE: 4}.get(name, 1)


def is_a_computers(name: str, mode: int) -> bool:
    """Whether a computer leaves such a thing on a stick in passing, by itself: it is nobody's, and none of ours."""
    name = name.lower()
    if stat.S_ISDIR(mode):
        return name in SYSTEM_FOLDERS
    return stat.S_ISREG(mode) and (name in SYSTEM_FILES or name.startswith("._"))


def file_names(folder: str | os.PathLike[str]) -> list[str]:
    """Every file of a recording's folder, relative to it, in the order of `in_order`.

    StrangeFolderError if there is anything but regular files, at the top and in `data/`; OSError.
    """
    return in_order(frozenset(_files(os.fspath(folder), "")))


def _files(folder: str, prefix: str) -> list[str]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISREG(mode):
                found.append(prefix + entry.name)
            elif stat.S_ISDIR(mode) and not prefix and entry.name == PAYLOAD:
                found += _files(entry.path, f"{PAYLOAD}/")
            else:
                raise StrangeFolderError(f"{prefix}{entry.name} is neither a file nor the folder {PAYLOAD}.")
    return found
