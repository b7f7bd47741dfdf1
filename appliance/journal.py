"""A log that cannot be edited unseen: one canonical JSON object a line, each bound to the one before by SHA-256.

The recording's journal and the appliance's register are both such a log. This module knows the format and nothing
else: it makes the next line and checks the lines that are there. `store.py` and `audio/recorder.py` put the lines on
the disk.

A line is RFC 8785 canonical JSON (keys sorted, no white space, UTF-8) and a newline. Numbers are integers of at most
53 bits and keys are ASCII, which makes Python's own `json` canonical already (a test holds it against an independent
implementation). Three members are ours:

    n      the line's number, from 0
    prev   SHA-256, in hex, of the line before without its newline; 64 zeros in line 0
    event  what happened

The hash of the last line is the log's **head**. Who knows a head knows that no earlier line was changed, removed or added.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "str | int | bool | Sequence[Value] | Mapping[str, Value] | None"
Entry: TypeAlias = Mapping[str, Value]
Keep: TypeAlias = Callable[[Entry], bool]

START_OF_CHAIN = "0" * 64
LARGEST_INTEGER = 2**53 - 1
OURS = frozenset({"n", "prev", "event"})


class JournalError(Exception):
    """A value that a journal line cannot hold, or lacks."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a log stands: `n` lines so far, the last of which hashes to `head` (hex)."""

    n: int = 0
    head: str = START_OF_CHAIN

    def line(self, event: str, fields: Entry) -> tuple[bytes, Chain]:
        """The next line, newline included, and where the log stands after it."""
        if taken := OURS & fields.keys():
            raise JournalError(f"A journal line numbers and binds itself: {sorted(taken)} cannot be set.")
        text = canonical({"n": self.n, "prev": self.head, "event": event, **fields})
        return text + b"\n", Chain(self.n + 1, hashlib.sha256(text).hexdigest())


@dataclass(frozen=True, slots=True)
class Break:
    """The first line that does not follow: its number and why, in technical words."""

    n: int
    why: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a log says up to its last good line: `good_bytes` of it. `broken` is None when that is all there is."""

    entries: tuple[Entry, ...]
    chain: Chain
    good_bytes: int
    broken: Break | None


def canonical(entry: Entry) -> bytes:
    """RFC 8785 for the values that we use: strings, booleans, null, lists, objects, integers up to 2**53 - 1."""
    _must_be_canonical(entry)
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def everything(_entry: Entry) -> bool:
    """For `check`: keep each entry."""
    return True


def check(content: bytes, keep: Keep = everything) -> Checked:
    """Follow the chain from the first line on, up to the end or the first line that does not follow.

    `keep` says which entries are wanted; the others are followed all the same, and take no memory.
    """
    entries: list[Entry] = []
    chain = Chain()
    good = 0
    for line in io.BytesIO(content):
        entry = _read(line, chain)
        if isinstance(entry, str):
            return Checked(tuple(entries), chain, good, Break(chain.n, entry))
        if keep(entry):
            entries.append(entry)
        chain = Chain(chain.n + 1, hashlib.sha256(line[:-1]).hexdigest())
        good += len(line)
    return Checked(tuple(entries), chain, good, None)


def undoubted(content: bytes, checked: Checked, keep: Keep = everything) -> Checked:
    """`checked`, made by `check` of the same, without its last line when that one is in doubt: the line behind it can be read, bears
    the next number, and does not follow it. Then one of the two was changed, and nothing says which.
    """
    behind = next(hearsay(content[checked.good_bytes :].partition(b"\n")[0]), None)
    contradicts = behind is not None and behind.get("n") == checked.chain.n and behind.get("prev") != checked.chain.head
    if not contradicts or not checked.chain.n:
        return checked
    return check(content[: content.rfind(b"\n", 0, checked.good_bytes - 1) + 1], keep)


def hearsay(rest: bytes) -> Iterator[Entry]:
    """Of bytes that do not follow the chain: the lines that can be read all the same. Nothing binds them: they are hints that
    something else has to prove.
    """
    for line in rest.splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and isinstance(entry.get("event"), str):
            yield entry


def of_kind(entries: Iterable[Entry], event: str) -> list[Entry]:
    """The entries of one event, in order."""
    return [entry for entry in entries if entry["event"] == event]


def whole(entry: Entry, key: str) -> int:
    """A number in an entry. JournalError if it is not there."""
    number = entry.get(key)
    if not isinstance(number, int) or isinstance(number, bool):
        raise JournalError(f"The journal's line {entry.get('n')} ({entry.get('event')}) has no number {key}.")
    return number


def _read(line: bytes, chain: Chain) -> Entry | str:
    """The entry on a line that follows `chain`, or why it does not."""
    if not line.endswith(b"\n"):
        return "the line is not complete"
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):  # the latter for thousands of brackets, which nobody honest writes
        return "the line is not JSON"
    if not isinstance(entry, dict) or not isinstance(entry.get("event"), str):
        return "the line is not a journal entry"
    if entry.get("prev") != chain.head:
        return "the line does not follow the one before"
    if entry.get("n") != chain.n:
        return "the line's number is not the next one"
    return entry


def _must_be_canonical(value: Value) -> None:
    match value:
        case bool() | None | str():
            return
        case int():
            if abs(value) > LARGEST_INTEGER:
                raise JournalError(f"{value} does not fit in 53 bits.")
        case Mapping():
            for key, inner in value.items():
                if not isinstance(key, str) or not key.isascii():
                    raise JournalError(f"{key!r} is not an ASCII key.")
                _must_be_canonical(inner)
        case list() | tuple():
            for inner in value:
                _must_be_canonical(inner)
        case _:
            raise JournalError(f"{value!r} has no canonical form in a journal.")
