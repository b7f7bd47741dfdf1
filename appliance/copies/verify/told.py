"""What the journal tells of the sound, and whether it can be believed: its chain, its beginning and end, every second bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from appliance.audio.pcm import PcmFormat
from appliance.copies.names import AGREEMENT
from appliance.copies.verify.case import LARGEST_TEXT, MISSING, TOO_LARGE, UNREADABLE, Case
from appliance.journal import LARGEST_INTEGER, Entry, check, hearsay
from appliance.store import LARGEST_BATCH
from appliance.words import N_

UNFINISHED_COPY = N_("This copy is not finished. What is in it can be played, but it is not the whole recording.")
_CHAIN = N_("The journal was changed, at line {line} or the line before: {why}.")
_JOURNAL_LACKS = N_("The journal does not say what it must: {why}.")
_UNBOUND = N_("The journal does not vouch for the sound from {begin} to {end}.")
_NOT_AS_IT_CAME = N_("{file} is not as it was when it was brought.")
_AGREEMENT = N_("This is not the agreement that both parties confirmed.")

Frame: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)]


class Started(msgspec.Struct, frozen=True):
    rate: Annotated[int, Meta(ge=1, le=1_000_000)]
    bits: Literal[16, 24]
    channels: Literal[1, 2]
    wording: str | None = None


class Stretch(msgspec.Struct, frozen=True):
    begin: Frame = msgspec.field(name="from")
    frames: Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]
    sha256: str

    @property
    def end(self) -> int:
        return self.begin + self.frames


class Interrupted(msgspec.Struct, frozen=True):
    frame: int


class Sealed(msgspec.Struct, frozen=True):
    bytes: Frame
    sha256: str
    frames: Frame = 0
    """Of a recording that was brought nobody counted any."""


class Brought(msgspec.Struct, frozen=True):
    """A file that a party made on their own phone, kept as it came. `file`: relative to the recording's folder."""

    file: str
    bytes: Frame
    sha256: str
    wording: str | None = None


_LINES: Mapping[str, type[msgspec.Struct]] = {
    "started": Started,
    "audio": Stretch,
    "interrupted": Interrupted,
    "sealed": Sealed,
    "taken-in": Brought,
}


@dataclass
class Told:
    """What a journal says, as far as sound goes. `broken`: its chain is, so what comes behind the break is only hearsay."""

    started: Started | None = None
    brought: Brought | None = None
    stretches: list[Stretch] = field(default_factory=list)
    sealed: Sealed | None = None
    broken: bool = False
    amiss: list[str] = field(default_factory=list)

    @property
    def format(self) -> PcmFormat | None:
        return PcmFormat(self.started.rate, self.started.bits, self.started.channels) if self.started else None

    @property
    def frames(self) -> int:
        """How long the recording is, as far as is told."""
        return self.sealed.frames if self.sealed else self.stretches[-1].end if self.stretches else 0

    def take_in(self, entry: Entry) -> None:
        if self.sealed:
            self.amiss.append("something was written behind its end")
        try:
            kind = _LINES.get(str(entry["event"]))
            line = msgspec.convert(entry, kind) if kind else None
        except msgspec.ValidationError as error:
            self.amiss.append(f"{entry['event']}: {error}")
            return
        match line:
            case Started():
                self.started = self.started or line
            case Brought():
                self.brought = self.brought or line
            case Stretch() if not self.stretches or line.begin >= self.stretches[-1].end:
                self.stretches.append(line)
            case Stretch():
                self.amiss.append(f"frame {line.begin} is bound twice")
            case Interrupted():
                self.stretches = [stretch for stretch in self.stretches if stretch.end <= line.frame]
            case Sealed():
                self.sealed = line

    def unbound(self) -> Iterator[tuple[int, int]]:
        """Stretches of frames that no line vouches for."""
        ends = [(0, 0), *((stretch.begin, stretch.end) for stretch in self.stretches), (self.frames, self.frames)]
        yield from ((end, begin) for (_, end), (begin, _) in pairwise(ends) if begin > end)


def read_journal(case: Case) -> Told:
    content = _journal_bytes(case)
    told = Told(broken=content is None)
    if content is None:
        return told
    checked = check(content)
    for entry in checked.entries:
        told.take_in(entry)
    rest = content[checked.good_bytes :]
    if checked.broken is None or (case.unfinished and len(rest) <= LARGEST_BATCH):  # a power cut's work, or a copy's under way
        _judge_journal(case, told)
        return told
    told.broken = True
    bound = len(told.stretches)
    for entry in hearsay(rest):
        told.take_in(entry)
    sure = told.stretches[bound - 1].begin if bound else 0
    behind = told.stretches[bound].begin if len(told.stretches) > bound else told.frames
    at = in_seconds(told, sure, max(sure, behind))
    case.find("journal", case.journal, _CHAIN, at, line=checked.broken.n + 1, why=checked.broken.why)
    return told


def _journal_bytes(case: Case) -> bytes | None:
    """None, and a finding, if it is not there or cannot be read."""
    path = case.top / case.journal
    if case.journal not in case.files:
        if case.unfinished:  # of a bag, the manifest says that it is missing
            case.find("missing", case.journal, MISSING)
        return None
    try:
        if path.stat().st_size <= LARGEST_TEXT:
            return path.read_bytes()
    except OSError as error:
        case.find("unreadable", case.journal, UNREADABLE, why=error.strerror)
        return None
    case.find("journal", case.journal, TOO_LARGE)
    return None


def _judge_journal(case: Case, told: Told) -> None:
    """A whole chain that does not say what a recorder's does."""
    if told.started is None and told.brought is None:
        told.amiss.append("it never started")
    if told.sealed is None and not case.unfinished:
        if case.alone:
            case.unfinished = True
            case.find("unfinished", None, UNFINISHED_COPY)
        else:
            told.amiss.append("its last line is not there")
    for why in dict.fromkeys(told.amiss):
        case.find("journal", case.journal, _JOURNAL_LACKS, why=why)
    for begin, end in told.unbound():
        case.find("journal", case.journal, _UNBOUND, in_seconds(told, begin, end))


def judge_agreement(case: Case, told: Told) -> None:
    began = told.started or told.brought
    wording = began.wording if began else None
    if wording and AGREEMENT in case.digests and case.digests[AGREEMENT] != wording:
        case.findings = [finding for finding in case.findings if (finding.what, finding.file) != ("changed", AGREEMENT)]
        case.find("agreement", AGREEMENT, _AGREEMENT)


def judge_brought(case: Case, brought: Brought, sealed: Sealed | None) -> None:
    """The file is as it came, by both lines of the journal; what is in it is not ours to judge."""
    digest = case.digests.get(brought.file)
    if digest is None:
        case.find("missing", brought.file, MISSING)
    elif digest != brought.sha256 or (sealed is not None and digest != sealed.sha256):
        case.findings = [finding for finding in case.findings if (finding.what, finding.file) != ("changed", brought.file)]
        case.find("changed", brought.file, _NOT_AS_IT_CAME)


def in_seconds(told: Told, begin: int, end: int) -> tuple[float, float] | None:
    return (begin / told.format.rate, end / told.format.rate) if told.format else None
