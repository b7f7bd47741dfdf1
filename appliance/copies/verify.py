"""Is this recording as it was sealed, and if not, where does it differ?

What it promises:
- It only reads, it follows no link inside a copy, and thirteen hours take no more memory than ten minutes but for the journal.
- Every byte of a copy is read once; only where sound differs is it read again, to say where.
- What a computer drops on a stick in passing (`Thumbs.db`, `.DS_Store`) is named and forgiven. Everything else that is not as
  it was is a finding: in which file, and in sound from which second to which.

How. Three witnesses must agree: the bag's manifests (RFC 8493; read, and at the end judged, by the Library of Congress's own
library), the journal's chain, and in the journal the digests of every second of sound, of the whole WAV and of the agreement. Who
edits the sound and writes the manifests anew is found by the journal; who edits the journal is found by its chain. Who makes
everything anew, journal and all, is found only by a signature; there is none yet, and `signature` says so.

Locating. The journal cuts the sound into **stretches** of about a second, each with its digest. One that fits is as recorded.
When something was cut out or put in, all that follows lies elsewhere: so stretches are also looked for from the end backwards, as
far off as the file's length or its header suggests. What fits from neither side is where the change is.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import HEADER_BYTES
from appliance.copies.bag import DECLARATION
from appliance.copies.names import AGREEMENT, JOURNAL, PAYLOAD, SIGNATURES, TAG_MANIFEST, UNFINISHED, WAV, WHOLE
from appliance.journal import LARGEST_INTEGER, Entry, check
from appliance.store import LARGEST_BATCH
from appliance.words import N_, Say

if TYPE_CHECKING:
    import io

    import bagit

State: TypeAlias = Literal["intact", "changed", "unfinished", "unknown"]


# ── what it says: a contract, under 'What can be scripted'


class Finding(msgspec.Struct, frozen=True):
    """`what` is for a program, `says` for a person. Seconds are those of the recording, where a finding has a place in it."""

    what: str
    file: str | None
    from_seconds: float | None
    to_seconds: float | None
    says: str


class Signature(msgspec.Struct, frozen=True):
    state: Literal["good", "bad", "missing"]
    key: str | None
    known: bool | None


class Verdict(msgspec.Struct, frozen=True):
    """`forgiven`: what a computer left in the copy by itself."""

    verdict: State
    findings: tuple[Finding, ...]
    forgiven: tuple[str, ...]
    signature: Signature


class Comparison(Verdict, frozen=True):
    """`equal`: byte for byte, what is forgiven apart. `first_difference_seconds`: in the sound; None where that is the same."""

    equal: bool
    first_difference_seconds: float | None


class NothingThereError(Exception):
    """A sentence: the path that was asked about is not there, or cannot be looked into."""


NO_SIGNATURE = Signature("missing", key=None, known=None)

SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", ".ds_store", "desktop.ini"})
SYSTEM_FOLDERS = frozenset({"system volume information", ".spotlight-v100", ".trashes", ".fseventsd"})
_AS_WE_WRITE_IT = re.compile(rb"([0-9a-f]{64}  [^\r\n]+\n)+")
"""Nothing but itself vouches for the tag manifest's bytes, and a library reads capitals and tabs as well."""
_PIECE = 1 << 20
_LARGEST_TEXT = 1 << 28
"""Bytes. The journal of 13 hours has some 10 MB; nothing larger than this is read into memory."""

_VERDICTS: Mapping[State, str] = {
    "intact": N_("The recording is intact."),
    "changed": N_("This is not the recording as it was sealed."),
    "unfinished": N_("This copy is not finished."),
    "unknown": N_("Whether this is a recording of this device, and unchanged, cannot be said."),
}
_FORGIVEN = N_("Left there by a computer, and no part of the recording: {files}.")
_NOT_SIGNED = N_("It bears no signature: it was not checked which device it comes from.")
_EQUAL = N_("The two are equal.")
_NOT_EQUAL = N_("The two are not equal.")
_DIFFERS_FROM = N_("The two are not equal. The first difference in the sound is at {begin}.")

