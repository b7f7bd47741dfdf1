"""The recording's sound: a Broadcast Wave that can be played at every instant of its life.

What it promises:
- From the moment `WavWriter.create` returns, whatever the process dies of, the file as it lies there opens in any
  player and holds at least every frame that was synced.
- After a power cut, whatever became of the bytes that were not synced, `recover` makes it a valid WAV of exactly the
  frames that the journal vouches for; and it does not write to a file that is well.
- The audio is written once and stays where it is: past 4 GiB only the header changes. Nothing here grows with the
  length of a meeting.

How. Of a WAV only the sizes in front of the audio change while it grows, so they are kept in a header of exactly 1024
bytes,

    offset    0  12  RIFF or RF64, size, WAVE
             12  36  JUNK, which becomes ds64 (EBU Tech 3306: the 64-bit sizes; must be the first chunk)
             48  24  fmt , plain PCM
             72 944  bext (EBU Tech 3285), its coding history padded so that
           1016   8  data, size: the audio starts at byte 1024

and each sync writes all of it anew, in one write, from what the writer knows: no header is ever read in order to be
changed. On the disk the header is two sectors, and after a power cut either may be old or new, or worse. That is why
recovery asks the header nothing: the format, the origination and the number of frames come from the journal, the rest
from the length of the file.

bext is of version 1 with a UMID of zeros: the file has none. Version 2 only adds loudness, which this
appliance does not measure: to promise those fields and then fill them with 'not set' would say less. Its times are the
local clock's, without a zone; the journal has the zone.

Behind the audio comes what is known only at the seal: a pad byte if the audio is odd (RIFF wants even chunks; until
then the audio is the end of the file, where no reader needs one), then `cue ` and `LIST adtl` with a label for each
mark. A cue counts frames in 32 bits.
"""

from __future__ import annotations

import struct
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from appliance.audio.pcm import PcmFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from appliance.disk import Disk

HEADER_BYTES = 1024
"""Where the audio starts."""

ORIGINATOR = "meeting-recorder"
LAST_CUE_FRAME = 0xFFFF_FFFF
"""The last frame a cue can name: 24 h 51 min at 48 kHz."""

_ELSEWHERE = 0xFFFF_FFFF  # EBU 3306: 'this size stands in ds64'
_FMT_AT, _BEXT_AT, _DATA_AT = 48, 72, 1016
_BEXT = struct.Struct("<256s32s32s10s8sQH64s10s180s")  # EBU 3285, 602 bytes; the coding history follows
_CODING_HISTORY_BYTES = _DATA_AT - _BEXT_AT - 8 - _BEXT.size
_CUE_POINT = struct.Struct("<II4sIII")
_PIECE_BYTES = 1 << 16
_LONGEST_TRAILER = 1 << 22  # tens of thousands of cues


class WavError(Exception):
    """A sentence that says what is wrong with a WAV file, or with what was asked of it."""


@dataclass(frozen=True, order=True)
class Cue:
    """A mark in the audio. frame: counted from 0; label: a few words, stored as UTF-8."""

    frame: int
    label: str


@dataclass(frozen=True)
class Origination:
    """What bext says of where a recording comes from.

    description: plain words; stored in ASCII (accents are dropped, other letters become '?'), cut at 256.
    reference: ASCII, at most 32 characters; ValueError otherwise.
    at: the local time of frame 0. Its zone is not stored: what `describe` gives back is the same reading of the clock
    without one. None when no clock could be trusted: then date and time are left blank.
    """

    description: str
    reference: str
    at: datetime | None

    def __post_init__(self) -> None:
        if not self.reference.isascii() or not self.reference.isprintable() or len(self.reference) > 32:
            raise ValueError(f"A reference is plain ASCII of at most 32 characters, not {self.reference!r}.")


@dataclass(frozen=True)
class WavDescription:
    """What a WAV of ours says about itself. data_bytes: the audio alone; cues: by frame, none before the seal."""

    format: PcmFormat
    frames: int
    data_bytes: int
    rf64: bool
    origination: Origination
    cues: tuple[Cue, ...]


# What a file is made of: pure functions.


