"""The meeting: every rule of the room, as one pure state machine.

    handle(meeting, event) -> (meeting, effects)

Everything that decides what may happen next lives in this file. It reads no clock, touches no file and starts
nothing: an event says what a person or a part of the appliance did, an effect says what the appliance must do now,
and `service.py` carries it out.

                     decline: another way       cancel: no meeting
                        DECLINED  <──┐            ┌──>  IDLE
                                     │            │
    IDLE ──announce──> ANNOUNCING ──confirm──> AGREEING ──confirm──> AGREED ──start──> RECORDING <──resume── PAUSED
                                                  ^                                     │  │ └────pause───────^
                                                  └──────── join: a guest agrees ───────┘  │                  │
                                                                                          stop               stop
                                                                                           v                  │
    IDLE <── each: received or later ── HANDOVER <── copies settled ── COPYING <── sealed ── SEALING <────────┘

Three promises are kept here and nowhere else:

* **Nothing is stored before the agreement** (R3). `Begin` and `StoreFrom` are the only effects that open the file.
  They are given on the press of start (or resume), and only when everybody whose word is needed has confirmed what
  stands now.
* **The light tells the truth.** `Light` follows `Storing`, which is the writer's own report; never the wish to
  record.
* **Nothing that was begun is thrown away.** After the first start no event discards: what would have been 'cancel'
  leads to a pause.

Times (`at`) are monotonic nanoseconds of the moment at which somebody did something. The machine compares them and
passes them on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from appliance.agreement import PARTIES, Party, is_complete, needed

DEAF_NS = 1_000_000_000
"""One button confirms for one party after the other: a second press within this time is the first one's bounce, or haste."""


class State(StrEnum):
    IDLE = "idle"
    ANNOUNCING = "announcing"
    AGREEING = "agreeing"
    AGREED = "agreed"
    RECORDING = "recording"
    PAUSED = "paused"
    SEALING = "sealing"
    COPYING = "copying"
    HANDOVER = "handover"
    DECLINED = "declined"


BEFORE_AGREED = frozenset({State.ANNOUNCING, State.AGREEING})
BEFORE_START = BEFORE_AGREED | {State.AGREED}


class Microphone(StrEnum):
    """What is known of the microphone: nothing yet, heard, or gone."""

    UNKNOWN = "unknown"
    HEARD = "heard"
    LOST = "lost"


class Alternative(StrEnum):
    """What the two choose when they do not record (R1)."""

    SUMMARY = "summary"
    TRUSTED = "trusted"
    FOLLOW_UP = "follow-up"
    OTHER = "other"


class StoppedBy(StrEnum):
    """Who or what ended the recording. Anyone in the room may; the appliance does so only to keep what there is."""

    ROOM = "room"
    BUTTON = "button"
    SYSTEM = "system"
    SOURCE = "source"
    DISK = "disk"


class Tone(StrEnum):
    """What is heard. CONFIRMED_* differ, so that two people at one button hear that it was the other's turn."""

    CONFIRMED_PROFESSIONAL = "confirmed-professional"
    CONFIRMED_CLIENT = "confirmed-client"
    CONFIRMED_GUEST = "confirmed-guest"
    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    STOPPED = "stopped"
    READY = "ready"
    TROUBLE = "trouble"


class Refusal(StrEnum):
    """Why the meeting does not allow something now. The words for it are the screen's (`words.py`)."""

    NOT_NOW = "not-now"
    NO_MEETING = "no-meeting"
    MEETING_GOES_ON = "meeting-goes-on"
    NOT_ALL_CONFIRMED = "not-all-confirmed"
    NO_GUEST = "no-guest"
    NO_MICROPHONE = "no-microphone"
    MICROPHONE_NOT_YET = "microphone-not-yet"
    NO_ROOM_ON_DISK = "no-room-on-disk"
    ALREADY_RECORDING = "already-recording"
    NOT_RECORDING = "not-recording"
    NO_COPY_LEFT = "no-copy-left"
    COPIES_NOT_READY = "copies-not-ready"
    ONLY_PARTIES_RECEIVE = "only-parties-receive"
    TOUCH_THE_SCREEN = "touch-the-screen"
    NO_NOTE_BESIDE_A_RECORDING = "no-note-beside-a-recording"


# ── what people do


@dataclass(frozen=True, slots=True)
class Announce:
    at: int = 0


@dataclass(frozen=True, slots=True)
class Confirm:
    party: Party
    at: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    at: int = 0


