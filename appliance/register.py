"""The register: the appliance's own log of what happens after the seal, and what it says of each recording.

Verified, received, later, handed over, removed: none of it can be in a copy, so it stands here, chained like a journal. Times are
those of the wall clock, and count only where that could be trusted. A time that could not is found out later when that is
possible: a clock that is set right in the same boot says how long ago it was; after another boot it is only known not to be
later than the first trusted time that follows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from appliance.agreement import Party
from appliance.clock import from_rfc3339
from appliance.disk import Disk
from appliance.journal import Entry, Value, check, everything, hearsay, undoubted
from appliance.store import SET_ASIDE, JournalFile, set_aside
from appliance.trust import Trust

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VerifiedCopy:
    """A copy that was read back from its medium and found equal."""

    stick: str
    folder: str
    method: str
    bytes: int
    label: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A recording is kept longer, because a procedure is running. `until`: UTC, None without an end."""

    reason: str
    until: datetime | None
    by: str


@dataclass(frozen=True, slots=True)
class Deletion:
    why: str
    by: str


@dataclass
class Kept:
    """What the register says of one recording, after its seal."""

    sha256: str | None = None
    seconds: float = 0.0
    interrupted: bool = False
    copies: list[VerifiedCopy] = field(default_factory=list)
    received: set[Party] = field(default_factory=set)
    later: set[Party] = field(default_factory=set)
    sealed: bool = False
    handed_over: bool = False
    begun_at: datetime | None = None
    sealed_at: datetime | None = None
    handed_over_at: datetime | None = None
    """UTC; None as long as no clock that could be trusted says when it was."""
    taken_in: bool = False
    """It was brought by a party, and not made here."""
    hold: Hold | None = None
    deletion: Deletion | None = None
    """Begun, and not ended yet as long as `deleted` is false."""
    deleted: bool = False
    folder: str = ""
    journal_head: str | None = None
    not_after: datetime | None = None
    """The first trusted time that was known after it began, where it is not known when that was."""
    promised_days: tuple[int, int] | None = None
    """What both agreed to: days after the handover, and days without one. What is configured later changes neither."""


@dataclass(frozen=True, slots=True)
class _Undated:
    id: str
    what: str
    boot: str
    mono_us: int