_UNFINISHED = N_("This copy is not finished. What is in it can be played, but it is not the whole recording.")
_NOT_OURS = N_("This is not a recording of this device.")
_NO_JOURNAL = N_(
    "No journal lies beside {file}, so it cannot be judged. Compare its SHA-256 with the one that both parties saw: {sha256}."
)
_STRANGE = N_("{file} is neither a file nor a folder of a recording.")
_UNREADABLE = N_("{file} cannot be read: {why}.")
_TOO_LARGE = N_("{file} is larger than it can be.")
_ADDED = N_("{file} was added.")
_MISSING = N_("{file} is missing.")
_FILE = N_("{file} is not as it was sealed.")
_BAG = N_("The list of files is not in order: {why}.")
_REWRITTEN = N_("{file} was written anew: it fits the changed sound, and the journal does not.")
_CHAIN = N_("The journal was changed, at line {line} or the line before: {why}.")
_JOURNAL_LACKS = N_("The journal does not say what it must: {why}.")
_UNBOUND = N_("The journal does not vouch for the sound from {begin} to {end}.")
_AGREEMENT = N_("This is not the agreement that both parties confirmed.")
_SOUND = N_("The sound from {begin} to {end} is not as it was recorded.")
_CUT = N_("Between {begin} and {end} something was cut out: {seconds} seconds are missing.")
_PUT_IN = N_("Between {begin} and {end} something was put in: {seconds} seconds.")
_ENDS_EARLY = N_("The sound ends too early: from {begin} to {end} it is missing.")
_SOUND_UNREADABLE = N_("The sound from {begin} to {end} cannot be read.")
_HEADER = N_("The sound is as it was recorded, but what {file} says about itself (date, length, marks) was changed.")


def in_english(text: str) -> str:
    return text


def verify(path: Path, say: Say = in_english) -> Verdict:
    """A copy's folder, or a WAV: judged with the bag around it, or with the journal beside it. NothingThereError."""
    return _examine(path, say).verdict()


def compare(one: Path, other: Path, say: Say = in_english) -> Comparison:
    """Two of them, each by itself and against each other. Findings name their file by its whole path. NothingThereError."""
    first, second = _examine(one, say), _examine(other, say)
    verdicts = first.verdict(), second.verdict()
    order: tuple[State, ...] = ("intact", "unknown", "unfinished", "changed")
    only_sound = first.alone or second.alone
    sound_is_equal = first.sound_digest is not None and first.sound_digest == second.sound_digest
    files_are_equal = bool(first.digests) and first.digests == second.digests and first.is_read and second.is_read
    return Comparison(
        verdict=max((verdict.verdict for verdict in verdicts), key=order.index),
        findings=tuple(case.whole_path(finding) for case in (first, second) for finding in case.findings),
        forgiven=tuple(_printable(str(case.top / name)) for case in (first, second) for name in case.forgiven),
        signature=NO_SIGNATURE,
        equal=sound_is_equal if only_sound else files_are_equal,
        first_difference_seconds=None if sound_is_equal else _first_difference(first.wav, second.wav),
    )


def in_words(verdict: Verdict, say: Say = in_english) -> str:
    """A verdict for a person, a sentence a line: what it is, whether the two are equal, what was found, what is forgiven."""
    lines = [say(_VERDICTS[verdict.verdict])]
    if isinstance(verdict, Comparison):
        at = verdict.first_difference_seconds
        different = say(_NOT_EQUAL) if at is None else say(_DIFFERS_FROM).format(begin=_clock(math.floor(at)))
        lines.append(say(_EQUAL) if verdict.equal else different)
    lines += [finding.says for finding in verdict.findings]
    if verdict.forgiven:
        lines.append(say(_FORGIVEN).format(files=", ".join(verdict.forgiven)))
    if verdict.verdict == "intact" and verdict.signature.state == "missing":
        lines.append(say(_NOT_SIGNED))
    return "\n".join(lines)


# ── what the journal tells


Frame: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)]


class _Started(msgspec.Struct, frozen=True):
    rate: Annotated[int, Meta(ge=1, le=1_000_000)]
    bits: Literal[16, 24]
    channels: Literal[1, 2]
    wording: str | None = None


