"""A key that is held down is one press."""

from __future__ import annotations

from appliance.ui.presses import Press, Presses


def heard(*at: float, key: str = "s") -> list[Press]:
    presses = Presses()
    return [presses.heard(key, moment) for moment in at]


def test_presses_with_time_between_them_count_at_once() -> None:
    assert heard(0.0, 1.0, 2.0) == [Press.COUNTS] * 3


def test_a_quick_second_press_counts_when_nothing_follows_at_once() -> None:
    presses = Presses()
    assert presses.heard("s", 0.0) is Press.COUNTS
    assert presses.heard("s", 0.3) is Press.WAIT
    assert presses.still_counts("s")
    assert not presses.still_counts("s")


def test_a_held_key_is_its_first_press_and_no_more() -> None:
    presses = Presses()
    repeats = [0.5 + repeat * 0.033 for repeat in range(60)]
    said = [presses.heard("s", at) for at in (0.0, *repeats)]
    assert said == [Press.COUNTS, Press.WAIT, *[Press.HELD] * 59]
    assert not presses.still_counts("s")
    assert presses.heard("s", repeats[-1] + 1.0) is Press.COUNTS


def test_keys_do_not_wait_for_each_other() -> None:
    presses = Presses()
    assert [presses.heard(key, 0.01 * n) for n, key in enumerate("spcg")] == [Press.COUNTS] * 4