@dataclass(frozen=True, slots=True)
class Pause:
    at: int = 0


@dataclass(frozen=True, slots=True)
class Resume:
    at: int = 0


@dataclass(frozen=True, slots=True)
class Join:
    at: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    party: Party
    at: int = 0


@dataclass(frozen=True, slots=True)
class SumUp:
    """Before the stop: one of them sums up aloud, and that becomes the first chapter. The recording goes on."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class SwitchOff:
    """The appliance is to be switched off, by somebody who is no administrator."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    by: StoppedBy = StoppedBy.ROOM
    at: int = 0


@dataclass(frozen=True, slots=True)
class Cancel:
    at: int = 0


@dataclass(frozen=True, slots=True)
class Decline:
    """`note` is what both want to have written down of what they chose instead; usually nothing."""

    alternative: Alternative = Alternative.OTHER
    note: str | None = None
    at: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    party: Party
    at: int = 0


@dataclass(frozen=True, slots=True)
class Later:
    party: Party
    at: int = 0


@dataclass(frozen=True, slots=True)
class Press:
    """A short press of the button; `party` where each has a button of their own."""

    party: Party | None = None
    at: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """The button was held down."""

    at: int = 0


# ── what the appliance's parts report


@dataclass(frozen=True, slots=True)
class MicrophoneIs:
    now: Microphone


@dataclass(frozen=True, slots=True)
class RoomOnDisk:
    """Whether the disk has room for a recording; when it no longer has, a running one is stopped while it can still be sealed."""

    enough: bool
    at: int = 0


@dataclass(frozen=True, slots=True)
class Storing:
    """The writer's word: from now on samples reach the disk, or no longer do."""

    on: bool


@dataclass(frozen=True, slots=True)
class BeginFailed:
    """The disk refused the recording's first bytes: there is no recording."""


@dataclass(frozen=True, slots=True)
class NothingStored:
    """The recording ended without a single frame, and was removed."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """`sha256` of the WAV, hex."""

    sha256: str


@dataclass(frozen=True, slots=True)
class SealFailed:
    """The disk refused the seal. The recording lies as it was stored; the next start seals it."""


@dataclass(frozen=True, slots=True)
class CopiesAre:
    """How many copies are verified, and whether every stick that is there is through."""

    verified: int
    settled: bool


MeetingEvent: TypeAlias = (
    Announce | Confirm | Start | Pause | Resume | Join | Mark | SumUp | Stop | Cancel | Decline | Received | Later | Press | Hold
    | SwitchOff | MicrophoneIs | RoomOnDisk | Storing | BeginFailed | NothingStored | Sealed | SealFailed | CopiesAre
)  # fmt: skip


# ── what the appliance must do


@dataclass(frozen=True, slots=True)
class OpenMicrophone:
    """For the level check: what it hears is dropped."""


@dataclass(frozen=True, slots=True)
class CloseMicrophone:
    pass


@dataclass(frozen=True, slots=True)
class Begin:
    """Make the recording and store what is captured from `at` on."""

    at: int


@dataclass(frozen=True, slots=True)
class StoreFrom:
    at: int


@dataclass(frozen=True, slots=True)
class StoreUntil:
    """Store what was captured before `at`, all of it, and nothing after. `why`: 'paused' or 'joined'."""

    at: int
    why: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Store what was captured before `at`, then seal."""

    at: int
    by: StoppedBy


@dataclass(frozen=True, slots=True)
class Journal:
    """A line for the recording's journal; it waits until there is a recording, and goes with a meeting that never began."""

    event: str
    at: int
    party: Party | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """A line for the appliance's register."""

    event: str
    party: Party | None = None


@dataclass(frozen=True, slots=True)
class Light:
    on: bool


@dataclass(frozen=True, slots=True)
class Sound:
    tone: Tone


@dataclass(frozen=True, slots=True)
class Copy:
    """The recording is sealed: bring every copy to its end."""


@dataclass(frozen=True, slots=True)
class CopyNote:
    alternative: Alternative
    note: str


@dataclass(frozen=True, slots=True)
class ComeBack:
    """The second part is not made: go on with the handover of the first."""


@dataclass(frozen=True, slots=True)
class End:
    """The meeting is over; let go of what was held for it."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Switch the appliance off, when what is being copied is through."""


@dataclass(frozen=True, slots=True)
class Refuse:
    why: Refusal