class _Stretch(msgspec.Struct, frozen=True):
    begin: Frame = msgspec.field(name="from")
    frames: Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]
    sha256: str

    @property
    def end(self) -> int:
        return self.begin + self.frames


class _Interrupted(msgspec.Struct, frozen=True):
    frame: int


class _Sealed(msgspec.Struct, frozen=True):
    frames: Frame
    bytes: Frame
    sha256: str


_LINES: Mapping[str, type[msgspec.Struct]] = {
    "started": _Started,
    "audio": _Stretch,
    "interrupted": _Interrupted,
    "sealed": _Sealed,
}


@dataclass
class _Told:
    """What a journal says, as far as sound goes. `broken`: its chain is, so what comes behind the break is only hearsay."""

    started: _Started | None = None
    stretches: list[_Stretch] = field(default_factory=list)
    sealed: _Sealed | None = None
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
            case _Started():
                self.started = self.started or line
            case _Stretch() if not self.stretches or line.begin >= self.stretches[-1].end:
                self.stretches.append(line)
            case _Stretch():
                self.amiss.append(f"frame {line.begin} is bound twice")
            case _Interrupted():
                self.stretches = [stretch for stretch in self.stretches if stretch.end <= line.frame]
            case _Sealed():
                self.sealed = line

    def unbound(self) -> Iterator[tuple[int, int]]:
        """Stretches of frames that no line vouches for."""
        ends = [(0, 0), *((stretch.begin, stretch.end) for stretch in self.stretches), (self.frames, self.frames)]
        yield from ((end, begin) for (_, end), (begin, _) in pairwise(ends) if begin > end)


# ── the examination


@dataclass
class _Case:
    """One recording under examination. Names are relative to `top`, as in a manifest; `wav` and `journal` are such names."""

    top: Path
    say: Say
    wav_name: str = WAV
    journal: str = JOURNAL
    alone: bool = False
    unfinished: bool = False
    unknown: bool = False
    files: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def wav(self) -> Path | None:
        return self.top / self.wav_name if self.wav_name in self.files else None

    @property
    def sound_digest(self) -> str | None:
        return self.digests.get(self.wav_name)

    def find(self, what: str, file: str | None, sentence: str, at: tuple[float, float] | None = None, **words: object) -> None:
        """One finding. `words` fill the sentence's places; the file's name and the times are put in by themselves."""
        begin, end = at or (None, None)
        shown = {name: _printable(str(word)) for name, word in words.items()}
        if file is not None:
            shown["file"] = _printable(file)
        if begin is not None and end is not None:
            shown |= {"begin": _clock(math.floor(begin)), "end": _clock(math.ceil(end))}
            begin, end = round(begin, 3), round(end, 3)
        self.findings.append(Finding(what, shown.get("file"), begin, end, self.say(sentence).format_map(shown)))

    def found(self, what: str) -> bool:
        return any(finding.what == what for finding in self.findings)

    @property
    def is_read(self) -> bool:
        """Whether every thing in it is a file, and every file was read to its end."""
        return set(self.files) == set(self.digests) and not self.others

    def whole_path(self, finding: Finding) -> Finding:
        return msgspec.structs.replace(finding, file=_printable(str(self.top / (finding.file or ""))))

    def verdict(self) -> Verdict:
        state: State = "intact"
        if self.unknown:
            state = "unknown"
        elif any(finding.what != "unfinished" for finding in self.findings):
            state = "changed"
        elif self.unfinished:
            state = "unfinished"
        return Verdict(state, tuple(self.findings), tuple(map(_printable, self.forgiven)), NO_SIGNATURE)


def _examine(path: Path, say: Say) -> _Case:
    case = _open(path, say)
    bag = _read_bag(case)
    if not _is_a_recording(case, bag):
        return case
    told = _read_journal(case)
    heard = _listen(case, told)
    if bag is not None:
        _judge_files(case, bag)
    _judge_agreement(case, told)
    if heard is not None:
        _judge_sound(case, told, heard, _manifest_digest(bag, case.wav_name))
    if bag is not None and not case.findings:
        _second_opinion(case, bag)
    return case


