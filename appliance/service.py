"""The service: owns the room's hardware, and walks one meeting at a time through the state machine.

It holds no rules. What a person did or a part reported becomes an event; `meeting.handle` says what follows; `_carry_out` hands
each effect to the adapter that does it. Nothing here waits for a disk: what takes time happens in the recorder's thread, in the
mirrors' processes or in one thread for the disk's small things, in order, and comes back as a future or as the next event.

    press ──> happen(event) ──> meeting.handle ──> effects ──> recorder, light, copies, register ──> reports ──> happen(event) ...

A request is answered when all that it set off is on the disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from appliance import __version__, keys, supervision
from appliance.administration import Administration
from appliance.agreement import Party
from appliance.asking import event_of
from appliance.at_rest import AtRest, is_sound
from appliance.audio import recorder as rec
from appliance.audio.level import WELL_HEARD_DBFS
from appliance.audio.microphone import Microphone as CaptureChild
from appliance.audio.microphone import SourceSpec
from appliance.audio.pcm import PcmFormat
from appliance.clock import Clock, RealClock, stamp, wall_of
from appliance.config import Config, Places, Retention, languages
from appliance.copies.copying import Copies
from appliance.copies.sticks import Sticks
from appliance.deletion import RECEIPTS, Eraser
from appliance.disk import Disk, RealDisk
from appliance.doors import Doors, Watchers
from appliance.errands import Errands
from appliance.farewell import Farewell
from appliance.hands import Hands
from appliance.journal import Entry, Value, of_kind, whole
from appliance.meeting import (
    BEFORE_START,
    Begin,
    BeginFailed,
    CloseMicrophone,
    ComeBack,
    CopiesAre,
    Copy,
    CopyNote,
    Effect,
    End,
    Finish,
    Journal,
    Leave,
    Light,
    Meeting,
    MeetingEvent,
    Microphone,
    MicrophoneIs,
    NothingStored,
    OpenMicrophone,
    Refusal,
    Refuse,
    Register,
    RoomOnDisk,
    Sealed,
    SealFailed,
    Sound,
    State,
    Stop,
    StoppedBy,
    StoreFrom,
    StoreUntil,
    Storing,
    found,
    handle,
)
from appliance.papers import Papers
from appliance.prompts import prompt
from appliance.protocol import (
    AdminRequest,
    AnnounceRequest,
    CancelRequest,
    CopyRequest,
    GapView,
    Mistaken,
    Refused,
    Reply,
    RoomRequest,
    Snapshot,
    SwitchOffRequest,
    TakeInRequest,
)
from appliance.register import Register as RegisterFile
from appliance.retention import as_promised, at_the_latest
from appliance.room import power
from appliance.room.light import Signal
from appliance.room.parts import open_parts
from appliance.room.sounds import Spoken
from appliance.sealing import Begun, Seal, begun, end_frame, seal
from appliance.sight import UNDER_WAY, RecordingInSight, Sight, is_usable, snapshot, trouble
from appliance.startup import Found, look_around, register_seal
from appliance.store import Recording, Store, StoreError, entries_of
from appliance.timekeeping import RealSigns, Signs, Timekeeper
from appliance.trust import Trust
from appliance.twins import Longest, Room, Twins
from appliance.wording import Wording
from appliance.words import REFUSALS, Trouble, speak

LOOK_EVERY_SECONDS = 2.0
HEARTBEAT_SECONDS = 0.4
"""A screen shows nothing that is older than a second: it hears something at least this often."""
MICROPHONE_PATIENCE_SECONDS = 5.0
LAST_SECONDS = 5 * 60
RESERVE_BYTES = 32 * 1024 * 1024
"""What the seal, the journal and the bag may need beside the audio, and then some."""

Pending: TypeAlias = Awaitable[object]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an event: why it was refused, if it was, and what has yet to reach the disk."""

    refused: Refuse | None
    pending: tuple[Pending, ...]


@dataclass(frozen=True, slots=True)
class FirstPart:
    """What a second part that comes to nothing leads back to."""

    recording: Recording
    earlier: tuple[str, ...]
    shown: RecordingInSight


