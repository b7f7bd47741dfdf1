"""Room enough, asked before the meeting: each prints what the room reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.copies.beforehand import Shortage, shortage, shortage_in_words
from appliance.copies.plugged import FAT32_LARGEST_FILE
from appliance.copies.sticks import Stick
from appliance.words import speak

HOUR = 3600
MONO, STEREO = 48_000 * 2, 96_000 * 3 * 2
FAT32 = Stick("a", "MUZIEK", Path("/media/a"), "SanDisk Ultra", 32 * 10**9, FAT32_LARGEST_FILE)
EXFAT = Stick("b", "FOTO", Path("/media/b"), "Kingston", 32 * 10**9)


@pytest.mark.parametrize("stick", [FAT32, EXFAT])
def test_four_hours_of_speech_fit_onto_an_empty_stick_of_today(stick: Stick) -> None:
    assert shortage(stick, 30 * 10**9, longest_seconds=4 * HOUR, bytes_a_second=MONO) is None


@pytest.mark.parametrize(("free", "minutes"), [(0, 0), (10**6, 0), (100 * 10**6, 15), (10**9, 171)])
def test_a_stick_that_is_too_full_says_how_many_minutes_it_takes(free: int, minutes: int) -> None:
    short = shortage(EXFAT, free, longest_seconds=4 * HOUR, bytes_a_second=MONO)
    assert short == Shortage("room", minutes)
    for language in ("nl", "en"):
        said = shortage_in_words(EXFAT, short, speak(language))
        print(said)
        assert "FOTO (Kingston, 32 GB)" in said
        assert str(minutes) in said


def test_what_is_said_to_fit_does_fit() -> None:
    short = shortage(EXFAT, 10**9, longest_seconds=4 * HOUR, bytes_a_second=MONO)
    assert short is not None
    assert shortage(EXFAT, 10**9, longest_seconds=short.minutes * 60, bytes_a_second=MONO) is None
    assert shortage(EXFAT, 10**9, longest_seconds=short.minutes * 60 + 60, bytes_a_second=MONO) is not None


def test_past_4_gib_a_stick_with_fat32_is_too_little_whatever_its_room() -> None:
    short = shortage(FAT32, 30 * 10**9, longest_seconds=4 * HOUR, bytes_a_second=STEREO)
    assert short == Shortage("file", 124)
    assert 124 * 60 * STEREO + 4096 <= FAT32_LARGEST_FILE
    said = shortage_in_words(FAT32, short, speak("nl"))
    print(said)
    assert "exFAT" in said
    assert shortage(EXFAT, 30 * 10**9, longest_seconds=4 * HOUR, bytes_a_second=STEREO) is None


def test_of_two_limits_the_nearer_one_is_told() -> None:
    short = shortage(FAT32, 2 * 10**9, longest_seconds=4 * HOUR, bytes_a_second=STEREO)
    assert short is not None
    assert short.limit == "room"
