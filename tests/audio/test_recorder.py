"""The writer: stored is what was captured while the gate was open, to the frame, whatever is late, lost or broken."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.audio.blocks import Flags, Hello, pack_header, pack_hello
from appliance.audio.keeping import GIVE_UP_AFTER_NS
from appliance.audio.pcm import PcmFormat
from appliance.audio.recorder import (
    QUIET_NS,
    Died,
    DiskIs,
    Durable,
    GapFilled,
    HearingIs,
    LevelIs,
    Opening,
    Recorder,
    Report,
    SoundIs,
    SourceEnded,
    StoringIs,
)
from appliance.audio.sources import SyntheticTrack
from appliance.audio.wav import HEADER_BYTES
from appliance.clock import RealClock
from appliance.disk import RealDisk
from appliance.journal import of_kind
from appliance.store import Recording, Store
from tests.audio import readers
from tests.audio.simulated_room import (
    BLOCK,
    MS,
    SECOND,
    SHORT,
    Ears,
    Room,
    captured_in,
    frames_in,
    pcm_of,
    short_meeting,
    silence,
    stalling,
    whole_journal,
)
from tests.disks import Fault, Step, Sync, Write, failing

ROOM_TO_PRESS = 140 * MS
"""A press arrives here this much later at most: less than the hold-back."""


@contextmanager
def room(audio_format: PcmFormat | None = None) -> Iterator[Room]:
    with tempfile.TemporaryDirectory(prefix="recorder-") as folder:
        yield Room(Path(folder), audio_format=audio_format) if audio_format else Room(Path(folder))


# ── cut to the frame ────────────────────────────────────────────────────────────────────────────────

moments = st.integers(0, 1_500 * MS)


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(moments, min_size=2, max_size=6).filter(lambda gaps: len(gaps) % 2 == 0),
    blocks=st.lists(st.integers(1, 500), max_size=3).map(lambda sizes: [*sizes, BLOCK]),
    late=st.lists(st.integers(0, 400 * MS), min_size=1, max_size=4),
    latency=st.sampled_from([0, 40 * MS, 500 * MS, 3 * SECOND]),
    heard_after=st.lists(st.integers(0, ROOM_TO_PRESS), min_size=1, max_size=3),
    began=st.integers(0, 999_999),
)
def test_rule_5_stored_is_what_was_captured_while_the_gate_was_open_whatever_the_blocks_and_the_latency(
    gaps: list[int], blocks: list[int], late: list[int], latency: int, heard_after: list[int], began: int
) -> None:
    """The first press begins, the last one stops; in between the recording is paused and goes on in turns."""
    presses = [5 * SECOND + sum(gaps[: n + 1]) for n in range(len(gaps))]
    arrives, last = list[int](), 0
    for n, press in enumerate(presses):  # the service's queue keeps their order
        last = max(last, press + heard_after[n % len(heard_after)])
        arrives.append(min(last, press + ROOM_TO_PRESS))
    with room() as table:
        table.microphone(began, presses[-1] + 2 * SECOND, blocks=blocks, late=[latency + jitter for jitter in late])
        table.begin(presses[0], arrives[0] - presses[0])
        for n, press in enumerate(presses[1:-1]):
            (table.resume if n % 2 else table.pause)(press, arrives[n + 1] - press)
        table.stop(presses[-1], arrives[-1] - presses[-1])
        table.run(presses[-1] + 6 * SECOND)
        intervals = list(zip(presses[::2], presses[1::2], strict=True))
        assert table.heard() == captured_in(intervals, began)
        assert table.lines("gap") == []
        cuts = [len(captured_in(intervals[: n + 1], began)) // 2 for n in range(len(intervals))]
        switches = [entry["frame"] for entry in table.journal() if entry["event"] in {"paused", "resumed", "stopped"}]
        assert switches == [cut for cut in cuts[:-1] for _ in (1, 2)] + cuts[-1:]
        assert [done.result(0) for done in table.done] == switches


def test_a_press_that_is_heard_late_is_cut_where_it_was_made(tmp_path: Path) -> None:
    """The sound is there at once; the press takes a moment through the service's queue."""
    table = Room(tmp_path)
    table.microphone(0, 10 * SECOND)
    table.begin(2_010 * MS, ROOM_TO_PRESS)
    table.pause(3_020 * MS, ROOM_TO_PRESS)
    table.resume(4_030 * MS, ROOM_TO_PRESS)
    table.stop(5_040 * MS, ROOM_TO_PRESS)
    table.run(10 * SECOND)
    assert table.heard() == pcm_of(range(2_010, 3_020)) + pcm_of(range(4_030, 5_040))


def test_with_a_real_microphone_s_rate_the_cut_is_at_the_first_frame_captured_after_the_press() -> None:
    with room(PcmFormat(48_000, 24, 2)) as table:
        table.microphone(7, 4 * SECOND, blocks=(2_403, 1, 2_400), late=(30 * MS,))
        table.begin(2 * SECOND + 12_345)
        table.stop(3 * SECOND + 54_321)
        table.run(4 * SECOND)
        whole = captured_in([(0, 4 * SECOND)], 7, table.format)
        at = whole.index(table.heard()) // 6
        assert table.heard() == whole[at * 6 : at * 6 + len(table.heard())]
        assert at == pytest.approx((2 * SECOND + 12_345 - 7) * 48_000 / SECOND, abs=1.01)
        assert len(table.heard()) // 6 == pytest.approx((SECOND + 41_976) * 48_000 / SECOND, abs=1.01)


def test_rule_3_nothing_from_before_the_press_is_stored_not_even_of_the_block_that_straddles_it(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 10 * SECOND, blocks=(500,))
    table.begin(3_017 * MS)
    table.stop(3_018 * MS)
    table.run(10 * SECOND)
    assert table.heard() == pcm_of([3_017])


def test_what_arrives_late_is_still_fetched_at_the_stop_after_a_stall_of_the_disk(tmp_path: Path) -> None:
    """The writer stands still for 15 s; the stop comes in the midst of that, and half of the sound is in the child's ring."""
    table = Room(tmp_path, audio_format=PcmFormat(16_000, 24, 2))
    table.microphone(0, 40 * SECOND, blocks=(800,))
    table.begin(2 * SECOND)
    table.simulated.fault = stalling(table, 6 * SECOND, 15 * SECOND, Sync)
    table.stop(19 * SECOND)
    table.run(40 * SECOND)
    assert table.heard() == captured_in([(2 * SECOND, 19 * SECOND)], 0, table.format)
    assert table.reported(GapFilled) == []
    assert HearingIs(None) not in table.reported(HearingIs)


