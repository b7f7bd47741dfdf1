"""The open recording on a disk that may refuse: appended to, synced, and written again from memory when the disk is well again.

While the disk refuses nothing counts as stored; after `GIVE_UP_AFTER_NS` the recording is given up, and what is on the disk is as
safe as after a kill. Whether we are storing, which is what the light shows, is told from here, by what the disk did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto

from appliance.audio.binding import BoundAudio
from appliance.audio.level import Tally
from appliance.audio.levels import LevelsFile
from appliance.audio.missing import Missing
from appliance.audio.reports import DiskIs, Durable, GapFilled, Report, StoringIs
from appliance.clock import Clock, stamp
from appliance.journal import Value

LEAST_AHEAD_NS, FIRST_AHEAD_NS = 100_000_000, 300_000_000
"""A sync begins sooner than the first frame that is not on the disk was captured an interval ago: by half as much again as the
disk lately took for one, so that it has ended by then. Of a disk that nobody has seen yet, a slow one is expected."""
SILENCE_SECONDS = 0.5
AGAIN_AFTER_NS = 500_000_000
GIVE_UP_AFTER_NS = 20_000_000_000
"""A disk that fails this long is told to the meeting, which ends the recording; the child's ring holds longer than that."""


class TriedAgain(Enum):
    WELL = auto()
    GIVEN_UP = auto()


class Keeping:
    """At most one recording at a time. Not for two threads at once; no method raises OSError: `is_failing` says it."""

    def __init__(self, clock: Clock, report: Callable[[Report], None], sync_seconds: float) -> None:
        self.audio: BoundAudio | None = None
        self.captured_to: int | None = None
        """The monotonic moment at which the frame behind the last one was captured; None when nobody can know."""
        self._levels: LevelsFile | None = None
        self.given_up = False
        self._clock = clock
        self._report = report
        self._interval_ns = int(sync_seconds * 1e9)
        self._ahead_ns = FIRST_AHEAD_NS
        self._synced_at = self._durable_to = 0
        self._failing_since: int | None = None
        self._again_at = 0
        self._storing = False

    @property
    def is_failing(self) -> bool:
        return self._failing_since is not None

    @property
    def must_wait(self) -> bool:
        """Nothing more is taken in while the disk refuses: the child's ring is the place to wait."""
        return self._failing_since is not None and not self.given_up

    def begin(self, audio: BoundAudio, levels: LevelsFile) -> None:
        self.audio, self._levels = audio, levels
        self._failing_since, self.given_up = None, False
        self._ahead_ns = FIRST_AHEAD_NS
        self._report(Durable(0, audio.durable_bytes))

    def append(self, pcm: bytes, tally: Tally | None = None) -> None:
        """Whole frames; `tally`: theirs, if it is known already."""
        if self.audio is None:
            return
        if self._levels is not None:
            self._levels.add(pcm, tally)
        try:
            self.audio.append(pcm)
        except OSError:
            self._failed()
            return
        if self.audio.is_full:
            self.sync()

    def fill(self, missing: Missing) -> None:
        """Silence of a gap's length, in bounded pieces, and the journal's line for it."""
        frames = missing.frames
        if self.audio is None or frames <= 0:
            return
        audio_format, at = self.audio.format, self.audio.frames
        uncertainty = -(-missing.uncertainty_ns * audio_format.rate // 1_000_000_000)
        self.line("gap", {"frame": at, "frames": frames, "uncertainty_frames": uncertainty, "why": missing.why, **self._now()})
        self._report(GapFilled(at, frames, missing.uncertainty_ns, missing.why))
        piece = int(audio_format.rate * SILENCE_SECONDS)
        silence = bytes(piece * audio_format.frame_bytes)  # the same one each time: hours of it take no memory
        for begin in range(0, frames, piece):
            count = min(piece, frames - begin)
            pcm = silence if count == piece else bytes(count * audio_format.frame_bytes)
            self.append(pcm, Tally(samples=count * audio_format.channels))

    def line(self, event: str, fields: Mapping[str, Value]) -> None:
        if self.audio is not None:
            self.audio.line(event, fields)

    def sync(self) -> None:
        if self.audio is None or self._failing_since is not None:
            return
        began = self._clock.monotonic_ns()
        try:
            self.audio.sync()
        except OSError:
            self._failed()
            return
        self._synced_at = self._clock.monotonic_ns()
        took = self._synced_at - began
        self._ahead_ns = max(LEAST_AHEAD_NS, took + took // 2, self._ahead_ns * 9 // 10)
        self._durable_to = self._synced_at if self.captured_to is None else self.captured_to
        self._report(Durable(self.audio.durable_frames, self.audio.durable_bytes))
        if self._levels is not None:
            self._levels.write_if_due()

    @property
    def sync_due_at(self) -> int | None:
        """By the age of the first frame that is not on the disk; sound that comes late is no reason to sync all the time."""
        if self.audio is None or not self.audio.has_unsynced or self._failing_since is not None:
            return None
        wait_ns = max(self._interval_ns - self._ahead_ns, self._interval_ns // 2)
        return max(self._durable_to + wait_ns, self._synced_at + wait_ns // 4)

    def sync_if_due(self, now: int) -> None:
        due_at = self.sync_due_at
        if due_at is not None and now >= due_at:
            self.sync()

    def try_again(self, now: int) -> TriedAgain | None:
        """While the disk refuses, now and then: what came of it, if anything did."""
        if self.audio is None or self.given_up or self._failing_since is None or now < self._again_at:
            return None
        try:
            self.audio.again()
        except OSError:
            self._again_at = now + AGAIN_AFTER_NS
            if now - self._failing_since > GIVE_UP_AFTER_NS:
                self.given_up = True
                self._report(DiskIs(well=False, given_up=True))
                return TriedAgain.GIVEN_UP
            return None
        self._failing_since = None
        self.line("disk-failed", {"frame": self.audio.frames, **self._now()})
        self.sync()
        if self.must_wait:
            return None
        self._report(DiskIs(well=True))
        return TriedAgain.WELL

    def set_storing(self, *, on: bool) -> None:
        on = on and self.audio is not None and self._failing_since is None
        if on is not self._storing:
            self._storing = on
            self._report(StoringIs(on))

    def close(self) -> None:
        """Without syncing."""
        if self.audio is not None:
            self.audio.close()
            self.audio = None
        if self._levels is not None:
            self._levels.close()
            self._levels = None

    def _failed(self) -> None:
        if self._failing_since is None:
            now = self._clock.monotonic_ns()
            self._failing_since, self._again_at = now, now + AGAIN_AFTER_NS
            self.set_storing(on=False)
            self._report(DiskIs(well=False))

    def _now(self) -> dict[str, Value]:
        return stamp(self._clock, self._clock.monotonic_ns())
