"""Two sticks checked against each other: are the recordings on them the same, and if not, from where on?

    python -m appliance.copies.compare DIR DIR

What it promises: it keeps nothing and writes nothing. On either stick it opens our own finished recordings and nothing else,
follows no link, and reads past the page cache. Whether a recording is as it was sealed is `verify`'s to say: here two
copies are compared with each other.

A process of its own, as a mirror is (see there): a dying stick may never answer. It ends when its standard input does. On its
standard output, a line of JSON each:

    {"is":"comparing","bytes":N,"done":N}
    {"is":"compared","recordings":[{"name":NAME,"equal":BOOL,"file":FILE,"seconds":SECONDS}],"only":[[NAME],[NAME]]}
    {"is":"failed","which":0 or 1,"detail":TEXT}

`file` is the first one that differs, the sound before all others; `seconds` is how far into the recording, where it is in the sound,
and null where it is not. `only` names what is on one stick alone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import stat
import sys
import time
from typing import Any

from appliance.copies.medium import CHUNK, CopyError, Medium
from appliance.copies.names import PAYLOAD, WAV, WHOLE, is_a_computers

FINISHED = re.compile(r"(\d{4}-\d\d-\d\d \d\d\.\d\d|zonder datum) gesprek [a-z0-9]{4}")
MOST_NAMES = 100
"""Of recordings that are on one stick alone; more are not told."""

_HEADER = 1024
_REPORT_EVERY = 0.25


class OneStick:
    """A stick, and our finished recordings on it."""

    def __init__(self, path: str, which: int) -> None:
        self.which = which
        self.medium = Medium(path)
        with os.scandir(self.medium.root) as entries:
            ours = [one.name for one in entries if FINISHED.fullmatch(one.name) and one.is_dir(follow_symlinks=False)]
        self.recordings = {name: folder for name in sorted(ours) if WHOLE in (folder := Folder(self.medium, name)).sizes}


class Folder:
    """One recording's folder: its files and their lengths. Opened by name, one step at a time, never through a link."""

    def __init__(self, medium: Medium, name: str) -> None:
        self._medium = medium
        self._folders = {"": medium.open_folder(name, medium.root)}
        self.sizes = self._list("")

    def _list(self, inside: str) -> dict[str, int]:
        found: dict[str, int] = {}
        at = self._folders[inside]
        with os.scandir(at) as entries:
            there = [(one.name, one.stat(follow_symlinks=False)) for one in entries]
        for name, seen in there:
            if is_a_computers(name, seen.st_mode):
                continue
            if name == PAYLOAD and not inside and stat.S_ISDIR(seen.st_mode):
                self._folders[PAYLOAD] = self._medium.open_folder(PAYLOAD, at)
                found |= self._list(PAYLOAD)
            else:
                found[f"{inside}/{name}" if inside else name] = seen.st_size
        return found

    def open(self, name: str) -> int:
        """CopyError (foreign) if it is not a regular file."""
        inside, _, plain = name.rpartition("/")
        return self._medium.open_file(plain, self._folders[inside], writing=False)

    def read(self, fd: int, offset: int, length: int) -> bytes:
        return self._medium.reader.read(fd, offset, length)


class Comparison:
    """Of two sticks, with the parent told how far it is."""

    def __init__(self, sticks: tuple[OneStick, OneStick]) -> None:
        self._sticks = sticks
        self._both = [name for name in sticks[0].recordings if name in sticks[1].recordings]
        self._total = sum(sum(sticks[0].recordings[name].sizes.values()) for name in self._both)
        self._done = 0
        self._reported = 0.0

    def result(self) -> dict[str, Any]:
        one, other = (stick.recordings for stick in self._sticks)
        return {
            "is": "compared",
            "recordings": [self._compare(name, one[name], other[name]) for name in self._both],
            "only": [[name for name in stick.recordings if name not in self._both][:MOST_NAMES] for stick in self._sticks],
        }

    def _compare(self, name: str, one: Folder, other: Folder) -> dict[str, Any]:
        for file in sorted(one.sizes.keys() | other.sizes.keys(), key=lambda file: (file != WAV, file)):
            if file not in one.sizes or file not in other.sizes:
                return {"name": name, "equal": False, "file": file, "seconds": None}
            at = self._first_difference(file, one, other)
            if at is not None:
                return {"name": name, "equal": False, "file": file, "seconds": _seconds(one, at) if file == WAV else None}
        return {"name": name, "equal": True, "file": None, "seconds": None}

    def _first_difference(self, file: str, one: Folder, other: Folder) -> int | None:
        """The byte from which on they differ, or where the shorter one ends; None if they are the same."""
        shorter, longer = sorted((one.sizes[file], other.sizes[file]))
        first, second = one.open(file), other.open(file)
        try:
            for offset in range(0, shorter, CHUNK):
                asked = min(CHUNK, shorter - offset)
                ours, theirs = one.read(first, offset, asked), other.read(second, offset, asked)
                if ours != theirs:
                    return offset + next(
                        (n for n, (x, y) in enumerate(zip(ours, theirs, strict=False)) if x != y), min(len(ours), len(theirs))
                    )
                self._moved(asked)
        finally:
            os.close(first)
            os.close(second)
        return None if shorter == longer else shorter

    def _moved(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._reported >= _REPORT_EVERY:
            self._reported = time.monotonic()
            _say({"is": "comparing", "bytes": self._total, "done": self._done})
            if select.select([sys.stdin.fileno()], [], [], 0)[0] and not os.read(sys.stdin.fileno(), 1 << 12):
                raise SystemExit(0)


def _seconds(folder: Folder, at: int) -> float | None:
    """How far into the sound a byte of our WAV is (docs/formats.md); None for its header, or where that is not to be believed."""
    fd = folder.open(WAV)
    try:
        head = folder.read(fd, 0, _HEADER)
    finally:
        os.close(fd)
    rate, frame = int.from_bytes(head[60:64], "little"), int.from_bytes(head[68:70], "little")
    if at < _HEADER or head[48:52] != b"fmt " or not rate or not frame:
        return None
    return round((at - _HEADER) // frame / rate, 3)


def _say(report: dict[str, Any]) -> None:
    try:
        os.write(sys.stdout.fileno(), json.dumps(report).encode() + b"\n")
    except BrokenPipeError as gone:
        raise SystemExit(0) from gone


def main(arguments: list[str] | None = None) -> int:
    """0: it said how they compare; 1: a stick failed, and it said which."""
    parser = argparse.ArgumentParser(prog="compare", description="The recordings on two sticks, against each other.")
    parser.add_argument("sticks", nargs=2, metavar="DIR", help="where a stick is mounted")
    which = 0
    try:
        opened = []
        for which, path in enumerate(parser.parse_args(arguments).sticks):
            opened.append(OneStick(path, which))
        _say(Comparison((opened[0], opened[1])).result())
    except (OSError, CopyError) as error:
        which = next((stick.which for stick in opened if not stick.medium.is_there()), which)
        _say({"is": "failed", "which": which, "detail": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
