"""Sticks that lie. What was handed over is in the page cache, and right; what arrived is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.copies.medium import BLOCK
from tests.copies.room import NAME, UNFINISHED, GrowingRecording, differences, times

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.copies.room import MirrorStarter

MB = 1_000_000


@pytest.mark.parametrize("offset", [BLOCK, 300_000, 1_500_000, 2_000_000 + 1023])
def test_a_byte_that_arrived_otherwise_is_found_before_it_counts_as_verified(
    recording: GrowingRecording, lying_stick: Callable[[str, int], Path], mirrors: MirrorStarter, offset: int
) -> None:
    stick = lying_stick("flip", offset)
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(recording.say(2 * MB))
    recording.seal()
    mirror.seal()
    outcome = mirror.outcome()
    assert (outcome["is"], outcome["code"]) == ("failed", "different")
    assert f"data/gesprek.wav was read back different at byte {offset}" in outcome["detail"]
    assert max(report.get("verified_bytes", 0) for report in mirror.reports) <= offset
    assert not (stick / NAME).exists()
    assert (stick / UNFINISHED).exists()


def test_a_header_that_arrived_otherwise_is_found(
    recording: GrowingRecording, lying_stick: Callable[[str, int], Path], mirrors: MirrorStarter
) -> None:
    stick = lying_stick("flip", 100)
    mirror = mirrors.of(recording.folder, stick)
    recording.say(MB)
    recording.seal()
    mirror.seal()
    outcome = mirror.outcome()
    assert (outcome["code"], "at byte 100 " in outcome["detail"]) == ("different", True)


def test_a_stick_of_a_false_size_is_found_out(
    recording: GrowingRecording, lying_stick: Callable[[str, int], Path], mirrors: MirrorStarter
) -> None:
    mirror = mirrors.of(recording.folder, lying_stick("vanish", 700_000))
    mirror.follow(recording.say(2 * MB))
    outcome = mirror.outcome()
    assert outcome["code"] == "different"
    assert "at byte 70000" in outcome["detail"]


def test_a_stick_that_gives_an_error_is_broken_and_never_asked_again_if_it_worked(
    recording: GrowingRecording, lying_stick: Callable[[str, int], Path], mirrors: MirrorStarter
) -> None:
    mirror = mirrors.of(recording.folder, lying_stick("eio", 700_000))
    mirror.follow(recording.say(2 * MB))
    outcome = mirror.outcome()
    assert (outcome["is"], outcome["code"]) == ("failed", "broken")
    assert mirror.process.wait(5) == 1


def test_a_small_file_whose_place_another_file_gets_later_is_found_before_the_copy_is_named(
    recording: GrowingRecording, lying_stick: Callable[[str, int], Path], mirrors: MirrorStarter
) -> None:
    stick = lying_stick("shared", 0)
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(recording.say(MB))
    recording.seal()
    mirror.seal()
    outcome = mirror.outcome()
    assert (outcome["is"], outcome["code"]) == ("failed", "different")
    assert "manifest-sha256.txt was read back different at byte 0 " in outcome["detail"]
    assert not (stick / NAME).exists()


@pytest.mark.parametrize("offset", [BLOCK, 300_000, 1_500_000])
def test_sound_that_lay_there_before_and_whose_place_another_file_gets_is_found_before_the_copy_is_named(
    recording: GrowingRecording, lying_stick: Callable[[str, int], Path], mirrors: MirrorStarter, offset: int
) -> None:
    stick = lying_stick("shared", offset)
    before = mirrors.of(recording.folder, stick)
    durable = recording.say(2 * MB)
    before.follow(durable)
    before.until(durable // BLOCK * BLOCK)
    before.kill()
    recording.seal()
    mirror = mirrors.of(recording.folder, stick)
    mirror.seal()
    outcome = mirror.outcome()
    assert (outcome["is"], outcome["code"]) == ("failed", "different")
    assert f"data/gesprek.wav was read back different at byte {offset} " in outcome["detail"]
    assert not (stick / NAME).exists()


def test_on_a_stick_without_a_fault_the_same_file_system_makes_an_equal_copy(
    recording: GrowingRecording, lying_stick: Callable[[str, int], Path], mirrors: MirrorStarter
) -> None:
    stick = lying_stick("slow", 5)
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(recording.say(2 * MB))
    mirror.until(MB)
    mirror.kill()
    again = mirrors.of(recording.folder, stick)
    recording.seal()
    again.seal()
    assert again.outcome()["method"] == "direct"
    assert not differences(recording.folder, stick / NAME)
    assert times(recording.folder) == times(stick / NAME)
