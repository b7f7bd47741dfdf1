"""How a recording begins: its folder with the agreement, the journal up to `started`, and a WAV of 0 frames, all durable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.audio.binding import BoundAudio
from appliance.audio.blocks import Hello
from appliance.audio.wav import Origination, WavWriter
from appliance.clock import Clock, stamp
from appliance.disk import write_whole
from appliance.journal import Value
from appliance.store import JournalFile, Recording, Store


@dataclass(frozen=True, slots=True)
class Opening:
    """What a recording starts with. `lines`: the journal's lines of the meeting so far, then `started` is written."""

    id: str
    began: datetime | None
    """Local time, for the folder's name and bext; None when no clock can be trusted."""
    agreement: bytes
    lines: tuple[tuple[str, Mapping[str, Value]], ...]
    started: Mapping[str, Value]


def make(store: Store, clock: Clock, opening: Opening, hello: Hello, at: int) -> tuple[Recording, BoundAudio]:
    """`at`: the monotonic moment of the first frame. OSError: there is no recording, and nothing is left of it."""
    recording = store.make(opening.id, opening.began)
    return recording, _make_files(store, clock, recording, opening, hello, at)


def _make_files(store: Store, clock: Clock, recording: Recording, opening: Opening, hello: Hello, at: int) -> BoundAudio:
    wav = journal = None
    try:
        write_whole(store.disk, recording.agreement, opening.agreement)
        journal = JournalFile.create(store.disk, recording.journal)
        for event, fields in opening.lines:
            journal.append(event, fields)
        began = opening.began.replace(microsecond=0) if opening.began else None
        fields = {
            "frame": 0,
            "rate": hello.format.rate,
            "bits": hello.format.bits,
            "channels": hello.format.channels,
            "device": hello.device,
            "boot": clock.boot(),
            "local": began.isoformat(timespec="seconds") if began else None,
            **stamp(clock, at),
            **opening.started,
        }
        journal.append("started", fields)
        wav = WavWriter.create(store.disk, recording.wav, hello.format, origination(opening.id, began))
        journal.sync()
    except BaseException:
        for opened in (wav, journal):
            if opened is not None:
                opened.close()
        store.discard(recording)
        raise
    return BoundAudio(hello.format, wav, journal)


def origination(recording_id: str, began: datetime | None) -> Origination:
    """What bext says: the same for the writer and for whoever mends the file from its journal."""
    return Origination(f"Gesprek {recording_id}", recording_id, began)


def started_locally(started: Mapping[str, Value]) -> datetime | None:
    """The local time that a `started` line holds; None when no clock could be trusted."""
    local = started["local"]
    return None if local is None else datetime.fromisoformat(str(local))
