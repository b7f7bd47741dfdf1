"""How loud it is: for the meter on the screen, and never a change to the sound."""

from __future__ import annotations

import array
import math
import sys
from dataclasses import dataclass

from appliance.audio.pcm import PcmFormat

FULL_SCALE = 32_768
DEAD_AFTER_SECONDS = 3
EVERY = 7
"""The meter's power is taken from every seventh sample: enough for a bar on a screen, at a seventh of the cost. An odd number, so
that of two channels both are heard."""


@dataclass(frozen=True, slots=True)
class Level:
    """dB below full scale (0 is the loudest that fits), None for digital silence. `level`: mean power, `peak`: largest sample."""

    level: float | None
    peak: float | None


class Meter:
    """Collects blocks and gives the level since it was last asked."""

    def __init__(self) -> None:
        self._largest = 0
        self._power = 0
        self._counted = 0

    def add(self, audio_format: PcmFormat, pcm: bytes | memoryview) -> None:
        samples = upper_16(audio_format, pcm)
        if not samples:
            return
        self._largest = max((self._largest, max(samples), -min(samples)))
        some = samples[::EVERY]
        self._power += sum(sample * sample for sample in some)
        self._counted += len(some)

    def take(self) -> Level:
        mean = math.sqrt(self._power / self._counted) if self._counted else 0.0
        level = Level(_decibels(mean), _decibels(self._largest))
        self._largest = self._power = self._counted = 0
        return level


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


def _decibels(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude / FULL_SCALE), 1) if amplitude > 0 else None
