"""Files as they were found in the field, and a start of the appliance."""

from __future__ import annotations

import pytest

from tests.survival.field import (
    DAMAGES,
    FORMATS,
    Damage,
    cut_off_within_the_header,
    damaged_after_the_seal,
    damaged_before_the_seal,
    header_of_noise_in_part,
    header_of_size_0,
    header_of_zeros,
    journal_with_a_tail_of_nuls,
    noise_all_over_at_the_right_size,
    sound_without_a_journal,
    tail_of_nuls,
    zeros_at_full_size,
)

each_damage = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.replace("_", " "))


@each_damage
def test_what_was_found_in_the_field_is_recovered_to_the_last_stretch_that_fits_or_left_as_it_is_and_a_healthy_one_is_not_touched(
    damage: Damage,
) -> None:
    for number in range(3):
        damaged_before_the_seal(damage, FORMATS[number % len(FORMATS)], seed=number)


@each_damage
def test_a_sealed_recording_is_never_repaired_and_whoever_verifies_it_is_told(damage: Damage) -> None:
    damaged_after_the_seal(damage, FORMATS[0], seed=3)


def test_what_does_not_touch_the_sound_costs_none_of_it() -> None:
    for damage in (header_of_size_0, header_of_zeros, header_of_noise_in_part, tail_of_nuls, journal_with_a_tail_of_nuls):
        assert damaged_before_the_seal(damage, FORMATS[1], seed=1).frames == 13_700


def test_where_nothing_fits_any_more_nothing_is_thrown_away() -> None:
    for damage in (zeros_at_full_size, noise_all_over_at_the_right_size, cut_off_within_the_header, sound_without_a_journal):
        assert damaged_before_the_seal(damage, FORMATS[2], seed=1).frames is None