class Register:
    """The appliance's own log of what happens after the seal. Of a declined meeting only the count stays."""

    def __init__(self, log: JournalFile, entries: Sequence[Entry]) -> None:
        self._log = log
        self._kept: dict[str, Kept] = {}
        self._undated: list[_Undated] = []
        self.order: list[str] = []
        """Every recording that was begun, oldest first, whatever any clock said."""
        self.declined = 0
        self.was_damaged = False
        self.keys: list[str] = []
        """Fingerprints of the keys that the appliance signed with, the present one last."""
        self.newest: datetime | None = None
        """The newest time of any line, by a clock that could be trusted then."""
        for entry in entries:
            self._take_in(entry)

    @classmethod
    def open(cls, disk: Disk, path: Path) -> Self:
        """The register at `path`, made if there is none. OSError: try again.

        Of one that was damaged the lines behind the damage are taken up again, as new ones that say so: nothing binds them any
        more to what was before, but a hold that is forgotten, or a recording that comes back into the room, would be worse. All
        that was there before is kept beside it.
        """
        if not path.exists():
            return cls(JournalFile.create(disk, path), ())
        behind = _behind_the_damage(disk, path)
        log_file, entries = JournalFile.open(disk, path, path.parent / SET_ASIDE)
        try:
            log_file.write_again()
            register = cls(log_file, entries)
            register.was_damaged = bool(behind)
            register.take_up_again(behind)
        except BaseException:
            log_file.close()
            raise
        return register

    def take_up_again(self, behind: Sequence[Entry]) -> None:
        """Lines that can still be read though the chain was broken before them; durable, all of them, on return."""
        for entry in behind:
            fields = {name: value for name, value in entry.items() if name not in {"n", "prev", "event"}}
            self._log.append(str(entry["event"]), {**fields, "again": True})
            self._take_in(entry)
        self._log.sync()

    def add(self, event: str, fields: Mapping[str, Value]) -> None:
        """One line, durable on return. OSError: it is not on the disk yet, and goes along with the next."""
        self._log.append(event, fields)
        self._take_in({"event": event, **fields})
        self._log.sync()

    @property
    def being_deleted(self) -> list[str]:
        """The ids of recordings whose deletion was begun and not ended."""
        return [which for which, kept in self._kept.items() if kept.deletion is not None and not kept.deleted]

    def of(self, recording_id: str) -> Kept:
        return self._kept.setdefault(recording_id, Kept())

    def knows(self, recording_id: str) -> bool:
        return recording_id in self._kept

    def close(self) -> None:
        self._log.close()

    @property
    def has_undated(self) -> bool:
        """Whether a line with a clock that is trusted would tell when something was."""
        return bool(self._undated)

    def _when(self, entry: Entry, which: str, what: str) -> datetime | None:
        if entry["trust"] != Trust.NONE.value:
            return from_rfc3339(str(entry["wall"]))
        self._undated.append(_Undated(which, what, str(entry.get("boot", "")), int(str(entry["mono_us"]))))
        return None

    def _date(self, entry: Entry) -> None:
        """What had no date gets one: by how long ago it was, in the same boot; else it was not after this."""
        now, boot, mono_us = from_rfc3339(str(entry["wall"])), entry["boot"], int(str(entry["mono_us"]))
        for undated in self._undated:
            kept = self.of(undated.id)
            if undated.boot == boot:
                setattr(kept, undated.what, now - timedelta(microseconds=mono_us - undated.mono_us))
            else:
                kept.not_after = kept.not_after or now
        self._undated.clear()

    def _take_in(self, entry: Entry) -> None:  # noqa: C901, PLR0912 - a row an event
        if self._undated and "boot" in entry and entry.get("trust") != Trust.NONE.value:
            self._date(entry)
        if entry.get("trust", Trust.NONE.value) != Trust.NONE.value:
            at = from_rfc3339(str(entry["wall"]))
            self.newest = at if self.newest is None else max(at, self.newest)
        match entry:
            case {"event": "begun", "id": str(which)}:
                self.of(which).folder = str(entry["folder"])
                self.of(which).begun_at = self._when(entry, which, "begun_at")
                match entry.get("days"):
                    case [int(after), int(without)]:
                        self.of(which).promised_days = after, without
                self.order.append(which)
            case {"event": "sealed", "id": str(which), "sha256": str(sha256), "milliseconds": int(ms), "interrupted": bool(cut)}:
                kept = self.of(which)
                kept.sha256, kept.seconds, kept.interrupted = sha256, ms / 1000, cut
                kept.folder, kept.journal_head = str(entry["folder"]), str(entry.get("journal") or "") or None
                kept.sealed, kept.sealed_at = True, self._when(entry, which, "sealed_at")
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
                kept = self.of(which)
                kept.handed_over, kept.handed_over_at = True, self._when(entry, which, "handed_over_at")
            case {"event": "held", "id": str(which), "reason": str(reason), "by": str(by)}:
                until = entry["until"]
                self.of(which).hold = Hold(reason, from_rfc3339(str(until)) if until else None, by)
            case {"event": "taken-in", "id": str(which)}:
                self.of(which).taken_in = True
            case {"event": "released", "id": str(which)}:
                self.of(which).hold = None
            case {"event": "deleting", "id": str(which), "why": str(why), "by": str(by)}:
                self.of(which).deletion, self.of(which).folder = Deletion(why, by), str(entry["folder"])
            case {"event": "deleted" | "removed", "id": str(which)}:
                self.of(which).deleted = True
            case {"event": "clock-confirmed"}:
                # what was written by a clock that ran ahead must not keep the one that was set right from being believed
                self.newest = from_rfc3339(str(entry["wall"]))
            case {"event": "key", "fingerprint": str(fingerprint)}:
                self.keys.append(fingerprint)
            case {"event": "declined"}:
                self.declined += 1


def _behind_the_damage(disk: Disk, path: Path) -> list[Entry]:
    """The lines that follow the first one which does not hold, where more is broken than a power cut tears.

    A sync writes a line at a time here, or few: only the end of the file is ever torn. The whole of a register that is broken
    before that is set aside first, and then cut back to where it holds.
    """
    content = path.read_bytes()
    checked = undoubted(content, check(content), everything)
    rest = content[checked.good_bytes :]
    behind = [entry for entry in hearsay(rest) if entry.get("n") != checked.chain.n]
    if not behind:
        return []
    log.error("%s is damaged at line %d; %d lines behind that are taken up again", path, checked.chain.n + 1, len(behind))
    set_aside(disk, path.parent / SET_ASIDE, f"{path.name}.damaged", content)
    fd = disk.open(path)
    try:
        disk.truncate(fd, checked.good_bytes)
        disk.sync(fd)
    finally:
        disk.close(fd)
    return behind
