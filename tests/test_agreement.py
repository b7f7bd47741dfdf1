"""The agreement: equal words for equal parties, and nobody confirms for somebody else."""

from __future__ import annotations

import hashlib

import pytest

from appliance.agreement import Agreement, Party, WordingError, fill, is_complete, left_out_words


def test_tip_2_both_parties_confirm_and_neither_for_the_other() -> None:
    assert not is_complete(frozenset(), guest=False)
    assert not is_complete(frozenset({Party.CLIENT}), guest=False)
    assert is_complete(frozenset({Party.CLIENT, Party.PROFESSIONAL}), guest=False)


def test_rule_3_a_guest_confirms_too() -> None:
    both = frozenset({Party.CLIENT, Party.PROFESSIONAL})
    assert not is_complete(both, guest=True)
    assert is_complete(both | {Party.GUEST}, guest=True)


def test_the_organisations_words_are_put_into_the_places() -> None:
    assert (
        fill("Tot {date}. Vragen: {contact}.", {"date": "7 december", "contact": "020 123"}) == "Tot 7 december. Vragen: 020 123."
    )


@pytest.mark.parametrize("template", ["Tot {datum}.", "Tot {date", "Tot {}."])
def test_a_typing_error_in_the_wording_is_found_before_the_meeting(template: str) -> None:
    with pytest.raises(WordingError):
        fill(template, {"date": "x", "contact": "y", "organisation": "z"})


def test_the_version_is_the_hash_of_the_file_in_the_copy() -> None:
    one = Agreement("nl", "Zullen we?", "Wij nemen dit gesprek op.")
    assert one.version == hashlib.sha256(one.as_file()).hexdigest()
    assert one.version != Agreement("nl", "Zullen we?", "Wij nemen dit gesprek op").version


@pytest.mark.parametrize(
    "word", ["toestemming", "Toestemmingsformulier", "toegestemd", "het toestemmen", "consent", "CONSENTED", "permission"]
)
def test_rule_t2_words_that_ask_for_leave_are_found_in_a_wording(word: str) -> None:
    assert left_out_words(f"Wij geven elkaar {word} voor de opname.") != ()


def test_rule_t2_an_agreement_between_equals_has_none_of_them() -> None:
    assert left_out_words("Wij spreken af: niemand knipt erin. We agree on this, and both confirm. Instemmen mag.") == ()
