"""Dutch that nearly everybody reads: B1 at most, measured with a ruler that is not ours.

Flesch-Douma (W.H. Douma, 'De leesbaarheid van landbouwbladen', 1960): 206.84 - 0.77 x syllables in 100 words - 0.93 x words in a sentence.
From 60 on it calls a text plain, from 80 on easy. CEFR has no such formula; B1 is taken here as 'easy' for all that is said together, no
text of ten words or more below 'fairly difficult' (45: one long word that has to be there, in a short text, weighs as much as that),
and no sentence of more than 21 words (the announcement has one).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from appliance.config import shipped
from tests.test_words import read, translations

EASY, LOWEST = 80.0, 45.0
LONGEST_SENTENCE = 21
LONG_ENOUGH = 10
"""Words of a text that a formula can judge."""

WORD = re.compile(r"[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ'-]*")
SYLLABLE = re.compile(r"aai|ooi|oei|eeu|ieu|aa|ee|ie|oo|uu|oe|eu|ui|ij|ei|au|ou|[aeiouyàáâèéêìíîòóôùúû]|[äëïöü]", re.IGNORECASE)


def dutch() -> Iterator[str]:
    """Each text that a person can be shown in Dutch, the delivered agreement among them."""
    (po,) = [po for po in translations() if po.parts[-3] == "nl"]
    for message in read(po):
        if message.id:
            yield re.sub(r"\{\w+\}", "iets", str(message.string))
    for text in (shipped() / "agreement" / "nl").glob("*.txt"):
        yield re.sub(r"\{\w+\}", "iets", text.read_text("utf-8"))


def words_of(text: str) -> list[str]:
    return WORD.findall(text)


def sentences_of(text: str) -> list[str]:
    return [sentence for sentence in re.split(r"(?<=[.!?:;])\s+|\n+", text) if words_of(sentence)]


def syllables_of(word: str) -> int:
    return max(1, len(SYLLABLE.findall(word)))


def flesch_douma(text: str) -> float:
    words = words_of(text)
    per_hundred = 100 * sum(map(syllables_of, words)) / len(words)
    return 206.84 - 0.77 * per_hundred - 0.93 * len(words) / len(sentences_of(text))


@pytest.mark.parametrize(
    ("word", "syllables"),
    [("knop", 1), ("opname", 3), ("cliënt", 2), ("microfoon", 3), ("bevestigd", 3), ("draaien", 2), ("nieuwe", 2), ("beide", 2)],
)
def test_the_ruler_counts_syllables_as_people_do(word: str, syllables: int) -> None:
    assert syllables_of(word) == syllables


def test_the_ruler_tells_an_easy_text_from_a_hard_one() -> None:
    hard = (
        "De gegevensverwerkingsverantwoordelijke organisatie vernietigt overeenkomstig het bewaartermijnenbesluit de "
        "geluidsregistratie onverwijld na afhandeling van de verantwoordingsprocedure."
    )
    assert flesch_douma(hard) < 20
    assert flesch_douma("Druk op de knop. Dan begint de opname en gaat de lamp aan.") > 80


def test_all_that_is_said_in_dutch_is_easy() -> None:
    assert flesch_douma("\n".join(dutch())) >= EASY


def test_no_dutch_text_is_hard_and_no_sentence_is_long() -> None:
    hard = [(round(flesch_douma(text)), text) for text in dutch() if len(words_of(text)) >= LONG_ENOUGH]
    assert [(score, text) for score, text in hard if score < LOWEST] == []
    long = [sentence for text in dutch() for sentence in sentences_of(text) if len(words_of(sentence)) > LONGEST_SENTENCE]
    assert long == []
