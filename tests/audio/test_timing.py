"""When a frame was captured: what the clock of the stream makes of jitter, chunks, drift, lateness and loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.audio.timing import SMALLEST_JUMP_NS, WINDOW_NS, CaptureClock
from tests.disks import luck

RATE = 48_000
MS = 1_000_000
SECOND = 1_000 * MS
HOUR = 3_600 * SECOND


@dataclass(frozen=True)
class Read:
    """What one read gave, when its first frame was captured in truth, and when the clock says that was."""

    at: int
    true: int
    told: int
    frames: int
    jumped: bool

    @property
    def late(self) -> int:
        """Above 0: told too late. Below: too early."""
        return self.told - self.true


@dataclass
class Driver:
    """A driver that hands over whole periods, of a crystal that is off by `ppm`, and loses frames at given moments."""

    ppm: float = 0.0
    period: int = 0
    lost: tuple[tuple[int, int], ...] = ()  # at which moment, how many frames

    def captured_by(self, now: int) -> int:
        frames = int(now * RATE * (1 + self.ppm / 1e6) / SECOND)
        return frames // self.period * self.period if self.period else frames

    def missing_by(self, now: int) -> int:
        return sum(frames for at, frames in self.lost if at <= now)

    def reads(self, clock: CaptureClock, naps: Iterator[int], until: int, most: int = RATE) -> Iterator[Read]:
        now = given = 0
        while now < until:
            now += next(naps)
            there = self.captured_by(now) - self.missing_by(now)
            frames = min(there - given, most)
            if frames <= 0:
                continue
            said = clock.captured(now, frames, there - given - frames)
            true = int((given + self.missing_by(now)) * SECOND / RATE / (1 + self.ppm / 1e6))
            yield Read(now, true, said.at_ns, frames, said.jumped)
            given += frames


def napping(seed: int, jitter: int = 20 * MS, nap: int = 50 * MS) -> Iterator[int]:
    by = luck(seed)
    while True:
        yield nap + by.randrange(jitter + 1)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    jitter=st.sampled_from([0, 5 * MS, 60 * MS]),
    period=st.sampled_from([0, 1, 480, 4_800]),
    most=st.sampled_from([2_400, 19_200]),
)
def test_whatever_the_jitter_and_the_chunks_a_time_is_never_too_early_and_soon_exact_to_a_few_milliseconds(
    seed: int, jitter: int, period: int, most: int
) -> None:
    clock = CaptureClock(RATE, 0.4)
    reads = list(Driver(period=period).reads(clock, napping(seed, jitter), 12 * SECOND, most))
    assert all(read.late >= -1_000 for read in reads)
    assert all(read.late <= 5 * MS + jitter // 10 for read in reads if read.at > 4 * SECOND)
    assert not any(read.jumped for read in reads)


@pytest.mark.parametrize("ppm", [-100, 100])
def test_a_crystal_that_is_off_by_100_ppm_makes_no_jump_in_hours_and_stays_exact(ppm: float) -> None:
    clock = CaptureClock(RATE, 0.4)
    worst = 0
    for read in Driver(ppm, 480).reads(clock, napping(1, 5 * MS, 200 * MS), 3 * HOUR):
        assert not read.jumped
        worst = max(worst, abs(read.late) if read.at > SECOND else 0)
    assert worst <= 12 * MS


@pytest.mark.parametrize("stall", [90 * MS, 300 * MS, 490 * MS])
def test_lateness_that_is_caught_up_is_no_jump_and_moves_no_time(stall: int) -> None:
    def naps() -> Iterator[int]:
        for number in range(1_000):
            yield stall if number % 40 == 39 else 50 * MS

    reads = list(Driver(period=480).reads(CaptureClock(RATE, 0.4), naps(), 40 * SECOND))
    assert not any(read.jumped for read in reads)
    assert all(read.late <= 11 * MS for read in reads if read.at > SECOND)


@pytest.mark.parametrize("latency", [0.1, 0.4])
@pytest.mark.parametrize("lost", [130 * MS, 300 * MS])
def test_frames_lost_without_a_word_are_one_jump_of_their_size(lost: int, latency: float) -> None:
    at = 20 * SECOND
    driver = Driver(period=480, lost=((at, lost * RATE // SECOND),))
    reads = list(driver.reads(CaptureClock(RATE, latency), napping(3, 5 * MS), 60 * SECOND))
    (jump,) = (n for n, read in enumerate(reads) if read.jumped)
    assert at < reads[jump].at <= at + 2 * WINDOW_NS + SECOND
    ahead = reads[jump].told - reads[jump - 1].told - reads[jump - 1].frames * SECOND // RATE
    assert ahead == pytest.approx(lost, abs=20 * MS)
    assert all(abs(read.late) <= 15 * MS for read in reads[jump:])


def test_more_than_the_driver_can_hold_was_lost_and_is_told_at_once() -> None:
    at = 20 * SECOND
    driver = Driver(period=480, lost=((at, 2 * RATE),))
    reads = list(driver.reads(CaptureClock(RATE, 0.4), napping(3, 5 * MS), 40 * SECOND))
    (jump,) = (read for read in reads if read.jumped)
    assert jump.at <= at + 2_200 * MS
    assert abs(jump.late) <= 20 * MS


def test_less_than_the_smallest_jump_is_followed_without_a_word() -> None:
    driver = Driver(period=480, lost=((20 * SECOND, RATE * (SMALLEST_JUMP_NS - 20 * MS) // SECOND),))
    reads = list(driver.reads(CaptureClock(RATE, 0.4), napping(3, 5 * MS), 60 * SECOND))
    assert not any(read.jumped for read in reads)
    assert abs(reads[-1].late) <= 15 * MS


def test_after_an_overflow_the_times_are_right_at_once() -> None:
    at, lost = 20 * SECOND, RATE // 4
    clock = CaptureClock(RATE, 0.4)
    driver = Driver(period=480, lost=((at, lost),))
    told = False
    for read in driver.reads(clock, napping(3, 5 * MS), 40 * SECOND):
        if read.at > at and told:
            assert abs(read.late) <= 60 * MS
        if read.at <= at < read.at + 250 * MS:
            clock.lost_count()  # PortAudio says so with the next read
            told = True
    assert told


def test_two_losses_are_two_jumps() -> None:
    clock = CaptureClock(RATE, 0.4)
    driver = Driver(period=480, lost=((20 * SECOND, RATE // 3), (50 * SECOND, RATE // 2)))
    reads = list(driver.reads(clock, napping(3, 5 * MS), 90 * SECOND))
    assert len([read for read in reads if read.jumped]) == 2
    assert abs(reads[-1].late) <= 15 * MS