@pytest.mark.parametrize("kind", [Write, Sync])
@pytest.mark.parametrize("at", [4 * SECOND, 5 * SECOND])
def test_a_stall_while_a_mark_is_written_makes_no_lost_microphone_and_loses_nothing_at_the_stop_behind_it(
    kind: type[Step], at: int, tmp_path: Path
) -> None:
    table = Room(tmp_path)
    table.microphone(0, 20 * SECOND)
    table.begin(2 * SECOND)
    table.mark(5 * SECOND)
    table.simulated.fault = stalling(table, at, 4 * SECOND, kind)
    table.stop(5_500 * MS)
    table.run(20 * SECOND)
    assert table.heard() == captured_in([(2 * SECOND, 5_500 * MS)])
    assert table.reported(GapFilled) == []
    assert HearingIs(None) not in table.reported(HearingIs)


def test_a_machine_that_stood_still_as_a_whole_has_lost_no_microphone(tmp_path: Path) -> None:
    """The child slept, too, and needs a moment more than the writer to wake up."""
    table = Room(tmp_path)
    ears = table.microphone(0, 5 * SECOND)
    table.begin(2 * SECOND)
    table.mark(5 * SECOND)
    table.simulated.fault = stalling(table, 5 * SECOND, 4 * SECOND, Sync)
    for n in range(100):
        table.when(9_300 * MS + n * MS, lambda: ears.hear(BLOCK))
    table.stop(9_500 * MS)
    table.run(20 * SECOND)
    assert table.heard() == captured_in([(2 * SECOND, 9_500 * MS)])
    assert HearingIs(None) not in [told.report for told in table.reports if told.at < 9_600 * MS]


def test_a_microphone_that_is_let_go_while_it_ends_was_not_lost(tmp_path: Path) -> None:
    """The child's end and the order to let it go reach the writer in the same moment."""
    table = Room(tmp_path)
    ears = table.microphone(0, 3 * SECOND)

    def let_go() -> None:
        ears.unplug()
        table.recorder.stop_listening()

    table.when(2_013 * MS, let_go)
    table.run(5 * SECOND)
    assert HearingIs(None) not in table.reported(HearingIs)


def test_a_mark_names_the_frame_that_was_captured_then_and_not_the_one_that_was_stored_then(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 20 * SECOND, late=(700 * MS,))
    table.begin(2 * SECOND)
    table.mark(4_321 * MS)
    table.pause(5 * SECOND)
    table.mark(5_050 * MS)  # the sound of the second before has not arrived yet
    table.stop(8 * SECOND)
    table.run(20 * SECOND)
    assert [entry["frame"] for entry in table.lines("mark")] == [2_321, 3_000]


# ── gaps ────────────────────────────────────────────────────────────────────────────────────────────


def test_blocks_that_the_child_had_to_drop_are_a_gap_of_exactly_their_length(tmp_path: Path) -> None:
    table = Room(tmp_path)
    ears = table.microphone(0, 20 * SECOND)
    ears.slots = 200
    table.begin(2 * SECOND)
    table.when(5_010 * MS, lambda: setattr(ears, "slots", 0))
    table.when(6_210 * MS, lambda: setattr(ears, "slots", 200))
    table.stop(9 * SECOND)
    table.run(20 * SECOND)
    (gap,) = table.lines("gap")
    assert (gap["frame"], gap["frames"], gap["uncertainty_frames"], gap["why"]) == (3_000, 1_200, 0, "overrun")
    assert table.reported(GapFilled) == [GapFilled(3_000, 1_200, 0, "overrun")]
    assert table.heard() == pcm_of(range(2_000, 5_000)) + silence(1_200) + pcm_of(range(6_200, 9_000))


@pytest.mark.parametrize(("lost", "told"), [(Flags.OVERFLOW, "overflow"), (Flags.DEFICIT, "deficit")])
def test_frames_lost_in_the_driver_are_a_gap_measured_by_the_clock_that_says_how_sure_it_is(
    lost: Flags, told: str, tmp_path: Path
) -> None:
    table = Room(tmp_path)
    ears = table.microphone(0, 5 * SECOND)
    table.when(5_700 * MS, lambda: ears.miss(700))
    hears_on(table, ears, 5_700 * MS, lost)
    table.begin(2 * SECOND)
    table.stop(7_700 * MS)
    table.run(20 * SECOND)
    (gap,) = table.lines("gap")
    assert (gap["frame"], gap["frames"], gap["uncertainty_frames"], gap["why"]) == (3_000, 700, 50, told)
    assert table.heard() == pcm_of(range(2_000, 5_000)) + silence(700) + pcm_of(range(5_700, 7_700))


@pytest.mark.parametrize("lost", [Flags.OVERFLOW, Flags.DEFICIT])
def test_of_what_was_surely_lost_a_gap_is_made_also_when_the_clock_measures_a_little_less_than_100_ms(
    lost: Flags, tmp_path: Path
) -> None:
    table = Room(tmp_path)
    ears = table.microphone(0, 5 * SECOND)
    table.when(5_095 * MS, lambda: ears.miss(95))
    hears_on(table, ears, 5_095 * MS, lost)
    table.begin(2 * SECOND)
    table.stop(7 * SECOND)
    table.run(20 * SECOND)
    assert [gap["frames"] for gap in table.lines("gap")] == [95]


def hears_on(table: Room, ears: Ears, since: int, flags: Flags = Flags.NONE) -> None:
    """For three seconds; the first block has flags."""
    for n in range(1, 61):
        table.when(since + n * BLOCK * MS, lambda flags=flags: ears.hear(BLOCK, flags))  # type: ignore[misc]
        flags = Flags.NONE


