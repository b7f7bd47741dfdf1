"""A recording as its journal tells it: when, how long, with whose word, and every moment at which something happened.

Pure: from journal entries to values. Times are seconds into the sound. The length of a pause comes from the monotonic clock, never
from the wall clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from appliance.agreement import Party
from appliance.journal import Entry, JournalError, of_kind, whole


class Happening(StrEnum):
    """What a moment is, in the order in which moments of one time are told."""

    PAUSE = "pause"
    JOIN = "join"
    MARK = "mark"
    GAP = "gap"
    SILENT = "silent"
    STICK = "stick"
    END = "end"


@dataclass(frozen=True, slots=True)
class Moment:
    """at: seconds into the sound.

    seconds: of a pause and a join, how long nothing was stored (None: nobody knows); of a gap and of a dead microphone, how much of
    the sound is silence that was not heard. uncertainty: of a gap's length, in seconds. why: of a gap and of an end, the journal's word.
    """

    what: Happening
    at: float
    seconds: float | None = None
    uncertainty: float = 0.0
    why: str = ""
    party: Party | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """`began`: the start on the room's clock, None if no clock could be trusted. `ended_by`: what `stopped` says, or `interrupted`."""

    id: str
    rate: int
    frame_bytes: int
    frames: int
    language: str
    began: datetime | None
    trust: str
    confirmed: tuple[Party, ...]
    part_of: tuple[str, ...]
    moments: tuple[Moment, ...]
    ended_by: str

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def of(self, *kinds: Happening) -> list[Moment]:
        return [moment for moment in self.moments if moment.what in kinds]

    @property
    def is_part(self) -> int:
        """1 for a recording that stands alone."""
        return len(self.part_of) + 1


def account_of(entries: Sequence[Entry]) -> Account:
    """Of a recording that has its end. Raises JournalError if the journal does not say what it must."""
    started = _first(entries, "started")
    end = _first(entries, "interrupted", "stopped")
    rate, local = whole(started, "rate"), started.get("local")
    listed = started.get("confirmed")
    joined = [str(entry["party"]) for entry in of_kind(entries, "confirmed") if entry.get("party") == Party.GUEST]
    said_yes = {*(map(str, listed) if isinstance(listed, list | tuple) else ()), *joined}
    parts = started.get("part_of")
    return Account(
        id=str(started.get("id", "")),
        rate=rate,
        frame_bytes=whole(started, "bits") // 8 * whole(started, "channels"),
        frames=whole(end, "frame"),
        language=str(started.get("language", "nl")),
        began=datetime.fromisoformat(local) if isinstance(local, str) else None,
        trust=str(started.get("trust", "none")),
        confirmed=tuple(party for party in Party if party.value in said_yes),
        part_of=tuple(map(str, parts)) if isinstance(parts, list | tuple) else (),
        moments=tuple(_moments(entries, rate, end)),
        ended_by="interrupted" if end["event"] == "interrupted" else str(end.get("by", "room")),
    )


def _first(entries: Sequence[Entry], *events: str) -> Entry:
    for event in events:
        if found := of_kind(entries, event):
            return found[0]
    raise JournalError(f"The journal has no line '{events[0]}'.")


def _moments(entries: Sequence[Entry], rate: int, end: Entry) -> Iterator[Moment]:
    """In the order of the sound."""
    last, at, begun = whole(end, "frame"), 0.0, False
    for n, entry in enumerate(entries):
        at = min(whole(entry, "frame"), last) / rate if "frame" in entry else at
        begun = begun or entry["event"] == "started"
        match entry["event"]:
            case "paused":
                yield Moment(Happening.PAUSE, at, _until(entries, n, "resumed"))
            case "joined":
                yield Moment(Happening.JOIN, at, _until(entries, n, "resumed"))
            case "mark":
                yield Moment(Happening.MARK, at, party=_party(entry))
            case "gap":
                lost, unsure = whole(entry, "frames") / rate, whole(entry, "uncertainty_frames") / rate
                yield Moment(Happening.GAP, at, lost, unsure, str(entry.get("why", "")))
            case "silent":
                again = next((later for later in entries[n:] if later["event"] == "sound-again"), end)
                yield Moment(Happening.SILENT, at, max(0, whole(again, "frame") - whole(entry, "frame")) / rate)
            case "stick-failed" if begun:  # before the start it takes nothing from the recording
                yield Moment(Happening.STICK, at)
    yield Moment(Happening.END, last / rate, why="interrupted" if end["event"] == "interrupted" else str(end.get("by", "room")))


def _until(entries: Sequence[Entry], n: int, event: str) -> float | None:
    """Seconds by the monotonic clock, which is one clock as long as the machine was not started anew; None if that did not come."""
    for later in entries[n:]:
        if later["event"] == event:
            return (whole(later, "mono_us") - whole(entries[n], "mono_us")) / 1e6
        if later["event"] == "interrupted":
            return None
    return None


def _party(entry: Entry) -> Party | None:
    said = entry.get("party")
    return Party(said) if said in set(Party) else None