Effect: TypeAlias = (
    OpenMicrophone | CloseMicrophone | Begin | StoreFrom | StoreUntil | Finish | Journal | Register | Light | Sound | Copy
    | CopyNote | ComeBack | End | Leave | Refuse
)  # fmt: skip


# ── where the meeting stands


@dataclass(frozen=True, slots=True)
class Handover:
    """A handover that waits while a second part is agreed on."""

    sha256: str
    verified: int
    received: frozenset[Party]
    later: frozenset[Party]


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where one meeting stands. `handle` makes the next one; nothing else does, but for `found` at a start-up."""

    state: State = State.IDLE
    confirmed: frozenset[Party] = frozenset()
    guest: bool = False
    """A guest's confirmation is part of the agreement."""
    started: bool = False
    """Start was pressed in this meeting: from here on nothing is discarded."""
    before_join: tuple[frozenset[Party], bool] | None = None
    """`confirmed` and `guest` as they were when somebody joined after the start: what taking the join back restores."""
    summing_up: bool = False
    """The closing summary is being spoken: the next thing is the stop, unless somebody goes on."""
    storing: bool = False
    """By what the writer did."""
    sha256: str | None = None
    """Of the sealed recording."""
    interrupted: bool = False
    verified: int = 0
    received: frozenset[Party] = frozenset()
    later: frozenset[Party] = frozenset()
    first_part: Handover | None = None
    """Set while a second part is under way after an interruption."""
    confirmed_at: int | None = None
    """When the button last confirmed for somebody."""
    microphone: Microphone = Microphone.UNKNOWN
    room_on_disk: bool = True
    touch: bool = False
    """The table has a touch screen: then the button neither confirms nor receives."""

    @property
    def is_agreed(self) -> bool:
        return is_complete(self.confirmed, guest=self.guest)

    @property
    def asked(self) -> Party | None:
        """The party whose name the screen shows large: whom one button's press speaks for."""
        if self.state in BEFORE_AGREED:
            return next((p for p in needed(guest=self.guest) if p not in self.confirmed), None)
        if self.state is State.HANDOVER:
            return next((p for p in PARTIES if p not in self.received | self.later), None)
        return None

    @property
    def copies_left(self) -> int:
        """Verified copies that nobody has taken yet."""
        return max(0, self.verified - len(self.received))


Step: TypeAlias = tuple[Meeting, tuple[Effect, ...]]


def found(
    state: State,
    *,
    sha256: str | None,
    interrupted: bool,
    received: frozenset[Party],
    later: frozenset[Party],
    touch: bool = False,
) -> Meeting:
    """The meeting that a start-up finds on the disk: at sealing, copying or handover."""
    both = frozenset(PARTIES)
    return Meeting(
        state,
        confirmed=both,
        started=True,
        sha256=sha256,
        interrupted=interrupted,
        received=received,
        later=later,
        touch=touch,
    )


def handle(meeting: Meeting, event: MeetingEvent) -> Step:
    """One step. What the meeting does not allow now changes nothing and gives `Refuse`."""
    match event:
        case Press():
            return _press(meeting, event)
        case Hold():
            return _hold(meeting, event)
        case MicrophoneIs() | RoomOnDisk() | Storing() | BeginFailed() | NothingStored() | Sealed() | SealFailed() | CopiesAre():
            return _report(meeting, event)
        case _:
            return _ask(meeting, event)


# ── people


def _ask(m: Meeting, event: MeetingEvent) -> Step:  # noqa: C901, PLR0911, PLR0912 - one line an event; splitting it would hide the list
    match event:
        case Announce():
            return _announce(m, event)
        case Confirm():
            return _confirm(m, event.party, event.at)
        case Start():
            return _start(m, event)
        case Pause():
            return _pause(m, event)
        case Resume():
            return _resume(m, event)
        case Join():
            return _join(m, event)
        case Mark():
            return _mark(m, event)
        case SumUp():
            return _sum_up(m, event)
        case Stop():
            return _stop(m, event.by, event.at)
        case SwitchOff():
            return _switch_off(m)
        case Cancel():
            return _cancel(m, event.at)
        case Decline():
            return _decline(m, event)
        case Received():
            return _received(m, event.party)
        case Later():
            return _later(m, event.party)
    raise TypeError(f"{event!r} is not something that people do")


