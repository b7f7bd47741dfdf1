"""What a journal tells, as values and in sentences: nothing is left out, nothing is made nicer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from appliance.agreement import Party
from appliance.journal import JournalError
from appliance.page.account import Account, Happening, Moment, account_of
from appliance.page.note import LINES_AT_MOST, note_of, readers_languages
from appliance.page.telling import duration, moment, spans_that_exist, when, who
from appliance.words import speak
from tests.ui.translations import compile_translations

ENGLISH = speak("en")
compile_translations()

STARTED: dict[str, Any] = {
    "event": "started", "id": "k7qm", "rate": 1000, "bits": 16, "channels": 1, "frame": 0, "language": "nl",
    "local": "2026-11-23T14:00:00+01:00", "trust": "ntp", "confirmed": ["client", "professional"], "part_of": [], "mono_us": 0,
}  # fmt: skip


def told(*lines: dict[str, Any], end: int = 60_000, by: str = "room", **started: Any) -> Account:
    """Of a recording of a minute, unless it ends elsewhere."""
    how: dict[str, Any] = {"event": "interrupted", "boot": "b"} if by == "interrupted" else {"event": "stopped", "by": by}
    return account_of([{**STARTED, **started}, *lines, {**how, "frame": end, "mono_us": 90_000_000}])


def at(event: str, frame: int, mono_s: float = 0, **fields: Any) -> dict[str, Any]:
    return {"event": event, "frame": frame, "mono_us": int(mono_s * 1e6), **fields}


GAP = at("gap", 10_000, frames=8_000, uncertainty_frames=20, why="microphone")


def test_it_says_when_how_long_and_with_whose_word() -> None:
    account = told()
    assert (account.id, account.seconds, account.frame_bytes, account.is_part) == ("k7qm", 60.0, 2, 1)
    assert account.began == datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
    assert account.confirmed == (Party.PROFESSIONAL, Party.CLIENT)
    assert told(at("confirmed", 5_000, party="guest")).confirmed == (Party.PROFESSIONAL, Party.CLIENT, Party.GUEST)
    assert told(part_of=["aaaa", "bbbb"]).is_part == 3


def test_every_moment_at_which_something_happened_is_told_in_order() -> None:
    account = told(
        at("mark", 2_000, party="client"),
        at("paused", 5_000, 5),
        at("resumed", 5_000, 17.5),
        GAP,
        at("joined", 30_000, 43),
        at("resumed", 30_000, 73),
        at("silent", 40_000),
        at("sound-again", 45_500),
    )
    assert account.moments == (
        Moment(Happening.MARK, 2.0, party=Party.CLIENT),
        Moment(Happening.PAUSE, 5.0, 12.5),
        Moment(Happening.GAP, 10.0, 8.0, 0.02, "microphone"),
        Moment(Happening.JOIN, 30.0, 30.0),
        Moment(Happening.SILENT, 40.0, 5.5),
        Moment(Happening.END, 60.0, why="room"),
    )
    assert spans_that_exist(account) == [(0.0, 10.0), (18.0, 40.0), (45.5, 60.0)]


def test_a_stick_that_failed_in_a_pause_failed_where_the_sound_was_then() -> None:
    account = told(at("paused", 5_000, 5), {"event": "stick-failed", "stick": "A", "mono_us": 6_000_000}, at("resumed", 5_000, 9))
    assert account.moments[1] == Moment(Happening.STICK, 5.0)


def test_a_pause_that_the_power_cut_short_has_no_length() -> None:
    account = told(at("paused", 5_000, 5), end=5_000, by="interrupted")
    assert account.moments[0] == Moment(Happening.PAUSE, 5.0, None)
    assert moment(account.moments[0], ENGLISH) == "Pause."
    assert account.ended_by == "interrupted"


def test_a_journal_that_never_started_or_ended_has_no_account() -> None:
    with pytest.raises(JournalError, match="'interrupted'"):
        account_of([STARTED])
    with pytest.raises(JournalError, match="'started'"):
        account_of([{"event": "stopped", "frame": 0}])


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 second"),
        (1, "1 second"),
        (59.6, "1 minute"),
        (75, "1 minute 15 seconds"),
        (3600, "1 hour"),
        (7384, "2 hours 3 minutes 4 seconds"),
    ],
)
def test_lengths_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds, ENGLISH) == said


def test_times_and_parties_are_said_in_the_readers_language() -> None:
    began = told().began
    assert when(began, ENGLISH) == "on 23 November 2026 at 14:00"
    assert when(began, speak("nl")) == "op 23 november 2026 om 14:00 uur"
    assert when(None, ENGLISH) == "on a day that the device's clock did not know"
    assert who((Party.PROFESSIONAL, Party.CLIENT, Party.GUEST), ENGLISH) == "the professional, the client and a guest"


def test_a_short_gap_is_not_rounded_away_and_a_vague_one_is_called_vague() -> None:
    short = Moment(Happening.GAP, 1.0, 0.15, 0.0, "overrun")
    assert (
        moment(short, ENGLISH)
        == "A piece of 150 thousandths of a second is missing, because the device was too busy. It is silent there."
    )
    vague = Moment(Happening.GAP, 1.0, 12, 3.0, "microphone")
    assert moment(vague, ENGLISH).startswith("A piece of about 12 seconds is missing, because the microphone was gone.")
    unheard_of = Moment(Happening.GAP, 1.0, 2, 0, "meteor")
    assert "the device could not take it in" in moment(unheard_of, ENGLISH)


# ── the note


def lines_of(account: Account) -> list[str]:
    note = note_of(account)
    assert note is not None
    return note.decode().splitlines()


def test_where_nothing_failed_there_is_no_note() -> None:
    assert note_of(told(at("paused", 5_000, 5), at("resumed", 5_000, 6), at("mark", 6_000, party="client"))) is None
    assert note_of(told(by="source")) is None
    assert (
        note_of(account_of([{"event": "stick-failed", "stick": "A", "mono_us": 0}, STARTED, at("stopped", 9, by="room")])) is None
    )


INTRODUCTION = (
    "Dit is de opname van een gesprek op 23 november 2026 om 14:00 uur. Er ging iets mis. "
    "In dit briefje staat wat er wel is en wat niet."
)
POWER_WENT = (
    "- 00:01:00  Het apparaat viel midden in het gesprek uit: de stroom ging eraf, of het ging kapot. "
    "Wat daarna is gezegd, staat er niet op."
)


def test_the_note_says_which_minutes_exist_which_do_not_and_why() -> None:
    note = lines_of(told(GAP, end=60_000, by="interrupted"))
    assert note == [
        "WAT ER MISGING BIJ DEZE OPNAME",
        "",
        INTRODUCTION,
        "",
        "Wat er wel is:",
        "- van 00:00:00 tot 00:00:10",
        "- van 00:00:18 tot 00:01:00",
        "Samen is dat 52 seconden.",
        "",
        "Wat er gebeurde, en wanneer:",
        "- 00:00:10  Hier ontbreekt een stuk van 8 seconden, omdat de microfoon weg was. Daar is het stil.",
        POWER_WENT,
        "",
        "Alles wat er is, is zoals het is opgenomen. Niemand heeft er iets uit geknipt.",
        "U hebt allebei ditzelfde briefje.",
    ]


@pytest.mark.parametrize(
    "failed",
    [
        told(GAP),
        told(at("silent", 40_000)),
        told(at("stick-failed", 40_000)),
        told(by="system"),
        told(by="disk"),
        told(by="interrupted"),
    ],
    ids=["microphone", "dead microphone", "stick", "switched off", "disk", "power"],
)
def test_every_kind_of_failure_has_its_line(failed: Account) -> None:
    note = lines_of(failed)
    happened = note[note.index("Wat er gebeurde, en wanneer:") + 1 :]
    assert sum(line.startswith("- ") for line in happened) == 1


def test_of_a_meeting_in_another_language_the_note_is_in_both() -> None:
    note = lines_of(told(GAP, language="en"))
    assert note[0] == "WAT ER MISGING BIJ DEZE OPNAME"
    assert note[note.index("-" * 72) + 2] == "WHAT WENT WRONG DURING THIS RECORDING"
    assert readers_languages("nl") == ("nl",)
    assert readers_languages("xx") == ("nl", "en")


def test_nothing_of_the_sound_is_left_and_the_note_says_so() -> None:
    note = lines_of(told(at("gap", 0, frames=60_000, uncertainty_frames=0, why="microphone")))
    assert note[note.index("Wat er wel is:") + 1 :][:2] == ["- niets", ""]


def test_a_thousand_gaps_do_not_make_a_thousand_lines() -> None:
    gaps = [at("gap", n * 50, frames=10, uncertainty_frames=0, why="overrun") for n in range(1000)]
    note = lines_of(told(*gaps))
    assert len(note) < 3 * LINES_AT_MOST
    assert "- en nog 900, die staan in journal.jsonl" in note