def _open(path: Path, say: Say) -> _Case:
    """The folder, the bag around the WAV, or the WAV with the journal beside it; and every other file's digest."""
    try:
        path = path.resolve(strict=True)
        case = _case(path, path.stat().st_mode, say)
        _list(case)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle, before Python 3.13
        raise NothingThereError(f"{path} cannot be looked into: {getattr(error, 'strerror', error)}.") from error
    case.unfinished = not case.alone and (WHOLE not in case.files or case.top.name.endswith(UNFINISHED))
    for name in case.files:
        if name != case.wav_name:
            _digest(case, name)
    return case


def _case(path: Path, kind: int, say: Say) -> _Case:
    above = path.parent.parent
    if stat.S_ISDIR(kind):
        return _Case(path, say)
    if not stat.S_ISREG(kind):
        raise NothingThereError(f"{path} is neither a folder nor a file.")
    if path.parent.name == PAYLOAD and ((above / WHOLE).exists() or above.name.endswith(UNFINISHED)):
        return _Case(above, say)
    return _Case(path.parent, say, path.name, Path(JOURNAL).name, alone=True)


def _list(case: _Case) -> None:
    if case.alone:
        case.files = [name for name in (case.wav_name, case.journal) if stat.S_ISREG(_mode(case.top / name))]
        return
    for folder, prefix in ((case.top, ""), (case.top / PAYLOAD, f"{PAYLOAD}/")):
        for path in sorted(folder.iterdir()) if stat.S_ISDIR(_mode(folder)) or not prefix else ():
            name, kind = prefix + path.name, _mode(path)
            if _is_a_computers(path.name.lower(), kind):
                case.forgiven.append(name)
            elif stat.S_ISREG(kind):
                case.files.append(name)
            elif name != PAYLOAD or not stat.S_ISDIR(kind):
                case.others.append(name)
                what, sentence = ("added", _ADDED) if stat.S_ISDIR(kind) else ("strange", _STRANGE)
                case.find(what, name, sentence)


def _mode(path: Path) -> int:
    """Of the thing itself and not of what a link leads to; 0 if it is not there."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


def _is_a_computers(name: str, kind: int) -> bool:
    if stat.S_ISDIR(kind):
        return name in SYSTEM_FOLDERS
    return stat.S_ISREG(kind) and (name in SYSTEM_FILES or name.startswith("._"))


def _digest(case: _Case, name: str) -> None:
    try:
        with (case.top / name).open("rb") as content:
            case.digests[name] = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        case.find("unreadable", name, _UNREADABLE, why=error.strerror)


def _is_a_recording(case: _Case, bag: bagit.Bag | None) -> bool:
    """Says so if it is none. A recording that lost its journal, by its manifest, is still one."""
    told_of = set(case.files) | (set(bag.entries) if bag else set())
    if case.alone and case.journal not in case.files:
        case.unknown = True
        _digest(case, case.wav_name)
        if case.sound_digest:
            case.find("no-journal", case.wav_name, _NO_JOURNAL, sha256=case.sound_digest)
    elif not case.alone and JOURNAL not in told_of and WAV not in told_of:
        case.unknown = True
        case.findings.clear()
        case.find("not-ours", None, _NOT_OURS)
    elif case.unfinished:
        case.find("unfinished", None, _UNFINISHED)
    return not case.unknown


# ── the bag


def _read_bag(case: _Case) -> bagit.Bag | None:
    """None where there is no whole bag, or one that a library should not be sent into."""
    if case.alone or WHOLE not in case.files or case.found("strange"):
        return None
    if case.digests.get(WHOLE) != hashlib.sha256(DECLARATION).hexdigest():
        case.find("changed", WHOLE, _FILE)
        return None
    if large := [name for name in case.files if "/" not in name and (case.top / name).stat().st_size > _LARGEST_TEXT]:
        case.find("bag", large[0], _TOO_LARGE)
        return None
    import bagit

    logging.getLogger(bagit.__name__).disabled = True  # what it logs stands in what it raises
    try:
        return bagit.Bag(str(case.top))
    except (bagit.BagError, OSError, ValueError) as error:
        case.find("bag", None, _BAG, why=error)
        return None


def _manifest_digest(bag: bagit.Bag | None, name: str) -> str | None:
    return str(bag.entries[name].get("sha256", "")).lower() if bag and name in bag.entries else None


def _judge_files(case: _Case, bag: bagit.Bag) -> None:
    """Every file but the WAV against its digest in the manifests; what they do not list was added."""
    outside = {TAG_MANIFEST, *SIGNATURES}
    for name in sorted(set(bag.entries) - set(case.files)):
        case.find("missing", name, _MISSING)
    if TAG_MANIFEST in case.files and not _AS_WE_WRITE_IT.fullmatch((case.top / TAG_MANIFEST).read_bytes()):
        case.find("changed", TAG_MANIFEST, _FILE)
    for name in case.files:
        if name not in bag.entries and name not in outside:
            case.find("added", name, _ADDED)
        elif (
            name in bag.entries and name != case.wav_name and case.digests.get(name, "") not in {"", _manifest_digest(bag, name)}
        ):
            case.find("changed", name, _FILE)


def _second_opinion(case: _Case, bag: bagit.Bag) -> None:
    """What the Library of Congress's library says of structure, totals and completeness. The digests are compared already."""
    import bagit

    if any(name.startswith(f"{PAYLOAD}/") for name in case.forgiven):
        bag.info.pop("Payload-Oxum", None)  # its totals cannot know what is forgiven
    try:
        bag.validate(completeness_only=True)
    except (bagit.BagError, OSError, ValueError) as error:
        details = getattr(error, "details", [])
        beside = [one for one in details if not any(f"{one.path}/".startswith(f"{name}/") for name in case.forgiven)]
        if beside or not details:
            case.find("bag", None, _BAG, why=error)