class Service:
    """Made and run in one event loop. `run` returns when it was told to stop and everything that was recorded is sealed."""

    def __init__(
        self,
        places: Places,
        config: Config,
        source: SourceSpec,
        sticks: Sticks,
        *,
        clock: Clock | None = None,
        signs: Signs | None = None,
        disk: Disk | None = None,
    ) -> None:
        self._places = places
        self._config = config
        self._source = source
        self._sticks = sticks
        self._disk = disk or RealDisk()
        self._clock = Timekeeper(clock or RealClock(), signs or RealSigns(), self._disk, places.clock)
        self._zone = ZoneInfo(config.organisation.timezone)
        self._store = Store(self._disk, places.recordings)
        self._meeting = Meeting(touch=config.meeting.touch)
        self._sight = Sight(
            language=config.organisation.language,
            languages=languages(places),
            buttons=len(config.button.pins) or 1,
            zone=self._zone,
            hold_seconds=config.button.hold_seconds,
        )
        self._usable: dict[str, str] = {}
        self._told_at = 0.0
        self._prompted: Snapshot | None = None
        self._watchers = Watchers(self._snapshot)
        self._doors = Doors(self._watchers)
        self._wording = Wording(places, config, self._clock)
        self._stopped = asyncio.Event()
        self._stay_on = supervision.StayOn()
        self._recording: Recording | None = None
        self._earlier: tuple[str, ...] = ()
        self._first_part: FirstPart | None = None
        self._beginning: asyncio.Task[bool] | None = None
        self._lines: list[tuple[str, dict[str, Value]]] = []
        self._unclosed = 0
        self._before_closing = self._meeting
        self._not_sealing = asyncio.Event()
        self._microphone_known = asyncio.Event()
        self._source_failed: str | None = None
        self._failed = False
        self._publish_due = False

    # ── from start to end ──

    async def run(self) -> None:
        """Raises DoorError, ConfigError, StoreError or OSError, with a sentence, when the service cannot begin."""
        self._loop = asyncio.get_running_loop()
        self._errands = Errands()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopped.set)
        self._places.recordings.mkdir(parents=True, exist_ok=True)
        self._doors.take_lock(self._places.control_socket)
        self._wording.check(dict.fromkeys((*self._sight.languages, self._config.organisation.language)))
        self._register = await self._errands.on_disk(lambda: RegisterFile.open(self._disk, self._places.register))
        self._sight.register_damaged = self._register.was_damaged
        self._recorder = rec.Recorder(
            self._store,
            self._clock,
            lambda report: self._errands.from_thread(lambda: self._on_report(report)),
            sync_seconds=self._config.audio.sync_seconds,
            latency_seconds=self._config.audio.latency_seconds,
        )
        self._recorder.start()
        self._microphone = CaptureChild(self._source, self._recorder, self._on_microphone_failed)
        locks = self._places.control_socket.parent / "locks"
        patience = self._config.copies.no_progress_seconds
        self._twins = Twins(
            self._sticks,
            lambda changed: Copies(locks, changed=changed, patience=patience),
            self._register,
            self._sight,
            self._errands,
            Longest(self._config.meeting.longest_hours * 3600, self._source.format.rate * self._source.format.frame_bytes),
            Room(self._enter, self.happen, self._sticks_may_go, self._stick_came_or_went),
        )
        simulated = self._source.spec.partition(":")[0] != "device"
        self._hands = Hands(self._sight, self._errands, self.happen, self._publish)
        self._farewell = Farewell(self._not_copied_yet, self._switch_off, self._publish)
        self._parts_of_table = open_parts(self._config, self._hands, self._on_own_sound, self._now, simulated_room=simulated)
        state = self._places.register.parent
        await self._errands.on_disk(self._take_up_key)
        self._at_rest = AtRest(
            self._store,
            self._register,
            self._twins,
            self._sight,
            self._errands,
            self._clock,
            self._zone,
            self._wording,
            lambda: self._papers,
            self._enter,
            self._must_wait,
            self._snapshot,
            self._publish,
        )
        eraser = Eraser(self._disk, self._clock, self._store, self._register, state / RECEIPTS, self._sign)
        self._administration = Administration(
            self._config,
            self._store,
            self._register,
            eraser,
            self._clock,
            self._errands,
            self._enter,
            self._in_use,
            self._look_at_clock,
            self._at_rest.copy,
            self._take_up_key,
        )
        await self._look_at_clock()
        await self._look_at_disk()
        await self._errands.on_disk(eraser.finish)
        waiting = await self._errands.on_disk(
            lambda: look_around(self._store, self._register, self._disk, self._clock, self._papers, self._left_as_it_is)
        )
        self._errands.run(self._twins.watch(), "sticks")
        self._not_sealing.set()
        if waiting is not None:
            self._go_on_with(waiting)
        self._errands.run(self._keep_looking(), "disk and clock")
        self._errands.run(self._keep_beating(), "heartbeat")
        await self._doors.open_administration(self._places.admin_socket, self._config.groups.administrators, self._answer_admin)
        await self._doors.open_room(self._places.control_socket, self._config.groups.room, self._answer)
        self._errands.run(self._stay_on.keep(), "stay on")
        self._errands.run(supervision.keep_telling(self._recorder.is_alive), "watchdog")
        supervision.tell("READY=1")
        log.info("ready at %s", self._places.control_socket)
        await self._stopped.wait()
        supervision.tell("STOPPING=1")
        await self._end()
        if self._failed:
            raise StoreError("The part that writes the recording failed. What is on the disk is safe; the next start mends it.")

    def _left_as_it_is(self, recording: Recording) -> None:
        self._sight.left |= {recording.id}

    def _take_up_key(self) -> None:
        """In the disk's thread: at the start, and when an administrator made another one."""
        key = keys.first(self._disk, self._clock, self._places.register.parent, self._register)
        self._papers = Papers(key, self._config.organisation.name, self._config.organisation.contact)
        self._sight.fingerprint = key.public.fingerprint

    def _sign(self, message: bytes) -> bytes:
        return self._papers.key.signature(message)

    async def _end(self) -> None:
        """Stopped by the system: what is being recorded is sealed first; copies go on at the next start."""
        for button in self._parts_of_table.buttons:
            button.close()
        if self._meeting.started and self._meeting.state in UNDER_WAY and not self._failed:
            await self._settle(self.happen(Stop(StoppedBy.SYSTEM, self._now())))
        if not self._failed:
            await self._not_sealing.wait()
        await self._doors.close()
        await self._errands.cancel()
        self._farewell.close()
        self._parts_of_table.loudspeaker.close()
        self._microphone.close()
        await self._microphone.gone()
        await self._twins.end()
        await asyncio.to_thread(self._recorder.end)
        self._parts_of_table.lamp.close()
        self._parts_of_table.second_lamp.close()
        if self._clock.must_remember:
            await self._errands.on_disk(self._clock.remember)
        self._errands.close()
        self._doors.give_up_lock()

    def _go_on_with(self, waiting: Found) -> None:
        """A meeting that the disk says is not over."""
        recording, kept = waiting.recording, self._register.of(waiting.recording.id)
        entries = entries_of(recording)
        began = begun(entries)
        interrupted = bool(of_kind(entries, "interrupted"))
        self._recording, self._earlier = recording, waiting.earlier
        self._sight.part = len(waiting.earlier) + 1
        self._sight.language = began.language if began else self._sight.language
        self._sight.recording = RecordingInSight(
            recording.id,
            recording.folder,
            began.format.rate if began else self._config.audio.rate,
            frames=end_frame(entries),
            gaps=_gaps(entries, began.format.rate if began else self._config.audio.rate),
            interrupted=interrupted,
            sha256=waiting.seal.sha256 if waiting.seal else None,
        )
        self._sight.kept_until = self._keep_until(began, as_promised(kept, self._config.retention))
        self._meeting = found(
            waiting.state,
            sha256=waiting.seal.sha256 if waiting.seal else None,
            interrupted=interrupted,
            received=frozenset(kept.received),
            later=frozenset(kept.later),
            touch=self._config.meeting.touch,
        )
        self._twins.go_on(recording)
        if waiting.state is State.SEALING:
            self._not_sealing.clear()
            self._errands.run(self._seal(recording), "seal")
        else:
            self._errands.run(self._copy_if_sound(recording), "copies")
        log.info("going on with %s at %s", recording.folder.name, waiting.state)

    async def _copy_if_sound(self, recording: Recording) -> None:
        """What lay here since it was sealed is looked at before it is copied: a copy is equal to this one, and no better."""
        if not await asyncio.to_thread(is_sound, recording):
            log.error("%s is not as it was sealed, and is not copied", recording.folder)
            self._sight.special.append(Trouble.ORIGINAL_DAMAGED)
            await self._twins.drop()
        else:
            await self._twins.seal()

    # ── events ──

    def happen(self, event: MeetingEvent) -> Outcome:
        """One event, carried out; what it sets off on the disk goes on behind it, in order."""
        before = self._meeting
        self._meeting, effects = handle(before, event)
        if self._meeting.state is State.SEALING:
            self._not_sealing.clear()
        else:
            self._not_sealing.set()
        if before.state is not self._meeting.state:
            log.info("%s -> %s (%s)", before.state, self._meeting.state, type(event).__name__)
        refused: Refuse | None = None
        pending: list[Pending] = []
        for effect in effects:
            if isinstance(effect, Refuse):
                refused = effect
            elif (later := self._carry_out(effect, before)) is not None:
                pending.append(later)
        if isinstance(event, CopiesAre):
            pending += self._note_sticks()
        self._publish()
        return Outcome(refused, tuple(pending))

    def _carry_out(self, effect: Effect, before: Meeting) -> Pending | None:  # noqa: C901, PLR0911, PLR0912 - a row an effect
        match effect:
            case OpenMicrophone():
                return self._open_microphone()
            case CloseMicrophone():
                self._microphone.close()
                self._sight.level = None
            case Begin(at):
                self._beginning = self._errands.run(self._begin(at), "begin")
                return self._beginning
            case StoreFrom(at):
                return self._in_recorder(lambda: self._recorder.store_from(at, "resumed", {}))
            case StoreUntil(at, why):
                return self._closing(self._in_recorder(lambda: self._recorder.store_until(at, why, {})), before)
            case Finish(at, by):
                done = asyncio.wrap_future(self._recorder.finish(at, "stopped", {"by": by.value}))
                return self._errands.run(self._finish(self._closing(done, before)), "finish")
            case Journal():
                return self._journal(effect)
            case Register(event, party):
                return self._errands.run(self._enter_for(event, party, self._parts()), "register")
            case Light(on):
                lamp = self._parts_of_table.lamp
                lamp.show(on=on)
                self._sight.light = lamp.is_lit
            case Sound(tone):
                if self._config.sound.tones:
                    self._parts_of_table.loudspeaker.play(tone)
            case Copy():
                return self._errands.run(self._twins.seal(), "copies")
            case CopyNote(alternative, note):
                return self._errands.run(self._copy_note(f"{alternative.value}\n\n{note}\n"), "note")
            case ComeBack():
                self._come_back()
            case End():
                self._let_go(before)
            case Leave():
                self._farewell.begin()
        return None

    async def _settle(self, outcome: Outcome) -> None:
        """Wait for what an event set off; what the disk refused becomes trouble in words, not an error here."""
        for result in await asyncio.gather(*outcome.pending, return_exceptions=True):
            if isinstance(result, OSError | StoreError):
                log.error("the disk refused: %s", result)
            elif isinstance(result, BaseException):
                raise result

    # ── the recording ──

    def _open_microphone(self) -> Pending:
        """A new meeting: nothing of the last one may stand in the way."""
        self._lines.clear()
        self._at_rest.forget_comparison()
        self._sight.special.clear()
        self._sight.recording = None if self._meeting.first_part is None else self._sight.recording
        self._sight.agreement = self._wording.agreement(self._sight.language)
        self._sight.part = 1 if self._meeting.first_part is None else len(self._earlier) + 2
        self._sight.heard = frozenset()
        self._microphone_known.clear()
        self._source_failed = None
        self._microphone.open()
        return self._errands.run(self._until_microphone_known(), "microphone known")

    async def _until_microphone_known(self) -> None:
        try:
            async with asyncio.timeout(MICROPHONE_PATIENCE_SECONDS):
                await self._microphone_known.wait()
        except TimeoutError:
            self.happen(MicrophoneIs(Microphone.LOST))

    async def _begin(self, at: int) -> bool:
        """Make the recording and store from `at` on; False, and BeginFailed, when the disk refuses."""
        began = None if self._clock.trust() is Trust.NONE else wall_of(self._clock, at).astimezone(self._zone)
        agreement = self._sight.agreement or self._wording.agreement(self._sight.language)
        earlier = self._parts() if self._meeting.first_part else ()
        recording_id = self._store.new_id()
        started: dict[str, Value] = {
            "id": recording_id,
            "language": agreement.language,
            "wording": agreement.version,
            "source": self._source.spec.partition(":")[0],
            "software": __version__,
            "part_of": list(earlier),
            "confirmed": sorted(self._meeting.confirmed),
        }
        opening = rec.Opening(recording_id, began, agreement.as_file(), tuple(self._lines), started)
        # The recorder is asked at once, so that later orders queue behind this one.
        making = self._recorder.begin(opening, at)
        await self._twins.drop()
        try:
            recording = await asyncio.wrap_future(making)
        except OSError:
            log.exception("the recording could not begin")
            self._sight.special.append(Trouble.NOT_BEGUN)
            self.happen(BeginFailed())
            return False
        if earlier and self._recording is not None and self._sight.recording is not None:
            self._first_part = FirstPart(self._recording, self._earlier, self._sight.recording)
        self._recording, self._earlier = recording, earlier
        rate = self._heard_format.rate
        self._sight.recording = RecordingInSight(recording.id, recording.folder, rate)
        self._sight.kept_until = at_the_latest(began, self._config.retention) if began else None
        self._twins.follow(recording)
        days = [self._config.retention.keep_days, self._config.retention.keep_days_without_handover]
        begun_line: dict[str, Value] = {
            "id": recording.id,
            "folder": recording.folder.name,
            "part_of": list(earlier),
            "days": days,
        }
        await self._enter("begun", begun_line)
        self._publish()
        return True

    def _in_recorder(self, order: Callable[[], Future[int]]) -> asyncio.Future[int]:
        return asyncio.wrap_future(order())

    def _journal(self, line: Journal) -> Pending | None:
        fields: dict[str, Value] = {"party": line.party.value} if line.party else {}
        agreement = self._sight.agreement
        if agreement and line.event in {"announced", "confirmed"}:
            fields["wording"] = agreement.version
        if agreement and line.event == "announced":
            fields["language"] = agreement.language
        if self._meeting.started:
            return self._in_recorder(lambda: self._recorder.line(line.event, line.at, fields))
        self._lines.append((line.event, {**stamp(self._clock, line.at), **fields}))
        return None

    def _closing(self, done: asyncio.Future[int], before: Meeting) -> asyncio.Future[int]:
        """Until what was captured before a pause or a stop is on the disk, and the journal says so, the meeting is shown as it was."""
        if not self._unclosed:
            self._before_closing = before
        self._unclosed += 1

        def closed(_: object) -> None:
            self._unclosed -= 1
            self._publish()

        done.add_done_callback(closed)
        return done

    async def _finish(self, done: asyncio.Future[int]) -> None:
        """The recording's end reaches the disk; its seal then goes on by itself."""
        recording = self._recording if self._beginning is None or await self._beginning else None
        if recording is None:  # stopped before the disk said that it could not begin
            await asyncio.gather(done, return_exceptions=True)
            self.happen(NothingStored())
            return
        try:
            await done
        except OSError:
            log.exception("the end of %s could not be written", recording.folder)
            self._not_sealed()
            return
        self._errands.run(self._seal(recording), "seal")

    async def _seal(self, recording: Recording) -> None:
        try:
            sealed = await self._errands.on_disk(lambda: self._seal_or_remove(recording))
        except (OSError, StoreError):
            log.exception("%s could not be sealed", recording.folder)
            self._not_sealed()
            return
        if sealed is None:
            self.happen(NothingStored())
            return
        if self._sight.recording is not None:
            self._sight.recording.frames = sealed.frames
            self._sight.recording.sha256 = sealed.sha256
        self.happen(Sealed(sealed.sha256))

    def _seal_or_remove(self, recording: Recording) -> Seal | None:
        """In the disk's thread. None for a recording without a frame: it is removed."""
        if not end_frame(entries_of(recording)):
            self._store.discard(recording)
            self._register.add("removed", {"id": recording.id, "why": "without a frame", **stamp(self._clock, self._now())})
            return None
        sealed = seal(self._disk, self._clock, recording, self._papers)
        register_seal(self._register, self._clock, recording, sealed)
        return sealed

    def _not_sealed(self) -> None:
        self._sight.special.append(Trouble.NOT_SEALED)
        self.happen(SealFailed())

    # ── reports ──

    def _on_report(self, report: rec.Report) -> None:  # noqa: C901, PLR0912 - a row a report
        sight = self._sight
        match report:
            case rec.StoringIs(on):
                self.happen(Storing(on))
            case rec.Durable(frames):
                if sight.recording is not None and self._meeting.started and self._meeting.state is not State.HANDOVER:
                    sight.recording.frames = frames
                self._twins.durable(self._recording, report.file_bytes)
            case rec.LevelIs(level):
                sight.level = level
                asked = self._meeting.asked
                if asked and self._meeting.state in BEFORE_START and level.level is not None and level.level > WELL_HEARD_DBFS:
                    sight.heard |= {asked}
            case rec.SoundIs(alive):
                sight.sound_alive = alive
            case rec.HearingIs(hello):
                if hello is not None:
                    self._heard_format = hello.format
                    self._source_failed = None
                    self._microphone.heard()
                self._microphone_known.set()
                self.happen(MicrophoneIs(Microphone.LOST if hello is None else Microphone.HEARD))
                if hello is None:
                    self._microphone.restart()
            case rec.GapFilled(frame, frames, uncertainty_ns, why):
                if sight.recording is not None:
                    rate = sight.recording.rate
                    sight.recording.gaps.append(GapView(frame / rate, frames / rate, uncertainty_ns / 1e9, why))
            case rec.SourceEnded():
                self.happen(Stop(StoppedBy.SOURCE, self._now()))
            case rec.Died():
                self._failed = True
                self._not_sealing.set()
                self._stopped.set()
            case rec.DiskIs(well, given_up):
                sight.disk_well = well
                if given_up:
                    self.happen(Stop(StoppedBy.DISK, self._now()))
        self._publish()

    def _on_microphone_failed(self, says: str) -> None:
        log.warning("the microphone: %s", says)
        self._source_failed = says
        self._microphone_known.set()
        if self._meeting.microphone is not Microphone.LOST:
            self.happen(MicrophoneIs(Microphone.LOST))

    # ── the meeting's end ──

    def _parts(self) -> tuple[str, ...]:
        """The ids of all parts of this meeting's recording, first to last."""
        return (*self._earlier, self._recording.id) if self._recording else ()

    async def _enter_for(self, event: str, party: Party | None, parts: tuple[str, ...]) -> None:
        """What the two said at the handover counts for every part of the recording; a declined meeting leaves only the count."""
        if event == "declined":
            await self._enter(event, {})
            return
        for recording_id in parts:
            fields: dict[str, Value] = {"id": recording_id, **({"party": party.value} if party else {})}
            await self._enter(event, fields)

    async def _enter(self, event: str, fields: Mapping[str, Value]) -> None:
        """A line in the register, durable on return; when the disk refuses, the room is told."""
        now: dict[str, Value] = {**stamp(self._clock, self._now()), "boot": self._clock.boot()}
        try:
            await self._errands.on_disk(lambda: self._register.add(event, {**fields, **now}))
        except OSError:
            log.exception("the register could not be written; the line goes along with the next")
            self._sight.special.append(Trouble.NOT_REGISTERED)

    def _let_go(self, before: Meeting) -> None:
        """The meeting is over. Copies that are not through yet go on until they are, or until the next recording."""
        self._lines.clear()
        self._sight.agreement = None
        if self._meeting.state is State.IDLE:  # who declined goes on in the language of their meeting
            self._sight.language = self._config.organisation.language
        self._sight.part = 1
        if before.started:
            self._recording, self._earlier = None, ()
            self._sight.recording = None
            self._sight.kept_until = None
            self._twins.let_go()
        elif before.state is State.DECLINED:
            self._errands.run(self._twins.drop(), "note ends")

    def _come_back(self) -> None:
        """To the handover of the first part; if the second one had begun, its copies have to be taken up again."""
        if self._first_part is not None and self._first_part.recording != self._recording:
            self._recording, self._earlier, self._sight.recording = (
                self._first_part.recording,
                self._first_part.earlier,
                self._first_part.shown,
            )
            self._errands.run(self._twins.again(self._first_part.recording), "copies")
        self._lines.clear()
        self._sight.agreement = None
        self._sight.part = len(self._earlier) + 1

    async def _copy_note(self, text: str) -> None:
        moment = self._clock.wall().astimezone(self._zone)
        name = f"{moment:%Y-%m-%d %H.%M} afspraak {self._store.new_id()}"
        await self._twins.note(name, text, int(moment.timestamp()) // 2 * 2)

    # ── what is watched ──

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await self._look_at_disk()
            await self._look_at_clock()
            self._hands.look(self._now())
            if (enough := power.is_enough()) is not self._sight.power:
                self._sight.power = enough
                self._publish()

    async def _keep_beating(self) -> None:
        """Also where nothing happens: who watches knows that what they saw last still holds."""
        while True:
            await asyncio.sleep(max(0.01, self._told_at + HEARTBEAT_SECONDS - self._loop.time()))
            if self._loop.time() - self._told_at >= HEARTBEAT_SECONDS:
                self._tell_watchers()

    async def _look_at_clock(self) -> None:
        """What it says is told to the room; a jump is a line in the journal, and a change of trust one in the register."""
        look = self._clock.look()
        if look.jumped is not None:
            milliseconds = int(look.jumped.total_seconds() * 1000)
            log.warning("the clock jumped by %d ms", milliseconds)
            if self._meeting.started and self._meeting.state in UNDER_WAY:
                fields: dict[str, Value] = {"jumped_ms": milliseconds}
                await self._settle(Outcome(None, (self._in_recorder(lambda: self._recorder.line("clock", self._now(), fields)),)))
        can_be_dated = self._register.has_undated and look.trust is not Trust.NONE
        if look.jumped is not None or look.changed or can_be_dated:
            jumped: Value = None if look.jumped is None else int(look.jumped.total_seconds() * 1000)
            await self._enter("clock", {"jumped_ms": jumped})
        self._sight.clock = self._clock.judged
        longest = timedelta(days=self._config.retention.keep_days_without_handover)
        self._sight.clock_too_long_unknown = self._clock.without_trust > longest
        if self._clock.must_remember:
            try:
                await self._errands.on_disk(self._clock.remember)
            except OSError:
                log.exception("what is held of the clock could not be written; the next look tries again")
        if look.changed or look.jumped is not None:
            self._publish()

    async def _look_at_disk(self) -> None:
        """Is there room for a meeting; and for one that is being recorded: for how long?"""
        wanted = self._source.format
        second = wanted.rate * wanted.frame_bytes
        free = (await self._errands.on_disk(lambda: shutil.disk_usage(self._places.recordings))).free - RESERVE_BYTES
        room = max(0, free // second)
        self._sight.seconds_left = max(0, room - LAST_SECONDS)
        least = LAST_SECONDS if self._meeting.started else int(self._config.meeting.minimum_free_hours * 3600)
        enough = room >= least
        if enough is not self._meeting.room_on_disk:
            self.happen(RoomOnDisk(enough, self._now()))

    # ── requests ──

    async def _answer(self, request: RoomRequest) -> Reply:
        at = self._now()
        if isinstance(request, CopyRequest | TakeInRequest):
            return await self._at_rest.answer(request)
        if isinstance(request, CancelRequest) and self._farewell.take_back():
            return self._snapshot()
        if isinstance(request, AnnounceRequest) and (language := request.language) is not None:
            if language not in self._sight.languages:
                there = ", ".join(self._sight.languages)
                return Mistaken(f"There is no agreement in the language {language!r}; there is one in {there}.")
            if self._meeting.state in {State.IDLE, State.DECLINED}:
                self._sight.language = language
        event = event_of(request, at)
        if event is None:
            return self._snapshot()
        outcome = self.happen(event)
        await self._settle(outcome)
        if outcome.refused is not None:
            return self._refused(outcome.refused.why)
        if isinstance(request, SwitchOffRequest) and request.now:
            self._farewell.at_once()
        return self._snapshot()

    async def _answer_admin(self, request: AdminRequest, by: str) -> Reply:
        return await self._administration.answer(request, by)

    def _must_wait(self) -> Refused | None:
        return None if self._meeting.state is State.IDLE else self._refused(Refusal.MEETING_GOES_ON)

    def _stick_came_or_went(self) -> None:
        if self._meeting.state is State.IDLE:
            self._at_rest.stick_came()

    def _sticks_may_go(self) -> bool:
        """An interrupted recording may get a second part, on the same sticks."""
        recording = self._sight.recording
        return recording is None or (recording.sha256 is not None and not recording.interrupted)

    def _in_use(self) -> tuple[str, ...]:
        """The ids of what the room, or a stick, still has its hands on."""
        first = (*self._first_part.earlier, self._first_part.recording.id) if self._first_part else ()
        return (*self._parts(), *first, *self._twins.in_use)

    def _refused(self, why: Refusal) -> Refused:
        return Refused(why.value, speak(self._sight.language)(REFUSALS[why]), self._snapshot())

    # ── switching off ──

    def _not_copied_yet(self) -> list[str]:
        """The sticks that a copy still goes to."""
        if not self._twins.in_use:
            return []
        return [state.label for state in self._twins.states if state.state in {"waiting", "following"}]

    async def _switch_off(self) -> None:
        """The machine, where the service is a unit of its system; elsewhere the service alone."""
        if "STATE_DIRECTORY" in os.environ:
            await power.switch_off()
        else:
            self._stopped.set()

    # ── what the journal is told beside the meeting's own lines ──

    def _on_own_sound(self, tone: str) -> None:
        """The appliance's own sound is in the recording too: the journal says where."""
        if self._meeting.state is State.RECORDING:
            self._errands.run(self._note_tone(tone, self._now()), "tone")

    async def _note_tone(self, tone: str, at: int) -> None:
        if self._beginning is None or await self._beginning:
            await self._in_recorder(lambda: self._recorder.line("tone", at, {"tone": tone}))

    def _note_sticks(self) -> list[Pending]:
        """A stick that goes or comes after somebody confirmed: they had agreed on it as it was."""
        before = self._usable
        self._usable = {state.stick: state.label for state in self._twins.states if is_usable(state)}
        if self._meeting.state not in UNDER_WAY or not self._meeting.confirmed or (self._meeting.started and not self._recording):
            return []
        went = [self._note("stick-failed", {"stick": before[stick]}) for stick in before.keys() - self._usable.keys()]
        came = [self._note("stick-came", {"stick": self._usable[stick]}) for stick in self._usable.keys() - before.keys()]
        return [later for later in (*went, *came) if later is not None]

    def _note(self, event: str, fields: dict[str, Value]) -> Pending | None:
        """A line that waits until there is a recording."""
        at = self._now()
        if self._meeting.started:
            return self._in_recorder(lambda: self._recorder.line(event, at, fields))
        self._lines.append((event, {**stamp(self._clock, at), **fields}))
        return None

    # ── what is told ──

    def _keep_until(self, began: Begun | None, days: Retention) -> datetime | None:
        """The same after a restart as before it: from the beginning, as both read in the agreement. None without a trusted clock."""
        local = began.local if began else None
        return at_the_latest(local.astimezone(self._zone), days) if local else None

    def _snapshot(self) -> Snapshot:
        self._sight.copies = self._twins.states
        self._sight.leaving, self._sight.switch_off_failed = self._farewell.waits_for, self._farewell.failed
        told = self._meeting
        if self._unclosed:
            told = replace(self._before_closing, storing=told.storing, microphone=told.microphone)
        return snapshot(told, self._sight, self._now() // 1_000_000)

    def _publish(self) -> None:
        """One snapshot for all that happened in this turn of the loop."""
        self._stay_on.want(on=self._meeting.started and self._meeting.state in UNDER_WAY | {State.SEALING})
        if not self._publish_due:
            self._publish_due = True
            self._loop.call_soon(self._tell_watchers)

    def _tell_watchers(self) -> None:
        self._publish_due = False
        self._told_at = self._loop.time()
        self._watchers.changed()
        if self._config.sound.prompts:
            self._prompt()
        self._parts_of_table.second_lamp.say(self._signal())

    def _prompt(self) -> None:
        """Say aloud what changed."""
        before, self._prompted = self._prompted, self._snapshot()
        words = prompt(before, self._prompted)
        if words:
            self._parts_of_table.loudspeaker.say(Spoken(self._prompted.language, words))

    def _signal(self) -> Signal:
        if self._config.light.trouble_pin is None:
            return Signal.NOTHING
        if any(trouble(self._meeting, self._sight)):
            return Signal.TROUBLE
        stands_still = self._meeting.started and self._meeting.state in UNDER_WAY - {State.RECORDING}
        return Signal.STANDS_STILL if stands_still else Signal.NOTHING

    def _now(self) -> int:
        return self._clock.monotonic_ns()


def _gaps(entries: Sequence[Entry], rate: int) -> list[GapView]:
    return [
        GapView(
            whole(entry, "frame") / rate,
            whole(entry, "frames") / rate,
            whole(entry, "uncertainty_frames") / rate,
            str(entry["why"]),
        )
        for entry in of_kind(entries, "gap")
    ]


def serve(places: Places, config: Config, source: SourceSpec, sticks: Sticks) -> None:
    """Run the service until SIGTERM. Raises what `Service.run` raises."""
    asyncio.run(Service(places, config, source, sticks).run())


def source_spec(config: Config, source: str | None, pace: str) -> SourceSpec:
    """What to hear, from the command line, else from the configuration."""
    audio = config.audio
    spec = source or (f"device:{audio.device}" if audio.device else "device")
    return SourceSpec(spec, pace, PcmFormat(audio.rate, audio.bits, audio.channels), audio.latency_seconds)


def sticks_from(folders: tuple[Path, ...]) -> Sticks:
    """Folders that stand for sticks; without any, the sticks that are in this machine."""
    if folders:
        from appliance.copies.sticks import FolderSticks

        return FolderSticks(folders)
    from appliance.copies.udisks import UDisksSticks

    return UDisksSticks()
