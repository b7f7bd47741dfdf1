"""Where sound comes from: a PortAudio device, a file, or a synthetic voice. Used in the capture child only.

Two kinds of source share one port. A *live* source (a device, or a file played in real time) goes on whether anybody listens
or not; each read says when its first frame was captured. A source with *its own clock* (a file or a synthetic voice at `fast`
or N times real time) gives its next frames only when asked, so it never overflows and nobody needs to know the time.
"""

from __future__ import annotations

import array
import contextlib
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from appliance.audio.pcm import PcmFormat
from appliance.audio.timing import CaptureClock

REAL_TIME = "real"
FAST = "fast"
LONGEST_NAP_SECONDS = 0.1
"""Half of the driver's buffer, and no more than this."""
TOLD_EVERY_SECONDS = 0.17
"""Sound is passed on when there is so much of it, five times a second or so: most of what it costs is waking up, at both ends."""
NAP_IN_DOUBT_SECONDS = 0.025
OUT_OF_STEP = (0.93, 0.8, 0.97, 0.87, 1.0, 0.83, 0.9)


class SourceError(Exception):
    """No sound can be had from this source; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Heard:
    """`pcm`: whole frames. `captured_ns`: monotonic time of the first.

    Frames are missing before it when the driver says so (`overflowed`), or when the clock does (`jumped`).
    """

    pcm: bytes | memoryview
    captured_ns: int
    overflowed: bool = False
    jumped: bool = False


class Source(Protocol):
    """A descendant must open in its constructor (SourceError if it cannot) and say its `format`, `own_clock` and `name`."""

    format: PcmFormat
    own_clock: bool
    name: str

    @property
    def nap_seconds(self) -> float:
        """How long its reader may sleep now, before the next read."""

    def read(self) -> Heard | None:
        """What there is now, at most a fraction of a second; None when there is nothing yet, or nothing that can be told yet.

        At the end of an own-clock source: raises EndOfSource. A device that is gone: SourceError. Never waits for sound.
        """

    def close(self) -> None:
        """Let go. May hang on some devices: the child's parent does not wait for it."""


class EndOfSource(Exception):  # noqa: N818 - not an error: a file has an end
    """There is no more."""


# ── PortAudio ───────────────────────────────────────────────────────────────────────────────────────


class PortAudioSource:
    """A microphone by PortAudio, read without callbacks and without waiting inside PortAudio, which spins on some devices.

    `latency` in seconds is asked of PortAudio and is the driver's buffer: a stall of this process up to about that long loses
    nothing.
    """

    own_clock = False

    def __init__(self, audio_format: PcmFormat, device: str, latency: float) -> None:
        try:
            import sounddevice
        except OSError as error:
            raise SourceError("PortAudio is not installed on this machine (Debian package libportaudio2).") from error
        self.format = audio_format
        self._error = sounddevice.PortAudioError
        try:
            self._stream: Any = sounddevice.RawInputStream(
                samplerate=audio_format.rate,
                channels=audio_format.channels,
                dtype=f"int{audio_format.bits}",
                device=device or None,
                latency=latency,
                blocksize=0,
            )
            self.name = str(sounddevice.query_devices(self._stream.device)["name"])
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise SourceError(f"The microphone {device or '(default)'} does not open: {error}.") from error
        held_seconds = max(latency, float(self._stream.latency))
        self._clock = CaptureClock(audio_format.rate, held_seconds)
        self._nap_seconds = min(LONGEST_NAP_SECONDS, held_seconds / 2)
        self._turn = 0
        self._most = audio_format.rate * 2 // 5
        self._untold: list[bytes] = []
        self._untold_frames = 0
        self._told_frames = int(audio_format.rate * TOLD_EVERY_SECONDS)
        self._overflowed = False
        self._gone: SourceError | None = None

    @property
    def nap_seconds(self) -> float:
        """Never twice the same: a reader in step with the driver's periods would be late by the same time always, and not know."""
        if self._clock.is_in_doubt:
            return min(self._nap_seconds, NAP_IN_DOUBT_SECONDS)
        self._turn = (self._turn + 1) % len(OUT_OF_STEP)
        return self._nap_seconds * OUT_OF_STEP[self._turn]

    def read(self) -> Heard | None:
        if self._gone is not None:
            raise self._gone
        told = None
        try:
            there = self._stream.read_available
            now = time.monotonic_ns()  # behind it: what comes in between makes a time too late, and never one too early
            ready = min(there, self._most)
            if ready > 0:
                content, overflowed = self._stream.read(ready)
                if overflowed:
                    told = self._tell()
                    self._overflowed = True
                    self._clock.lost_count()
                self._clock.heard(now, ready, there - ready)
                self._untold.append(bytes(content))
                self._untold_frames += ready
        except self._error as error:
            self._gone = SourceError(f"The microphone went away: {error}.")
            return self._tell_or_raise(self._gone)
        if told is None and self._untold_frames >= self._told_frames and self._clock.is_sure(now):
            told = self._tell()
        return told

    def _tell_or_raise(self, gone: SourceError) -> Heard:
        """What was heard before it went, and only then that it did."""
        told = self._tell()
        if told is None:
            raise gone
        return told

    def _tell(self) -> Heard | None:
        """All that was heard and is not told yet, with the best that is known of its time."""
        if not self._untold:
            return None
        captured = self._clock.take()
        told = Heard(b"".join(self._untold), captured.at_ns, self._overflowed, captured.jumped)
        self._untold.clear()
        self._untold_frames = 0
        self._overflowed = False
        return told

    def close(self) -> None:
        with contextlib.suppress(self._error):
            self._stream.abort()
        with contextlib.suppress(self._error):
            self._stream.close()


