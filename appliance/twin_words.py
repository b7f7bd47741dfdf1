"""Four twin words: a recording's SHA-256 as four plain Dutch words, so that two people can see that they hold the same.

Each party reads the words from the screen, or later from their own stick: the same words, the same recording. That is easier and
more certain than 64 hexadecimal digits, in which nobody sees a changed one.

How much they say. The list has 2048 words, 11 bits each: four words are the first 44 bits of the hash. By accident two different
recordings have the same words once in 17.6 million million. They are **not** a proof against somebody who wants two different
recordings to have the same words: 2^44 attempts are within reach of one computer with a good graphics card. What stands up
against that is the whole hash, which is on the same screen and in the same bag, and the signature over it.

The list (`twin-words.txt`, in the package) is fixed: its order is part of the format, and no word of it may ever change. Its words are
nouns that people know, with 3 to 11 letters, without accents, harmless, and no two of them are alike: at least two letters apart,
in writing and (ei and ij, au and ou, g and ch, d and t at the end, c and k, ...) aloud. A test holds that.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

WORDS = 4
BITS = 11

_LIST = Path(__file__).parent / "twin-words.txt"
_FINGERPRINT = "25640632b42bdd82426c4d8058ffcae8d5c1cb8a32e0add3540a49eb6bcf90f7"
"""Of the list: one that was changed would make old sticks say other words than the screen once did."""


class WordListError(Exception):
    """A sentence: the list of words is not the one that this format is made with."""


@cache
def word_list() -> tuple[str, ...]:
    """The 2048 words, in their order. WordListError."""
    text = _LIST.read_bytes()
    if hashlib.sha256(text).hexdigest() != _FINGERPRINT:
        raise WordListError(f"{_LIST} is not the list of twin words that recordings are told by.")
    return tuple(text.decode("ascii").split())


def twin_words(sha256: str) -> tuple[str, ...]:
    """The four words of a SHA-256 in hex: its first 44 bits, the highest first, 11 for each word. ValueError if it is none."""
    if len(sha256) != 64:
        raise ValueError(f"{sha256!r} is not a SHA-256 in hex.")
    number = int.from_bytes(bytes.fromhex(sha256)) >> (256 - WORDS * BITS)
    words = word_list()
    return tuple(words[number >> (BITS * place) & (len(words) - 1)] for place in reversed(range(WORDS)))
