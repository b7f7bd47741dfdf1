"""The honest note: when something failed, both copies say in plain words which minutes exist, which do not, and why.

It is made from the journal alone, so both copies hold the same, and so does one that is made again later.
"""

from __future__ import annotations

from collections.abc import Iterator

from appliance.page.account import Account, Happening
from appliance.page.telling import FAILED_ENDS, duration, from_to, moment, spans_that_exist, when
from appliance.words import N_, Say, languages, span, speak

LINES_AT_MOST = 100
"""A note that is longer than a page or two is not read; the journal has every line."""


def note_of(told: Account) -> bytes | None:
    """`data/NOTE.txt`, in Dutch and in the language of the meeting; None when nothing failed."""
    if told.ended_by not in FAILED_ENDS and not told.of(Happening.GAP, Happening.SILENT, Happening.STICK):
        return None
    texts = ["\n".join(_lines(told, speak(language))) for language in readers_languages(told.language)]
    return ("\n\n" + "-" * 72 + "\n\n").join(texts).encode() + b"\n"


def readers_languages(of_the_meeting: str) -> tuple[str, ...]:
    """Dutch, and the language of the meeting if there are words in it; English for one that we do not speak."""
    other = of_the_meeting if of_the_meeting in languages() else "en"
    return tuple(dict.fromkeys(("nl", other)))


def _lines(told: Account, say: Say) -> Iterator[str]:
    yield say(N_("WHAT WENT WRONG DURING THIS RECORDING"))
    yield ""
    yield say(
        N_("This is the recording of a conversation {when}. Something went wrong. This note says what is there and what is not.")
    ).format(when=when(told.began, say))
    yield ""
    yield say(N_("What is there:"))
    yield from _capped(
        [f"- {from_to(begin, end, say)}" for begin, end in spans_that_exist(told)] or [f"- {say(N_('nothing'))}"], say
    )
    if seconds := sum(end - begin for begin, end in spans_that_exist(told)):
        yield say(N_("Together that is {length}.")).format(length=duration(seconds, say))
    yield ""
    yield say(N_("What happened, and when:"))
    failures = [m for m in told.moments if m.what in _FAILURES and (m.what is not Happening.END or m.why in FAILED_ENDS)]
    yield from _capped([f"- {span(failure.at)}  {moment(failure, say)}" for failure in failures], say)
    yield ""
    yield say(N_("All that is there is as it was recorded. Nobody cut anything out."))
    yield say(N_("Both parties have this same note."))


_FAILURES = frozenset({Happening.GAP, Happening.SILENT, Happening.STICK, Happening.END})


def _capped(lines: list[str], say: Say) -> Iterator[str]:
    yield from lines[:LINES_AT_MOST]
    if len(lines) > LINES_AT_MOST:
        yield say(N_("- and {n} more, which are in journal.jsonl")).format(n=len(lines) - LINES_AT_MOST)
