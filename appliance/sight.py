"""What the room sees: one snapshot of where everything stands, and what is wrong, in words.

Pure: from what the service knows to what a screen, a script or a building's system is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from appliance import __version__
from appliance.agreement import PARTIES, Agreement, Party
from appliance.audio.level import Hint, Level
from appliance.clock import rfc3339
from appliance.copies.beforehand import Shortage, shortage_in_words
from appliance.copies.copying import CopyState, Why
from appliance.copies.sentences import refused_in_words, slow_in_words
from appliance.copies.sticks import Stick, StickRefused
from appliance.meeting import BEFORE_START, Meeting, Microphone, State
from appliance.protocol import CheckView, CopyView, GapView, KeptRecording, LevelView, RecordingView, Snapshot
from appliance.register import Kept
from appliance.store import Recording
from appliance.trust import Judged, Trust
from appliance.twin_words import twin_words
from appliance.words import Say, Trouble, span, speak

UNDER_WAY = BEFORE_START | {State.RECORDING, State.PAUSED}

HINTS = {Hint.TOO_QUIET: Trouble.TOO_QUIET, Hint.TOO_LOUD: Trouble.TOO_LOUD}

STICK_TROUBLE: dict[Why, Trouble] = {
    "full": Trouble.STICK_FULL,
    "foreign": Trouble.STICK_FOREIGN,
    "different": Trouble.STICK_DIFFERENT,
    "broken": Trouble.STICK_BROKEN,
    "busy": Trouble.STICK_SLOW,
    "readonly": Trouble.STICK_READ_ONLY,
    "gone": Trouble.STICK_OUT,
    "original": Trouble.ORIGINAL_BROKEN,
    "died": Trouble.STICK_BROKEN,
    "no progress": Trouble.STICK_SLOW,
}


@dataclass
class RecordingInSight:
    """The recording that the meeting is about, as far as it is on the disk."""

    id: str
    folder: Path
    rate: int
    frames: int = 0
    gaps: list[GapView] = field(default_factory=list)
    interrupted: bool = False
    sha256: str | None = None

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


@dataclass
class Sight:
    """Everything that is shown and is not in the meeting itself."""

    language: str = "nl"
    languages: tuple[str, ...] = ()
    agreement: Agreement | None = None
    recording: RecordingInSight | None = None
    copies: tuple[CopyState, ...] = ()
    registered: frozenset[str] = frozenset()
    """Sticks whose copy the register says is verified; until then it is not told."""
    sticks: dict[str, Stick] = field(default_factory=dict)
    """Every stick that was in, by its key."""
    refused: dict[str, StickRefused] = field(default_factory=dict)
    """Sticks that are in and cannot be used."""
    shortages: dict[str, Shortage] = field(default_factory=dict)
    """Sticks that are in and on which the longest meeting does not fit."""
    light: bool = False
    level: Level | None = None
    sound_alive: bool = True
    disk_well: bool = True
    seconds_left: int | None = None
    kept_until: datetime | None = None
    special: list[Trouble] = field(default_factory=list)
    """What the disk refused, until the next meeting."""
    buttons: int = 1
    part: int = 1
    clock: Judged | None = None
    register_damaged: bool = False
    """A start found it damaged, and took up again what could still be read of it."""
    clock_too_long_unknown: bool = False
    """There was no trusted time for longer than recordings are to be kept: nothing is erased meanwhile."""
    zone: tzinfo = UTC
    fingerprint: str = ""
    """Of the key that this appliance signs with."""
    heard: frozenset[Party] = frozenset()
    """Who was asked while a voice was loud enough, in this meeting."""
    held_since: int | None = None
    """Monotonic ns: since when a hold may come of a finger on the button."""
    hold_seconds: float = 1.5
    button_stuck: bool = False
    power: bool | None = None
    """Whether there is enough of it; None where nothing tells."""
    left: frozenset[str] = frozenset()
    """Ids of recordings that a start found damaged, and left as they are."""
    comparison: str | None = None
    """Of two sticks that were put in while nobody met."""
    leaving: list[str] | None = None
    switch_off_failed: bool = False


def snapshot(meeting: Meeting, sight: Sight, at_ms: int) -> Snapshot:
    recording = sight.recording
    return Snapshot(
        state=meeting.state.value,
        confirmed=_in_order(meeting.confirmed),
        storing=meeting.storing,
        light=sight.light,
        trouble=list(trouble(meeting, sight)),
        recording=_recording(recording) if recording else None,
        copies=[_copy(state, sight) for state in sight.copies],
        at=at_ms,
        asked=meeting.asked,
        guest=meeting.guest,
        started=meeting.started,
        joining=meeting.before_join is not None,
        received=_in_order(meeting.received),
        later=_in_order(meeting.later),
        verified=meeting.verified,
        level=LevelView(sight.level.level, sight.level.peak, sight.level.clipped) if sight.level else None,
        microphone=meeting.microphone.value,
        language=sight.language,
        languages=list(sight.languages),
        announcement=sight.agreement.announcement if sight.agreement else "",
        agreement=sight.agreement.text if sight.agreement else "",
        kept_until=sight.kept_until.isoformat(timespec="minutes") if sight.kept_until else None,
        seconds_left=sight.seconds_left,
        touch=meeting.touch,
        buttons=sight.buttons,
        part=sight.part,
        fingerprint=sight.fingerprint,
        comparison=sight.comparison if meeting.state is State.IDLE else None,
        clock=sight.clock.seen.wall.astimezone(sight.zone).isoformat(timespec="minutes") if sight.clock else None,
        clock_trust=sight.clock.trust.value if sight.clock else Trust.NONE.value,
        summing_up=meeting.summing_up,
        held_since=None if sight.held_since is None else sight.held_since // 1_000_000,
        hold_seconds=sight.hold_seconds,
        checks=list(_checks(meeting, sight)),
        heard=_in_order(sight.heard),
        twin_words=list(twin_words(recording.sha256)) if recording and recording.sha256 else [],
        leaving=sight.leaving,
        version=__version__,
    )


def trouble(meeting: Meeting, sight: Sight) -> Iterator[str]:
    """Sentences for the people at the table: what happened, what is safe, what to do."""
    say = speak(sight.language)
    for special in dict.fromkeys(sight.special):
        yield say(special)
    if not sight.disk_well:
        yield say(Trouble.DISK_FAILING)
    if not meeting.room_on_disk:
        yield say(Trouble.DISK_FULL)
    yield from _little_room(meeting, sight, say)
    yield from _microphone_trouble(meeting, sight, say)
    yield from _stick_trouble(meeting, sight, say)
    yield from _clock_trouble(meeting, sight, say)
    if sight.button_stuck:
        yield say(Trouble.BUTTON_STUCK)
    if sight.power is False:
        yield say(Trouble.POWER_WEAK)
    if sight.switch_off_failed:
        yield say(Trouble.NOT_SWITCHED_OFF)


def _checks(meeting: Meeting, sight: Sight) -> Iterator[CheckView]:
    """What is looked at before the start. It reports, and holds nothing up: what is bad has its sentence in the trouble."""
    if meeting.state not in BEFORE_START or meeting.started:
        return
    heard = meeting.microphone is Microphone.HEARD
    dead = heard and not sight.sound_alive
    yield CheckView("microphone", "bad" if dead or meeting.microphone is Microphone.LOST else "good" if heard else "waiting")
    yield CheckView("sticks", "good" if usable_sticks(sight.copies) >= len(PARTIES) else "bad")
    if sight.clock is not None:
        yield CheckView("clock", "bad" if sight.clock.trust is Trust.NONE else "good")
    if sight.power is not None:
        yield CheckView("power", "good" if sight.power else "bad")
    yield CheckView("room", "good" if meeting.room_on_disk and sight.disk_well else "bad")


def usable_sticks(copies: Sequence[CopyState]) -> int:
    """Sticks that take a copy, as far as is known."""
    return sum(map(is_usable, copies))


def is_usable(copy: CopyState) -> bool:
    return copy.state in {"waiting", "following", "verified"}


def _clock_trouble(meeting: Meeting, sight: Sight, say: Say) -> Iterator[str]:
    """Said while it can still be mended, and while there is nothing that matters more: before the start."""
    if meeting.state is State.IDLE and sight.register_damaged:
        yield say(Trouble.REGISTER_DAMAGED)
    if meeting.state is State.IDLE and sight.left:
        yield say(Trouble.LEFT_AS_THEY_ARE).format(recordings=", ".join(sorted(sight.left)))
    if meeting.state is State.IDLE and sight.clock_too_long_unknown:
        yield say(Trouble.CLOCK_TOO_LONG_UNKNOWN)
    if meeting.state in BEFORE_START and not meeting.started and sight.clock is not None and sight.clock.trust is Trust.NONE:
        yield say(Trouble.CLOCK_NOT_TRUSTED)


def _little_room(meeting: Meeting, sight: Sight, say: Say) -> Iterator[str]:
    """Half an hour before the recording would have to stop by itself, and once more ten minutes before."""
    if not meeting.started or meeting.state not in UNDER_WAY or sight.seconds_left is None or not meeting.room_on_disk:
        return
    minutes = sight.seconds_left // 60
    if minutes < 10:
        yield say(Trouble.TEN_MINUTES_LEFT).format(minutes=minutes)
    elif minutes < 30:
        yield say(Trouble.HALF_AN_HOUR_LEFT).format(minutes=minutes)


def _microphone_trouble(meeting: Meeting, sight: Sight, say: Say) -> Iterator[str]:
    if meeting.state in UNDER_WAY and meeting.microphone is Microphone.HEARD:
        if not sight.sound_alive:
            yield say(Trouble.MICROPHONE_DEAD)
        elif sight.level is not None and sight.level.hint is not None and meeting.state is not State.PAUSED:
            yield say(HINTS[sight.level.hint])
    if meeting.microphone is not Microphone.LOST or meeting.state not in UNDER_WAY:
        return
    if meeting.started and sight.recording is not None:
        yield say(Trouble.MICROPHONE_LOST).format(time=span(sight.recording.seconds))
    else:
        yield say(Trouble.MICROPHONE_MISSING)


def _stick_trouble(meeting: Meeting, sight: Sight, say: Say) -> Iterator[str]:
    if meeting.state in {State.IDLE, State.DECLINED}:
        return
    for refused in sight.refused.values():
        yield refused_in_words(refused, say)
    for key, short in sight.shortages.items():
        if not meeting.started and key in sight.sticks:
            yield shortage_in_words(sight.sticks[key], short, say)
    for state in sight.copies:
        if (slow := slow_in_words(state, say)) is not None:
            yield slow
    usable = [state for state in sight.copies if state.state in {"waiting", "following", "verified"}]
    for state in sight.copies:
        if state.state in {"failed", "unfinished"}:
            yield say(STICK_TROUBLE[state.says or "gone"]).format(stick=state.label)
    if len(usable) < len(PARTIES) and meeting.state in UNDER_WAY:
        yield say(Trouble.ONE_STICK if usable else Trouble.NO_STICK)


def _recording(recording: RecordingInSight) -> RecordingView:
    return RecordingView(
        id=recording.id,
        folder=str(recording.folder),
        frames=recording.frames,
        seconds=recording.seconds,
        gaps=list(recording.gaps),
        interrupted=recording.interrupted,
        sha256=recording.sha256,
    )


def _copy(state: CopyState, sight: Sight) -> CopyView:
    told = "following" if state.state == "verified" and state.stick not in sight.registered else state.state
    stick = sight.sticks.get(state.stick)
    path = stick.path if stick else None
    return CopyView(
        stick=str(path) if path else state.stick,
        folder=state.folder,
        state=told,
        bytes=state.bytes,
        verified_bytes=state.verified_bytes,
        label=state.label,
        bytes_a_second=state.bytes_a_second,
        says=state.says,
    )


def _in_order(parties: frozenset[Party]) -> list[Party]:
    order: Sequence[Party] = (*PARTIES, Party.GUEST)
    return [party for party in order if party in parties]


def kept_recording(recording: Recording, kept: Kept, goes_at: datetime | None) -> KeptRecording:
    """One row of what the appliance keeps, by the register and not by what lies on the sticks now."""
    return KeptRecording(
        id=recording.id,
        folder=str(recording.folder),
        seconds=kept.seconds,
        sha256=kept.sha256,
        interrupted=kept.interrupted,
        copies=[CopyView(copy.stick, copy.folder, "verified", copy.bytes, copy.bytes, copy.label) for copy in kept.copies],
        goes_at=rfc3339(goes_at) if goes_at else None,
        hold=kept.hold is not None,
        hold_reason=kept.hold.reason if kept.hold else None,
        hold_until=rfc3339(kept.hold.until) if kept.hold and kept.hold.until else None,
        received=_in_order(frozenset(kept.received)),
        begun=rfc3339(kept.begun_at) if kept.begun_at else None,
        journal=kept.journal_head,
    )