# ── files and synthetic voices ──────────────────────────────────────────────────────────────────────


class Track(Protocol):
    """Frames one after the other, from anywhere but a clock."""

    format: PcmFormat
    name: str

    def next(self, frames: int) -> bytes:
        """At most `frames` frames; fewer only at the end, none behind it."""

    def close(self) -> None: ...


class WavTrack:
    """A sound file, by libsndfile (WAV, FLAC, Ogg). Its own rate and channels are kept: nothing is converted but the bits."""

    def __init__(self, path: Path, bits: int, *, again: bool = False) -> None:
        import soundfile

        try:
            self._file: Any = soundfile.SoundFile(path)
        except (soundfile.LibsndfileError, OSError) as error:
            raise SourceError(f"{path} cannot be played: {error}.") from error
        if self._file.channels > 2:
            raise SourceError(f"{path} has {self._file.channels} channels; a recording has one or two.")
        self.format = PcmFormat(self._file.samplerate, bits, self._file.channels)
        self.name = path.name
        self._again = again

    def next(self, frames: int) -> bytes:
        try:
            content = self._read(frames)
            while self._again and self._file.frames and (missing := frames - self.format.frames(len(content))):
                self._file.seek(0)
                content += self._read(missing)
        except RuntimeError as error:  # of which libsndfile's errors are a kind
            raise SourceError(f"{self.name} cannot be played to its end: {error}.") from error
        return content

    def _read(self, frames: int) -> bytes:
        if self.format.bits == 16:
            return bytes(self._file.buffer_read(frames, dtype="int16"))
        return _upper_three(bytes(self._file.buffer_read(frames, dtype="int32")))

    def close(self) -> None:
        self._file.close()


class SyntheticTrack:
    """A voice that is never silent, never constant, and the same at the same frame each time: a murmur in syllables.

    Its period is a prime number of frames, so that no two seconds are alike.
    """

    PERIOD = 48_017
    name = "synthetic"

    def __init__(self, audio_format: PcmFormat) -> None:
        self.format = audio_format
        self._at = 0
        self._turn = _murmur(audio_format, self.PERIOD)

    def next(self, frames: int) -> bytes:
        content = self.at(self._at, frames)
        self._at += frames
        return content

    def at(self, frame: int, frames: int) -> bytes:
        """The frames from `frame` on."""
        size = self.format.frame_bytes
        begin = frame % self.PERIOD * size
        turns = (begin + frames * size) // len(self._turn) + 1
        return (self._turn * turns)[begin : begin + frames * size]

    def close(self) -> None:
        pass


def _murmur(audio_format: PcmFormat, frames: int) -> bytes:
    chance = random.Random(1)  # noqa: S311 - a sound, not a secret
    samples = array.array("h")
    for frame in range(frames):
        loudness = 300 + abs(frame % 9_600 - 4_800) // 2
        samples.extend(chance.randint(-loudness, loudness) or 1 for _ in range(audio_format.channels))
    if sys.byteorder == "big":
        samples.byteswap()
    if audio_format.bits == 16:
        return samples.tobytes()
    wide = bytearray(len(samples) * 3)
    narrow = samples.tobytes()
    wide[1::3], wide[2::3] = narrow[0::2], narrow[1::2]
    return bytes(wide)


