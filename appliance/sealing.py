"""The seal: from a finished recording on the disk to a bag of which not one byte changes any more.

Works from the disk alone, so that a meeting's end and a start-up after a power cut go the same way, and each step may be repeated
after a kill: the WAV's last chunks and sizes, its SHA-256, the journal's `sealed` line, the bag with `bagit.txt` last.

`mend` comes before it for a recording that nobody stopped: it finds out which frames are sure, and the journal says so.

* In the same boot every whole frame is in the file (the kernel has them): each is kept, and bound.
* After another boot only what the journal vouches for is sure: the file is cut behind the last stretch whose digest fits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance import __version__
from appliance.audio.pcm import PcmFormat
from appliance.audio.recorder import origination, started_locally
from appliance.audio.wav import HEADER_BYTES, LAST_CUE_FRAME, Cue, WavError, WavWriter, read_pcm, whole_frames
from appliance.clock import Clock, from_rfc3339, stamp
from appliance.copies.bag import BagError, write_bag
from appliance.disk import Disk
from appliance.journal import Entry, JournalError, of_kind, whole
from appliance.store import WAV, JournalFile, Recording, StoreError, entries_of
from appliance.words import speak

READ_BYTES = 1 << 20
MENDED_STRETCH_SECONDS = 1


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
    def local(self) -> datetime:
        return started_locally(self.entry)

    @property
    def language(self) -> str:
        return str(self.entry.get("language", "nl"))


def begun(entries: Sequence[Entry]) -> Begun | None:
    """None when the recording was killed before its first bytes were durable."""
    started = of_kind(entries, "started")
    return Begun(started[0]) if started else None


def seal(disk: Disk, clock: Clock, recording: Recording) -> Seal:
    """Seal a recording whose journal says that it was stopped or interrupted. Raises OSError or StoreError: call it again."""
    with _one_kind_of_error(recording):
        return _sealed(disk, clock, recording)


def _sealed(disk: Disk, clock: Clock, recording: Recording) -> Seal:
    journal, entries = JournalFile.open(disk, recording.journal)
    try:
        began = _must_have_begun(recording, entries)
        sealed = of_kind(entries, "sealed")
        line = sealed[0] if sealed else _close_wav(disk, clock, recording, journal, entries)
    finally:
        journal.close()
    frames, sha256 = whole(line, "frames"), str(line["sha256"])
    interrupted = bool(of_kind(entries, "interrupted"))
    write_bag(
        disk,
        recording.folder,
        known={str(WAV): sha256},
        about=_about(recording, began, frames, interrupted=interrupted),
        sealed_at=from_rfc3339(str(line["wall"])).astimezone(began.local.tzinfo),
    )
    return Seal(sha256, frames, frames / began.format.rate, interrupted)


def _close_wav(disk: Disk, clock: Clock, recording: Recording, journal: JournalFile, entries: Sequence[Entry]) -> Entry:
    began = _must_have_begun(recording, entries)
    frames = end_frame(entries)
    with WavWriter.reopen(disk, recording.wav, began.format, origination(recording.id, began.local), frames) as wav:
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


def mend(disk: Disk, clock: Clock, recording: Recording) -> int:
    """Make an unsealed recording ready to be sealed; the frames that it has.

    0 means that there is nothing to seal: the caller removes it. A recording that was stopped is not touched here. StoreError
    when no kill and no power cut can have left it so: somebody has to look at it, and it stays as it is.
    """
    with _one_kind_of_error(recording):
        return _mended(disk, clock, recording)


def _mended(disk: Disk, clock: Clock, recording: Recording) -> int:
    began = begun(entries_of(recording)) if recording.journal.exists() else None
    if began is None or not recording.wav.exists():
        _must_be_silent(recording)
        return 0
    journal, entries = JournalFile.open(disk, recording.journal)
    try:
        if of_kind(entries, "stopped") or of_kind(entries, "interrupted"):
            return end_frame(entries)
        if began.boot == clock.boot():
            frames = _bind_the_rest(recording, journal, entries, began.format)
        else:
            frames = _last_that_fits(recording, entries, began.format)
        if frames:
            now = stamp(clock, clock.monotonic_ns())
            journal.append("interrupted", {"frame": frames, "boot": clock.boot(), **now})
            journal.sync()
        return frames
    finally:
        journal.close()


def end_frame(entries: Sequence[Entry]) -> int:
    """The number of frames that a finished recording has, by its journal."""
    ends = [*of_kind(entries, "stopped"), *of_kind(entries, "interrupted")]
    if not ends:
        raise StoreError("The recording has no end in its journal.")
    return whole(ends[-1], "frame")


def cues(entries: Sequence[Entry], began: Begun) -> Iterator[Cue]:
    """The marks that any player shows: where it was paused, what is missing, what somebody marked."""
    _ = speak(began.language)
    labels = {
        "paused": _("Pause"),
        "mark": _("Mark"),
        "gap": _("A piece is missing here"),
        "interrupted": _("The recording ends here"),
    }
    for entry in entries:
        label = labels.get(str(entry["event"]))
        if label is not None and whole(entry, "frame") <= LAST_CUE_FRAME:
            yield Cue(whole(entry, "frame"), label)


def file_sha256(path: Path) -> str:
    """Hex, of the whole file."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as content:
        while piece := content.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _bind_the_rest(recording: Recording, journal: JournalFile, entries: Sequence[Entry], audio_format: PcmFormat) -> int:
    frames = whole_frames(recording.wav, audio_format)
    bound = max((whole(entry, "from") + whole(entry, "frames") for entry in of_kind(entries, "audio")), default=0)
    step = audio_format.rate * MENDED_STRETCH_SECONDS
    for begin in range(bound, frames, step):
        count = min(step, frames - begin)
        digest = _stretch_sha256(recording, audio_format, begin, count)
        journal.append("audio", {"from": begin, "frames": count, "sha256": digest})
    return max(bound, frames)


def _last_that_fits(recording: Recording, entries: Sequence[Entry], audio_format: PcmFormat) -> int:
    held = whole_frames(recording.wav, audio_format)
    stretches = of_kind(entries, "audio")
    for entry in reversed(stretches):
        begin, count = whole(entry, "from"), whole(entry, "frames")
        if begin + count <= held and _stretch_sha256(recording, audio_format, begin, count) == entry["sha256"]:
            return begin + count
    if stretches:
        raise StoreError(f"{recording.wav} holds nothing of what its journal vouches for. It is left as it is.")
    return 0


def _must_be_silent(recording: Recording) -> None:
    """Sound is written only when the journal's beginning is on the disk: what has sound and no beginning was damaged."""
    if recording.wav.exists() and recording.wav.stat().st_size > HEADER_BYTES:
        raise StoreError(f"{recording.wav} holds sound, and its journal has no beginning. It is left as it is.")


def _stretch_sha256(recording: Recording, audio_format: PcmFormat, begin: int, frames: int) -> str:
    digest = hashlib.sha256()
    for piece in read_pcm(recording.wav, audio_format, begin, frames):
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
def _one_kind_of_error(recording: Recording) -> Iterator[None]:
    """Whatever is wrong with a recording's files is a StoreError to who asked."""
    try:
        yield
    except (JournalError, WavError, BagError, ValueError) as error:
        raise StoreError(f"{recording.folder}: {error}") from error


def _must_have_begun(recording: Recording, entries: Sequence[Entry]) -> Begun:
    began = begun(entries)
    if began is None:
        raise StoreError(f"{recording.folder} has no beginning in its journal.")
    return began
