"""What the room sees: the truth of where things stand, and what is wrong in sentences, in the meeting's language."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from appliance.agreement import PARTIES, Party
from appliance.audio.level import Hint, Level
from appliance.copies.copying import CopyState, Why
from appliance.copies.sticks import Stick
from appliance.meeting import Meeting, Microphone, State
from appliance.protocol import LevelView
from appliance.sight import STICK_TROUBLE, RecordingInSight, Sight, snapshot, trouble
from appliance.trust import Judged, Observation, Trust
from appliance.twin_words import twin_words
from appliance.words import Trouble, speak

BLUE, RED = CopyState("blue-1", "SANDISK BLAUW"), CopyState("red-2", "KINGSTON ROOD")
UNDER_WAY = (State.ANNOUNCING, State.AGREEING, State.AGREED, State.RECORDING, State.PAUSED)


def sight(*copies: CopyState, language: str = "en", **more: object) -> Sight:
    return Sight(language=language, copies=copies, **more)  # type: ignore[arg-type]


def seconds(count: float) -> RecordingInSight:
    return RecordingInSight("k7qm", Path("/recordings/k7qm"), 48_000, frames=int(count * 48_000))


def told(meeting: Meeting, seen: Sight) -> list[str]:
    return list(trouble(meeting, seen))


def test_where_nothing_is_wrong_nothing_is_said() -> None:
    for state in State:
        assert told(Meeting(state), sight(BLUE, RED)) == []


@pytest.mark.parametrize("state", UNDER_WAY)
def test_before_and_during_a_recording_missing_sticks_are_said(state: State) -> None:
    assert told(Meeting(state), sight()) == [Trouble.NO_STICK]
    assert told(Meeting(state), sight(BLUE)) == [Trouble.ONE_STICK]


@pytest.mark.parametrize("state", [State.IDLE, State.DECLINED, State.HANDOVER])
def test_where_nobody_needs_a_stick_none_is_asked_for(state: State) -> None:
    assert told(Meeting(state), sight()) == []


def test_a_stick_that_failed_is_named_and_does_not_count() -> None:
    full = replace(RED, state="failed", says="full")
    assert told(Meeting(State.RECORDING), sight(BLUE, full)) == [
        speak("en")(Trouble.STICK_FULL).format(stick="KINGSTON ROOD"),
        Trouble.ONE_STICK,
    ]


@pytest.mark.parametrize("why", get_args(Why))
@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_reason_why_a_copy_fails_has_its_sentence(why: Why, language: str) -> None:
    assert why in STICK_TROUBLE
    (sentence,) = told(Meeting(State.HANDOVER), sight(BLUE, replace(RED, state="failed", says=why), language=language))
    assert "KINGSTON ROOD" in sentence
    assert "{" not in sentence


def test_a_microphone_that_is_gone_says_what_is_safe() -> None:
    lost = Meeting(State.RECORDING, started=True, microphone=Microphone.LOST)
    (sentence,) = told(lost, sight(BLUE, RED, recording=seconds(754)))
    assert "00:12:34" in sentence
    assert told(replace(lost, state=State.AGREED, started=False), sight(BLUE, RED)) == [Trouble.MICROPHONE_MISSING]
    assert told(replace(lost, state=State.HANDOVER), sight(BLUE, RED)) == []


@pytest.mark.parametrize(
    ("left", "says"),
    [
        (30 * 60, None),
        (30 * 60 - 1, Trouble.HALF_AN_HOUR_LEFT),
        (10 * 60, Trouble.HALF_AN_HOUR_LEFT),
        (599, Trouble.TEN_MINUTES_LEFT),
    ],
)
def test_half_an_hour_and_ten_minutes_before_the_disk_is_full_the_room_is_told(left: int, says: Trouble | None) -> None:
    recording = Meeting(State.RECORDING, started=True)
    expected = [speak("en")(says).format(minutes=left // 60)] if says else []
    assert told(recording, sight(BLUE, RED, seconds_left=left)) == expected
    assert told(Meeting(State.AGREED), sight(BLUE, RED, seconds_left=left)) == []


def test_a_microphone_that_is_there_and_dead_is_told() -> None:
    heard = Meeting(State.ANNOUNCING, microphone=Microphone.HEARD)
    assert told(heard, sight(BLUE, RED, sound_alive=False)) == [Trouble.MICROPHONE_DEAD]
    assert told(heard, sight(BLUE, RED)) == []


@pytest.mark.parametrize(("hint", "says"), [(Hint.TOO_QUIET, Trouble.TOO_QUIET), (Hint.TOO_LOUD, Trouble.TOO_LOUD)])
def test_a_table_that_is_heard_too_softly_or_too_loudly_is_told_what_to_do_with_the_microphone(hint: Hint, says: Trouble) -> None:
    level = Level(-52.0, -40.0, hint=hint)
    for state in (State.ANNOUNCING, State.AGREEING, State.AGREED, State.RECORDING):
        heard = Meeting(state, microphone=Microphone.HEARD)
        assert told(heard, sight(BLUE, RED, level=level)) == [says]
        assert told(heard, sight(BLUE, RED, level=replace(level, hint=None))) == []
        assert told(heard, sight(BLUE, RED, level=level, sound_alive=False)) == [Trouble.MICROPHONE_DEAD]
        assert says not in told(replace(heard, microphone=Microphone.LOST), sight(BLUE, RED, level=level))
    for state in (State.IDLE, State.PAUSED, State.COPYING, State.HANDOVER):
        assert told(Meeting(state, microphone=Microphone.HEARD), sight(BLUE, RED, level=level)) == []


def test_the_level_is_told_with_what_did_not_fit() -> None:
    shown = snapshot(Meeting(State.RECORDING), sight(level=Level(-12.5, 0.0, clipped=31)), 0)
    assert shown.level == LevelView(-12.5, 0.0, 31)
    assert snapshot(Meeting(), sight(), 0).level is None


def judged(trust: Trust) -> Judged:
    return Judged(trust, Observation(0, datetime(2026, 11, 24, 12, tzinfo=UTC), ntp=False), None)


@pytest.mark.parametrize("trust", Trust)
def test_a_clock_that_nobody_vouches_for_is_said_before_the_start_and_not_in_the_middle_of_a_meeting(trust: Trust) -> None:
    seen = sight(BLUE, RED, clock=judged(trust))
    for state in (State.ANNOUNCING, State.AGREEING, State.AGREED):
        assert told(Meeting(state), seen) == ([Trouble.CLOCK_NOT_TRUSTED] if trust is Trust.NONE else [])
    for state in (State.IDLE, State.RECORDING, State.HANDOVER):
        assert told(Meeting(state, started=state is not State.IDLE), seen) == []


def test_a_clock_that_was_unknown_for_longer_than_recordings_are_kept_is_said_where_the_administrator_passes() -> None:
    assert told(Meeting(State.IDLE), sight(BLUE, RED, clock_too_long_unknown=True)) == [Trouble.CLOCK_TOO_LONG_UNKNOWN]


def test_the_rooms_clock_is_told_as_the_room_reads_it() -> None:
    seen = sight(clock=judged(Trust.BATTERY), zone=ZoneInfo("Europe/Amsterdam"))
    told_now = snapshot(Meeting(), seen, 0)
    assert (told_now.clock, told_now.clock_trust) == ("2026-11-24T13:00+01:00", "battery")


def test_what_the_disk_refused_is_said_once_however_often_it_did() -> None:
    often = sight(BLUE, RED, special=[Trouble.NOT_REGISTERED, Trouble.NOT_REGISTERED, Trouble.NOT_SEALED])
    assert told(Meeting(), often) == [Trouble.NOT_REGISTERED, Trouble.NOT_SEALED]


def test_a_disk_that_fails_and_one_that_is_full_are_said_in_every_state() -> None:
    for state in State:
        sentences = told(Meeting(state, room_on_disk=False), sight(BLUE, RED, disk_well=False))
        assert sentences == [Trouble.DISK_FAILING, Trouble.DISK_FULL]


def test_trouble_is_said_in_the_language_of_the_meeting() -> None:
    (dutch,) = told(Meeting(State.RECORDING), sight(language="nl"))
    assert dutch != Trouble.NO_STICK
    assert "stick" in dutch


def test_rule_4_a_copy_is_told_as_verified_only_when_the_register_knows() -> None:
    verified = replace(BLUE, state="verified", folder="/media/blue/k7qm", bytes=10, verified_bytes=10)
    seen = sight(verified)
    assert [copy.state for copy in snapshot(Meeting(State.COPYING), seen, 0).copies] == ["following"]
    seen.registered = frozenset({"blue-1"})
    assert [copy.state for copy in snapshot(Meeting(State.COPYING), seen, 0).copies] == ["verified"]


def test_a_stick_is_told_by_where_it_is_and_by_what_people_call_it() -> None:
    seen = sight(BLUE, sticks={"blue-1": Stick("blue-1", "BLAUW", Path("/media/recorder/BLAUW"))})
    (copy,) = snapshot(Meeting(), seen, 0).copies
    assert (copy.stick, copy.label) == ("/media/recorder/BLAUW", "SANDISK BLAUW")


def test_rule_t2_the_parties_are_told_in_the_order_in_which_they_are_asked() -> None:
    meeting = Meeting(State.AGREED, confirmed=frozenset({Party.GUEST, Party.CLIENT, Party.PROFESSIONAL}), guest=True)
    assert snapshot(meeting, sight(), 0).confirmed == [*PARTIES, Party.GUEST]


def test_the_light_that_is_told_is_the_lamps_own_word_and_storing_the_writers() -> None:
    shown = snapshot(Meeting(State.RECORDING, storing=True), sight(light=False), 0)
    assert (shown.storing, shown.light) == (True, False)


def test_a_recording_is_told_as_far_as_it_is_on_the_disk() -> None:
    shown = snapshot(Meeting(State.RECORDING), sight(recording=seconds(2.5)), 0)
    assert shown.recording is not None
    assert (shown.recording.frames, shown.recording.seconds, shown.recording.sha256) == (120_000, 2.5, None)


def checked(meeting: Meeting, seen: Sight) -> dict[str, str]:
    return {check.what: check.state for check in snapshot(meeting, seen, 0).checks}


@pytest.mark.parametrize("state", [State.ANNOUNCING, State.AGREEING, State.AGREED])
def test_before_the_start_what_a_recording_needs_is_looked_at(state: State) -> None:
    well = Meeting(state, microphone=Microphone.HEARD)
    seen = sight(BLUE, RED, clock=judged(Trust.NTP), power=True)
    assert set(checked(well, seen).values()) == {"good"}
    assert set(checked(well, seen)) == {"microphone", "sticks", "clock", "power", "room"}


@pytest.mark.parametrize(
    ("different", "seen", "what", "state"),
    [
        ({"microphone": Microphone.UNKNOWN}, {}, "microphone", "waiting"),
        ({"microphone": Microphone.LOST}, {}, "microphone", "bad"),
        ({}, {"sound_alive": False}, "microphone", "bad"),
        ({}, {"copies": (BLUE,)}, "sticks", "bad"),
        ({}, {"copies": (BLUE, replace(RED, state="failed", says="readonly"))}, "sticks", "bad"),
        ({}, {"clock": judged(Trust.NONE)}, "clock", "bad"),
        ({}, {"power": False}, "power", "bad"),
        ({"room_on_disk": False}, {}, "room", "bad"),
        ({}, {"disk_well": False}, "room", "bad"),
    ],
)
def test_what_is_not_good_is_told_beforehand_and_has_a_sentence_that_says_what_to_do(
    different: dict[str, Any], seen: dict[str, Any], what: str, state: str
) -> None:
    meeting = replace(Meeting(State.ANNOUNCING, microphone=Microphone.HEARD), **different)
    shown = replace(sight(BLUE, RED, clock=judged(Trust.NTP), power=True), **seen)
    assert {name: told for name, told in checked(meeting, shown).items() if told != "good"} == {what: state}
    assert bool(told(meeting, shown)) is (state == "bad")


def test_what_the_machine_does_not_tell_of_is_not_called_good() -> None:
    assert set(checked(Meeting(State.ANNOUNCING), sight(BLUE, RED))) == {"microphone", "sticks", "room"}


def test_after_the_start_nothing_is_looked_at_beforehand() -> None:
    for state in (State.IDLE, State.RECORDING, State.PAUSED, State.HANDOVER, State.DECLINED):
        assert checked(Meeting(state, started=True), sight(BLUE, RED)) == {}
    assert checked(Meeting(State.AGREEING, started=True), sight(BLUE, RED)) == {}


def test_rule_5_the_words_that_both_compare_come_with_the_seal() -> None:
    sealed = replace(seconds(10), sha256="3f0a9c1be27d4455a1c08f5e6b7d2231904cc0de77aa15b2cd8e01f4a6b93d70")
    assert snapshot(Meeting(State.RECORDING), sight(recording=seconds(10)), 0).twin_words == []
    assert snapshot(Meeting(State.HANDOVER), sight(recording=sealed), 0).twin_words == list(twin_words(sealed.sha256 or ""))


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ({"button_stuck": True}, Trouble.BUTTON_STUCK),
        ({"power": False}, Trouble.POWER_WEAK),
        ({"switch_off_failed": True}, Trouble.NOT_SWITCHED_OFF),
    ],
)
def test_a_button_power_and_a_switch_that_fail_are_said_in_every_state(seen: dict[str, Any], says: Trouble) -> None:
    for state in State:
        assert says in told(Meeting(state), sight(BLUE, RED, **seen))