def test_frames_lost_in_the_driver_behind_frames_that_were_dropped_are_two_gaps_of_their_own_lengths(tmp_path: Path) -> None:
    table = Room(tmp_path)
    ears = table.microphone(0, 5 * SECOND)

    def trouble() -> None:
        ears.frame += 300  # dropped by the child, with a number
        ears.sent += 300
        ears.miss(400)

    table.when(5_700 * MS, trouble)
    hears_on(table, ears, 5_700 * MS, Flags.OVERFLOW)
    table.begin(2 * SECOND)
    table.stop(7_700 * MS)
    table.run(20 * SECOND)
    assert [(gap["frames"], gap["why"]) for gap in table.lines("gap")] == [(300, "overrun"), (400, "overflow")]
    assert table.heard() == pcm_of(range(2_000, 5_000)) + silence(700) + pcm_of(range(5_700, 7_700))


def test_without_a_flag_lateness_alone_is_no_gap(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 20 * SECOND, late=(0, 0, 0, 1_900 * MS))
    table.begin(2 * SECOND)
    table.stop(12 * SECOND)
    table.run(20 * SECOND)
    assert table.reported(GapFilled) == []
    assert table.heard() == captured_in([(2 * SECOND, 12 * SECOND)])


def test_somebody_who_pauses_within_a_gap_leaves_its_first_part_before_the_pause_and_its_last_part_behind(tmp_path: Path) -> None:
    table = Room(tmp_path)
    ears = table.microphone(0, 20 * SECOND)
    table.begin(2 * SECOND)
    table.when(5_010 * MS, lambda: setattr(ears, "slots", 0))
    table.when(6_410 * MS, lambda: setattr(ears, "slots", 600))
    table.pause(5_400 * MS)
    table.resume(6_100 * MS)
    table.stop(10 * SECOND)
    table.run(20 * SECOND)
    gaps = [(gap["frame"], gap["frames"], gap["uncertainty_frames"], gap["why"]) for gap in table.lines("gap")]
    assert gaps == [(3_000, 400, 50, "overrun"), (3_400, 300, 50, "overrun")]
    assert table.heard() == pcm_of(range(2_000, 5_000)) + silence(700) + pcm_of(range(6_400, 10_000))


@pytest.mark.parametrize("flag", [Flags.OVERFLOW, Flags.DEFICIT])
def test_somebody_who_stops_within_frames_that_the_driver_lost_gets_them_as_a_gap_up_to_the_stop(
    flag: Flags, tmp_path: Path
) -> None:
    table = Room(tmp_path)
    ears = table.microphone(0, 5 * SECOND)
    table.when(5_700 * MS, lambda: ears.miss(700))
    hears_on(table, ears, 5_700 * MS, flag)
    table.begin(2 * SECOND)
    table.stop(5_500 * MS)
    table.run(20 * SECOND)
    (gap,) = table.lines("gap")
    assert (gap["frame"], gap["frames"]) == (3_000, 500)
    assert table.heard() == pcm_of(range(2_000, 5_000)) + silence(500)


# ── the microphone ──────────────────────────────────────────────────────────────────────────────────


def pulled_and_put_back(table: Room, pulled: int, back: int, until: int) -> None:
    first = table.microphone(0, pulled)
    table.when(pulled, first.unplug)
    table.microphone(back, until)


