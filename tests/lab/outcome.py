"""What became of a recording when the power went: looked at file by file and sample by sample, against what had been told.

The voice in the lab is `SyntheticTrack`: each stretch of 64 frames of it occurs at one place in its period only, so it is known of
every sample which one it must be, and of every stretch between two pauses when it was heard.

**The loss** is measured in sound: what had been captured up to the cut, while the meeting was being recorded, less what came out.
When the cut fell is known by the machine's own monotonic clock, to which `Told.at_us` refers. What was *told* to be on the disk
(frames in a snapshot, an answered pause, stop, seal, verified copy) may not be lost at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import SyntheticTrack
from appliance.audio.wav import describe
from appliance.copies.names import file_names
from appliance.copies.verify import Comparison, compare, verify
from appliance.journal import Entry, check, of_kind, whole

LARGEST_LOSS_MS = 1000
SIGNATURE_FRAMES = 64
SLACK_FRAMES = 2


class Asked(msgspec.Struct, frozen=True):
    """The last thing that was asked of the meeting: when, by the machine's clock, and whether it was answered."""

    what: Literal["start", "pause", "resume", "stop"]
    at_us: int
    answered: bool


class Told(msgspec.Struct, frozen=True):
    """What the room had been told when the power went. `at_us`: when that was, by the machine's monotonic clock."""

    at_us: int
    state: str = "idle"
    recording: str | None = None
    frames: int = 0
    asked: Asked | None = None
    sha256: str | None = None
    verified: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """`wrong`: a sentence for each thing that is not as it was promised; none when all is well."""

    frames: int
    lost_ms: int
    interrupted: bool
    gaps: int = 0
    wrong: tuple[str, ...] = ()