def _announce(m: Meeting, event: Announce) -> Step:
    if m.state is State.HANDOVER and m.interrupted and m.sha256 is not None:
        waiting = Handover(m.sha256, m.verified, m.received, m.later)
        return _announcing(_fresh(m, first_part=waiting), event)
    if m.state in {State.IDLE, State.DECLINED}:
        return _announcing(_fresh(m), event)
    return _refuse(m, Refusal.MEETING_GOES_ON)


def _announcing(m: Meeting, event: Announce) -> Step:
    return replace(m, state=State.ANNOUNCING), (OpenMicrophone(), Journal("announced", event.at))


def _confirm(m: Meeting, party: Party, at: int) -> Step:
    if m.state is State.AGREED and party in m.confirmed:
        return m, ()
    if m.state not in BEFORE_AGREED:
        return _refuse(m, Refusal.NO_MEETING if m.state is State.IDLE else Refusal.NOT_NOW)
    if party is Party.GUEST and not m.guest:
        return _refuse(m, Refusal.NO_GUEST)
    if party in m.confirmed:
        return m, ()
    now = replace(m, confirmed=m.confirmed | {party})
    now = replace(now, state=State.AGREED if now.is_agreed else State.AGREEING)
    return now, (Journal("confirmed", at, party), Sound(Tone(f"confirmed-{party.value}")))


def _start(m: Meeting, event: Start) -> Step:
    if m.state in {State.RECORDING, State.PAUSED}:
        return _refuse(m, Refusal.ALREADY_RECORDING)
    if m.state is not State.AGREED:
        return _refuse(m, Refusal.NOT_ALL_CONFIRMED if m.state in BEFORE_AGREED else Refusal.NOT_NOW)
    if not m.room_on_disk:
        return _refuse(m, Refusal.NO_ROOM_ON_DISK)
    if m.started:
        return replace(m, state=State.RECORDING, before_join=None), (StoreFrom(event.at), Sound(Tone.RESUMED))
    if m.microphone is not Microphone.HEARD:
        lost = m.microphone is Microphone.LOST
        return _refuse(m, Refusal.NO_MICROPHONE if lost else Refusal.MICROPHONE_NOT_YET)
    return replace(m, state=State.RECORDING, started=True), (Begin(event.at), Sound(Tone.STARTED))


def _pause(m: Meeting, event: Pause) -> Step:
    if m.state is not State.RECORDING:
        return _refuse(m, Refusal.NOT_RECORDING)
    paused = replace(m, state=State.PAUSED, summing_up=False)
    return paused, (StoreUntil(event.at, "paused"), Sound(Tone.PAUSED))


def _resume(m: Meeting, event: Resume) -> Step:
    if m.state is State.RECORDING and m.summing_up:
        return replace(m, summing_up=False), (Journal("summary-left", event.at),)
    if m.state is not State.PAUSED:
        return _refuse(m, Refusal.NOT_ALL_CONFIRMED if m.started and m.state in BEFORE_AGREED else Refusal.NOT_NOW)
    if not m.room_on_disk:
        return _refuse(m, Refusal.NO_ROOM_ON_DISK)
    return replace(m, state=State.RECORDING), (StoreFrom(event.at), Sound(Tone.RESUMED))


def _join(m: Meeting, event: Join) -> Step:
    if m.state not in BEFORE_START | {State.RECORDING, State.PAUSED}:
        return _refuse(m, Refusal.NO_MEETING if m.state is State.IDLE else Refusal.NOT_NOW)
    before = m.before_join or (m.confirmed, m.guest)
    now = replace(m, guest=True, confirmed=m.confirmed - {Party.GUEST}, before_join=before if m.started else None)
    joined = Journal("joined", event.at)
    if m.state is State.RECORDING:
        still = replace(now, state=State.AGREEING, summing_up=False)
        return still, (StoreUntil(event.at, "paused"), joined, Sound(Tone.PAUSED))
    if m.state in {State.PAUSED, State.AGREED}:
        return replace(now, state=State.AGREEING), (joined,)
    return now, (joined,)


def _mark(m: Meeting, event: Mark) -> Step:
    if m.state is not State.RECORDING:
        return _refuse(m, Refusal.NOT_RECORDING)
    return m, (Journal("mark", event.at, event.party),)


def _sum_up(m: Meeting, event: SumUp) -> Step:
    """An invitation, and no step towards the stop that anybody has to take: `stop` never asks whether it was taken."""
    if m.state is not State.RECORDING:
        return _refuse(m, Refusal.NOT_RECORDING)
    if m.summing_up:
        return m, ()
    return replace(m, summing_up=True), (Journal("summary", event.at),)


