"""How loud it is: for the meter on the screen, for the file of levels, for a hint to the room. Never a change to the sound.

The theory. Every sample is looked at once, when its block arrives: a `Tally` holds the sum of its squares, its largest and how
many stand at full scale. Tallies add up, so the meter and the file of levels (`levels.py`) live on the same pass.

All is exact: of 24-bit sound the upper 16 bits count (so do they when libsndfile reads it as 16 bits), and the sum of squares is a
whole number, which `audioop` gives in a roundabout way (`_power`): its loops are C's. The same in Python took 20 s of each hour's CPU,
more than all the rest of the service together; numpy is as quick as audioop, and costs 12 MB of memory.

dBFS here is plain: 0 is a square wave at full scale (in AES17's, 0 is a sine, and all levels would be 3.01 higher).
"""

from __future__ import annotations

import array
import math
import sys
import warnings
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from appliance.audio.pcm import PcmFormat

with warnings.catch_warnings():  # Python 3.13 has it no more, and audioop-lts brings it back
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

FULL_SCALE = 32_768
MOST_AT_ONCE = 1 << 16
DEAD_AFTER_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted in a stretch of sound, all channels together, by the upper 16 bits of each sample.

    `power`: the sum of the squares; `peak`: the largest, without its sign; `clipped`: how many are 32767 or -32768.
    """

    samples: int = 0
    power: int = 0
    peak: int = 0
    clipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.samples + other.samples,
            self.power + other.power,
            max(self.peak, other.peak),
            self.clipped + other.clipped,
        )

    @property
    def level_dbfs(self) -> float | None:
        """Of the mean power, to a tenth; None for digital silence, which has no logarithm."""
        return _decibels(10, self.power / (self.samples * FULL_SCALE**2)) if self.power else None

    @property
    def peak_dbfs(self) -> float | None:
        return _decibels(20, self.peak / FULL_SCALE) if self.peak else None


def tally_of(audio_format: PcmFormat, pcm: bytes | memoryview) -> Tally:
    """Of whole frames."""
    samples = upper_16(audio_format, pcm)
    tally = Tally()
    for begin in range(0, len(samples), MOST_AT_ONCE):
        tally += _tally(samples[begin : begin + MOST_AT_ONCE])
    return tally


def _tally(samples: array.array[int]) -> Tally:
    lowest, highest = audioop.minmax(samples, 2)
    clipped = samples.count(FULL_SCALE - 1) if highest == FULL_SCALE - 1 else 0
    if lowest == -FULL_SCALE:
        clipped += samples.count(-FULL_SCALE)
    peak = max(highest, -lowest)
    return Tally(len(samples), _power(samples, peak), peak, clipped)


def _power(samples: array.array[int], peak: int) -> int:
    """The sum of the squares, which audioop gives only as a share: `findfactor(a, b)` is the sum of a x b by that of b x b.

    So the samples are followed in b by as many that have the peak's square, and in a by silence: sum / (sum + known). Both sums are
    whole in a double (below 2**53), and sum is at most known, at most 2**46: what rounding does to the share moves it by 2**-6 at most.
    """
    if not peak:
        return 0
    largest = min(peak, FULL_SCALE - 1)
    known = len(samples) * largest**2
    sound, silence = samples.tobytes(), bytes(2 * len(samples))
    share = audioop.findfactor(sound + silence, sound + (array.array("h", [largest]) * len(samples)).tobytes())
    return round(known * share / (1 - share))


# ── the meter ───────────────────────────────────────────────────────────────────────────────────────


class Hint(Enum):
    """What the people at the table may want to do about the sound."""

    TOO_QUIET = auto()
    TOO_LOUD = auto()


@dataclass(frozen=True, slots=True)
class Level:
    """dB below full scale (0 is the loudest that fits), None for digital silence. `level`: mean power, `peak`: largest sample.

    `clipped`: samples at full scale in the last `SHOWN_SECONDS`: long enough to be seen.
    """

    level: float | None
    peak: float | None
    clipped: int = 0
    hint: Hint | None = None


LATELY_SECONDS = 10.0
SHOWN_SECONDS = 3.0

WELL_HEARD_DBFS = -45.0
"""Speech that never gets over this, measured over a fifth of a second, has an active level (ITU-T P.56) of about -50: the loudest
fifths of a second lie some 5 dB above it (4.6 in the sample that comes along). Telephony brings speech to -26 before it judges it
(ITU-T P.830). What is 24 dB softer can be made louder afterwards, but is hardly heard on a phone at its loudest."""
SPOKEN_SECONDS = 1.0
"""Of the last ten. A cup that is put down is loud for a fifth of a second or two: neither speech nor a table that shouts."""
PATIENCE_SECONDS = 20.0
"""While nobody was heard well yet: half of the time that the announcement takes to say."""
PATIENCE_WITH_SILENCE_SECONDS = 120.0
"""Once somebody was heard well, the microphone is all right, and a silence at the table is a silence."""
CLIPPED_AT_ONCE = 3
"""Samples at full scale within a fifth of a second. One or two are the highest peak of a sound that just fits; a peak that was cut
off is flat for longer at any usual rate."""


@dataclass(frozen=True, slots=True)
class _Moment:
    ns: int
    well_heard: bool
    clipped: int


class _Table:
    """How the people at the table have been heard lately: a hint takes seconds to come, and goes by itself."""

    def __init__(self) -> None:
        self._lately: deque[_Moment] = deque()
        self._lately_ns = self._well_heard_ns = self._cut_off_ns = self._clipped = 0
        """Of `_lately`, whole numbers that are counted up and down: to add them all up five times a second costs."""
        self._quiet_for = 0.0
        self._was_well_heard = False
        self._too_loud = False

    def hear(self, tally: Tally, seconds: float) -> None:
        level = tally.level_dbfs
        moment = _Moment(round(seconds * 1e9), level is not None and level >= WELL_HEARD_DBFS, tally.clipped)
        self._lately.append(moment)
        self._count(moment, 1)
        while self._lately_ns > LATELY_SECONDS * 1e9:
            self._count(self._lately.popleft(), -1)
        if self._well_heard_ns >= SPOKEN_SECONDS * 1e9:
            self._quiet_for, self._was_well_heard = 0.0, True
        else:
            self._quiet_for += seconds
        self._too_loud = self._cut_off_ns >= SPOKEN_SECONDS * 1e9 or (self._too_loud and self._cut_off_ns > 0)

    def _count(self, moment: _Moment, times: int) -> None:
        self._lately_ns += times * moment.ns
        self._clipped += times * moment.clipped
        if moment.well_heard:
            self._well_heard_ns += times * moment.ns
        if moment.clipped >= CLIPPED_AT_ONCE:
            self._cut_off_ns += times * moment.ns

    def clipped_in(self, seconds: float) -> int:
        """Samples at full scale in the last so many seconds."""
        clipped, left_ns = 0, round(seconds * 1e9)
        if not self._clipped:
            return 0
        for moment in reversed(self._lately):
            left_ns -= moment.ns
            if left_ns < 0:
                break
            clipped += moment.clipped
        return clipped

    def be_patient_anew(self) -> None:
        self._quiet_for = 0.0

    @property
    def hint(self) -> Hint | None:
        if self._too_loud:
            return Hint.TOO_LOUD
        patience = PATIENCE_WITH_SILENCE_SECONDS if self._was_well_heard else PATIENCE_SECONDS
        return Hint.TOO_QUIET if self._quiet_for >= patience else None


class Meter:
    """Collects blocks and gives the level since it was last asked, about five times a second."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._seconds = 0.0
        self._table = _Table()

    def add(self, audio_format: PcmFormat, pcm: bytes | memoryview) -> Tally:
        """The tally of these frames, which the meter has taken in."""
        tally = tally_of(audio_format, pcm)
        self._tally += tally
        self._seconds += audio_format.seconds(audio_format.frames(len(pcm)))
        return tally

    def take(self) -> Level:
        tally, seconds = self._tally, self._seconds
        self._tally, self._seconds = Tally(), 0.0
        if seconds:
            self._table.hear(tally, seconds)
        return Level(tally.level_dbfs, tally.peak_dbfs, self._table.clipped_in(SHOWN_SECONDS), self._table.hint)

    def be_patient_anew(self) -> None:
        """What was quiet until now says nothing: the recording begins, or goes on after a pause."""
        self._table.be_patient_anew()