# ── the journal and the agreement


def _read_journal(case: _Case) -> _Told:
    content = _journal_bytes(case)
    told = _Told(broken=content is None)
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
    for entry in _hearsay(rest):
        told.take_in(entry)
    sure = told.stretches[bound - 1].begin if bound else 0
    behind = told.stretches[bound].begin if len(told.stretches) > bound else told.frames
    at = _seconds(told, sure, max(sure, behind))
    case.find("journal", case.journal, _CHAIN, at, line=checked.broken.n + 1, why=checked.broken.why)
    return told


def _journal_bytes(case: _Case) -> bytes | None:
    """None, and a finding, if it is not there or cannot be read."""
    path = case.top / case.journal
    if case.journal not in case.files:
        if case.unfinished:  # of a bag, the manifest says that it is missing
            case.find("missing", case.journal, _MISSING)
        return None
    try:
        if path.stat().st_size <= _LARGEST_TEXT:
            return path.read_bytes()
    except OSError as error:
        case.find("unreadable", case.journal, _UNREADABLE, why=error.strerror)
        return None
    case.find("journal", case.journal, _TOO_LARGE)
    return None


def _hearsay(rest: bytes) -> Iterator[Entry]:
    """Lines that nothing binds any more: good for saying where, and for nothing else."""
    for line in rest.splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and isinstance(entry.get("event"), str):
            yield entry


def _judge_journal(case: _Case, told: _Told) -> None:
    """A whole chain that does not say what a recorder's does."""
    if told.started is None:
        told.amiss.append("it never started")
    if told.sealed is None and not case.unfinished:
        if case.alone:
            case.unfinished = True
            case.find("unfinished", None, _UNFINISHED)
        else:
            told.amiss.append("its last line is not there")
    for why in dict.fromkeys(told.amiss):
        case.find("journal", case.journal, _JOURNAL_LACKS, why=why)
    for begin, end in told.unbound():
        case.find("journal", case.journal, _UNBOUND, _seconds(told, begin, end))


def _judge_agreement(case: _Case, told: _Told) -> None:
    wording = told.started.wording if told.started else None
    if wording and AGREEMENT in case.digests and case.digests[AGREEMENT] != wording:
        case.findings = [finding for finding in case.findings if (finding.what, finding.file) != ("changed", AGREEMENT)]
        case.find("agreement", AGREEMENT, _AGREEMENT)


