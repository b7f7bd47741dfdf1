"""What is missing: where the next frame was expected, in the child's count and in time, and what a block says against that.

Frames that the child had to drop are known exactly, by number. Frames lost in the driver, or while a microphone was away, are
measured by the clock, give or take `CLOCK_UNCERTAINTY_NS`; the clock is asked only where a flag or a break says that some may be
missing, so lateness alone makes no gap. Nothing here does anything: it says how many frames of silence keep the WAV in real time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from appliance.audio.blocks import Block, Flags
from appliance.audio.pcm import PcmFormat

CLOCK_UNCERTAINTY_NS = 50_000_000
SMALLEST_GAP_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class Missing:
    frames: int
    uncertainty_ns: int
    why: str


class Place:
    """Where a recording is. `next_frame`: in the child's count, None when it begins anew. `expected_ns`: monotonic."""

    def __init__(self) -> None:
        self.next_frame: int | None = None
        self.expected_ns: int | None = None
        self.why = "microphone"
        """Why frames are missing while no block follows the last one."""

    def opens(self, at: int) -> None:
        self.expected_ns = at
        self.next_frame = None

    def reached(self, audio_format: PcmFormat, block: Block, end: int) -> None:
        """Stored up to a block's frame `end`."""
        self.next_frame = block.frame + end
        self.expected_ns = block.captured_ns + ns(end, audio_format)

    def before(self, audio_format: PcmFormat, block: Block, begin: int) -> Iterator[Missing]:
        """What is missing before a block's frame `begin`."""
        exact = 0 if self.next_frame is None else block.frame + begin - self.next_frame
        if exact > 0:
            yield Missing(exact, 0, "overrun")
        why = self._why_by_clock(block)
        if why is None or self.expected_ns is None:
            return
        missing_ns = block.captured_ns + ns(begin, audio_format) - self.expected_ns - ns(exact, audio_format)
        told = why in {"overflow", "deficit"}  # by the driver, or by the clock, which has looked at it for seconds
        if missing_ns >= SMALLEST_GAP_NS or (told and missing_ns > 0):
            yield _by_clock(missing_ns, audio_format, why)

    def within(self, audio_format: PcmFormat, block: Block, at: int) -> Iterator[Missing]:
        """Somebody pressed within what is missing before a block: up to then it belongs to the recording."""
        if self.next_frame is None:
            yield from self.up_to(audio_format, at)
            return
        exact = block.frame - self.next_frame
        why = "overrun" if exact > 0 else self._why_by_clock(block)
        if why is None or self.expected_ns is None:
            return
        self.why = why
        missing_ns = at - self.expected_ns
        if missing_ns >= (0 if exact > 0 else SMALLEST_GAP_NS):
            yield _by_clock(missing_ns, audio_format, why)

    def up_to(self, audio_format: PcmFormat, at: int) -> Iterator[Missing]:
        """The recording ends, or pauses, while nothing is heard: what is missing up to then."""
        if self.expected_ns is not None and at - self.expected_ns >= SMALLEST_GAP_NS:
            yield _by_clock(at - self.expected_ns, audio_format, self.why)

    def _why_by_clock(self, block: Block) -> str | None:
        """Why frames may be missing that no number tells of; None when the block follows the last one for sure."""
        if self.next_frame is None:
            return self.why
        if not block.flags:
            return None
        if block.flags & Flags.OVERFLOW:
            return "overflow"
        return "deficit" if block.flags & Flags.DEFICIT else None


def first_frame_at(block: Block, audio_format: PcmFormat, at: int) -> int:
    """The block's first frame that was captured at a moment or after it: rounded up, so that what came before is never stored."""
    since = max(0, at - block.captured_ns)
    return min(block.frames, -(-since * audio_format.rate // 1_000_000_000))


def ns(frames: int, audio_format: PcmFormat) -> int:
    return frames * 1_000_000_000 // audio_format.rate


def _by_clock(missing_ns: int, audio_format: PcmFormat, why: str) -> Missing:
    return Missing(missing_ns * audio_format.rate // 1_000_000_000, CLOCK_UNCERTAINTY_NS, why)
