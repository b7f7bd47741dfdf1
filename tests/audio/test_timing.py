"""When a frame was captured: what the clock of the stream makes of jitter, chunks, drift, lateness and loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.audio.missing import CLOCK_UNCERTAINTY_NS
from appliance.audio.sources import LONGEST_NAP_SECONDS, NAP_IN_DOUBT_SECONDS, OUT_OF_STEP
from appliance.audio.timing import (
    FIT_SECONDS,
    LONGEST_DOUBT_NS,
    MOST_POINTS,
    SHORTEST_STAY_NS,
    WATCHED_NS,
    CaptureClock,
    Drift,
    DriftIs,
)
from tests.disks import luck

RATE = 48_000
MS = 1_000_000
SECOND = 1_000 * MS
HOUR = 3_600 * SECOND


@dataclass(frozen=True)
class Told:
    """A piece of sound that the reader passed on, when its first frame was captured in truth, and when the clock says that was."""

    at: int
    true: int
    told: int
    first: int
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
    stalls: tuple[tuple[int, int], ...] = ()  # from when to when it gives nothing, and then all at once

    def captured_by(self, now: int) -> int:
        for begin, end in self.stalls:
            now = begin if begin < now < end else now
        frames = int(now * RATE * (1 + self.ppm / 1e6) / SECOND)
        return frames // self.period * self.period if self.period else frames

    def missing_by(self, now: int) -> int:
        return sum(frames for at, frames in self.lost if at <= now)

    def heard(self, clock: CaptureClock, naps: Iterator[int], until: int, most: int = RATE, says: bool = False) -> Iterator[Told]:
        """As the source does it: what is in doubt waits. `says`: the driver tells of what it lost, with the next read."""
        now = given = untold = true = 0
        known = self.missing_by(0)
        while now < until:
            now += int(NAP_IN_DOUBT_SECONDS * SECOND) if untold else next(naps)
            there = self.captured_by(now) - self.missing_by(now)
            frames = max(0, min(there - given, most))
            if frames:
                if says and self.missing_by(now) > known:
                    if untold:
                        yield self._told(clock, now, given, untold, true)
                        untold = 0
                    clock.lost_count()
                known = self.missing_by(now)
                clock.heard(now, frames, there - given - frames)
                true = true if untold else self._captured_at(given + known)
                given, untold = given + frames, untold + frames
            if untold and clock.is_sure(now):
                yield self._told(clock, now, given, untold, true)
                untold = 0

    def _told(self, clock: CaptureClock, now: int, given: int, untold: int, true: int) -> Told:
        said = clock.take()
        return Told(now, true, said.at_ns, given - untold, untold, said.jumped)

    def _captured_at(self, frame: int) -> int:
        return int(frame * SECOND / RATE / (1 + self.ppm / 1e6))


def napping(seed: int, jitter: int = 5 * MS) -> Iterator[int]:
    """As the child naps, and a little longer now and then."""
    by = luck(seed)
    while True:
        for part in OUT_OF_STEP:
            yield int(LONGEST_NAP_SECONDS * part * SECOND) + by.randrange(jitter + 1)


def length_of(jump: int, heard: list[Told]) -> int:
    """How long the gap is that the writer makes of a jump."""
    before = heard[jump - 1]
    return heard[jump].told - before.told - before.frames * SECOND // RATE


# ── times ───────────────────────────────────────────────────────────────────────────────────────────


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
    heard = list(Driver(period=period).heard(clock, napping(seed, jitter), 12 * SECOND, most))
    assert all(told.late >= -1_000 for told in heard)
    assert all(told.late <= 15 * MS + jitter // 10 for told in heard if told.at > 4 * SECOND)
    assert not any(told.jumped for told in heard)


@pytest.mark.parametrize("nap_ms", [50, 60, 100])
def test_a_driver_whose_period_is_as_long_as_a_nap_does_not_make_every_time_late(nap_ms: int) -> None:
    """In step with it, each read would come the same time after the end of a period: up to a tenth of a second, for hours."""
    driver = Driver(period=RATE * nap_ms // 1_000)
    naps = (nap for seed in range(1 << 30) for nap in (int(nap_ms * part * MS) for part in OUT_OF_STEP) if seed >= 0)
    heard = list(driver.heard(CaptureClock(RATE, 0.4), naps, 30 * SECOND))
    assert all(told.late <= 10 * MS for told in heard if told.at > 3 * SECOND)


@pytest.mark.parametrize("latency", [0.1, 0.4, 2.0])
def test_the_first_sound_of_a_stream_is_told_only_when_its_time_is_known_and_within_half_a_second(latency: float) -> None:
    for seed in range(30):
        driver = Driver(period=int(latency * RATE / 4))
        first = next(driver.heard(CaptureClock(RATE, latency), napping(seed), 5 * SECOND))
        assert -1_000 <= first.late <= CLOCK_UNCERTAINTY_NS
        assert first.first == 0
        assert first.at <= latency / 4 * SECOND + LONGEST_DOUBT_NS + 130 * MS


# ── drift ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ppm", [-100, 100])
def test_rule_5_a_crystal_that_is_off_by_100_ppm_makes_no_jump_in_13_hours_and_is_measured(ppm: int) -> None:
    clock, drift = CaptureClock(RATE, 0.4), Drift(RATE)
    worst = 0
    naps = (200 * MS + nap // 10 for nap in napping(1))
    for told in Driver(ppm, 480).heard(clock, naps, 13 * HOUR):
        assert not told.jumped
        worst = max(worst, abs(told.late) if told.at > SECOND else 0)
        drift.add(told.first, told.told)
    assert worst <= 12 * MS
    fitted = drift.fitted()
    assert fitted is not None
    assert fitted.ppb == pytest.approx(ppm * 1_000, abs=500)
    assert fitted.seconds == pytest.approx(13 * 3_600, abs=5)
    assert len(drift._points) <= MOST_POINTS


def test_drift_is_not_told_from_less_than_a_minute() -> None:
    drift = Drift(RATE)
    for second in range(FIT_SECONDS):
        assert drift.fitted() is None
        drift.add(second * RATE, second * SECOND)
    drift.add(FIT_SECONDS * RATE, FIT_SECONDS * SECOND)
    assert drift.fitted() == DriftIs(0, 60)


def test_a_few_late_times_and_a_small_loss_do_not_move_the_drift() -> None:
    drift, by = Drift(RATE), luck(3)
    for second in range(600):
        late = by.choice((0, 0, 0, 40 * MS)) + (30 * MS if second > 500 else 0)
        drift.add(second * RATE, second * SECOND - second * 20_000 + late)
    fitted = drift.fitted()
    assert fitted is not None
    assert fitted.ppb == pytest.approx(20_000, abs=40_000)
    assert fitted.seconds == 599


# ── lateness ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stall", [90 * MS, 300 * MS, 490 * MS, 3 * SECOND])
def test_a_reader_that_comes_late_makes_no_jump_and_moves_no_time(stall: int) -> None:
    def naps() -> Iterator[int]:
        for number, nap in enumerate(napping(5)):
            yield stall if number % 40 == 39 else nap

    heard = list(Driver(period=480).heard(CaptureClock(RATE, 0.4), naps(), 60 * SECOND))
    assert not any(told.jumped for told in heard)
    assert all(told.late <= 15 * MS for told in heard if told.at > SECOND)


@pytest.mark.parametrize("latency", [0.1, 0.4, 2.0])
@pytest.mark.parametrize("stall", [150 * MS, 450 * MS, 900 * MS, 1_900 * MS, 4 * SECOND])
def test_a_driver_that_gives_late_and_then_all_makes_no_jump_and_moves_no_time(stall: int, latency: float) -> None:
    driver = Driver(period=480, stalls=tuple((at * SECOND, at * SECOND + stall) for at in (10, 20, 30)))
    heard = list(driver.heard(CaptureClock(RATE, latency), napping(9), 40 * SECOND, most=RATE * 2 // 5))
    assert not any(told.jumped for told in heard)
    assert all(-1_000 <= told.late <= 15 * MS for told in heard if told.at > SECOND)


@dataclass
class Trickling(Driver):
    """From 10 s on the sound comes late, some of it sooner than the rest: it is caught up little by little, in `for_ns`."""

    late: int = 0
    for_ns: int = SECOND

    def captured_by(self, now: int) -> int:
        since = now - 10 * SECOND
        if 0 <= since < self.for_ns:
            now -= self.late * (self.for_ns - since) // self.for_ns
        return super().captured_by(now)


@pytest.mark.parametrize("latency", [0.1, 0.4, 2.0])
@pytest.mark.parametrize("late", [95 * MS, 300 * MS, 500 * MS])
def test_lateness_that_is_caught_up_little_by_little_makes_no_jump(late: int, latency: float) -> None:
    driver = Trickling(period=480, late=late, for_ns=SHORTEST_STAY_NS)
    heard = list(driver.heard(CaptureClock(RATE, latency), napping(4), 30 * SECOND))
    assert not any(told.jumped for told in heard)
    assert all(-1_000 <= told.late <= 15 * MS for told in heard if told.at > SECOND)


def test_a_machine_that_stands_still_between_two_late_reads_has_not_shown_that_anything_was_lost() -> None:
    clock = CaptureClock(RATE, 0.4)
    for tenth in range(1, 101):
        clock.heard(tenth * 100 * MS, RATE // 10, 0)
    clock.take()
    for late, now in ((200, 10_200), (200, 12_500), (150, 12_600), (0, 12_700)):
        clock.heard(now * MS, (now - late) * RATE // 1_000 - clock._frames, 0)
        assert not clock.take().jumped


# ── loss ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("latency", [0.02, 0.1, 0.4, 1.0, 2.0])
@pytest.mark.parametrize("lost", [100 * MS, 130 * MS, 300 * MS, 700 * MS, 3 * SECOND])
def test_frames_lost_without_a_word_are_one_jump_of_their_size_whatever_the_latency(lost: int, latency: float) -> None:
    """Noticed when they have stayed away for 2 s, or up to 5 s where the driver's buffer is long."""
    for seed in range(12):
        at = 20 * SECOND + seed * 37 * MS
        driver = Driver(period=max(48, int(latency * RATE / 4)), lost=((at, lost * RATE // SECOND),))
        heard = list(driver.heard(CaptureClock(RATE, latency), napping(seed), 50 * SECOND))
        (jump,) = (n for n, told in enumerate(heard) if told.jumped)
        stay = min(max(2.0, 1 + 2 * latency), 5.0) * SECOND
        assert at < heard[jump].at <= at + lost + stay + latency / 4 * SECOND + LONGEST_DOUBT_NS
        assert abs(length_of(jump, heard) - lost) <= CLOCK_UNCERTAINTY_NS
        assert all(abs(told.late) <= CLOCK_UNCERTAINTY_NS for told in heard[jump:])


@pytest.mark.parametrize("ppm", [-1_000, 1_000])
def test_frames_are_found_missing_from_a_crystal_that_is_far_off(ppm: float) -> None:
    driver = Driver(ppm, 4_800, lost=((100 * SECOND, RATE // 10),))
    heard = list(driver.heard(CaptureClock(RATE, 0.4), napping(2), 200 * SECOND))
    (jump,) = (n for n, told in enumerate(heard) if told.jumped)
    assert length_of(jump, heard) == pytest.approx(100 * MS, abs=20 * MS)


def test_more_than_the_driver_can_hold_was_lost_and_is_told_after_a_moment_where_it_is_missing() -> None:
    at = 20 * SECOND
    driver = Driver(period=480, lost=((at, 2 * RATE),))
    heard = list(driver.heard(CaptureClock(RATE, 0.4), napping(3), 40 * SECOND))
    (jump,) = (n for n, told in enumerate(heard) if told.jumped)
    assert heard[jump].at <= at + 2 * SECOND + LONGEST_DOUBT_NS + 150 * MS
    assert heard[jump].first == pytest.approx(20 * RATE, abs=RATE // 10)
    assert abs(heard[jump].late) <= 10 * MS


def test_two_losses_of_60_ms_within_five_seconds_are_one_of_their_sum() -> None:
    sixty = RATE * 60 // 1_000
    driver = Driver(period=480, lost=((20 * SECOND, sixty), (23 * SECOND, sixty)))
    heard = list(driver.heard(CaptureClock(RATE, 0.4), napping(3), 60 * SECOND))
    (jump,) = (n for n, told in enumerate(heard) if told.jumped)
    assert length_of(jump, heard) == pytest.approx(120 * MS, abs=20 * MS)


def test_losses_of_60_ms_far_apart_are_followed_without_a_word() -> None:
    """Each is less than what counts as a gap."""
    sixty = RATE * 60 // 1_000
    driver = Driver(period=480, lost=tuple((at * SECOND, sixty) for at in range(20, 80, 8)))
    heard = list(driver.heard(CaptureClock(RATE, 0.4), napping(3), 100 * SECOND))
    assert not any(told.jumped for told in heard)
    assert abs(heard[-1].late) <= 15 * MS


@pytest.mark.parametrize("latency", [0.1, 0.4, 2.0])
def test_of_what_the_driver_says_it_lost_the_length_is_right_at_once(latency: float) -> None:
    for seed in range(20):
        driver = Driver(period=int(latency * RATE / 4), lost=((20 * SECOND + seed * 13 * MS, RATE // 4),))
        heard = list(driver.heard(CaptureClock(RATE, latency), napping(seed), 30 * SECOND, says=True))
        assert all(abs(told.late) <= CLOCK_UNCERTAINTY_NS for told in heard if told.at > WATCHED_NS)
        assert not any(told.jumped for told in heard)


def test_two_losses_are_two_jumps() -> None:
    driver = Driver(period=480, lost=((20 * SECOND, RATE // 3), (50 * SECOND, RATE // 2)))
    heard = list(driver.heard(CaptureClock(RATE, 0.4), napping(3), 90 * SECOND))
    assert len([told for told in heard if told.jumped]) == 2
    assert abs(heard[-1].late) <= 15 * MS