# ── the sound


@dataclass
class _Heard:
    """What is in the WAV. at: where its audio starts; data_bytes: by its header, or 0; fits[n]: stretch n lies where it must."""

    at: int
    size: int
    data_bytes: int
    sha256: str | None = None
    fits: list[bool] = field(default_factory=list)
    unreadable: set[int] = field(default_factory=set)


def _listen(case: _Case, told: _Told) -> _Heard | None:
    """The whole WAV, once."""
    if case.wav is None:
        if case.unfinished:
            case.find("missing", case.wav_name, _MISSING)
        return None
    try:
        with case.wav.open("rb", buffering=0) as wav:
            heard = _locate(wav, told)
            _hear(wav, told, heard)
    except OSError as error:
        case.find("unreadable", case.wav_name, _UNREADABLE, why=error.strerror)
        return None
    if heard.sha256:
        case.digests[case.wav_name] = heard.sha256
    return heard


def _locate(wav: io.FileIO, told: _Told) -> _Heard:
    """Where the audio starts: where this appliance puts it, unless an editor wrote the file anew with another header."""
    layout = _layout(wav)
    size = wav.seek(0, 2)
    if layout is None:
        return _Heard(HEADER_BYTES, size, 0)
    first = told.stretches[0] if told.stretches else None
    as_ours = layout.at == HEADER_BYTES or not told.format or not first
    if as_ours or _fits(wav, first, HEADER_BYTES, told.format):
        return _Heard(HEADER_BYTES, size, layout.data_bytes)
    return _Heard(layout.at, size, layout.data_bytes)


def _hear(wav: io.FileIO, told: _Told, heard: _Heard) -> None:
    whole = hashlib.sha256()
    a_frame = told.format.frame_bytes if told.format else 0
    position, is_whole = 0, True
    for number, stretch in enumerate(told.stretches if a_frame else ()):
        begin, end = heard.at + stretch.begin * a_frame, heard.at + stretch.end * a_frame
        digest = hashlib.sha256()
        before, length = _feed(wav, position, begin, whole), _feed(wav, begin, end, whole, digest)
        if length is None:
            heard.unreadable.add(number)
        heard.fits.append(length == end - begin and digest.hexdigest() == stretch.sha256)
        is_whole = is_whole and before is not None and length is not None
        position = end
    behind = _feed(wav, position, heard.size, whole)
    heard.sha256 = whole.hexdigest() if is_whole and behind is not None else None


def _feed(file: io.FileIO, begin: int, end: int, *digests: hashlib._Hash) -> int | None:
    """Digest what lies from `begin` to `end`, or to the file's end: how many bytes; None if the medium does not give them."""
    length = 0
    try:
        file.seek(begin)
        for piece in _pieces(file, end - begin):
            length += len(piece)
            for digest in digests:
                digest.update(piece)
    except OSError:
        return None
    return length


def _pieces(file: io.FileIO, count: int) -> Iterator[bytes]:
    """Up to `count` bytes from here on; fewer where the file ends."""
    while count > 0 and (piece := file.read(min(count, _PIECE))):
        count -= len(piece)
        yield piece


def _fits(wav: io.FileIO, stretch: _Stretch | None, at: int, audio: PcmFormat | None) -> bool:
    """Whether a stretch lies in a file whose audio starts, or would start, at `at`; False also where it cannot be read."""
    if stretch is None or audio is None or at + stretch.begin * audio.frame_bytes < 0:
        return False
    digest = hashlib.sha256()
    length = _feed(wav, at + stretch.begin * audio.frame_bytes, at + stretch.end * audio.frame_bytes, digest)
    return length is not None and digest.hexdigest() == stretch.sha256