def nothing_left(told: Told) -> Outcome:
    """No recording came out: right, if no sound of it had been on the disk yet."""
    wrong = (f"{told.frames} frames were told, and there is no recording.",) if told.frames or told.sha256 else ()
    return Outcome(0, lost_us((), 0, told) // 1000, interrupted=False, wrong=wrong)


def examine(folder: Path, copies: Sequence[Path], told: Told) -> Outcome:
    """A recording as it lies sealed after the next start, and its copies (none, or two)."""
    journal = check((folder / "data/journal.jsonl").read_bytes())
    if journal.broken is not None or not of_kind(journal.entries, "sealed"):
        why = "is not sealed" if journal.broken is None else f"breaks: {journal.broken.why}"
        return Outcome(0, lost_us(journal.entries, 0, told) // 1000, interrupted=False, wrong=(f"The journal {why}.",))
    sealed = of_kind(journal.entries, "sealed")[-1]
    frames = whole(sealed, "frames")
    lost = lost_us(journal.entries, frames, told) // 1000
    wrong = (
        *_sound(folder / "data/gesprek.wav", journal.entries, frames),
        *_against_told(journal.entries, frames, lost, told),
        *_copies(folder, copies),
    )
    return Outcome(
        frames, lost, bool(of_kind(journal.entries, "interrupted")), gaps=len(of_kind(journal.entries, "gap")), wrong=wrong
    )


# ── how much sound is missing ───────────────────────────────────────────────────────────────────────


def lost_us(entries: Sequence[Entry], frames: int, told: Told) -> int:
    """Microseconds of sound that were captured for the recording before the cut and are not in its `frames`."""
    asked = told.asked
    opened = [*of_kind(entries, "started"), *of_kind(entries, "resumed")]
    closed = [*of_kind(entries, "paused"), *of_kind(entries, "stopped")]
    is_open = bool(opened) and max(whole(entry, "n") for entry in opened) > max(
        (whole(entry, "n") for entry in closed), default=-1
    )
    if is_open:
        began = max(opened, key=lambda entry: whole(entry, "n"))
        rate = whole(of_kind(entries, "started")[0], "rate")
        heard_to = whole(began, "mono_us") + (frames - whole(began, "frame")) * 1_000_000 // rate
        until = min(told.at_us, asked.at_us) if asked and asked.what in {"pause", "stop"} else told.at_us
        return max(0, until - heard_to)
    if asked and asked.what == ("resume" if opened else "start"):
        return max(0, told.at_us - asked.at_us)
    return 0


def _against_told(entries: Sequence[Entry], frames: int, lost_ms: int, told: Told) -> Iterator[str]:
    if frames < told.frames:
        yield f"{told.frames} frames were told to be on the disk, and {frames} came out."
    if lost_ms > LARGEST_LOSS_MS:
        yield f"{lost_ms} ms of sound are missing."
    sealed = of_kind(entries, "sealed")[-1]
    if told.sha256 is not None and sealed["sha256"] != told.sha256:
        yield "The digest that was shown is not that of the recording any more."
    stopped, interrupted = bool(of_kind(entries, "stopped")), bool(of_kind(entries, "interrupted"))
    if stopped == interrupted:
        yield "The journal says that it was stopped and interrupted, or neither."
    asked_to_stop = told.asked is not None and told.asked.what == "stop"
    if interrupted and asked_to_stop and told.asked is not None and told.asked.answered:
        yield "It was stopped, and answered so, and the journal says interrupted."
    if stopped and not asked_to_stop:
        yield "Nobody stopped it, and the journal says stopped."


# ── is it what was heard ────────────────────────────────────────────────────────────────────────────


def _sound(wav: Path, entries: Sequence[Entry], frames: int) -> Iterator[str]:
    import soundfile

    started = of_kind(entries, "started")[0]
    audio = PcmFormat(whole(started, "rate"), whole(started, "bits"), whole(started, "channels"))
    described = describe(wav)
    if (described.frames, described.data_bytes) != (frames, frames * audio.frame_bytes):
        yield f"The header tells {described.frames} frames, and the journal {frames}."
    try:
        with soundfile.SoundFile(wav) as sound:
            pcm = bytes(sound.buffer_read(-1, dtype="int16"))
            told = (sound.frames, sound.samplerate, sound.channels, sound.subtype)
    except soundfile.LibsndfileError as error:
        yield f"libsndfile does not open it: {error}."
        return
    if told != (frames, audio.rate, audio.channels, "PCM_16"):
        yield f"libsndfile reads {told} in it, and the journal tells {frames} frames."
    yield from _voice(pcm, audio, entries, frames)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Frames in one breath. `heard_us`: when the first was captured; None where the journal does not tell it to the frame."""

    begin: int
    end: int
    heard_us: int | None


def _voice(pcm: bytes, audio: PcmFormat, entries: Sequence[Entry], frames: int) -> Iterator[str]:
    track = SyntheticTrack(audio)
    turn = track.at(0, 2 * track.PERIOD)
    size = audio.frame_bytes
    first: tuple[int, int] | None = None
    for piece in _pieces(entries, frames):
        heard = pcm[piece.begin * size : piece.end * size]
        at = turn.find(heard[: SIGNATURE_FRAMES * size])
        if at < 0 or at % size or heard != track.at(at // size, piece.end - piece.begin):
            yield f"From frame {piece.begin} to {piece.end} it is not what was heard."
            continue
        if piece.heard_us is None or piece.end - piece.begin < SIGNATURE_FRAMES:
            continue
        place = at // size
        if first is None:
            first = (piece.heard_us, place)
            continue
        due = (piece.heard_us - first[0]) * audio.rate // 1_000_000
        off = (place - first[1] - due + track.PERIOD // 2) % track.PERIOD - track.PERIOD // 2
        if abs(off) > SLACK_FRAMES:
            yield f"What follows frame {piece.begin} was heard {off} frames beside the moment that the journal tells."


def _pieces(entries: Sequence[Entry], frames: int) -> Iterator[_Piece]:
    begin, heard_us = 0, None
    for entry in entries:
        match entry["event"]:
            case "started" | "resumed":
                begin, heard_us = whole(entry, "frame"), whole(entry, "mono_us")
            case "paused" | "gap" | "stopped" | "interrupted":
                end = min(frames, whole(entry, "frame"))
                if end > begin:
                    yield _Piece(begin, end, heard_us)
                begin, heard_us = (end + whole(entry, "frames"), None) if entry["event"] == "gap" else (end, None)


# ── the copies ──────────────────────────────────────────────────────────────────────────────────────


def _copies(folder: Path, copies: Sequence[Path]) -> Iterator[str]:
    names = file_names(folder)
    for copy in copies:
        there = file_names(copy)
        if there != names:
            yield f"{copy} holds {there}."
        elif different := [name for name in names if (copy / name).read_bytes() != (folder / name).read_bytes()]:
            yield f"{copy}: {', '.join(different)} not as in the original."
    verdict = compare(copies[0], copies[1]) if len(copies) == 2 else verify(folder)
    equal = verdict.equal if isinstance(verdict, Comparison) else True
    if verdict.verdict != "intact" or not equal:
        yield f"verify says {verdict.verdict}: {json.dumps([finding.says for finding in verdict.findings])}"
