from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.copies.copying import CopyState
from appliance.copies.pace import LOOKED_AT_SECONDS, Pace, seconds_left
from appliance.copies.sentences import slow_in_words
from appliance.words import speak

SOUND = 96_000  # bytes a second: 48 kHz, 16 bits, mono


def meeting(pace: Pace, seconds: int, stick: int, *, begin: int = 0, behind: int = 0) -> list[bool]:
    """So many seconds of meeting, in which the stick takes `stick` bytes a second; after each: is it slow?"""
    verified, told = max(0, begin * SOUND - behind), []
    pace.copied(verified)
    for second in range(begin + 1, begin + seconds + 1):
        pace.recorded(float(second), second * SOUND)
        verified = min(second * SOUND, verified + stick)
        pace.copied(verified)
        told.append(pace.slow)
    return told


def test_a_stick_that_takes_what_comes_is_never_slow() -> None:
    assert not any(meeting(Pace(), 600, SOUND))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_stick_that_takes_less_than_comes_is_told_as_slow(share: float) -> None:
    told = meeting(Pace(), 600, int(SOUND * share))
    assert not any(told[: int(LOOKED_AT_SECONDS) - 1])
    assert told[-1]
    assert told == sorted(told), "told once, it stays told"


def test_one_that_takes_half_is_told_within_the_first_seconds() -> None:
    told = meeting(Pace(), 60, SOUND // 2)
    assert told.index(True) <= 12


def test_one_put_in_after_an_hour_is_behind_and_not_slow_while_it_catches_up() -> None:
    told = meeting(Pace(), 300, 20 * SOUND, begin=3600, behind=3600 * SOUND)
    assert not any(told)


def test_one_put_in_after_an_hour_that_never_catches_up_is_slow() -> None:
    assert meeting(Pace(), 60, SOUND // 2, begin=3600, behind=3600 * SOUND)[-1]


def test_a_moment_of_housekeeping_is_not_slowness() -> None:
    pace = Pace()
    meeting(pace, 60, SOUND)
    told = meeting(pace, 4, 0, begin=60)
    told += meeting(pace, 30, 8 * SOUND, begin=64, behind=4 * SOUND)
    assert not any(told)


def test_a_slow_one_that_caught_up_is_slow_no_more() -> None:
    pace = Pace()
    assert meeting(pace, 60, SOUND // 2)[-1]
    assert not meeting(pace, 30, 8 * SOUND, begin=60, behind=30 * SOUND)[-1]


def test_in_a_pause_a_slow_one_catches_up() -> None:
    pace = Pace()
    assert meeting(pace, 60, SOUND // 2)[-1]
    pace.copied(59 * SOUND)
    assert not pace.slow


def test_how_long_is_left_is_what_is_missing_at_the_sticks_own_speed() -> None:
    assert seconds_left(30_000_000, 2_000_000) == 15
    assert seconds_left(1, 2_000_000) == 1
    assert seconds_left(0, 0) == 0
    assert seconds_left(30_000_000, 0) is None


def test_of_a_slow_stick_only_what_is_known_is_told() -> None:
    slow = CopyState("a", "TRAAG", state="following", slow=True, seconds_left=301)
    assert slow_in_words(slow, speak("en")) == (
        "The stick TRAAG is slow. The recording is safe. After the meeting, leave it in for about 6 more minutes."
    )
    stuck = slow_in_words(replace(slow, seconds_left=None), speak("en"))
    assert stuck is not None
    assert "has stopped taking anything" in stuck
    assert slow_in_words(replace(slow, slow=False), speak("en")) is None
    assert slow_in_words(replace(slow, state="verified"), speak("en")) is None