def _judge_sound(case: _Case, told: _Told, heard: _Heard, manifest: str | None) -> None:
    sealed = told.sealed.sha256 if told.sealed else None
    fits_manifest = manifest is None or manifest == heard.sha256
    fits_seal = sealed is None or sealed == heard.sha256 or case.unfinished
    if fits_manifest and manifest and told.broken:
        return  # the sound is what was sealed; it is the journal that was changed
    if case.unfinished:
        within = [stretch for stretch in told.stretches if told.format and _end_byte(heard, stretch, told.format) <= heard.size]
        told.stretches, heard.fits = within, heard.fits[: len(within)]
    before = len(case.findings)
    if heard.sha256 is None and all(heard.fits):
        case.find("unreadable", case.wav_name, _UNREADABLE, why=os.strerror(errno.EIO))
    elif told.format and not all(heard.fits):
        _judge_stretches(case, told, heard, told.format)
    elif not told.format and not (fits_manifest and fits_seal):
        case.find("changed", case.wav_name, _FILE)
    elif not (fits_manifest and fits_seal) and not (manifest and fits_manifest and _is_changed(case, case.journal)):
        _judge_around(case, told, heard)
    if len(case.findings) > before and manifest and fits_manifest:
        case.find("manifest", "manifest-sha256.txt", _REWRITTEN)


def _is_changed(case: _Case, name: str) -> bool:
    return any(finding.what == "changed" and finding.file == name for finding in case.findings)


def _end_byte(heard: _Heard, stretch: _Stretch, audio: PcmFormat) -> int:
    return heard.at + stretch.end * audio.frame_bytes


def _judge_stretches(case: _Case, told: _Told, heard: _Heard, audio: PcmFormat) -> None:
    """Say where the sound differs: stretches that fit nowhere, and one place at which all that follows was moved."""
    stretches, fits = told.stretches, heard.fits
    shift, behind = _moved_end(case, told, heard, audio)
    ends_early = not shift and _end_byte(heard, stretches[-1], audio) > heard.size
    upto = len(fits)
    if shift or ends_early:
        upto = max((number for number in range(behind) if fits[number]), default=-1) + 1
    for begin, end in _runs([number for number in range(upto) if not fits[number]], heard.unreadable):
        what, sentence = ("unreadable", _SOUND_UNREADABLE) if begin in heard.unreadable else ("audio", _SOUND)
        case.find(what, case.wav_name, sentence, _seconds(told, stretches[begin].begin, stretches[end].end))
    if shift:
        last = max(behind, fits.index(False))  # where much is alike (silence), both sides fit further than they need
        what, sentence = ("audio-missing", _CUT) if shift < 0 else ("audio-added", _PUT_IN)
        seconds = f"{abs(shift) / audio.frame_bytes / audio.rate:.1f}"
        case.find(what, case.wav_name, sentence, _seconds(told, _begin_of(told, upto), _begin_of(told, last)), seconds=seconds)
    elif ends_early:
        _judge_early_end(case, told, upto, min(audio.frames(max(0, heard.size - heard.at)), told.frames))


def _judge_early_end(case: _Case, told: _Told, first: int, there: int) -> None:
    """From stretch `first` on nothing fits, and the file ends at frame `there`: up to there it differs, the rest is missing."""
    changed = [stretch for stretch in told.stretches[first:] if stretch.end <= there]
    if changed:
        case.find("audio", case.wav_name, _SOUND, _seconds(told, changed[0].begin, changed[-1].end))
    case.find("audio-missing", case.wav_name, _ENDS_EARLY, _seconds(told, there, told.frames))


def _begin_of(told: _Told, number: int) -> int:
    return told.stretches[number].begin if number < len(told.stretches) else told.frames


def _moved_end(case: _Case, told: _Told, heard: _Heard, audio: PcmFormat) -> tuple[int, int]:
    """By how many bytes the end of the recording lies elsewhere, and from which stretch on; (0, …) if it does not."""
    best, behind = 0, len(told.stretches)
    if case.wav is None or told.sealed is None or heard.fits[-1]:
        return best, behind
    by_length = heard.size - told.sealed.bytes - (heard.at - HEADER_BYTES)
    by_header = heard.data_bytes - told.sealed.frames * audio.frame_bytes
    with case.wav.open("rb", buffering=0) as wav:
        for shift in {by_length, by_header} - {0}:
            first = len(told.stretches)
            while first and _fits(wav, told.stretches[first - 1], heard.at + shift, audio):
                first -= 1
            if first < behind:
                best, behind = shift, first
    return best, behind


