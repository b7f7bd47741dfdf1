"""Sound and journal, bound to each other: what is on the disk, and how the journal vouches for it.

Audio is appended to the WAV as it comes. With each sync it is made durable first and vouched for second: an `audio` line with
the SHA-256 of that **stretch** goes into the journal, so the chain binds every second to the one before. A line never
vouches for what is not on the disk.

What is not yet synced is kept here in memory (a second or two; `MOST_UNSYNCED` at most). When a write or sync fails, it is
written again from there, to the same place, and the journal says so: a sync that succeeds after one that failed proves nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import HEADER_BYTES, WavWriter
from appliance.journal import Value
from appliance.store import JournalFile

MOST_UNSYNCED = 8 * 1024 * 1024
LONGEST_STRETCH_SECONDS = 1.25
"""A stretch is the audio of one sync, about a second; a source faster than real time is cut into seconds all the same."""


@dataclass(frozen=True, slots=True)
class Stretch:
    begin: int
    frames: int
    sha256: str


class BoundAudio:
    """One recording's open files. Not for two threads at once. Every call may raise OSError: see `again`."""

    def __init__(self, audio_format: PcmFormat, wav: WavWriter, journal: JournalFile) -> None:
        self.format = audio_format
        self._wav = wav
        self._journal = journal
        self._unsynced: list[bytes] = []
        self._unsynced_bytes = 0
        self._closed: list[Stretch] = []
        self._digest = hashlib.sha256()
        self._begin = wav.frames
        self._failed = False
        self.frames = wav.frames
        """Frames given to `append`, whatever the disk did with them."""

    @property
    def durable_frames(self) -> int:
        return self._wav.synced_frames

    @property
    def durable_bytes(self) -> int:
        """Of the WAV file, its header included."""
        return HEADER_BYTES + self._wav.synced_frames * self.format.frame_bytes

    @property
    def is_full(self) -> bool:
        """As much is unsynced as may be kept: sync before more is appended."""
        return self._unsynced_bytes >= MOST_UNSYNCED

    @property
    def has_unsynced(self) -> bool:
        return bool(self._unsynced)

    def append(self, pcm: bytes) -> None:
        """Whole frames behind the last. They are kept until they are durable, also when this raises."""
        self._unsynced.append(pcm)
        self._unsynced_bytes += len(pcm)
        self._digest.update(pcm)
        self.frames += self.format.frames(len(pcm))
        if self.frames - self._begin >= self.format.rate * LONGEST_STRETCH_SECONDS:
            self._close_stretch()
        if not self._failed:
            with self._doubt():
                self._wav.append(pcm)

    def line(self, event: str, fields: Mapping[str, Value]) -> None:
        """A journal line behind all that was appended so far; durable with the next `sync`."""
        self._close_stretch()
        self._bind()
        self._journal.append(event, fields)

    def sync(self) -> None:
        """Make sound and lines durable: the sound first, then the lines that vouch for it."""
        if self._failed:
            raise OSError("what was written before is in doubt")
        with self._doubt():
            self._wav.sync()
            self._unsynced.clear()
            self._unsynced_bytes = 0
            self._close_stretch()
            self._bind()
            self._journal.sync()

    def again(self) -> None:
        """After an OSError: write all that is not known to be durable once more, to the same place, and sync it.

        Until this succeeds, `append` keeps what it is given in memory only: no place on the disk is sure.
        """
        for pcm in self._missing():
            self._wav.append(pcm)
        self._failed = False
        self.sync()

    def close(self) -> None:
        """Close both files without syncing."""
        self._wav.close()
        self._journal.close()

    @contextmanager
    def _doubt(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._failed = True
            raise

    def _missing(self) -> list[bytes]:
        """What the writer no longer counts: after a failed append the last piece, after a failed sync all that was unsynced."""
        behind = self._wav.frames - self._wav.synced_frames
        missing = list(self._unsynced)
        while behind > 0 and missing:
            behind -= self.format.frames(len(missing.pop(0)))
        return missing

    def _close_stretch(self) -> None:
        if self.frames > self._begin:
            self._closed.append(Stretch(self._begin, self.frames - self._begin, self._digest.hexdigest()))
            self._begin = self.frames
            self._digest = hashlib.sha256()

    def _bind(self) -> None:
        for stretch in self._closed:
            self._journal.append("audio", {"from": stretch.begin, "frames": stretch.frames, "sha256": stretch.sha256})
        self._closed.clear()