def header(audio_format: PcmFormat, origination: Origination, frames: int, file_bytes: int | None = None) -> bytes:
    """The 1024 bytes in front of `frames` frames.

    file_bytes: the length of the whole file when something stands behind the audio; by default the audio is its end.
    """
    front = bytes(_FMT_AT) + _fmt_chunk(audio_format) + _bext_chunk(audio_format, origination) + b"data" + bytes(4)
    return resized(front, frames, file_bytes)


def resized(head: bytes, frames: int, file_bytes: int | None = None) -> bytes:
    """The same header for another number of frames: what a copy that is under way puts in front of what it has.

    RF64 (EBU 3306) as soon as the RIFF size, which is the file's length less 8, has no place in 32 bits.
    """
    data_bytes = frames * int.from_bytes(head[_FMT_AT + 20 : _FMT_AT + 22], "little")
    riff_bytes = (HEADER_BYTES + data_bytes if file_bytes is None else file_bytes) - 8
    if riff_bytes < _ELSEWHERE:
        front = struct.pack("<4sI4s4sI28x", b"RIFF", riff_bytes, b"WAVE", b"JUNK", 28)
        size = data_bytes
    else:
        front = struct.pack("<4sI4s4sIQQQI", b"RF64", _ELSEWHERE, b"WAVE", b"ds64", 28, riff_bytes, data_bytes, frames, 0)
        size = _ELSEWHERE
    return front + head[_FMT_AT : HEADER_BYTES - 4] + struct.pack("<I", size)


def trailer(audio_format: PcmFormat, frames: int, cues: Iterable[Cue]) -> bytes:
    """What stands behind the audio in a sealed file: a pad byte if the audio is odd; if there are cues, their chunks.

    A cue that cannot be expressed is left out, never moved: behind the end of the audio, or behind `LAST_CUE_FRAME`
    (RF64 widens the sizes of a file, not its cue points). The journal has every mark.
    """
    if not frames:
        return b""  # other readers take a size of 0 for 'up to the end', and would play the marks
    pad = bytes(frames * audio_format.frame_bytes % 2)
    marks = sorted(cue for cue in cues if 0 <= cue.frame <= min(frames, LAST_CUE_FRAME))
    if not marks:
        return pad
    points, labels = [struct.pack("<I", len(marks))], [b"adtl"]
    for name, cue in enumerate(marks, start=1):
        points.append(_CUE_POINT.pack(name, cue.frame, b"data", 0, 0, cue.frame))
        labels.append(_chunk(b"labl", struct.pack("<I", name) + cue.label.replace("\0", " ").encode() + b"\0"))
    return pad + _chunk(b"cue ", b"".join(points)) + _chunk(b"LIST", b"".join(labels))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _fmt_chunk(audio_format: PcmFormat) -> bytes:
    plain_pcm, rate, a_frame = 1, audio_format.rate, audio_format.frame_bytes
    fields = (plain_pcm, audio_format.channels, rate, rate * a_frame, a_frame, audio_format.bits)
    return _chunk(b"fmt ", struct.pack("<HHIIHH", *fields))


def _bext_chunk(audio_format: PcmFormat, origination: Origination) -> bytes:
    at = origination.at
    since_midnight = at - at.replace(hour=0, minute=0, second=0, microsecond=0) if at else timedelta(0)
    fields = _BEXT.pack(
        _ascii(origination.description)[:256],
        ORIGINATOR.encode("ascii"),
        origination.reference.encode("ascii"),
        at.date().isoformat().encode("ascii") if at else b"",
        at.time().isoformat("seconds")[:8].encode("ascii") if at else b"",
        since_midnight // timedelta(microseconds=1) * audio_format.rate // 1_000_000,
        1,  # version
        b"",  # no UMID
        b"",  # in version 1 the loudness fields are still reserved, and zero
        b"",
    )
    sound = "mono" if audio_format.channels == 1 else "stereo"
    history = f"A=PCM,F={audio_format.rate},W={audio_format.bits},M={sound},T={ORIGINATOR}\r\n".encode("ascii")
    return _chunk(b"bext", fields + history.ljust(_CODING_HISTORY_BYTES, b"\0"))