def _judge_around(case: _Case, told: _Told, heard: _Heard) -> None:
    """Every stretch fits, and yet the file is another one: longer, or different in what stands around the sound."""
    audio, sealed = told.format, told.sealed
    extra = heard.data_bytes - sealed.frames * audio.frame_bytes if audio and sealed else 0
    if audio and extra > 0 and heard.at + heard.data_bytes <= heard.size:
        seconds = extra / audio.frame_bytes / audio.rate
        case.find("audio-added", case.wav_name, _PUT_IN, _seconds(told, told.frames, told.frames), seconds=f"{seconds:.1f}")
    elif unbound := list(told.unbound()):
        case.find("audio", case.wav_name, _SOUND, _seconds(told, unbound[0][0], unbound[-1][1]))
    else:
        case.find("header", case.wav_name, _HEADER)


def _runs(numbers: Sequence[int], unreadable: set[int]) -> Iterator[tuple[int, int]]:
    """Neighbours together, what cannot be read apart from what differs."""
    run: list[int] = []
    for number in numbers:
        if run and (number != run[-1] + 1 or (number in unreadable) != (run[-1] in unreadable)):
            yield run[0], run[-1]
            run = []
        run.append(number)
    if run:
        yield run[0], run[-1]


# ── any WAV


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a WAV's audio lies and how it counts: bytes a frame, frames a second."""

    at: int
    data_bytes: int
    frame_bytes: int
    rate: int


def _layout(wav: io.FileIO) -> _Layout | None:
    """By walking its chunks (RIFF, or RF64 as in EBU 3306); None if that leads to no audio."""
    size = wav.seek(0, 2)
    wav.seek(0)
    if wav.read(12)[:4] not in {b"RIFF", b"RF64"}:
        return None
    at, long_size, frame_bytes, rate = 12, 0, 0, 0
    for _ in range(100):
        wav.seek(at)
        head = wav.read(32)
        name, length = head[:4], int.from_bytes(head[4:8], "little")
        if len(head) < 8:
            return None
        if name == b"ds64":
            long_size = int.from_bytes(head[16:24], "little")
        elif name == b"fmt ":
            rate, frame_bytes = int.from_bytes(head[12:16], "little"), int.from_bytes(head[20:22], "little")
        elif name == b"data":
            data_bytes = min(long_size if length == 0xFFFF_FFFF else length, size - at - 8)
            return _Layout(at + 8, data_bytes, frame_bytes, rate) if frame_bytes and rate else None
        at += 8 + length + length % 2
    return None


def _first_difference(one: Path | None, other: Path | None) -> float | None:
    """Seconds into the audio of two WAVs; the end of the shorter one if it is the beginning of the other."""
    if one is None or other is None:
        return None
    try:
        with one.open("rb", buffering=0) as first, other.open("rb", buffering=0) as second:
            a, b = _layout(first), _layout(second)
            if a is None or b is None:
                return None
            same = _same_bytes(first, second, a, b)
    except OSError:
        return None  # that it cannot be read is a finding of its own
    if same == a.data_bytes == b.data_bytes:
        return None
    return round(same // a.frame_bytes / a.rate, 3)


def _same_bytes(first: io.FileIO, second: io.FileIO, a: _Layout, b: _Layout) -> int:
    """How many bytes of audio are the same from the start on."""
    first.seek(a.at)
    second.seek(b.at)
    same, rest = 0, min(a.data_bytes, b.data_bytes)
    while same < rest:
        asked = min(_PIECE, rest - same)
        one, other = b"".join(_pieces(first, asked)), b"".join(_pieces(second, asked))
        if one != other or len(one) < asked:
            return same + next((n for n, (x, y) in enumerate(zip(one, other, strict=False)) if x != y), min(len(one), len(other)))
        same += asked
    return same


# ── words


def _seconds(told: _Told, begin: int, end: int) -> tuple[float, float] | None:
    return (begin / told.format.rate, end / told.format.rate) if told.format else None


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _printable(text: str) -> str:
    """Names come from a stick: no control or direction marks, no bytes that are no letters, reach a screen."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
