"""The seal: from a finished recording on the disk to a bag of which not one byte changes any more.

Works from the disk alone, so that a meeting's end and a start-up after a power cut go the same way, and each step may be repeated
after a kill: the WAV's last chunks and sizes, its SHA-256, the journal's `sealed` line, what the file of levels lacks, the bag with
`bagit.txt` last.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance import __version__
from appliance.audio import levels
from appliance.audio.opening import origination, started_locally
from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import HEADER_BYTES, LAST_CUE_FRAME, Cue, WavError, WavWriter
from appliance.clock import Clock, from_rfc3339, stamp
from appliance.copies.bag import BagError, write_bag
from appliance.disk import Disk
from appliance.journal import Entry, JournalError, of_kind, whole
from appliance.papers import Papers, beside
from appliance.store import WAV, JournalFile, Recording, StoreError, entries_of, write_again
from appliance.words import speak

READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Seal:
    """What was sealed. `sha256` of the WAV, hex; `frames` and `seconds` of it."""

    sha256: str
    frames: int
    seconds: float
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Begun:
    """What a journal's `started` line says."""

    entry: Entry

    @property
    def format(self) -> PcmFormat:
        return PcmFormat(whole(self.entry, "rate"), whole(self.entry, "bits"), whole(self.entry, "channels"))

    @property
    def boot(self) -> str:
        return str(self.entry["boot"])

    @property
    def local(self) -> datetime | None:
        """When it began, in the room's time zone; None when no clock could be trusted."""
        return started_locally(self.entry)

    @property
    def language(self) -> str:
        return str(self.entry.get("language", "nl"))


def begun(entries: Sequence[Entry]) -> Begun | None:
    """None when the recording was killed before its first bytes were durable."""
    started = of_kind(entries, "started")
    return Begun(started[0]) if started else None


def seal(disk: Disk, clock: Clock, recording: Recording, papers: Papers | None = None) -> Seal:
    """Seal a recording whose journal says that it was stopped or interrupted. Raises OSError or StoreError: call it again.

    Without `papers` it bears no signature and has no page.
    """
    with one_kind_of_error(recording):
        return _sealed(disk, clock, recording, papers)


def _sealed(disk: Disk, clock: Clock, recording: Recording, papers: Papers | None) -> Seal:
    entries = entries_of(recording)
    began = _must_have_begun(recording, entries)
    sealed = of_kind(entries, "sealed")
    line = sealed[0] if sealed and _is_settled(recording.journal) else _close(disk, clock, recording)
    frames, sha256 = whole(line, "frames"), str(line["sha256"])
    interrupted = bool(of_kind(entries, "interrupted"))
    if not recording.is_bagged:
        levels.complete(disk, recording, began.format, frames)
    write_bag(
        disk,
        recording.folder,
        known={str(WAV): sha256},
        about=_about(recording, began, frames, interrupted=interrupted),
        sealed_at=from_rfc3339(str(line["wall"])).astimezone(began.local.tzinfo if began.local else UTC),
        beside={} if recording.is_bagged else beside(recording.folder, entries, sha256, papers),
        signs=papers.key.signs if papers else None,
    )
    return Seal(sha256, frames, frames / began.format.rate, interrupted)


def _is_settled(path: Path) -> bool:
    """The bag makes a file read-only once it is durable; from then on nobody opens it for writing, nor may the service's user."""
    return not path.stat().st_mode & stat.S_IWUSR


def _close(disk: Disk, clock: Clock, recording: Recording) -> Entry:
    """The journal's `sealed` line, durable, and all before it too."""
    journal, entries = JournalFile.open(disk, recording.journal, recording.set_aside)
    try:
        journal.write_again()
        sealed = of_kind(entries, "sealed")
        return sealed[0] if sealed else _close_wav(disk, clock, recording, journal, entries)
    finally:
        journal.close()


def _close_wav(disk: Disk, clock: Clock, recording: Recording, journal: JournalFile, entries: Sequence[Entry]) -> Entry:
    began = _must_have_begun(recording, entries)
    frames = end_frame(entries)
    with WavWriter.reopen(disk, recording.wav, began.format, origination(recording.id, began.local), frames) as wav:
        _make_an_earlier_seal_sure(disk, recording.wav, HEADER_BYTES + wav.data_bytes)
        wav.seal(cues(entries, began))
    fields: Entry = {
        "frames": frames,
        "bytes": recording.wav.stat().st_size,
        "sha256": file_sha256(recording.wav),
        **stamp(clock, clock.monotonic_ns()),
    }
    journal.append("sealed", fields)
    journal.sync()
    return fields


def _make_an_earlier_seal_sure(disk: Disk, wav: Path, end: int) -> None:
    """What a reopened file has behind its audio, an earlier attempt at the seal put there; its last sync may have failed."""
    length = wav.stat().st_size
    if length > end:
        write_again(disk, wav, end, length)
        write_again(disk, wav, 0, HEADER_BYTES)


def end_frame(entries: Sequence[Entry]) -> int:
    """The number of frames that a finished recording has, by its journal."""
    ends = [*of_kind(entries, "stopped"), *of_kind(entries, "interrupted")]
    if not ends:
        raise StoreError("The recording has no end in its journal.")
    return whole(ends[-1], "frame")


def cues(entries: Sequence[Entry], began: Begun) -> Iterator[Cue]:
    """The chapters that any player shows: the closing summary, where it was paused, what is missing, what somebody marked."""
    _ = speak(began.language)
    labels = {
        "paused": _("Pause"),
        "joined": _("Somebody joins"),
        "mark": _("Mark"),
        "mark professional": _("Moment of the professional"),
        "mark client": _("Moment of the client"),
        "mark guest": _("Moment of a guest"),
        "gap": _("A piece is missing here"),
        "interrupted": _("The recording ends here"),
    }
    summary = closing_summary(entries)
    if summary is not None:
        yield Cue(0, _("The beginning of the conversation"))
        yield Cue(summary, _("Summary: listen to this first"))
    for entry in entries:
        event = str(entry["event"])
        label = labels.get(f"{event} {entry.get('party')}", labels.get(event))
        if label is not None and whole(entry, "frame") <= LAST_CUE_FRAME:
            yield Cue(whole(entry, "frame"), label)


def closing_summary(entries: Sequence[Entry]) -> int | None:
    """The frame at which the last summary begins that was not taken back; None without one. Listening starts there."""
    told = [entry for entry in entries if entry["event"] in {"summary", "summary-left"}]
    return whole(told[-1], "frame") if told and told[-1]["event"] == "summary" else None


def file_sha256(path: Path) -> str:
    """Hex, of the whole file."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as content:
        while piece := content.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _about(recording: Recording, began: Begun, frames: int, *, interrupted: bool) -> dict[str, str]:
    about = {
        "External-Identifier": recording.id,
        "External-Description": f"Gesprek {recording.id}, {frames / began.format.rate:.1f} s",
        "Bag-Software-Agent": f"meeting-recorder {__version__}",
    }
    if interrupted:
        about["Interrupted"] = "yes"
    return about


@contextmanager
def one_kind_of_error(recording: Recording) -> Iterator[None]:
    """Whatever is wrong with a recording's files is a StoreError to who asked."""
    try:
        yield
    except (JournalError, WavError, BagError, ValueError, KeyError) as error:
        raise StoreError(f"{recording.folder}: {error}") from error


def _must_have_begun(recording: Recording, entries: Sequence[Entry]) -> Begun:
    began = begun(entries)
    if began is None:
        raise StoreError(f"{recording.folder} has no beginning in its journal.")
    return began