def _ascii(text: str) -> bytes:
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letter if letter.isprintable() else " " for letter in letters).encode("ascii", "replace")


# Writing.


class WavWriter:
    """Writes one recording's WAV. Every write goes to a given place; audio is never read back or moved.

    When a call raises OSError the writer stays usable, and there is one rule: **`frames` says where to go on.** After a
    failed append it has not moved. After a failed sync or seal it is back at `synced_frames`: the kernel may have
    dropped what it was given and say success the next time, so the caller, who keeps all audio until it is synced,
    appends that audio again; it goes to the same place.

    Not for two threads at once.
    """

    def __init__(self, disk: Disk, path: Path, fd: int, audio_format: PcmFormat, origination: Origination) -> None:
        """For `create` and `reopen`, which give a writer; fd is the writer's from here on."""
        self._disk = disk
        self._path = path
        self._fd = fd
        self._format = audio_format
        self._front = header(audio_format, origination, 0)
        self._frames = 0
        self._synced_frames = 0
        self._sealed_with: bytes | None = None
        self._closed = False

    @classmethod
    def create(cls, disk: Disk, path: Path, audio_format: PcmFormat, origination: Origination) -> Self:
        """A new file of 0 frames; it and its name are durable on return. FileExistsError if the name is taken.

        OSError of any other kind: nothing is left behind.
        """
        fd = disk.create(path)
        writer = cls(disk, path, fd, audio_format, origination)
        try:
            writer.sync()
            disk.sync_folder(path.parent)
        except BaseException:
            writer.close()
            disk.remove(path)
            raise
        return writer

    @classmethod
    def reopen(cls, disk: Disk, path: Path, audio_format: PcmFormat, origination: Origination, frames: int) -> Self:
        """Take up a file that was left behind, to seal it: `recover`, then open it. Raises as `recover` does."""
        recover(disk, path, audio_format, origination, frames)
        behind = _read(path, HEADER_BYTES + frames * audio_format.frame_bytes, _LONGEST_TRAILER)
        writer = cls(disk, path, disk.open(path), audio_format, origination)
        writer._frames = writer._synced_frames = frames
        writer._sealed_with = behind or None
        return writer

    @property
    def frames(self) -> int:
        """Frames appended, synced or not: where the next append goes."""
        return self._frames

    @property
    def data_bytes(self) -> int:
        """The same in bytes."""
        return self._frames * self._format.frame_bytes

    @property
    def synced_frames(self) -> int:
        """Frames that are durable, and in the header."""
        return self._synced_frames

    def append(self, pcm: bytes | bytearray | memoryview) -> None:
        """Write whole frames behind the last; not synced. ValueError if a frame is cut, WavError after the seal."""
        if len(pcm) % self._format.frame_bytes:
            raise ValueError(f"{len(pcm)} bytes are no whole number of frames of {self._format.frame_bytes} bytes.")
        if self._sealed_with is not None or self._closed:
            raise WavError(f"{self._path.name} is sealed or closed: nothing can be added to it.")
        if pcm:
            self._disk.write_at(self._fd, pcm, HEADER_BYTES + self.data_bytes)
            self._frames += len(pcm) // self._format.frame_bytes

    def sync(self) -> None:
        """Make all that was appended durable, and the header say so."""
        with self._doubt():
            self._disk.write_at(self._fd, resized(self._front, self._frames), 0)
            self._disk.sync(self._fd)
            self._synced_frames = self._frames

    def seal(self, cues: Iterable[Cue] = ()) -> None:
        """Sync the audio, put the trailer behind it, sync, then the final sizes in front, sync. `trailer` says which
        cues.

        Until the last step the header tells of the audio alone, so it is playable throughout. A reopened file that has
        this very trailer is not written to again.
        """
        behind = trailer(self._format, self._frames, cues)
        if behind == self._sealed_with:
            return
        if self._synced_frames != self._frames:
            self.sync()
        end = HEADER_BYTES + self.data_bytes
        with self._doubt():
            if behind:
                self._disk.write_at(self._fd, behind, end)
            self._disk.truncate(self._fd, end + len(behind))  # an append that failed may have left something there
            self._disk.sync(self._fd)
            self._disk.write_at(self._fd, resized(self._front, self._frames, end + len(behind)), 0)
            self._disk.sync(self._fd)
            self._sealed_with = behind

    def close(self) -> None:
        """Close without syncing; a second time does nothing."""
        if not self._closed:
            self._closed = True
            self._disk.close(self._fd)

    @contextmanager
    def _doubt(self) -> Iterator[None]:
        """Around making durable: an error takes back what was not synced yet, for no later sync can vouch for it."""
        try:
            yield
        except BaseException:
            self._frames = self._synced_frames
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.close()