def _switch_off(m: Meeting) -> Step:
    """A handover that is not over may wait: the next start finds it."""
    if m.state in {State.IDLE, State.DECLINED, State.HANDOVER}:
        return m, (Leave(),)
    return _refuse(m, Refusal.MEETING_GOES_ON)


def _stop(m: Meeting, by: StoppedBy, at: int) -> Step:
    if not m.started or m.state not in BEFORE_START | {State.RECORDING, State.PAUSED}:
        return _refuse(m, Refusal.NOT_RECORDING)
    over = replace(m, state=State.SEALING, before_join=None, summing_up=False)
    return over, (Finish(at, by), Sound(Tone.STOPPED))


def _cancel(m: Meeting, at: int) -> Step:
    if m.started and m.state in BEFORE_START | {State.RECORDING, State.PAUSED}:
        return _back_to_pause(m, at)
    if m.state in BEFORE_START:
        return _not_begun(m, _fresh(m), (CloseMicrophone(), End()))
    if m.state is State.DECLINED:
        return _fresh(m), (End(),)
    return _refuse(m, Refusal.NO_MEETING if m.state is State.IDLE else Refusal.NOT_NOW)


def _decline(m: Meeting, event: Decline) -> Step:
    if event.note and (m.started or m.first_part is not None):
        return _refuse(m, Refusal.NO_NOTE_BESIDE_A_RECORDING)
    if m.started and m.state in BEFORE_START | {State.RECORDING, State.PAUSED}:
        return _back_to_pause(m, event.at)
    note: tuple[Effect, ...] = (CopyNote(event.alternative, event.note),) if event.note else ()
    if m.state is State.DECLINED:
        return m, note
    if m.state not in BEFORE_START:
        return _refuse(m, Refusal.NO_MEETING if m.state is State.IDLE else Refusal.NOT_NOW)
    declined = replace(_fresh(m), state=State.DECLINED)
    return _not_begun(m, declined, (CloseMicrophone(), End(), Register("declined"), *note))


def _not_begun(m: Meeting, otherwise: Meeting, effects: tuple[Effect, ...]) -> Step:
    """Nothing was stored. A second part that is not made leads back to the handover of the first."""
    if m.first_part is None:
        return otherwise, effects
    first = m.first_part
    back = replace(
        _fresh(m), state=State.HANDOVER, started=True, interrupted=True, confirmed=frozenset(PARTIES),
        sha256=first.sha256, verified=first.verified, received=first.received, later=first.later,
    )  # fmt: skip
    return back, (CloseMicrophone(), ComeBack())


def _back_to_pause(m: Meeting, at: int) -> Step:
    """After the start, 'rather not' and 'cancel' mean: not this guest, or not now. What was recorded stays."""
    if m.state is State.RECORDING:
        return _pause(m, Pause(at))
    if m.before_join is None:
        return m, ()
    confirmed, guest = m.before_join
    now = replace(m, state=State.PAUSED, confirmed=confirmed, guest=guest, before_join=None)
    return now, (Journal("join-taken-back", at),)


def _received(m: Meeting, party: Party) -> Step:
    if party not in PARTIES:
        return _refuse(m, Refusal.ONLY_PARTIES_RECEIVE)
    if m.state is not State.HANDOVER:
        return _refuse(m, Refusal.COPIES_NOT_READY if m.state is State.COPYING else Refusal.NOT_NOW)
    if party in m.received:
        return m, ()
    if not m.copies_left:
        return _refuse(m, Refusal.NO_COPY_LEFT)
    now = replace(m, received=m.received | {party}, later=m.later - {party})
    return _maybe_over(now, (Register("received", party),))


def _later(m: Meeting, party: Party) -> Step:
    if party not in PARTIES:
        return _refuse(m, Refusal.ONLY_PARTIES_RECEIVE)
    if m.state not in {State.COPYING, State.HANDOVER}:
        return _refuse(m, Refusal.NOT_NOW)
    if party in m.received | m.later:
        return m, ()
    now = replace(m, state=State.HANDOVER, later=m.later | {party})
    return _maybe_over(now, (Register("later", party),))


def _maybe_over(m: Meeting, effects: tuple[Effect, ...]) -> Step:
    if m.asked is not None:
        return m, effects
    return _fresh(m), (*effects, Register("handed-over"), End())


# ── the button


