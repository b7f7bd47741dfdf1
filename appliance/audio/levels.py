"""The file of levels: how loud each second of a recording is, to look at and to plot. `data/levels.csv`, docs/formats.md.

What it promises: the file follows from the WAV alone. Second n is its frames n x rate to (n + 1) x rate, all channels together,
and what is in the row anybody can count again.

The theory. While the meeting goes on, rows of seconds that are over are appended, ten at a time, unsynced: nothing waits for
them, and the kernel brings them to the disk in its own time (half a minute by its defaults). So of what lies there after a kill or
a power cut only that is believed which reads as rows 0, 1, 2, ... in exactly our form; what a disk makes up instead does not. At
the seal the rest is counted from the WAV, in the ordinary case its last second and no more, and the whole file is put there in
one step. A disk that refuses the rows costs nothing but that work.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from appliance.audio.level import Tally, tally_of
from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import read_pcm
from appliance.disk import Disk, write_whole
from appliance.store import Recording

HEADING = b"second,level_dbfs,peak_dbfs,clipped\n"
ROWS_AT_ONCE = 10
LONGEST_ROW = 64

_DECIBELS = rb"(?:0\.0|-0\.[1-9]|-[1-9]\d*\.\d)?"
_ROW = re.compile(rb"(\d+),%s,%s,(?:0|[1-9]\d*)\n" % (_DECIBELS, _DECIBELS))

log = logging.getLogger(__name__)


def row(second: int, tally: Tally) -> bytes:
    """`17,-24.8,-9.1,0`; of digital silence `17,,,0`."""
    level, peak = (b"" if db is None else b"%.1f" % db for db in (tally.level_dbfs, tally.peak_dbfs))
    return b"%d,%s,%s,%d\n" % (second, level, peak, tally.clipped)


class Seconds:
    """Cuts the sound of a WAV into its seconds, from second `first` on, and gives the row of each that is over."""

    def __init__(self, audio_format: PcmFormat, first: int = 0) -> None:
        self._format = audio_format
        self._second = first
        self._tally = Tally()
        self._frames = 0

    def add(self, pcm: bytes | memoryview, tally: Tally | None = None) -> Iterator[bytes]:
        """Whole frames behind the last. `tally`: theirs, if somebody has it already; it is counted again only where a second ends."""
        rate, size = self._format.rate, self._format.frame_bytes
        frames, begin = self._format.frames(len(pcm)), 0
        while begin < frames:
            end = min(frames, begin + rate - self._frames)
            uncut = tally if end - begin == frames else None
            self._tally += uncut or tally_of(self._format, pcm[begin * size : end * size])
            self._frames += end - begin
            begin = end
            if self._frames == rate:
                yield self.rest()

    def rest(self) -> bytes:
        """The row of the second that has begun, up to here; nothing if none has."""
        if not self._frames:
            return b""
        made = row(self._second, self._tally)
        self._second, self._tally, self._frames = self._second + 1, Tally(), 0
        return made


class LevelsFile:
    """The file as it grows. No method raises OSError: a disk that refuses it is logged, and the seal counts the rest."""

    def __init__(self, disk: Disk, path: Path, audio_format: PcmFormat, fd: int | None) -> None:
        """For `create`; fd is its own from here on, None when there is no file."""
        self._disk = disk
        self._path = path
        self._fd = fd
        self._seconds = Seconds(audio_format)
        self._rows: list[bytes] = [HEADING]
        self._length = 0

    @classmethod
    def create(cls, disk: Disk, path: Path, audio_format: PcmFormat) -> Self:
        try:
            return cls(disk, path, audio_format, disk.create(path))
        except OSError:
            log.warning("%s cannot be made; the seal will count the levels", path, exc_info=True)
            return cls(disk, path, audio_format, None)

    def add(self, pcm: bytes, tally: Tally | None = None) -> None:
        """What was appended to the WAV; kept in memory until `write`."""
        if self._fd is not None:
            self._rows.extend(self._seconds.add(pcm, tally))

    def write_if_due(self) -> None:
        if len(self._rows) >= ROWS_AT_ONCE:
            self._write()

    def close(self) -> None:
        """Not synced: the seal does that."""
        self._write()
        if self._fd is not None:
            self._disk.close(self._fd)
            self._fd = None

    def _write(self) -> None:
        if self._fd is None or not self._rows:
            return
        content = b"".join(self._rows)
        try:
            self._disk.write_at(self._fd, content, self._length)
        except OSError:
            log.warning("%s is not written any further; the seal will count the rest", self._path, exc_info=True)
            self._disk.close(self._fd)
            self._fd = None
        self._length += len(content)
        self._rows.clear()


def complete(disk: Disk, recording: Recording, audio_format: PcmFormat, frames: int) -> None:
    """Make the file whole and durable for a WAV of `frames` frames. Raises OSError: call it again."""
    content, rows = believable(recording.levels, most=frames // audio_format.rate)
    whole = bytearray(content)
    for made in _counted(recording.wav, audio_format, rows, frames):
        whole += made
    write_whole(disk, recording.levels, bytes(whole))


def believable(path: Path, most: int) -> tuple[bytes, int]:
    """The beginning of a file of levels that is in exactly our form, at most so many rows of it, and how many these are."""
    found = _read(path, len(HEADING) + most * LONGEST_ROW)
    if not found.startswith(HEADING):
        return HEADING, 0
    end, rows = len(HEADING), 0
    while rows < most and (match := _ROW.match(found, end)) and match[1] == b"%d" % rows:
        end, rows = match.end(), rows + 1
    return found[:end], rows


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        return b""
    except OSError as error:  # it proves nothing, so nothing waits for it
        log.warning("%s cannot be read, and is counted anew: %s", path, error)
        return b""


def _counted(wav: Path, audio_format: PcmFormat, first: int, frames: int) -> Iterable[bytes]:
    """The rows from second `first` on, from the WAV."""
    begin, seconds = first * audio_format.rate, Seconds(audio_format, first)
    for piece in read_pcm(wav, audio_format, begin, frames - begin):
        yield from seconds.add(piece)
    yield seconds.rest()
