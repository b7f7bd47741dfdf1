"""The audio format: linear PCM, little endian, interleaved, as a WAV holds it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class PcmFormat:
    """rate in Hz, bits a sample (16 or 24), channels (1 or 2). A frame is one sample of every channel."""

    rate: int = 48_000
    bits: int = 16
    channels: int = 1

    @cached_property
    def frame_bytes(self) -> int:
        return self.bits // 8 * self.channels

    def frames(self, pcm_bytes: int) -> int:
        """Whole frames in so many bytes."""
        return pcm_bytes // self.frame_bytes

    def seconds(self, frames: int) -> float:
        return frames / self.rate