def test_a_microphone_that_went_and_came_back_is_a_gap_and_the_wav_keeps_real_time(tmp_path: Path) -> None:
    table = Room(tmp_path)
    pulled_and_put_back(table, 5 * SECOND, 9_250 * MS, 20 * SECOND)
    table.begin(2 * SECOND)
    table.stop(12 * SECOND)
    table.run(20 * SECOND)
    (gap,) = table.lines("gap")
    assert (gap["frame"], gap["frames"], gap["uncertainty_frames"], gap["why"]) == (3_000, 4_250, 50, "microphone")
    assert table.heard() == pcm_of(range(2_000, 5_000)) + silence(4_250) + pcm_of(range(2_750))
    storing = [(told.at // (100 * MS), told.report) for told in table.reports if isinstance(told.report, StoringIs | HearingIs)]
    assert [report for _, report in storing if isinstance(report, StoringIs)] == [
        StoringIs(on) for on in (True, False, True, False)
    ]
    assert (50, HearingIs(None)) in storing


def test_a_microphone_that_falls_silent_is_noticed_within_two_seconds(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 5 * SECOND)
    table.begin(2 * SECOND)
    table.run(20 * SECOND)
    (lost,) = [told.at for told in table.reports if told.report == HearingIs(None)]
    assert 5 * SECOND + QUIET_NS <= lost <= 5 * SECOND + QUIET_NS + 10 * MS <= 7 * SECOND
    assert [told.at for told in table.reports if told.report == StoringIs(False)] == [lost]


def test_a_microphone_that_was_silent_for_a_while_and_lost_nothing_makes_no_gap(tmp_path: Path) -> None:
    table = Room(tmp_path)
    ears = table.microphone(0, 5 * SECOND)
    for _ in range(60):
        table.when(8 * SECOND, lambda: ears.hear(BLOCK))
    hears_on(table, ears, 8 * SECOND)
    table.begin(2 * SECOND)
    table.stop(10 * SECOND)
    table.run(20 * SECOND)
    assert HearingIs(None) in table.reported(HearingIs)
    assert table.heard() == captured_in([(2 * SECOND, 10 * SECOND)])
    assert table.lines("gap") == []


@pytest.mark.parametrize("goes", [5 * SECOND, 5_990 * MS, 6 * SECOND])
def test_a_microphone_that_is_gone_until_the_stop_is_silence_up_to_the_stop(goes: int, tmp_path: Path) -> None:
    table = Room(tmp_path)
    ears = table.microphone(0, goes)
    table.when(goes, ears.unplug)
    table.begin(2 * SECOND)
    table.stop(8 * SECOND)
    table.run(20 * SECOND)
    kept = goes // (BLOCK * MS) * BLOCK
    (gap,) = table.lines("gap")
    assert (gap["frame"], gap["frames"], gap["why"]) == (kept - 2_000, 8_000 - kept, "microphone")
    assert table.heard() == pcm_of(range(2_000, kept)) + silence(8_000 - kept)
    assert table.done[0].result(0) == 6_000


def test_a_microphone_that_went_in_a_pause_makes_no_gap(tmp_path: Path) -> None:
    table = Room(tmp_path)
    pulled_and_put_back(table, 5_100 * MS, 8 * SECOND, 20 * SECOND)
    table.begin(2 * SECOND)
    table.pause(5 * SECOND)
    table.resume(10 * SECOND)
    table.stop(12 * SECOND)
    table.run(20 * SECOND)
    assert table.lines("gap") == []
    assert table.heard() == pcm_of(range(2_000, 5_000)) + pcm_of(range(2_000, 4_000))


def test_hours_of_a_missing_microphone_take_no_memory_and_end_where_they_must(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.simulated.fault = forgetting(table)
    pulled_and_put_back(table, 5 * SECOND, 3_605 * SECOND, 3_610 * SECOND)
    table.begin(2 * SECOND)
    table.stop(3_607 * SECOND)
    tracemalloc.start()
    table.run(3_610 * SECOND)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    (gap,) = table.lines("gap")
    assert gap["frames"] == 3_600_000
    assert len(table.heard()) == 3_605_000 * 2
    assert most < 6_000_000, "7 MB of silence were never held at once"


def forgetting(table: Room) -> Fault:
    """The simulated disk remembers every byte; for a test of memory it must not."""

    def fault(_number: int, _step: Step) -> None:
        if len(table.simulated.steps) > 100:
            table.simulated.steps.clear()

    return fault


def test_what_the_child_never_sends_ends_it_and_not_the_recorder(tmp_path: Path) -> None:
    table = Room(tmp_path)
    ears = table.microphone(0, 5 * SECOND)
    table.when(5 * SECOND + 1, lambda: ears.ring.append(b"Segmentation fault, and what else a dying library has to say"))
    table.microphone(7 * SECOND, 20 * SECOND)
    table.begin(2 * SECOND)
    table.stop(9 * SECOND)
    table.run(20 * SECOND)
    assert table.heard() == pcm_of(range(2_000, 5_000)) + silence(2_000) + pcm_of(range(2_000))
    assert Died() not in table.reported(Died)


# ── drift ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ppm", [-100, 100])
def test_rule_5_a_crystal_that_is_off_makes_no_gap_and_how_far_stands_in_the_journal_before_the_stop(
    ppm: int, tmp_path: Path
) -> None:
    table = Room(tmp_path)
    table.microphone(0, 210 * SECOND, ppm=ppm, late=(20 * MS, 60 * MS, 40 * MS))
    table.begin(2 * SECOND)
    table.pause(100 * SECOND)
    table.resume(110 * SECOND)
    table.stop(200 * SECOND)
    table.run(210 * SECOND)
    assert [entry["event"] for entry in table.journal()][-2:] == ["drift", "stopped"]
    (drift,) = table.lines("drift")
    assert drift["ppb"] == pytest.approx(ppm * 1_000, abs=2)
    assert drift["seconds"] == pytest.approx(200, abs=1)
    assert drift["frame"] == table.lines("stopped")[0]["frame"]
    assert table.lines("gap") == []


def test_each_stretch_of_capture_has_a_drift_of_its_own_told_where_it_ends(tmp_path: Path) -> None:
    table = Room(tmp_path)
    first = table.microphone(0, 100 * SECOND, ppm=50)
    table.when(100 * SECOND, first.unplug)
    table.microphone(105 * SECOND, 400 * SECOND, ppm=-50)
    table.begin(2 * SECOND)
    table.stop(399 * SECOND)
    table.run(410 * SECOND)
    told = [(entry["event"], entry.get("ppb")) for entry in table.journal() if entry["event"] in {"drift", "gap", "stopped"}]
    assert told == [("drift", 50_000), ("gap", None), ("drift", -50_000), ("stopped", None)]
    assert [entry["seconds"] for entry in table.lines("drift")] == pytest.approx([100, 294], abs=1)


@pytest.mark.parametrize("flag", [Flags.OVERFLOW, Flags.DEFICIT])
def test_what_the_driver_lost_is_not_taken_for_drift(flag: Flags, tmp_path: Path) -> None:
    table = Room(tmp_path)
    ears = table.microphone(0, 100 * SECOND)
    table.when(100 * SECOND + 700 * MS, lambda: ears.miss(700))
    for n in range(1, 2_000):
        flags = flag if n == 1 else Flags.NONE
        table.when(100_700 * MS + n * BLOCK * MS, lambda flags=flags: ears.hear(BLOCK, flags))  # type: ignore[misc]
    table.begin(2 * SECOND)
    table.stop(190 * SECOND)
    table.run(210 * SECOND)
    assert len(table.lines("gap")) == 1
    assert [(entry["ppb"], entry["seconds"]) for entry in table.lines("drift")] == [(0, 99), (0, 89)]


def test_of_less_than_a_minute_no_drift_is_told(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 58 * SECOND, ppm=100)
    table.begin(2 * SECOND)
    table.stop(55 * SECOND)
    table.run(60 * SECOND)
    assert table.lines("drift") == []


# ── a source with its own clock ─────────────────────────────────────────────────────────────────────


class Tape(Ears):
    """A source with its own clock: it runs from go to halt, 250 frames at a time, and ends."""

    def __init__(self, table: Room, frames: int, answers_after: int = 0) -> None:
        super().__init__(table, table.format, 0, own_clock=True)
        self._rest = frames
        self._after = answers_after
        self._runs = False

    def plug_in(self) -> None:
        theirs, self.to = os.pipe()
        self.orders, ours = os.pipe()
        for fd in (self.to, self.orders, ours):
            os.set_blocking(fd, False)
        self.ring.append(pack_hello(Hello(self.format, self.own_clock, "tape")))
        self.room.ears.append(self)
        self.room.recorder.listen(theirs, ours)
        self.pump()

    def pump(self) -> None:
        super().pump()
        try:
            orders = os.read(self.orders, 100).split() if self.orders >= 0 else []
        except BlockingIOError:
            return
        for order in orders:
            self.room.when(self.room.clock.now + self._after, self.go if order == b"go" else self.halt)

    def go(self) -> None:
        self._runs = True
        self.turn()

    def halt(self) -> None:
        self._runs = False
        self.ring.append(pack_header(self.frame, self.room.clock.now, 0, Flags.HALTED))
        self.pump()

    def turn(self) -> None:
        if not self._runs:
            return
        frames = min(250, self._rest)
        self._rest -= frames
        if frames:
            self.hear(frames)
            self.room.when(self.room.clock.now + 10 * MS, self.turn)
        else:
            self._runs = False
            self.ring.append(pack_header(self.frame, self.room.clock.now, 0, Flags.END))
            self.pump()


def tape(table: Room, frames: int, answers_after: int = 0) -> None:
    table.when(0, Tape(table, frames, answers_after).plug_in)


def test_a_source_with_its_own_clock_is_stored_from_go_to_its_end_without_a_gap_whatever_time_that_takes(tmp_path: Path) -> None:
    table = Room(tmp_path)
    tape(table, 20_007)
    table.begin(2 * SECOND)
    table.stop(5 * SECOND)
    table.run(20 * SECOND)
    assert table.heard() == pcm_of(range(20_007))
    assert table.reported(SourceEnded) == [SourceEnded()]
    assert table.lines("gap") == []


@pytest.mark.parametrize("answers_after", [0, 30 * MS, 700 * MS])
@pytest.mark.parametrize("pressed_after", [0, 1 * MS, 50 * MS, SECOND])
def test_a_source_with_its_own_clock_loses_nothing_between_halt_and_go_however_quickly_somebody_presses(
    answers_after: int, pressed_after: int, tmp_path: Path
) -> None:
    table = Room(tmp_path)
    tape(table, 30_000, answers_after)
    table.begin(2 * SECOND)
    at = 2_300 * MS
    for press in (table.pause, table.resume, table.pause, table.resume):
        press(at)
        at += pressed_after
    table.stop(10 * SECOND)
    table.run(20 * SECOND)
    assert table.heard() == pcm_of(range(30_000))
    switches = [entry["event"] for entry in table.journal() if entry["event"] in {"paused", "resumed", "stopped"}]
    assert switches == ["paused", "resumed", "paused", "resumed", "stopped"]
    assert all(done.done() for done in table.done)


def test_a_source_with_its_own_clock_that_hangs_does_not_hold_up_the_stop_for_ever(tmp_path: Path) -> None:
    table = Room(tmp_path)
    tape(table, 30_000, answers_after=100 * SECOND)
    table.begin(2 * SECOND)
    table.stop(3 * SECOND)
    table.run(20 * SECOND)
    assert table.done[0].result(0) == 0


# ── a dead microphone ───────────────────────────────────────────────────────────────────────────────


def pulse_told(table: Room) -> list[tuple[str, int]]:
    told = [entry for entry in table.journal() if entry["event"] in {"silent", "sound-again"}]
    return [(str(entry["event"]), int(str(entry["frame"]))) for entry in told]


def dead_between(folder: Path, first: int, end: int, *, resumed: bool = False) -> Room:
    """A frame a millisecond, from 2 s to 20 s, with a wire that is dead for some of them."""
    table = Room(folder)
    ears = table.microphone(0, 30 * SECOND)
    ears.dead = range(first, end)
    table.begin(2 * SECOND)
    if resumed:
        table.pause(5 * SECOND)
        table.resume(12 * SECOND)
    table.stop(20 * SECOND)
    table.run(30 * SECOND)
    return table


def test_a_wire_that_dies_while_recording_is_told_with_the_frame_at_which_it_did(tmp_path: Path) -> None:
    assert pulse_told(dead_between(tmp_path, 5_000, 11_000)) == [("silent", 3_000), ("sound-again", 9_000)]


def test_rule_5_a_wire_that_was_dead_before_the_start_is_told_from_the_first_frame_on(tmp_path: Path) -> None:
    assert pulse_told(dead_between(tmp_path, -9_000, 9_000)) == [("silent", 0), ("sound-again", 7_000)]


def test_rule_5_a_wire_that_died_in_a_pause_is_told_where_the_sound_goes_on(tmp_path: Path) -> None:
    assert pulse_told(dead_between(tmp_path, 6_000, 15_000, resumed=True)) == [("silent", 3_000), ("sound-again", 6_000)]


def test_another_child_on_the_same_dead_wire_is_no_sound_again(tmp_path: Path) -> None:
    table = Room(tmp_path)
    first = table.microphone(0, 8 * SECOND)
    table.when(8 * SECOND, first.unplug)
    second = table.microphone(9 * SECOND, 30 * SECOND)
    first.dead, second.dead = range(4_000, 99_000), range(6_000)
    table.begin(2 * SECOND)
    table.stop(20 * SECOND)
    table.run(30 * SECOND)
    assert pulse_told(table) == [("silent", 2_000), ("sound-again", 13_000)]
    assert [report.alive for report in table.reported(SoundIs) if isinstance(report, SoundIs)] == [False, True]


# ── a slow disk ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("takes_ms", [1, 40, 90, 120])
def test_a_disk_that_takes_its_time_for_each_sync_never_holds_back_more_than_a_second(takes_ms: int, tmp_path: Path) -> None:
    table = Room(tmp_path)

    def slow(_: int, step: Step) -> None:
        if isinstance(step, Sync):
            table.clock.now += takes_ms * MS  # the sound's, and then the journal's

    table.microphone(0, 40 * SECOND)
    table.begin(2 * SECOND)
    table.simulated.fault = slow
    table.stop(30 * SECOND)
    table.run(40 * SECOND)
    told = [(told.at, told.report.frames) for told in table.reports if isinstance(told.report, Durable)]
    captured = {frames: 2 * SECOND + frames * SECOND // table.format.rate for _, frames in told}
    ages = [at - captured[before] for (_, before), (at, _) in pairwise(told)]
    assert len(ages) > 20
    assert max(ages) <= SECOND


def test_a_writer_that_stalls_longer_than_the_ring_leaves_a_gap_of_exactly_what_was_dropped(tmp_path: Path) -> None:
    table = Room(tmp_path, audio_format=PcmFormat(16_000, 24, 2))
    ears = table.microphone(0, 40 * SECOND, blocks=(800,), slots=100)  # 5 s in the ring, and 0.7 s in the pipe
    table.begin(2 * SECOND)
    table.simulated.fault = stalling(table, 6 * SECOND, 12 * SECOND, Sync)
    table.stop(25 * SECOND)
    table.run(40 * SECOND)
    (gap,) = table.lines("gap")
    first, missing = int(str(gap["frame"])), int(str(gap["frames"]))
    assert gap["uncertainty_frames"] == 0
    assert gap["why"] == "overrun"
    assert 5 * 16_000 < missing < 8 * 16_000
    assert missing % 800 == 0
    whole = captured_in([(2 * SECOND, 25 * SECOND)], 0, table.format)
    assert table.heard() == whole[: first * 6] + silence(missing, table.format) + whole[(first + missing) * 6 :]
    assert ears.slots == 100


@dataclass
class RealTable:
    """The child, its ring, the pipe, the thread and the clock are real; the disk sleeps when it is told to."""

    disk: SleepingDisk
    recorder: Recorder
    reports: list[Report]
    child: subprocess.Popen[bytes]

    def begin(self) -> Recording:
        until = time.monotonic() + 10
        while not any(isinstance(report, HearingIs) for report in self.reports):
            assert time.monotonic() < until
            time.sleep(0.02)
        return self.recorder.begin(Opening("k7qm", None, b"", (), {}), time.monotonic_ns()).result(5)

    def stall(self, seconds: float) -> None:
        self.disk.naps.append(seconds)
        time.sleep(seconds + 0.5)

    def stop(self) -> int:
        frames = self.recorder.finish(time.monotonic_ns(), "stopped", {}).result(5)
        self.recorder.end()
        self.child.wait(5)
        assert not self.disk.naps, "the disk did stall"
        assert Died() not in self.reports
        return frames


@contextmanager
def real_table(folder: Path, patience_seconds: int = 40) -> Iterator[RealTable]:
    reports: list[Report] = []
    disk = SleepingDisk()
    recorder = Recorder(Store(disk, folder), RealClock(), reports.append)
    recorder.start()
    output, child_output = os.pipe()
    child_input, orders = os.pipe()
    os.set_blocking(orders, False)
    program = f"from appliance.audio import capture; capture.PATIENCE_SECONDS = {patience_seconds}; capture.main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "synthetic", "real", "48000", "24", "2", "0.4"], stdin=child_input, stdout=child_output
    ) as child:
        os.close(child_output)
        os.close(child_input)
        recorder.listen(output, orders)
        yield RealTable(disk, recorder, reports, child)
        child.kill()


STEREO = PcmFormat(48_000, 24, 2)


def synthetic_from(heard: bytes, frames: int) -> tuple[int, bytes]:
    """Where in the synthetic voice a recording begins, and so many frames from there on."""
    turn = SyntheticTrack(STEREO).at(0, SyntheticTrack.PERIOD)
    begin = (turn + turn).index(heard[:6_000]) // STEREO.frame_bytes
    return begin, SyntheticTrack(STEREO).at(begin, frames)


def memory_of(pid: int) -> int:
    """Bytes of a process in memory, and of no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024


def test_a_real_card_that_stalls_for_five_seconds_loses_nothing_of_a_real_child(tmp_path: Path) -> None:
    with real_table(tmp_path) as table:
        recording = table.begin()
        time.sleep(0.3)
        table.stall(5.0)
        frames = table.stop()
    assert not [report for report in table.reports if isinstance(report, GapFilled)]
    assert frames == pytest.approx(5.8 * 48_000, rel=0.05)
    heard = readers.heard(recording.wav)
    assert heard == synthetic_from(heard, frames)[1]
    whole_journal(recording)


def test_what_a_real_child_s_ring_cannot_hold_is_a_gap_of_exactly_that_and_the_ring_does_not_grow(tmp_path: Path) -> None:
    """A ring of 3 s, so that the test need not last a minute; the card stalls for 8."""
    with real_table(tmp_path, patience_seconds=3) as table:
        recording = table.begin()
        time.sleep(0.5)
        before = memory_of(table.child.pid)
        table.stall(8.0)
        grown = memory_of(table.child.pid) - before
        time.sleep(1.0)
        frames = table.stop()
    (gap,) = [report for report in table.reports if isinstance(report, GapFilled)]
    assert (gap.uncertainty_ns, gap.why) == (0, "overrun")
    assert 2 * 48_000 < gap.frames < 6 * 48_000
    assert frames == pytest.approx(10 * 48_000, rel=0.05), "the WAV keeps real time"
    heard = readers.heard(recording.wav)
    played = synthetic_from(heard, frames)[1]
    first, behind = gap.frame * STEREO.frame_bytes, (gap.frame + gap.frames) * STEREO.frame_bytes
    assert heard == played[:first] + silence(gap.frames, STEREO) + played[behind:]
    assert grown < 3 * 3 * 288_000, "slots are two and a half naps long"
    whole_journal(recording)


class SleepingDisk(RealDisk):
    """A card that now and then takes its time for a write."""

    def __init__(self) -> None:
        self.naps: list[float] = []

    def write_at(self, fd: int, content: bytes | bytearray | memoryview, offset: int) -> None:
        if self.naps:
            time.sleep(self.naps.pop())
        super().write_at(fd, content, offset)


# ── a failing disk ──────────────────────────────────────────────────────────────────────────────────


def every_step_that_may_fail(folder: Path) -> list[int]:
    table = short_meeting(folder)
    return [n for n, step in enumerate(table.simulated.steps) if isinstance(step, Write | Sync)]


@pytest.mark.parametrize(("error", "how_many"), [(errno.EIO, 1), (errno.ENOSPC, 1), (errno.EIO, 4)])
def test_an_error_at_any_write_or_sync_loses_nothing_and_the_recording_is_whole_afterwards(error: int, how_many: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        steps = every_step_that_may_fail(Path(folder))
    assert len(steps) > 60
    begun = 0
    for number in steps:
        with tempfile.TemporaryDirectory(prefix="recorder-") as folder:
            table = short_meeting(Path(folder), failing(set(range(number, number + how_many)), error, reached=number * 13))
            assert any(step.failed for step in table.simulated.steps)
            try:
                recording = table.made
            except OSError:
                assert how_many > 1 or list(Path(folder).iterdir()) == [], "it could not begin, and left nothing"
                continue
            begun += 1
            assert table.heard() == captured_in(SHORT), f"step {number}"
            assert [done.done() for done in table.done] == [True] * 4
            assert table.done[-1].result(0) == 3_500
            if number % 7 == 0:
                is_told_truly(table)
            with tempfile.TemporaryDirectory(prefix="recorder-") as found:
                table.simulated.after_power_cut(len(table.simulated.steps), Path(found), None)
                left = Path(found) / recording.folder.name
                assert readers.heard(left / "data/gesprek.wav") == captured_in(SHORT), "and it is on the disk"
                assert (left / "data/journal.jsonl").read_bytes() == recording.journal.read_bytes()
    assert begun > 50


def is_told_truly(table: Room) -> None:
    """`Durable` is what a power cut would leave; storing is told only while the disk is well, and not for what may still go."""
    well = True
    for told in table.reports:
        match told.report:
            case DiskIs(now_well):
                well = now_well
            case StoringIs(True):
                assert well, "storing is told while the disk refuses"
            case Durable(frames, file_bytes):
                with tempfile.TemporaryDirectory(prefix="recorder-") as found:
                    table.simulated.after_power_cut(told.steps, Path(found), None)
                    left = Path(found) / table.made.folder.name / "data/gesprek.wav"
                    assert left.stat().st_size >= file_bytes == HEADER_BYTES + 2 * frames
                    assert left.read_bytes()[HEADER_BYTES:file_bytes] == captured_in(SHORT)[: 2 * frames]
            case _:
                pass


def test_a_disk_that_failed_and_is_well_again_is_told_and_journaled(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 20 * SECOND)
    table.begin(2 * SECOND)
    table.when(5 * SECOND, lambda: setattr(table.simulated, "fault", refusing))
    table.when(9 * SECOND, lambda: setattr(table.simulated, "fault", lambda _number, _step: None))
    table.pause(6 * SECOND)
    table.resume(7 * SECOND)
    table.stop(12 * SECOND)
    table.run(20 * SECOND)
    assert table.reported(DiskIs) == [DiskIs(well=False), DiskIs(well=True)]
    assert table.heard() == captured_in([(2 * SECOND, 6 * SECOND), (7 * SECOND, 12 * SECOND)])
    assert len(table.lines("disk-failed")) == 1
    assert table.lines("gap") == []
    told = [(round(told.at / SECOND), told.report.on) for told in table.reports if isinstance(told.report, StoringIs)]
    assert told == [(2, True), (5, False), (9, True), (9, False), (9, True), (12, False)], "the pause is told, too"


def test_a_disk_that_fails_again_while_it_recovers_is_not_told_as_well(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 20 * SECOND)
    table.begin(2 * SECOND)
    failed: list[bytes] = []

    def fault(_number: int, step: Step) -> None:
        wanted = b"disk-failed" if failed else b"audio"
        if len(failed) < 2 and isinstance(step, Write) and wanted in step.content:
            failed.append(step.content)
            raise OSError(errno.EIO, "a disk that is broken")

    table.when(4 * SECOND, lambda: setattr(table.simulated, "fault", fault))
    table.stop(8 * SECOND)
    table.run(20 * SECOND)
    assert len(failed) == 2
    assert table.reported(DiskIs) == [DiskIs(well=False), DiskIs(well=False), DiskIs(well=True)]
    assert table.heard() == captured_in([(2 * SECOND, 8 * SECOND)])


def refusing(_number: int, step: Step) -> None:
    if isinstance(step, Write | Sync):
        raise OSError(errno.EIO, "a disk that is broken")


@pytest.mark.parametrize("breaks_at", [2_990 * MS, 4_400 * MS])
def test_a_disk_that_stays_broken_is_given_up_and_everybody_who_waits_is_told(breaks_at: int, tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 60 * SECOND)
    table.begin(2 * SECOND)
    table.when(breaks_at, lambda: setattr(table.simulated, "fault", refusing))
    table.pause(5 * SECOND)
    table.resume(7 * SECOND)
    table.stop(40 * SECOND)
    table.run(60 * SECOND)
    (given_up,) = [told.at for told in table.reports if told.report == DiskIs(well=False, given_up=True)]
    assert given_up == pytest.approx(breaks_at + GIVE_UP_AFTER_NS, abs=2 * SECOND)
    for done in table.done:
        assert isinstance(done.exception(0), OSError)
    assert table.reported(StoringIs) == [StoringIs(True), StoringIs(False)]
    assert table.recorder._keeping.audio is None, "the stop has closed the files"
    kept = readers.frames_heard(table.made.wav)
    assert kept >= (breaks_at - 2 * SECOND - SECOND) // MS
    assert table.heard() == captured_in([(2 * SECOND, 2 * SECOND + kept * MS)])


def test_after_a_disk_was_given_up_nothing_is_kept_in_memory(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 300 * SECOND)
    table.begin(2 * SECOND)
    table.when(3 * SECOND, lambda: setattr(table.simulated, "fault", refusing))
    kept: list[int] = []
    for at in (60, 290):
        table.when(
            at * SECOND,
            lambda: kept.append(table.recorder._keeping.audio._unsynced_bytes if table.recorder._keeping.audio else -1),
        )
    table.run(300 * SECOND)
    assert kept[0] == kept[1]


def test_a_recording_that_cannot_be_made_leaves_no_folder_and_no_open_file(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = short_meeting(tmp_path / "whole")
    first_sync_after = next(told.steps for told in whole.reports if told.report == StoringIs(True))
    for number in range(first_sync_after):
        folder = tmp_path / str(number)
        folder.mkdir()
        table = short_meeting(folder, failing({number}, errno.ENOSPC))
        assert table.recording is not None
        if table.recording.exception(0) is not None:
            assert isinstance(table.recording.exception(0), OSError)
            assert list(folder.iterdir()) == []
            assert table.reported(StoringIs) == []
            assert all(isinstance(done.exception(0), OSError) for done in table.done)
        assert table.simulated._open == {}


# ── what is told ────────────────────────────────────────────────────────────────────────────────────


def test_the_light_is_told_exactly_while_what_is_said_reaches_the_disk(tmp_path: Path) -> None:
    """On: the file is durable before. Off: what was captured before the press is durable."""
    table = short_meeting(tmp_path)
    told = [told for told in table.reports if isinstance(told.report, StoringIs)]
    assert [one.report for one in told] == [StoringIs(on) for on in (True, False, True, False)]
    for number, frames in ((0, 0), (1, 2_000), (2, 2_000), (3, 3_500)):
        with tempfile.TemporaryDirectory() as found:
            table.simulated.after_power_cut(told[number].steps, Path(found), None)
            left = Path(found) / table.made.folder.name / "data"
            assert readers.frames_heard(left / "gesprek.wav") == frames
            assert b'"started"' in (left / "journal.jsonl").read_bytes()
    is_told_truly(table)


@pytest.mark.parametrize("blocks", [(50, 60), (170, 190, 250)])
def test_what_was_captured_is_on_the_disk_within_the_interval(blocks: tuple[int, ...], tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 20 * SECOND, blocks=blocks, late=(0, 20 * MS))
    table.begin(2 * SECOND)
    table.stop(18 * SECOND)
    table.run(20 * SECOND)
    durable = [(told.at, told.report.frames) for told in table.reports if isinstance(told.report, Durable)]
    for (_, frames), (at, _) in pairwise(durable):
        assert at - (2 * SECOND + frames * MS) <= SECOND


def test_a_paused_recording_writes_nothing(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 100 * SECOND)
    table.begin(2 * SECOND)
    table.pause(4 * SECOND)
    counted: list[int] = []
    table.when(5 * SECOND, lambda: counted.append(len(table.simulated.steps)))
    table.when(95 * SECOND, lambda: counted.append(len(table.simulated.steps)))
    table.stop(96 * SECOND)
    table.run(100 * SECOND)
    assert counted[0] == counted[1]


def test_levels_are_told_five_times_a_second_also_before_the_start(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 10 * SECOND)
    table.run(10 * SECOND)
    assert 40 <= len(table.reported(LevelIs)) <= 51
    assert list(tmp_path.iterdir()) == []


# ── the thread ──────────────────────────────────────────────────────────────────────────────────────


def test_who_waits_cannot_take_back_what_was_asked(tmp_path: Path) -> None:
    """A future that its waiter could cancel would be an error in the recorder's thread when it is done."""
    table = Room(tmp_path)
    table.microphone(0, 10 * SECOND)
    table.begin(2 * SECOND)
    table.pause(3 * SECOND)
    table.when(3 * SECOND + 1, lambda: table.done[0].cancel())  # noqa: PLW0108
    table.stop(5 * SECOND)
    table.run(10 * SECOND)
    assert table.done[0].result(0) == 1_000
    assert table.done[1].result(0) == 1_000


def test_stopped_by_the_system_what_was_heard_so_far_is_stored_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 10 * SECOND)
    table.begin(2 * SECOND)
    table.run(6_010 * MS)
    assert table.heard() == captured_in([(2 * SECOND, 6 * SECOND)])
    table.recorder._refuse_the_rest()
    for asked in (
        table.recorder.store_until(7, "paused", {}),
        table.recorder.line("mark", 7, {}),
        table.recorder.begin(opening(), 7),
    ):
        assert isinstance(asked.exception(1), OSError)


def opening() -> Opening:
    return Opening("zzzz", None, b"", (), {})


def test_the_thread_ends_when_it_is_told_and_answers_from_any_thread(tmp_path: Path) -> None:
    recorder = Recorder(Store(RealDisk(), tmp_path), RealClock(), list[Report]().append)
    recorder.start()
    assert recorder.name == "recorder"
    assert isinstance(recorder.begin(opening(), 0).exception(5), OSError), "no microphone is open"
    recorder.end()
    assert not recorder.is_alive()
    assert recorder not in threading.enumerate()
    assert isinstance(recorder.finish(0, "stopped", {}).exception(1), OSError)


def test_when_the_thread_dies_it_says_so_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    reports: list[Report] = []

    def told(report: Report) -> None:
        reports.append(report)
        if isinstance(report, HearingIs):
            raise RuntimeError("a fault of ours")  # noqa: TRY004

    recorder = Recorder(Store(RealDisk(), tmp_path), RealClock(), told)
    recorder.start()
    output, theirs = os.pipe()
    theirs_in, orders = os.pipe()
    recorder.listen(output, orders)
    os.write(theirs, pack_hello(Hello(PcmFormat(), own_clock=False, device="x")) + pack_header(0, 0, 1) + b"ab")
    recorder.join(5)
    assert reports[-1] == Died()
    assert isinstance(recorder.finish(0, "stopped", {}).exception(1), OSError)
    for fd in (output, theirs, theirs_in, orders):
        os.close(fd)


def test_what_was_asked_before_the_thread_died_is_refused_too(tmp_path: Path) -> None:
    recorder = Recorder(Store(RealDisk(), tmp_path), RealClock(), list[Report]().append)
    recorder._order(lambda: 1 // 0)  # type: ignore[arg-type]
    asked = recorder.finish(0, "stopped", {})
    recorder.start()
    assert isinstance(asked.exception(5), OSError)
    recorder.join(5)


def test_the_journal_of_a_whole_meeting_reads_as_it_went(tmp_path: Path) -> None:
    table = short_meeting(tmp_path)
    events = [entry["event"] for entry in table.journal() if entry["event"] != "audio"]
    assert events == ["announced", "started", "mark", "paused", "resumed", "stopped"]
    (started,) = of_kind(table.journal(), "started")
    assert (started["rate"], started["bits"], started["channels"], started["boot"]) == (1_000, 16, 1, "this-boot")
    assert [entry["mono_us"] for entry in table.journal() if entry["event"] in {"started", "paused", "resumed", "stopped"}] == [
        2_000_000, 4_000_000, 4_500_000, 6_000_000
    ]  # fmt: skip
    assert max(int(str(entry["frames"])) for entry in table.lines("audio")) <= 1_250


def test_a_second_recording_with_the_same_recorder_knows_nothing_of_the_first(tmp_path: Path) -> None:
    table = Room(tmp_path)
    table.microphone(0, 20 * SECOND)
    table.begin(2 * SECOND)
    table.pause(3 * SECOND)
    table.stop(4 * SECOND)
    second: list[object] = []
    table.when(6 * SECOND, lambda: second.append(table.recorder.begin(Opening("zzzz", None, b"", (), {}), 6 * SECOND)))
    table.when(9 * SECOND, lambda: table.done.append(table.recorder.finish(9 * SECOND, "stopped", {})))
    table.run(20 * SECOND)
    assert table.heard() == captured_in([(2 * SECOND, 3 * SECOND)])
    (other,) = [recording for recording in table.store.all() if recording.id == "zzzz"]
    assert readers.heard(other.wav) == captured_in([(6 * SECOND, 9 * SECOND)])
    assert frames_in(6 * SECOND, 9 * SECOND) == range(6_000, 9_000)