def _press(m: Meeting, press: Press) -> Step:  # noqa: PLR0911 - the table of what a press means, a row a state
    match m.state:
        case State.IDLE:
            return _announce(m, Announce(press.at))
        case State.ANNOUNCING | State.AGREEING:
            return _press_confirms(m, press)
        case State.AGREED:
            return _start(m, Start(press.at))
        case State.RECORDING:
            return _pause(m, Pause(press.at))
        case State.PAUSED:
            return _resume(m, Resume(press.at))
        case State.HANDOVER:
            return _press_receives(m, press)
        case State.DECLINED:
            return _cancel(m, press.at)
        case State.SEALING | State.COPYING:
            return _refuse(m, Refusal.COPIES_NOT_READY)


def _press_confirms(m: Meeting, press: Press) -> Step:
    if m.touch:
        return _refuse(m, Refusal.TOUCH_THE_SCREEN)
    party = press.party or m.asked
    if party in m.confirmed and m.asked is Party.GUEST:
        party = Party.GUEST  # a guest has no button of their own: when both have confirmed, either one speaks for them
    # One button speaks for one party after the other; two buttons cannot be mistaken for each other.
    shared = press.party is None or party is Party.GUEST
    if shared and m.confirmed_at is not None and press.at - m.confirmed_at < DEAF_NS:
        return m, ()
    if party is None:
        return m, ()
    now, effects = _confirm(m, party, press.at)
    return replace(now, confirmed_at=press.at), effects


def _press_receives(m: Meeting, press: Press) -> Step:
    if m.touch:
        return _refuse(m, Refusal.TOUCH_THE_SCREEN)
    party = press.party or m.asked
    if party is None:
        return m, ()
    return _received(m, party) if m.copies_left else _later(m, party)


def _hold(m: Meeting, hold: Hold) -> Step:
    if m.started and m.state in BEFORE_START | {State.RECORDING, State.PAUSED}:
        return _stop(m, StoppedBy.BUTTON, hold.at)
    if m.state in BEFORE_START:
        return _decline(m, Decline(at=hold.at))
    if m.state is State.HANDOVER:
        effects: tuple[Effect, ...] = ()
        for party in PARTIES:
            if m.state is State.HANDOVER:
                m, more = _later(m, party)
                effects += more
        return m, effects
    return m, ()


# ── the appliance's parts


def _report(m: Meeting, event: MeetingEvent) -> Step:  # noqa: C901, PLR0911 - one row a report
    match event:
        case MicrophoneIs(now):
            lost = m.state is State.RECORDING and now is Microphone.LOST and m.microphone is not now
            return replace(m, microphone=now), (Sound(Tone.TROUBLE),) if lost else ()
        case RoomOnDisk(enough, at):
            now_m = replace(m, room_on_disk=enough)
            under_way = m.started and m.state in BEFORE_START | {State.RECORDING, State.PAUSED}
            return _stop(now_m, StoppedBy.DISK, at) if under_way and not enough else (now_m, ())
        case Storing(on):
            return replace(m, storing=on), (Light(on),) if on is not m.storing else ()
        case BeginFailed():
            if m.state is not State.RECORDING or m.storing:
                return m, ()
            return replace(m, state=State.AGREED, started=False), (Sound(Tone.TROUBLE),)
        case NothingStored():
            return _not_begun(m, _fresh(m), (CloseMicrophone(), End())) if m.state is State.SEALING else (m, ())
        case Sealed(sha256):
            if m.state is not State.SEALING:
                return m, ()
            sealed = replace(m, state=State.COPYING, sha256=sha256, microphone=Microphone.UNKNOWN)
            return sealed, (CloseMicrophone(), Copy())
        case SealFailed():
            return (_fresh(m), (CloseMicrophone(), Sound(Tone.TROUBLE), End())) if m.state is State.SEALING else (m, ())
        case CopiesAre(verified, settled):
            now_m = replace(m, verified=verified) if m.state in {State.COPYING, State.HANDOVER} else m
            if m.state is State.COPYING and settled:
                return replace(now_m, state=State.HANDOVER), (Sound(Tone.READY),)
            return now_m, ()
    raise TypeError(f"{event!r} is not something that a part reports")


def _fresh(m: Meeting, first_part: Handover | None = None) -> Meeting:
    """An idle room. What is known of the hardware stays, but for the microphone, which is opened anew."""
    return Meeting(room_on_disk=m.room_on_disk, touch=m.touch, first_part=first_part, storing=m.storing)


def _refuse(m: Meeting, why: Refusal) -> Step:
    return m, (Refuse(why),)