def _upper_three(wide: bytes) -> bytes:
    """32-bit little-endian samples cut to their upper 24 bits, which is where libsndfile puts a 24-bit file's."""
    packed = bytearray(len(wide) // 4 * 3)
    for byte in range(3):
        packed[byte::3] = wide[byte + 1 :: 4]
    return bytes(packed)


class LiveTrack:
    """A track played in real time, like a microphone in front of which it sounds: it goes on by the clock, and is silent after
    its end."""

    own_clock = False
    nap_seconds = TOLD_EVERY_SECONDS

    def __init__(self, track: Track) -> None:
        self._track = track
        self.format, self.name = track.format, track.name
        self._began = time.monotonic_ns()
        self._given = 0

    def read(self) -> Heard | None:
        now = time.monotonic_ns()
        due = (now - self._began) * self.format.rate // 1_000_000_000 - self._given
        frames = min(due, self.format.rate * 2 // 5)
        if frames <= 0:
            return None
        content = self._track.next(frames)
        missing = frames * self.format.frame_bytes - len(content)
        captured = self._began + self._given * 1_000_000_000 // self.format.rate
        self._given += frames
        return Heard(content + bytes(missing), captured)

    def close(self) -> None:
        self._track.close()


class OwnClockTrack:
    """A track as fast as its reader takes it, or N times as fast as real time."""

    own_clock = True
    nap_seconds = 0.0
    """It sleeps itself."""

    def __init__(self, track: Track, speed: float | None) -> None:
        self._track = track
        self.format, self.name = track.format, track.name
        self._step = self.format.rate // 4
        self._pace = _paced(self._step / self.format.rate / speed) if speed else None

    def read(self) -> Heard:
        if self._pace is not None:
            next(self._pace)
        content = self._track.next(self._step)
        if not content:
            raise EndOfSource
        return Heard(content, time.monotonic_ns())

    def close(self) -> None:
        self._track.close()


def _paced(seconds: float) -> Iterator[None]:
    """Returns once every so many seconds, without adding up how late each was; after a halt it goes on from then."""
    due = time.monotonic()
    while True:
        due = max(due + seconds, time.monotonic() - 1.0)
        time.sleep(max(0.0, due - time.monotonic()))
        yield


def open_source(spec: str, pace: str, audio_format: PcmFormat, latency: float) -> Source:
    """`spec`: device[:NAME], wav:FILE, again:FILE (a file over and over) or synthetic; `pace`: real, fast or a number.

    SourceError, with a sentence, for what does not open and for a pace that a device cannot keep.
    """
    kind, _, rest = spec.partition(":")
    if kind == "device":
        if pace != REAL_TIME:
            raise SourceError("A microphone hears in real time only: leave --pace away.")
        return PortAudioSource(audio_format, rest, latency)
    track: Track
    if kind in {"wav", "again"}:
        track = WavTrack(Path(rest), audio_format.bits, again=kind == "again")
    elif kind == "synthetic":
        track = SyntheticTrack(audio_format)
    else:
        raise SourceError(f"{spec!r} is no source. It is device, device:NAME, wav:FILE or synthetic.")
    if pace == REAL_TIME:
        return LiveTrack(track)
    return OwnClockTrack(track, None if pace == FAST else speed_of(pace))


def speed_of(pace: str) -> float:
    """How many times real time a pace is. SourceError if it is not a number above 0."""
    try:
        speed = float(pace)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1_000_000:
        raise SourceError(f"{pace!r} is no pace. It is real, fast, or how many times real time, such as 60.")
    return speed


def check_spec(spec: str, pace: str) -> None:
    """Whether a source and its pace make sense at all, before anything is opened. SourceError if not."""
    kind, _, rest = spec.partition(":")
    if kind not in {"device", "wav", "again", "synthetic"}:
        raise SourceError(f"{spec!r} is no source. It is device, device:NAME, wav:FILE or synthetic.")
    if kind in {"wav", "again"} and not Path(rest).is_file():
        raise SourceError(f"The sound file {rest} is not there.")
    if kind == "device" and pace != REAL_TIME:
        raise SourceError("A microphone hears in real time only: leave --pace away.")
    if pace not in {REAL_TIME, FAST}:
        speed_of(pace)


def check_file(spec: str) -> None:
    """Whether a source that is a file can be played. SourceError if not. Costs libsndfile: not for the service's own process."""
    kind, _, rest = spec.partition(":")
    if kind in {"wav", "again"}:
        WavTrack(Path(rest), bits=16).close()
