"""What `verify` says: a contract for programs (names and fields stay), and the same in sentences for a person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from appliance.words import N_, Say

State: TypeAlias = Literal["intact", "changed", "unfinished", "unknown"]


class Finding(msgspec.Struct, frozen=True):
    """`what` is for a program, `says` for a person. Seconds are those of the recording, where a finding has a place in it."""

    what: str
    file: str | None
    from_seconds: float | None
    to_seconds: float | None
    says: str


class Signature(msgspec.Struct, frozen=True):
    """`key`: the fingerprint of the key that made it. `known`: whether that is a key that the caller expects; None: nobody said."""

    state: Literal["good", "bad", "missing"]
    key: str | None
    known: bool | None


class Verdict(msgspec.Struct, frozen=True):
    """`forgiven`: what a computer left in the copy by itself."""

    verdict: State
    findings: tuple[Finding, ...]
    forgiven: tuple[str, ...]
    signature: Signature


class Comparison(Verdict, frozen=True):
    """`equal`: byte for byte, what is forgiven apart. `first_difference_seconds`: in the sound; None where that is the same."""

    equal: bool
    first_difference_seconds: float | None


class NothingThereError(Exception):
    """A sentence: the path that was asked about is not there, or cannot be looked into."""


NO_SIGNATURE = Signature("missing", key=None, known=None)

_VERDICTS: Mapping[State, str] = {
    "intact": N_("The recording is intact."),
    "changed": N_("This is not the recording as it was sealed."),
    "unfinished": N_("This copy is not finished."),
    "unknown": N_("Whether this is a recording of this device, and unchanged, cannot be said."),
}
_FORGIVEN = N_("Left there by a computer, and no part of the recording: {files}.")
_NOT_SIGNED = N_("It bears no signature: it was not checked which device it comes from.")
_KNOWN = N_("The signature is good, and of the key that you expect: {key}.")
_COMPARE = N_(
    "The signature is good, and of this key: {key}. Whose key that is stands on the organisation's page and on the card of the room."
)
_EQUAL = N_("The two are equal.")
_NOT_EQUAL = N_("The two are not equal.")
_DIFFERS_FROM = N_("The two are not equal. The first difference in the sound is at {begin}.")


def in_english(text: str) -> str:
    return text


def worst(one: Verdict, other: Verdict) -> State:
    """Of two recordings: what must be said of both together."""
    order: tuple[State, ...] = ("intact", "unknown", "unfinished", "changed")
    return max((one.verdict, other.verdict), key=order.index)


def in_words(verdict: Verdict, say: Say = in_english) -> str:
    """A verdict for a person, a sentence a line: what it is, whether the two are equal, what was found, what is forgiven, whose it is."""
    lines = [say(_VERDICTS[verdict.verdict])]
    if isinstance(verdict, Comparison):
        at = verdict.first_difference_seconds
        different = say(_NOT_EQUAL) if at is None else say(_DIFFERS_FROM).format(begin=clock(math.floor(at)))
        lines.append(say(_EQUAL) if verdict.equal else different)
    lines += [finding.says for finding in verdict.findings]
    if verdict.forgiven:
        lines.append(say(_FORGIVEN).format(files=", ".join(verdict.forgiven)))
    if verdict.verdict == "intact":
        lines.append(_signed(verdict.signature, say))
    return "\n".join(lines)


def _signed(signature: Signature, say: Say) -> str:
    if signature.state != "good":
        return say(_NOT_SIGNED)
    return (say(_KNOWN) if signature.known else say(_COMPARE)).format(key=signature.key)


def clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def printable(text: str) -> str:
    """Names come from a stick: no control or direction marks, no bytes that are no letters, reach a screen."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
