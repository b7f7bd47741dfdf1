"""The meeting's rules, walked: first by hand, as the room would, then at random for thousands of steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.agreement import PARTIES, Party
from appliance.meeting import (
    Alternative,
    Announce,
    Begin,
    BeginFailed,
    Cancel,
    CloseMicrophone,
    ComeBack,
    Confirm,
    CopiesAre,
    CopyNote,
    Decline,
    Effect,
    End,
    Finish,
    Hold,
    Join,
    Journal,
    Later,
    Leave,
    Light,
    Mark,
    Meeting,
    MeetingEvent,
    Microphone,
    MicrophoneIs,
    NothingStored,
    OpenMicrophone,
    Pause,
    Press,
    Received,
    Refusal,
    Refuse,
    Register,
    Resume,
    RoomOnDisk,
    Sealed,
    SealFailed,
    Sound,
    Start,
    State,
    Stop,
    StoppedBy,
    StoreFrom,
    StoreUntil,
    Storing,
    SumUp,
    SwitchOff,
    Tone,
    found,
    handle,
)

PROFESSIONAL, CLIENT, GUEST = Party.PROFESSIONAL, Party.CLIENT, Party.GUEST
HEARD = MicrophoneIs(Microphone.HEARD)
BOTH = frozenset(PARTIES)
SECOND = 1_000_000_000


def walk(meeting: Meeting, *events: MeetingEvent) -> tuple[Meeting, list[Effect]]:
    """Where the meeting stands after the events, and all that they asked for."""
    effects: list[Effect] = []
    for event in events:
        meeting, more = handle(meeting, event)
        effects += more
    return meeting, effects


def at(state: State, *, guest: bool = False) -> Meeting:
    """A meeting led to a state the ordinary way."""
    agree: list[MeetingEvent] = [Announce(), HEARD, Confirm(PROFESSIONAL), Confirm(CLIENT)]
    if guest:
        agree = [Announce(), HEARD, Join(), Confirm(PROFESSIONAL), Confirm(CLIENT), Confirm(GUEST)]
    begun: list[MeetingEvent] = [*agree, Start(), Storing(on=True)]
    ways: dict[State, list[MeetingEvent]] = {
        State.IDLE: [],
        State.ANNOUNCING: [Announce(), HEARD],
        State.AGREEING: [Announce(), HEARD, Confirm(PROFESSIONAL)],
        State.AGREED: agree,
        State.RECORDING: begun,
        State.PAUSED: [*begun, Pause(), Storing(on=False)],
        State.SEALING: [*begun, Stop(), Storing(on=False)],
        State.COPYING: [*begun, Stop(), Storing(on=False), Sealed("ab" * 32)],
        State.HANDOVER: [*begun, Stop(), Storing(on=False), Sealed("ab" * 32), CopiesAre(2, settled=True)],
        State.DECLINED: [Announce(), HEARD, Decline()],
    }
    meeting, _ = walk(Meeting(), *ways[state])
    assert meeting.state is state
    return meeting


def refused(meeting: Meeting, event: MeetingEvent) -> Refusal | None:
    after, effects = handle(meeting, event)
    match effects:
        case (Refuse(why),):
            assert after == meeting
            return why
    return None


# ── the main job


def test_a_whole_meeting_from_invitation_to_two_sticks() -> None:
    meeting, effects = walk(
        Meeting(), Announce(), HEARD, Confirm(PROFESSIONAL), Confirm(CLIENT), Start(at=5), Storing(on=True), Pause(at=6),
        Storing(on=False), Resume(at=7), Storing(on=True), Stop(at=8), Storing(on=False), Sealed("ab" * 32),
        CopiesAre(2, settled=True), Received(PROFESSIONAL), Received(CLIENT),
    )  # fmt: skip
    assert meeting == Meeting()
    assert [e for e in effects if isinstance(e, Begin | StoreUntil | StoreFrom | Finish)] == [
        Begin(5), StoreUntil(6, "paused"), StoreFrom(7), Finish(8, StoppedBy.ROOM)
    ]  # fmt: skip
    assert [e.on for e in effects if isinstance(e, Light)] == [True, False, True, False]
    assert effects[-4:] == [
        Register("received", PROFESSIONAL), Register("received", CLIENT), Register("handed-over"), End()
    ]  # fmt: skip


def test_rule_3_nothing_is_stored_before_both_have_confirmed() -> None:
    for state in (State.IDLE, State.ANNOUNCING, State.AGREEING, State.DECLINED):
        assert refused(at(state), Start()) is not None


def test_rule_3_agreeing_alone_stores_nothing_until_somebody_presses_start() -> None:
    _, effects = walk(Meeting(), Announce(), HEARD, Confirm(PROFESSIONAL), Confirm(CLIENT))
    assert not [e for e in effects if isinstance(e, Begin | StoreFrom | Light)]


def test_confirming_twice_never_counts_for_the_other() -> None:
    meeting, _ = walk(Meeting(), Announce(), *[Confirm(CLIENT)] * 5)
    assert meeting.state is State.AGREEING
    assert meeting.confirmed == {CLIENT}
    assert refused(meeting, Start()) is Refusal.NOT_ALL_CONFIRMED


def test_rule_1_declining_offers_an_alternative_and_stores_nothing() -> None:
    for state in (State.ANNOUNCING, State.AGREEING, State.AGREED):
        meeting, effects = handle(at(state), Decline(Alternative.SUMMARY))
        assert meeting.state is State.DECLINED
        assert effects == (CloseMicrophone(), End(), Register("declined"))


def test_rule_1_a_note_of_what_was_agreed_instead_goes_on_the_sticks_only_when_there_is_one() -> None:
    meeting, effects = handle(at(State.AGREEING), Decline(Alternative.FOLLOW_UP, "Wij spreken elkaar vrijdag."))
    assert CopyNote(Alternative.FOLLOW_UP, "Wij spreken elkaar vrijdag.") in effects
    later, more = handle(meeting, Decline(Alternative.SUMMARY, "Toch een samenvatting."))
    assert later.state is State.DECLINED
    assert more == (CopyNote(Alternative.SUMMARY, "Toch een samenvatting."),)


def test_rule_1_a_note_beside_a_recording_is_refused_and_never_lost_in_silence() -> None:
    note = Decline(note="Toch liever niet.")
    for meeting in (at(State.RECORDING), at(State.PAUSED), walk(interrupted(), Announce(), HEARD)[0]):
        assert refused(meeting, note) is Refusal.NO_NOTE_BESIDE_A_RECORDING


def test_rule_1_declined_ends_in_idle_or_in_the_next_meeting() -> None:
    assert handle(at(State.DECLINED), Cancel())[0] == Meeting()
    assert handle(at(State.DECLINED), Press())[0] == Meeting()
    assert handle(at(State.DECLINED), Announce())[0].state is State.ANNOUNCING


# ── somebody joins


def test_rule_3_somebody_who_joins_before_the_start_confirms_too() -> None:
    meeting, _ = handle(at(State.AGREED), Join())
    assert meeting.state is State.AGREEING
    assert meeting.asked is GUEST
    assert refused(meeting, Start()) is Refusal.NOT_ALL_CONFIRMED
    meeting, _ = handle(meeting, Confirm(GUEST))
    assert meeting.state is State.AGREED


def test_rule_3_somebody_who_joins_during_the_recording_stops_the_storing_until_they_confirmed() -> None:
    meeting, effects = handle(at(State.RECORDING), Join(at=9))
    assert effects[0] == StoreUntil(9, "paused")
    assert Journal("joined", 9) in effects
    assert (meeting.state, meeting.confirmed) == (State.AGREEING, BOTH)
    assert refused(meeting, Start()) is Refusal.NOT_ALL_CONFIRMED
    assert refused(meeting, Resume()) is Refusal.NOT_ALL_CONFIRMED
    meeting, effects_after = walk(meeting, Confirm(GUEST), Start(at=11))
    assert meeting.state is State.RECORDING
    assert StoreFrom(11) in effects_after


def test_rule_3_a_second_guest_confirms_as_the_first_did() -> None:
    meeting, _ = walk(at(State.RECORDING, guest=True), Join())
    assert meeting.confirmed == {PROFESSIONAL, CLIENT}
    meeting, _ = walk(meeting, Confirm(GUEST), Start(), Join())
    assert meeting.asked is GUEST


@pytest.mark.parametrize("taken_back_by", [Cancel(), Decline()])
def test_a_join_is_taken_back_without_losing_what_was_recorded(taken_back_by: MeetingEvent) -> None:
    meeting, effects = walk(at(State.RECORDING), Join(), taken_back_by)
    assert (meeting.state, meeting.guest, meeting.confirmed) == (State.PAUSED, False, BOTH)
    assert Journal("join-taken-back", 0) in effects
    assert not [e for e in effects if isinstance(e, CloseMicrophone | End)]
    assert handle(meeting, Resume())[0].state is State.RECORDING


def test_taking_back_the_second_guest_keeps_the_first() -> None:
    meeting, _ = walk(at(State.RECORDING, guest=True), Join(), Join(), Cancel())
    assert (meeting.guest, meeting.confirmed) == (True, BOTH | {GUEST})


def test_stop_works_while_somebody_joins() -> None:
    assert handle(handle(at(State.RECORDING), Join())[0], Stop())[0].state is State.SEALING


@pytest.mark.parametrize("event", [Cancel(), Decline()])
def test_after_the_start_nothing_discards(event: MeetingEvent) -> None:
    meeting, effects = handle(at(State.RECORDING), event)
    assert meeting.state is State.PAUSED
    assert effects[0] == StoreUntil(0, "paused")
    assert handle(at(State.PAUSED), event) == (at(State.PAUSED), ())


# ── the closing summary, and the stop that never waits for it


def test_a_closing_summary_is_a_chapter_and_the_recording_goes_on() -> None:
    meeting, effects = handle(at(State.RECORDING), SumUp(at=9))
    assert (meeting.state, meeting.summing_up) == (State.RECORDING, True)
    assert effects == (Journal("summary", 9),)
    assert handle(meeting, SumUp(at=10)) == (meeting, ())


def test_whoever_goes_on_after_all_takes_the_summary_back() -> None:
    summing_up, _ = handle(at(State.RECORDING), SumUp())
    meeting, effects = handle(summing_up, Resume(at=11))
    assert meeting == at(State.RECORDING)
    assert effects == (Journal("summary-left", 11),)
    assert refused(meeting, Resume()) is Refusal.NOT_NOW


@pytest.mark.parametrize("stop", [Stop(at=12), Hold(at=12)])
@pytest.mark.parametrize("summed_up", [True, False])
def test_a_stop_by_anyone_ends_the_recording_at_once_and_never_asks_for_a_summary(stop: MeetingEvent, summed_up: bool) -> None:
    meeting, _ = walk(at(State.RECORDING), *([SumUp()] if summed_up else []))
    over, effects = handle(meeting, stop)
    assert (over.state, over.summing_up) == (State.SEALING, False)
    assert [effect for effect in effects if isinstance(effect, Finish)]


@pytest.mark.parametrize("event", [Press(), Pause(), Join(), Cancel()])
def test_a_summary_that_is_interrupted_is_no_longer_asked_for(event: MeetingEvent) -> None:
    assert not walk(at(State.RECORDING), SumUp(), event)[0].summing_up


def test_only_what_is_recorded_can_be_summed_up() -> None:
    for state in set(State) - {State.RECORDING}:
        assert refused(at(state), SumUp()) is Refusal.NOT_RECORDING


# ── switching off


def test_the_appliance_is_switched_off_between_meetings_and_never_in_one() -> None:
    for state in State:
        if state in {State.IDLE, State.DECLINED, State.HANDOVER}:
            assert handle(at(state), SwitchOff()) == (at(state), (Leave(),))
        else:
            assert refused(at(state), SwitchOff()) is Refusal.MEETING_GOES_ON


# ── handover


def test_rule_4_nobody_receives_a_copy_that_was_not_verified() -> None:
    meeting = replace(at(State.HANDOVER), verified=1)
    meeting, _ = handle(meeting, Received(CLIENT))
    assert refused(meeting, Received(PROFESSIONAL)) is Refusal.NO_COPY_LEFT
    meeting, _ = handle(meeting, CopiesAre(2, settled=True))
    assert handle(meeting, Received(PROFESSIONAL))[0].state is State.IDLE


def test_a_party_may_leave_without_a_stick() -> None:
    assert walk(at(State.HANDOVER), Later(CLIENT), Received(PROFESSIONAL))[0].state is State.IDLE
    leaving, _ = handle(at(State.COPYING), Later(CLIENT))
    assert leaving.state is State.HANDOVER
    assert walk(leaving, Later(PROFESSIONAL))[0].state is State.IDLE


def test_who_said_later_may_still_receive() -> None:
    meeting, _ = walk(at(State.HANDOVER), Later(CLIENT), Received(CLIENT))
    assert (meeting.received, meeting.later) == (frozenset({CLIENT}), frozenset())


def test_a_guest_takes_no_copy() -> None:
    assert refused(at(State.HANDOVER), Received(GUEST)) is Refusal.ONLY_PARTIES_RECEIVE


def interrupted() -> Meeting:
    meeting = found(State.COPYING, sha256="cd" * 32, interrupted=True, received=frozenset(), later=frozenset())
    return handle(meeting, CopiesAre(2, settled=True))[0]


def test_an_interrupted_recording_may_have_a_second_part_that_is_agreed_anew() -> None:
    meeting, _ = walk(interrupted(), Announce(), HEARD)
    assert (meeting.state, meeting.confirmed) == (State.ANNOUNCING, frozenset())
    meeting, effects = walk(meeting, Confirm(PROFESSIONAL), Confirm(CLIENT), Start())
    assert meeting.first_part is not None
    assert [e for e in effects if isinstance(e, Begin)]


@pytest.mark.parametrize("event", [Cancel(), Decline()])
def test_a_second_part_that_is_not_made_leads_back_to_the_first_ones_handover(event: MeetingEvent) -> None:
    first, _ = handle(interrupted(), Received(CLIENT))
    meeting, effects = walk(first, Announce(), Confirm(CLIENT), event)
    assert (meeting.state, meeting.sha256, meeting.received) == (State.HANDOVER, "cd" * 32, frozenset({CLIENT}))
    assert ComeBack() in effects


def test_a_recording_that_was_stopped_has_no_second_part() -> None:
    assert refused(at(State.HANDOVER), Announce()) is Refusal.MEETING_GOES_ON


# ── the one button


def test_one_button_walks_the_whole_meeting() -> None:
    meeting, _ = walk(Meeting(), Press(at=0), HEARD)
    assert meeting.asked is PROFESSIONAL
    meeting, first = walk(meeting, Press(at=1 * SECOND))
    assert meeting.asked is CLIENT
    meeting, second = walk(meeting, Press(at=3 * SECOND))
    assert (first[-1], second[-1]) == (Sound(Tone.CONFIRMED_PROFESSIONAL), Sound(Tone.CONFIRMED_CLIENT))
    assert meeting.state is State.AGREED
    meeting, _ = walk(meeting, Press(at=4 * SECOND), Storing(on=True), Press(), Storing(on=False), Press(), Storing(on=True))
    assert meeting.state is State.RECORDING
    meeting, _ = walk(meeting, Hold(), Storing(on=False), Sealed("ef" * 32), CopiesAre(2, settled=True), Press())
    assert meeting.received == {PROFESSIONAL}
    assert walk(meeting, Press())[0] == Meeting()


def test_a_hasty_second_press_does_not_confirm_for_the_other() -> None:
    meeting, _ = walk(Meeting(), Press(at=0), Press(at=1 * SECOND), Press(at=2 * SECOND - 1))
    assert meeting.confirmed == {PROFESSIONAL}
    assert walk(meeting, Press(at=2 * SECOND))[0].state is State.AGREED


def test_with_a_button_each_the_other_one_is_not_deaf() -> None:
    meeting, _ = walk(Meeting(), Announce(), Press(CLIENT, at=1), Press(PROFESSIONAL, at=2))
    assert meeting.state is State.AGREED


def test_with_a_button_each_a_guest_confirms_at_either_one_and_never_by_haste() -> None:
    joined, _ = walk(Meeting(), Announce(), Join(), Press(CLIENT, at=0), Press(PROFESSIONAL, at=1 * SECOND))
    assert joined.asked is GUEST
    assert walk(joined, Press(PROFESSIONAL, at=2 * SECOND - 1))[0].confirmed == BOTH, "a bounce"
    assert walk(joined, Press(CLIENT, at=2 * SECOND))[0].state is State.AGREED


def test_with_a_button_each_nobody_presses_for_the_other_however_often() -> None:
    meeting, _ = walk(Meeting(), Announce(), Join(), *[Press(CLIENT, at=n * 2 * SECOND) for n in range(5)])
    assert meeting.confirmed == {CLIENT}


def test_a_hold_before_the_start_is_rather_not_and_never_a_recording() -> None:
    for state in (State.ANNOUNCING, State.AGREEING, State.AGREED):
        assert handle(at(state), Hold())[0].state is State.DECLINED


def test_a_hold_at_the_handover_is_later_for_both() -> None:
    meeting, effects = handle(at(State.HANDOVER), Hold())
    assert meeting == Meeting()
    assert effects[:2] == (Register("later", PROFESSIONAL), Register("later", CLIENT))


def test_with_touch_the_button_neither_confirms_nor_receives() -> None:
    for state in (State.ANNOUNCING, State.AGREEING, State.HANDOVER):
        assert refused(replace(at(state), touch=True), Press()) is Refusal.TOUCH_THE_SCREEN
    assert handle(replace(at(State.AGREED), touch=True), Press())[0].state is State.RECORDING


def test_a_press_with_no_copy_left_means_later() -> None:
    meeting, effects = handle(replace(at(State.HANDOVER), verified=0), Press())
    assert (meeting.later, effects) == (frozenset({PROFESSIONAL}), (Register("later", PROFESSIONAL),))


# ── what the parts report


def test_without_a_microphone_there_is_no_start() -> None:
    meeting, _ = handle(at(State.AGREED), MicrophoneIs(Microphone.LOST))
    assert refused(meeting, Start()) is Refusal.NO_MICROPHONE
    assert refused(replace(meeting, microphone=Microphone.UNKNOWN), Start()) is Refusal.MICROPHONE_NOT_YET


def test_without_room_on_the_disk_there_is_no_start_and_a_running_recording_is_stopped_in_time() -> None:
    meeting, _ = handle(at(State.AGREED), RoomOnDisk(enough=False))
    assert refused(meeting, Start()) is Refusal.NO_ROOM_ON_DISK
    meeting, effects = handle(at(State.RECORDING), RoomOnDisk(enough=False, at=4))
    assert (meeting.state, effects[0]) == (State.SEALING, Finish(4, StoppedBy.DISK))


def test_the_light_follows_the_writer_and_nothing_else() -> None:
    agreed = at(State.AGREED)
    meeting, effects = handle(agreed, Start())
    assert not [e for e in effects if isinstance(e, Light)]
    assert handle(meeting, Storing(on=True))[1] == (Light(on=True),)
    paused, effects = handle(at(State.RECORDING), Pause())
    assert not [e for e in effects if isinstance(e, Light)]
    assert handle(paused, Storing(on=False))[1] == (Light(on=False),)


def test_a_disk_that_refuses_the_first_bytes_leads_back_to_the_agreement() -> None:
    meeting, _ = walk(at(State.AGREED), Start(), BeginFailed())
    assert (meeting.state, meeting.started) == (State.AGREED, False)


def test_a_recording_without_a_frame_ends_in_idle() -> None:
    assert handle(at(State.SEALING), NothingStored())[0] == Meeting()


def test_a_second_part_without_a_frame_leads_back_to_the_first_ones_handover() -> None:
    second, _ = walk(interrupted(), Announce(), HEARD, Confirm(PROFESSIONAL), Confirm(CLIENT), Start(), Stop())
    meeting, effects = handle(second, NothingStored())
    assert (meeting.state, meeting.sha256) == (State.HANDOVER, "cd" * 32)
    assert ComeBack() in effects


def test_a_mark_is_made_only_in_a_recording() -> None:
    assert handle(at(State.RECORDING), Mark(CLIENT, at=3))[1] == (Journal("mark", 3, CLIENT),)
    assert refused(at(State.PAUSED), Mark(CLIENT)) is Refusal.NOT_RECORDING


PEOPLE: tuple[MeetingEvent, ...] = (
    Announce(), *[Confirm(p) for p in Party], Start(), Pause(), Resume(), Join(), Mark(CLIENT), SumUp(), Stop(), Cancel(), Decline(),
    SwitchOff(),
    *[Received(p) for p in Party], *[Later(p) for p in Party],
)  # fmt: skip

ALLOWED: dict[State, dict[str, State]] = {
    State.IDLE: {"Announce": State.ANNOUNCING, "SwitchOff": State.IDLE},
    State.ANNOUNCING: {"Confirm": State.AGREEING, "Join": State.ANNOUNCING, "Cancel": State.IDLE, "Decline": State.DECLINED},
    State.AGREEING: {"Confirm": State.AGREED, "Join": State.AGREEING, "Cancel": State.IDLE, "Decline": State.DECLINED},
    State.AGREED: {
        "Confirm": State.AGREED, "Start": State.RECORDING, "Join": State.AGREEING, "Cancel": State.IDLE, "Decline": State.DECLINED
    },
    State.RECORDING: {
        "Pause": State.PAUSED, "Join": State.AGREEING, "Mark": State.RECORDING, "SumUp": State.RECORDING, "Stop": State.SEALING,
        "Cancel": State.PAUSED, "Decline": State.PAUSED,
    },
    State.PAUSED: {
        "Resume": State.RECORDING, "Join": State.AGREEING, "Stop": State.SEALING, "Cancel": State.PAUSED,
        "Decline": State.PAUSED,
    },
    State.SEALING: {},
    State.COPYING: {"Later": State.HANDOVER},
    State.HANDOVER: {"Received": State.HANDOVER, "Later": State.HANDOVER, "SwitchOff": State.HANDOVER},
    State.DECLINED: {
        "Announce": State.ANNOUNCING, "Cancel": State.IDLE, "Decline": State.DECLINED, "SwitchOff": State.DECLINED
    },
}  # fmt: skip


@pytest.mark.parametrize("state", list(State))
def test_every_transition_is_the_one_in_the_table_and_all_else_is_refused(state: State) -> None:
    meeting = at(state)
    for event in PEOPLE:
        if isinstance(event, Confirm | Received | Later) and event.party is not CLIENT:
            continue
        after, effects = handle(meeting, event)
        expected = ALLOWED[state].get(type(event).__name__)
        if expected is None:
            assert [type(e) for e in effects] == [Refuse], (state, event)
            assert after == meeting
        else:
            assert after.state is expected, (state, event)
            assert not [e for e in effects if isinstance(e, Refuse)], (state, event)


# ── at random


@dataclass
class Room:
    """A room that does what the effects say, and keeps its own account of who confirmed: by the rules, not by the code."""

    meeting: Meeting = field(default_factory=Meeting)
    gate_open: bool = False
    lamp: bool = False
    microphone_open: bool = False
    confirmed: frozenset[Party] = frozenset()
    guest_since: bool = False
    sealed: str | None = None
    stored: bool = False

    def step(self, event: MeetingEvent) -> None:
        before = self.meeting
        self.meeting, effects = handle(before, event)
        refused_or_silent = self.meeting == before
        if isinstance(event, Announce) and not refused_or_silent:
            self.confirmed, self.stored, self.sealed = frozenset(), False, None
        if isinstance(event, Join) and not any(isinstance(e, Refuse) for e in effects):
            self.guest_since = True
            self.confirmed -= {GUEST}
        for effect in effects:
            self.carry_out(effect, event)
        if isinstance(event, Storing):
            assert self.lamp is event.on
        self.check()

    def carry_out(self, effect: Effect, event: MeetingEvent) -> None:
        match effect:
            case Journal("confirmed", _, party) if party is not None:
                self.confirmed |= {party}
            case Journal("announced"):
                self.guest_since = False
            case Journal("join-taken-back"):
                self.guest_since = self.meeting.guest
                self.confirmed |= self.meeting.confirmed
            case Begin() | StoreFrom():
                assert self.confirmed.issuperset(PARTIES), "stored before both confirmed"
                assert not self.guest_since or GUEST in self.confirmed, "stored before the guest confirmed"
                assert isinstance(event, Start | Resume | Press), "stored although nobody pressed"
                assert isinstance(effect, Begin) is not self.stored, "one recording begins once"
                assert not self.gate_open
                assert self.microphone_open
                self.gate_open = self.stored = True
            case StoreUntil() | Finish():
                assert self.stored
                self.gate_open = False
            case Light(on):
                assert on is self.meeting.storing
                self.lamp = on
            case OpenMicrophone():
                self.microphone_open = True
            case CloseMicrophone():
                assert not self.gate_open, "the microphone closes while storing"
                self.microphone_open = False
            case End() | ComeBack() | Leave():
                assert not self.gate_open, "over, or switched off, in the middle of a recording"

    def check(self) -> None:
        m = self.meeting
        assert self.lamp is m.storing, "the light is on exactly while samples are stored"
        assert self.gate_open is (m.state is State.RECORDING)
        if m.state in {State.COPYING, State.HANDOVER} and m.first_part is None:
            assert self.sealed in {None, m.sha256}, "a sealed recording changed"
            self.sealed = m.sha256
        assert m.started or m.state not in {State.RECORDING, State.PAUSED, State.SEALING}
        assert len(m.received) <= max(m.verified, len(m.received & BOTH)), "more received than parties"
        if m.state is State.AGREED:
            assert m.is_agreed
        assert not m.summing_up or m.state is State.RECORDING


WAYS_OUT: dict[State, list[MeetingEvent]] = {
    State.IDLE: [],
    State.ANNOUNCING: [Cancel()],
    State.AGREEING: [Cancel()],
    State.AGREED: [Cancel()],
    State.RECORDING: [Stop()],
    State.PAUSED: [Stop()],
    State.SEALING: [Storing(on=False), Sealed("01" * 32)],
    State.COPYING: [Later(PROFESSIONAL), Later(CLIENT)],
    State.HANDOVER: [Later(PROFESSIONAL), Later(CLIENT)],
    State.DECLINED: [Cancel()],
}

parties = st.sampled_from(list(Party))
times = st.integers(0, 10 * SECOND)
people = st.one_of(
    st.builds(Announce, times), st.builds(Confirm, parties, times), st.builds(Start, times), st.builds(Pause, times),
    st.builds(Resume, times), st.builds(Join, times), st.builds(Mark, parties, times), st.builds(Stop, at=times),
    st.builds(Decline, st.sampled_from(list(Alternative)), st.sampled_from([None, "een notitie"]), times),
    st.builds(Cancel, times),
    st.builds(Received, parties, times), st.builds(Later, parties, times), st.builds(Press, st.none() | parties, times),
    st.builds(Hold, times), st.builds(SumUp, times), st.builds(SwitchOff, times),
)  # fmt: skip
likely = st.sampled_from(
    [
        Announce(),
        Confirm(PROFESSIONAL),
        Confirm(CLIENT),
        Confirm(GUEST),
        Start(),
        HEARD,
        Press(at=0),
        Press(at=5 * SECOND),
        Stop(),
    ]
)
parts = st.one_of(
    st.builds(MicrophoneIs, st.sampled_from(list(Microphone))), st.builds(RoomOnDisk, st.booleans(), times),
    st.just(Sealed("ab" * 32)), st.just(SealFailed()), st.just(NothingStored()),
    st.builds(CopiesAre, st.integers(0, 3), st.booleans()),
)  # fmt: skip


def possible(room: Room, event: MeetingEvent) -> bool:
    """What a part cannot report: a seal while the writer still writes, a storing that nobody asked for."""
    if isinstance(event, Sealed | SealFailed | NothingStored):
        return not room.meeting.storing
    return True


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(st.one_of(likely, likely, people, parts), min_size=50, max_size=100), st.booleans())
def test_in_whatever_order_the_promises_hold_and_every_path_ends_in_idle(
    data: st.DataObject, events: list[MeetingEvent], touch: bool
) -> None:
    room = Room(Meeting(touch=touch))
    for event in events:
        if possible(room, event):
            room.step(event)
        writer_catches_up = data.draw(st.booleans())
        if writer_catches_up and room.meeting.storing is not room.gate_open:
            room.step(Storing(on=room.gate_open))
    for _ in range(20):
        if room.meeting.state is State.IDLE:
            break
        for event in WAYS_OUT[room.meeting.state]:
            room.step(event)
    assert room.meeting.state is State.IDLE
    if room.meeting.storing:
        room.step(Storing(on=False))
    assert room.lamp is False
