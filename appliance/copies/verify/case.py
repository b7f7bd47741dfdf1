"""One recording under examination: what lies there, what is forgiven, what was found so far."""

from __future__ import annotations

import hashlib
import math
import stat
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from appliance.copies.names import JOURNAL, PAYLOAD, UNFINISHED, WAV, WHOLE, is_a_computers
from appliance.copies.verify.verdict import NO_SIGNATURE, Finding, NothingThereError, Signature, State, Verdict, clock, printable
from appliance.words import N_, Say

LARGEST_TEXT = 1 << 28
"""Bytes. The journal of 13 hours has some 10 MB; nothing larger than this is read into memory."""

UNREADABLE = N_("{file} cannot be read: {why}.")
TOO_LARGE = N_("{file} is larger than it can be.")
ADDED = N_("{file} was added.")
MISSING = N_("{file} is missing.")
FILE = N_("{file} is not as it was sealed.")
_STRANGE = N_("{file} is neither a file nor a folder of a recording.")


@dataclass
class Case:
    """One recording under examination. Names are relative to `top`, as in a manifest; `wav` and `journal` are such names."""

    top: Path
    say: Say
    wav_name: str = WAV
    journal: str = JOURNAL
    alone: bool = False
    unfinished: bool = False
    unknown: bool = False
    unsigned: bool = False
    signature: Signature = NO_SIGNATURE
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
        shown = {name: printable(str(word)) for name, word in words.items()}
        if file is not None:
            shown["file"] = printable(file)
        if begin is not None and end is not None:
            shown |= {"begin": clock(math.floor(begin)), "end": clock(math.ceil(end))}
            begin, end = round(begin, 3), round(end, 3)
        self.findings.append(Finding(what, shown.get("file"), begin, end, self.say(sentence).format_map(shown)))

    def found(self, what: str) -> bool:
        return any(finding.what == what for finding in self.findings)

    @property
    def is_read(self) -> bool:
        """Whether every thing in it is a file, and every file was read to its end."""
        return set(self.files) == set(self.digests) and not self.others

    def whole_path(self, finding: Finding) -> Finding:
        return msgspec.structs.replace(finding, file=printable(str(self.top / (finding.file or ""))))

    def verdict(self) -> Verdict:
        whats = {finding.what for finding in self.findings}
        state: State = "intact"
        if self.unknown:
            state = "unknown"
        elif whats - {"unfinished", "unsigned"}:
            state = "changed"
        elif self.unfinished:
            state = "unfinished"
        elif self.unsigned:
            state = "unknown"
        return Verdict(state, tuple(self.findings), tuple(map(printable, self.forgiven)), self.signature)


def opened(path: Path, say: Say) -> Case:
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
            digest(case, name)
    return case


def _case(path: Path, kind: int, say: Say) -> Case:
    above = path.parent.parent
    if stat.S_ISDIR(kind):
        return Case(path, say)
    if not stat.S_ISREG(kind):
        raise NothingThereError(f"{path} is neither a folder nor a file.")
    if path.parent.name == PAYLOAD and ((above / WHOLE).exists() or above.name.endswith(UNFINISHED)):
        return Case(above, say)
    return Case(path.parent, say, path.name, Path(JOURNAL).name, alone=True)


def _list(case: Case) -> None:
    if case.alone:
        case.files = [name for name in (case.wav_name, case.journal) if stat.S_ISREG(_mode(case.top / name))]
        return
    for folder, prefix in ((case.top, ""), (case.top / PAYLOAD, f"{PAYLOAD}/")):
        for path in sorted(folder.iterdir()) if stat.S_ISDIR(_mode(folder)) or not prefix else ():
            name, kind = prefix + path.name, _mode(path)
            if (stat.S_ISDIR(kind) or stat.S_ISREG(kind)) and is_a_computers(path.name, kind):
                case.forgiven.append(name)
            elif stat.S_ISREG(kind):
                case.files.append(name)
            elif name != PAYLOAD or not stat.S_ISDIR(kind):
                case.others.append(name)
                what, sentence = ("added", ADDED) if stat.S_ISDIR(kind) else ("strange", _STRANGE)
                case.find(what, name, sentence)


def _mode(path: Path) -> int:
    """Of the thing itself and not of what a link leads to; 0 if it is not there."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


def digest(case: Case, name: str) -> None:
    try:
        with (case.top / name).open("rb") as content:
            case.digests[name] = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        case.find("unreadable", name, UNREADABLE, why=error.strerror)