# Mending.


def recover(disk: Disk, path: Path, audio_format: PcmFormat, origination: Origination, frames: int) -> bool:
    """Make the file a valid WAV of exactly `frames` frames, durably, whatever its header holds; True if it was mended.

    Format, origination and frames are the journal's: of the file only its length is believed. What lies behind is cut
    off, an unfinished trailer too. A file that is well, sealed or not, is synced and not written to; so a second
    recovery writes nothing. WavError if the file holds fewer frames: then ask for those that `whole_frames` counts.
    OSError: call it again.
    """
    end = HEADER_BYTES + frames * audio_format.frame_bytes
    length = path.stat().st_size
    if frames and length < end:
        held = max(0, audio_format.frames(length - HEADER_BYTES))
        raise WavError(f"{path.name} holds {held} frames, and {frames} were asked of it.")
    fd = disk.open(path)
    try:
        mend = not _is_well(path, audio_format, origination, frames, length)
        if mend:
            if length > end:
                disk.truncate(fd, end)
            disk.write_at(fd, header(audio_format, origination, frames), 0)
        disk.sync(fd)
    finally:
        disk.close(fd)
    return mend


def whole_frames(path: Path, audio_format: PcmFormat) -> int:
    """How many frames a file holds by its length, also if its header knows of fewer: after a kill all are there.

    A trailer is not audio: if a cue chunk starts where the header says that the audio ends (the seal syncs the header
    before it writes one), the header is right.
    """
    head = _read(path, 0, HEADER_BYTES)
    held = max(0, audio_format.frames(path.stat().st_size - HEADER_BYTES))
    if len(head) < HEADER_BYTES:
        return held
    told = audio_format.frames(_told_data_bytes(head))
    end = told * audio_format.frame_bytes
    behind = _read(path, HEADER_BYTES + end + end % 2, 12)
    return told if told <= held and _opens_with_cues(behind) else held


def _is_well(path: Path, audio_format: PcmFormat, origination: Origination, frames: int, length: int) -> bool:
    end = HEADER_BYTES + frames * audio_format.frame_bytes
    if length < end or _read(path, 0, HEADER_BYTES) != header(audio_format, origination, frames, length):
        return False
    behind = _read(path, end, _LONGEST_TRAILER)
    if not behind:
        return True
    cues = _cues_in(behind, frames * audio_format.frame_bytes)
    return len(behind) < _LONGEST_TRAILER and behind == trailer(audio_format, frames, cues)


# Reading.


def describe(path: Path) -> WavDescription:
    """What a WAV of our layout says; sizes that are too large are cut to what the file holds. WavError if not ours."""
    head = _read(path, 0, HEADER_BYTES)
    _check_layout(path, head)
    audio_format = _read_format(path, head)
    frames = audio_format.frames(min(_told_data_bytes(head), path.stat().st_size - HEADER_BYTES))
    data_bytes = frames * audio_format.frame_bytes
    behind = _read(path, HEADER_BYTES + data_bytes, _LONGEST_TRAILER)
    return WavDescription(
        format=audio_format,
        frames=frames,
        data_bytes=data_bytes,
        rf64=head[:4] == b"RF64",
        origination=_read_origination(path, head, audio_format),
        cues=_cues_in(behind, data_bytes),
    )


def read_pcm(path: Path, audio_format: PcmFormat, from_frame: int, frames: int) -> Iterator[bytes]:
    """The audio of a stretch, in pieces of whole frames of at most 64 KiB. WavError if the file ends too soon."""
    piece = _PIECE_BYTES // audio_format.frame_bytes * audio_format.frame_bytes
    rest = frames * audio_format.frame_bytes
    with path.open("rb") as wav:
        wav.seek(HEADER_BYTES + from_frame * audio_format.frame_bytes)
        while rest:
            pcm = wav.read(min(piece, rest))
            if len(pcm) < min(piece, rest):
                raise WavError(f"{path.name} ends before frame {from_frame + frames}.")
            rest -= len(pcm)
            yield pcm


