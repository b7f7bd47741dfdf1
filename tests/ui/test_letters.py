"""Large letters: readable across the table, made of what the bare console has."""

from __future__ import annotations

import pytest

from appliance.agreement import Party
from appliance.ui.letters import draw
from appliance.ui.widgets.confirmation import name_of
from appliance.words import languages, speak


def test_a_time_is_drawn_as_large_as_its_place() -> None:
    for columns, rows, size in [(27, 5, (27, 5)), (48, 6, (27, 5)), (54, 5, (54, 5)), (94, 10, (81, 10)), (234, 50, (216, 20))]:
        drawn = draw("00:12:34", columns, rows)
        assert drawn is not None
        assert ({len(line) for line in drawn}, len(drawn)) == ({size[0]}, size[1])


def test_what_does_not_fit_or_cannot_be_drawn_is_not_drawn() -> None:
    assert draw("00:12:34", 20, 5) is None
    assert draw("00:12:34", 80, 4) is None
    assert draw("€", 80, 24) is None
    assert draw("", 80, 24) is None


def test_a_diaeresis_stands_above_its_letter() -> None:
    drawn = draw("Ë", 3, 7)
    assert drawn == ["█ █", "   ", "███", "█  ", "██ ", "█  ", "███"]


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("party", list(Party))
def test_every_party_has_a_name_that_can_be_drawn(party: Party, language: str) -> None:
    assert draw(name_of(party, speak(language)), 92, 7) is not None


@pytest.mark.parametrize("text", ["0123456789:", "ABCDEFGHIJKLM", "NOPQRSTUVWXYZ"])
def test_every_letter_is_as_high_as_the_others_and_no_two_are_the_same(text: str) -> None:
    glyphs = {letter: draw(letter, 9, 5) for letter in text}
    assert all(drawn is not None and len(drawn) == 5 for drawn in glyphs.values())
    assert len({tuple(drawn or []) for drawn in glyphs.values()}) == len(text)