class Pulse:
    """Whether a microphone lives. A room is never silent to the last bit: one and the same value for seconds is a dead wire."""

    def __init__(self) -> None:
        self._value = b""
        self.still_frames = 0
        """For how long every frame has been the same as the last."""

    def add(self, audio_format: PcmFormat, pcm: bytes | memoryview) -> None:
        size = audio_format.frame_bytes
        frames = audio_format.frames(len(pcm))
        if not frames:
            return
        last = bytes(pcm[-size:])
        if bytes(pcm) != last * frames:
            self.still_frames = 0
        elif last == self._value:
            self.still_frames += frames
        else:
            self.still_frames = frames
        self._value = last

    def is_dead(self, audio_format: PcmFormat) -> bool:
        return self.still_frames >= DEAD_AFTER_SECONDS * audio_format.rate


def upper_16(audio_format: PcmFormat, pcm: bytes | memoryview) -> array.array[int]:
    """The upper 16 bits of every sample, of all channels."""
    samples = array.array("h")
    if audio_format.bits == 16:
        samples.frombytes(pcm)
    else:
        narrow = bytearray(len(pcm) // 3 * 2)
        narrow[0::2], narrow[1::2] = pcm[1::3], pcm[2::3]
        samples.frombytes(bytes(narrow))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _decibels(factor: int, ratio: float) -> float:
    return round(factor * math.log10(ratio), 1) + 0.0  # so that a hair below full scale is 0.0, and not -0.0