def _read(path: Path, offset: int, most: int) -> bytes:
    with path.open("rb") as wav:
        wav.seek(offset)
        return wav.read(most)


def _check_layout(path: Path, head: bytes) -> None:
    if len(head) < HEADER_BYTES:
        raise WavError(f"{path.name} is too short to be a recording of this appliance.")
    names = (head[0:4], head[8:12], head[12:16], head[_FMT_AT : _FMT_AT + 4], head[_BEXT_AT : _BEXT_AT + 4])
    small = (b"RIFF", b"WAVE", b"JUNK", b"fmt ", b"bext")
    large = (b"RF64", b"WAVE", b"ds64", b"fmt ", b"bext")
    if names not in (small, large) or head[_DATA_AT : _DATA_AT + 4] != b"data":
        raise WavError(f"{path.name} is not a WAV as this appliance writes it.")


def _read_format(path: Path, head: bytes) -> PcmFormat:
    channels, rate = struct.unpack_from("<HI", head, _FMT_AT + 10)
    (bits,) = struct.unpack_from("<H", head, _FMT_AT + 22)
    audio_format = PcmFormat(rate, bits, channels)
    known = rate > 0 and bits in {16, 24} and channels in {1, 2}
    if not known or head[_FMT_AT:_BEXT_AT] != _fmt_chunk(audio_format):
        raise WavError(f"{path.name} holds audio in a format that this appliance does not write.")
    return audio_format


def _read_origination(path: Path, head: bytes, audio_format: PcmFormat) -> Origination:
    fields = _BEXT.unpack_from(head, _BEXT_AT + 8)
    description, reference, date = (fields[part].split(b"\0", 1)[0] for part in (0, 2, 3))
    try:
        # Rounded up, so that the time read back gives the same time reference again.
        since_midnight = timedelta(microseconds=-(-fields[5] * 1_000_000 // audio_format.rate))
        at = datetime.fromisoformat(date.decode("ascii")) + since_midnight if date else None
        return Origination(description.decode("ascii"), reference.decode("ascii"), at)
    except (ValueError, OverflowError) as broken:
        raise WavError(f"{path.name} has a damaged header: it does not say when and where it was made.") from broken


def _told_data_bytes(head: bytes) -> int:
    told = int.from_bytes(head[_DATA_AT + 4 : HEADER_BYTES], "little")
    return int.from_bytes(head[28:36], "little") if told == _ELSEWHERE and head[12:16] == b"ds64" else told


def _opens_with_cues(behind: bytes) -> bool:
    if len(behind) < 12 or not behind.startswith(b"cue "):
        return False
    size, count = struct.unpack_from("<II", behind, 4)
    return bool(count) and size == 4 + count * _CUE_POINT.size


def _cues_in(behind: bytes, data_bytes: int) -> tuple[Cue, ...]:
    """The cues of a trailer as `trailer` writes it; none if it is anything else, or torn."""
    behind = behind[data_bytes % 2 :]
    if not _opens_with_cues(behind):
        return ()
    (count,) = struct.unpack_from("<I", behind, 8)
    labels_at = 12 + count * _CUE_POINT.size
    points = _CUE_POINT.iter_unpack(behind[12:labels_at])
    try:
        labels = _labels_in(behind[labels_at:])
        return tuple(Cue(frame, labels[name]) for name, frame, *_rest in points)
    except (struct.error, UnicodeDecodeError, KeyError):
        return ()


def _labels_in(chunk: bytes) -> dict[int, str]:
    labels = {}
    at = 12  # behind LIST, its size, and adtl
    while at < len(chunk):
        size, name = struct.unpack_from("<4xII", chunk, at)
        labels[name] = chunk[at + 12 : at + 8 + size].rstrip(b"\0").decode()
        at += 8 + size + size % 2
    return labels
