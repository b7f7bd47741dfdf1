from __future__ import annotations

import hashlib
import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import twin_words as module
from appliance.twin_words import BITS, WORDS, WordListError, twin_words, word_list

HASH = hashlib.sha256(b"een opname").hexdigest()


def test_there_are_2048_words_in_the_order_of_the_alphabet_short_and_without_accents() -> None:
    words = word_list()
    assert len(words) == len(set(words)) == 2**BITS
    assert list(words) == sorted(words)
    assert all(re.fullmatch("[a-z]{3,11}", word) for word in words)


def aloud(word: str) -> str:
    """What is heard of it, roughly: what sounds alike in Dutch is made the same."""
    for written, heard in [
        ("ei", "ij"),
        ("auw", "ou"),
        ("ouw", "ou"),
        ("au", "ou"),
        ("ch", "g"),
        ("th", "t"),
        ("ph", "f"),
        ("qu", "kw"),
        ("x", "ks"),
        ("y", "i"),
        ("c", "k"),
        ("z", "s"),
        ("v", "f"),
        ("ie", "i"),
        ("oo", "o"),
        ("aa", "a"),
        ("ee", "e"),
        ("uu", "u"),
    ]:
        word = word.replace(written, heard)
    word = re.sub("d$", "t", re.sub("b$", "p", word))
    return re.sub(r"(.)\1", r"\1", word)


def one_letter_away(word: str) -> set[str]:
    """What a word becomes when one letter is left out, is another one (_), or changes places with the next."""
    left_out = {word[:at] + word[at + 1 :] for at in range(len(word))}
    another = {f"{word[:at]}_{word[at + 1 :]}" for at in range(len(word))}
    swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)} - {word}
    return left_out | another | swapped


@pytest.mark.parametrize("as_it_is", [str, aloud], ids=["in writing", "aloud"])
def test_no_two_words_are_only_one_letter_apart(as_it_is: Callable[[str], str]) -> None:
    there = [as_it_is(word) for word in word_list()]
    assert len(set(there)) == len(there)
    patterns = [mistake for word in there for mistake in one_letter_away(word)]
    assert not set(patterns) & set(there), "one is another one with a letter left out, or two changed"
    with_another = [pattern for pattern in patterns if "_" in pattern]
    assert len(set(with_another)) == len(with_another), "one is another one with another letter"


@pytest.mark.parametrize(
    "word", ["toestemming", "wapen", "pistool", "bier", "kind", "moeder", "god", "dood", "seks", "mes", "riem", "kus"]
)
def test_words_that_hurt_or_are_about_the_people_at_the_table_are_not_in_it(word: str) -> None:
    assert word not in word_list()


def test_a_hash_has_four_words_and_always_the_same() -> None:
    words = twin_words(HASH)
    assert len(words) == WORDS
    assert set(words) <= set(word_list())
    assert words == twin_words(HASH.upper())
    assert twin_words("0" * 64) == (word_list()[0],) * 4
    assert twin_words("f" * 64) == (word_list()[-1],) * 4


def test_the_words_of_a_hash_are_part_of_the_format() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert twin_words(empty) == ("vlecht", "muskaatnoot", "biljet", "duinpan")
    number = 1 << 33 | 2 << 22 | 3 << 11 | 2047
    assert twin_words(f"{number << 4:012x}" + "0" * 52) == tuple(word_list()[place] for place in (1, 2, 3, 2047))


@given(st.binary(min_size=32, max_size=32), st.integers(0, 43))
def test_each_of_the_first_44_bits_changes_a_word(digest: bytes, bit: int) -> None:
    changed = bytearray(digest)
    changed[bit // 8] ^= 0x80 >> bit % 8
    before, after = twin_words(digest.hex()), twin_words(changed.hex())
    assert [place for place in range(WORDS) if before[place] != after[place]] == [bit // BITS]


def test_every_word_can_come_up() -> None:
    seen = {twin_words(f"{number:03x}".ljust(64, "0"))[0] for number in range(0, 4096, 2)}
    assert seen == set(word_list())


def test_a_million_million_hashes_are_not_needed_to_see_that_they_are_spread_out() -> None:
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]
    assert len({twin_words(digest) for digest in digests}) == len(digests)
    firsts = [twin_words(digest)[3] for digest in digests]
    most = max(len(list(group)) for _, group in itertools.groupby(sorted(firsts)))
    assert most < 40, "20000 over 2048 words: some ten each"


@pytest.mark.parametrize("wrong", ["", "12", "g" * 64, HASH + "00"])
def test_what_is_no_hash_has_no_words(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"hex"):
        twin_words(wrong)


def test_a_list_that_was_changed_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "twin-words.txt"
    other.write_text(" ".join(word_list()).replace("aambeeld", "aambeelt"), encoding="ascii")
    monkeypatch.setattr(module, "_LIST", other)
    module.word_list.cache_clear()
    with pytest.raises(WordListError, match="not the list"):
        twin_words(HASH)
    module.word_list.cache_clear()


def test_it_brings_nothing_along() -> None:
    shown = "import appliance.twin_words, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True).stdout.split()
    assert not {"asyncio", "msgspec", "json"} & set(loaded)
