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
import shutil
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from appliance import __version__
from appliance.agreement import PARTIES, Agreement, Party, fill
from appliance.asking import event_of
from appliance.audio import recorder as rec
from appliance.audio.microphone import Microphone as CaptureChild
from appliance.audio.microphone import SourceSpec
from appliance.audio.pcm import PcmFormat
from appliance.clock import Clock, RealClock, stamp, wall_of
from appliance.config import Config, ConfigError, Places, Texts, agreement_texts, languages
from appliance.copies.copying import Copies, CopyState
from appliance.copies.sticks import StickCame, Sticks
from appliance.disk import Disk, RealDisk
from appliance.doors import Doors, Watchers
from appliance.journal import Entry, Value, of_kind, whole
from appliance.meeting import (
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
    Hold,
    Journal,
    Light,
    Meeting,
    MeetingEvent,
    Microphone,
    MicrophoneIs,
    NothingStored,
    OpenMicrophone,
    Press,
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
from appliance.protocol import (
    AdminRequest,
    AnnounceRequest,
    GapView,
    KeptRecording,
    Mistaken,
    Recordings,
    Refused,
    Reply,
    RoomRequest,
    Snapshot,
)
from appliance.retention import at_the_latest, goes_at
from appliance.room.button import Button, Contact, PinButton
from appliance.room.light import Lamp, PinLamp, SimulatedLamp
from appliance.room.pins import open_pins
from appliance.room.sounds import Loudspeaker, has_sound_card
from appliance.sealing import Begun, Seal, begun, end_frame, seal
from appliance.sight import UNDER_WAY, RecordingInSight, Sight, kept_recording, snapshot
from appliance.startup import Found, look_around, register_seal
from appliance.store import Recording, Store, StoreError, entries_of
from appliance.store import Register as RegisterFile
from appliance.words import N_, REFUSALS, Trouble, day, speak

LOOK_AT_DISK_SECONDS = 2.0
MICROPHONE_PATIENCE_SECONDS = 5.0
STICKS_SEEN_WITHIN_SECONDS = 3.0
LAST_SECONDS = 5 * 60
RESERVE_BYTES = 32 * 1024 * 1024
"""What the seal, the journal and the bag may need beside the audio, and then some."""

Result = TypeVar("Result")
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
        disk: Disk | None = None,
    ) -> None:
        self._places = places
        self._config = config
        self._source = source
        self._sticks = sticks
        self._clock = clock or RealClock()
        self._disk = disk or RealDisk()
        self._zone = ZoneInfo(config.organisation.timezone)
        self._store = Store(self._disk, places.recordings)
        self._meeting = Meeting(touch=config.meeting.touch)
        self._sight = Sight(
            language=config.organisation.language, languages=languages(places), buttons=len(config.button.pins) or 1
        )
        self._watchers = Watchers(self._snapshot)
        self._doors = Doors(self._watchers)
        self._small_things = ThreadPoolExecutor(1, "disk")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopped = asyncio.Event()
        self._recording: Recording | None = None
        self._copied: Recording | None = None
        """What the copies are of: goes on when the meeting is over; None while they are of a note, or of nothing."""
        self._earlier: tuple[str, ...] = ()
        self._first_part: FirstPart | None = None
        self._beginning: asyncio.Task[bool] | None = None
        self._good_texts: dict[str, Texts] = {}
        self._lines: list[tuple[str, dict[str, Value]]] = []
        self._unclosed = 0
        self._before_closing = self._meeting
        self._not_sealing = asyncio.Event()
        self._both_sticks_seen = asyncio.Event()
        self._microphone_known = asyncio.Event()
        self._source_failed: str | None = None
        self._ended = False
        self._failed = False
        self._lingering = False
        self._being_registered: set[str] = set()
        self._publish_due = False

    # ── from start to end ──

    async def run(self) -> None:
        """Raises DoorError, ConfigError, StoreError or OSError, with a sentence, when the service cannot begin."""
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopped.set)
        self._places.recordings.mkdir(parents=True, exist_ok=True)
        self._doors.take_lock(self._places.control_socket)
        for language in dict.fromkeys((*self._sight.languages, self._config.organisation.language)):
            self._good_texts[language] = agreement_texts(self._places, language)
        self._register = await self._small(lambda: RegisterFile.open(self._disk, self._places.register))
        self._recorder = rec.Recorder(
            self._store,
            self._clock,
            lambda report: self._from_thread(lambda: self._on_report(report)),
            sync_seconds=self._config.audio.sync_seconds,
            latency_seconds=self._config.audio.latency_seconds,
        )
        self._recorder.start()
        self._microphone = CaptureChild(self._source, self._recorder, self._on_microphone_failed)
        locks = self._places.control_socket.parent / "locks"
        self._copies = Copies(locks, changed=self._on_copies, patience=self._config.copies.no_progress_seconds)
        self._loudspeaker = Loudspeaker(self._loudspeaker_device())
        self._lamp, self._buttons = self._open_pins()
        await self._look_at_disk()
        waiting = await self._small(lambda: look_around(self._store, self._register, self._disk, self._clock))
        self._task(self._watch_sticks(), "sticks")
        self._not_sealing.set()
        if waiting is not None:
            self._go_on_with(waiting)
        self._task(self._watch_disk(), "room on the disk")
        await self._doors.open_room(self._places.control_socket, self._config.groups.room, self._answer)
        await self._doors.open_administration(self._places.admin_socket, self._config.groups.administrators, self._answer_admin)
        log.info("ready at %s", self._places.control_socket)
        await self._stopped.wait()
        await self._end()
        if self._failed:
            raise StoreError("The part that writes the recording failed. What is on the disk is safe; the next start mends it.")

    async def _end(self) -> None:
        """Stopped by the system: what is being recorded is sealed first; copies go on at the next start."""
        for button in self._buttons:
            button.close()
        if self._meeting.started and self._meeting.state in UNDER_WAY and not self._failed:
            await self._settle(self.happen(Stop(StoppedBy.SYSTEM, self._now())))
        if not self._failed:
            await self._not_sealing.wait()
        await self._doors.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._loudspeaker.close()
        self._microphone.close()
        await self._microphone.gone()
        self._ended = True
        await self._copies.stop()
        await asyncio.to_thread(self._recorder.end)
        self._lamp.close()
        self._small_things.shutdown()
        self._doors.give_up_lock()

    def _loudspeaker_device(self) -> str | None:
        """None for silence: switched off, a simulated room, or a machine without a sound card and none named."""
        sound = self._config.sound
        real = self._source.spec.partition(":")[0] == "device"
        return sound.device if real and sound.tones and (sound.device or has_sound_card()) else None

    def _open_pins(self) -> tuple[Lamp, list[Button]]:
        factory = open_pins(self._config.pins.factory)
        if factory is None:
            return SimulatedLamp(), []
        settings = self._config.button
        owners: tuple[Party | None, ...] = (None,) if len(settings.pins) < 2 else PARTIES
        bounce = settings.bounce_milliseconds / 1000
        buttons: list[Button] = [
            PinButton(
                factory,
                pin,
                Contact(self, owner, settings.bounce_milliseconds * 1_000_000),
                self._clock.monotonic_ns,
                hold_seconds=settings.hold_seconds,
                bounce_seconds=bounce,
            )
            for pin, owner in zip(settings.pins, owners, strict=False)
        ]
        return PinLamp(factory, self._config.light.pin), buttons

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
        self._sight.kept_until = self._keep_until(began)
        self._meeting = found(
            waiting.state,
            sha256=waiting.seal.sha256 if waiting.seal else None,
            interrupted=interrupted,
            received=frozenset(kept.received),
            later=frozenset(kept.later),
            touch=self._config.meeting.touch,
        )
        self._copied = recording
        self._copies.start(recording.folder)
        if waiting.state is State.SEALING:
            self._not_sealing.clear()
            self._task(self._seal(recording), "seal")
        else:
            self._task(self._copy_when_sticks_were_seen(), "copies")
        log.info("going on with %s at %s", recording.folder.name, waiting.state)

    async def _copy_when_sticks_were_seen(self) -> None:
        """After a start the sticks are told one after the other; 'no stick' is true only when they had time to be."""
        try:
            async with asyncio.timeout(max(0, self._began + STICKS_SEEN_WITHIN_SECONDS - self._loop.time())):
                await self._both_sticks_seen.wait()
        except TimeoutError:
            log.info("going on with %d sticks", len(self._copies.states))
        self._copies.seal()

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
                self._beginning = self._task(self._begin(at), "begin")
                return self._beginning
            case StoreFrom(at):
                return self._in_recorder(lambda: self._recorder.store_from(at, "resumed", {}))
            case StoreUntil(at, why):
                return self._closing(self._in_recorder(lambda: self._recorder.store_until(at, why, {})), before)
            case Finish(at, by):
                done = asyncio.wrap_future(self._recorder.finish(at, "stopped", {"by": by.value}))
                return self._task(self._finish(self._closing(done, before)), "finish")
            case Journal():
                return self._journal(effect)
            case Register(event, party):
                return self._task(self._enter(event, party, self._parts()), "register")
            case Light(on):
                self._lamp.show(on=on)
                self._sight.light = self._lamp.is_lit
            case Sound(tone):
                self._loudspeaker.play(tone)
            case Copy():
                return self._task(self._copy_when_sticks_were_seen(), "copies")
            case CopyNote(alternative, note):
                return self._task(self._copy_note(f"{alternative.value}\n\n{note}\n"), "note")
            case ComeBack():
                self._come_back()
            case End():
                self._let_go(before)
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
        self._sight.special.clear()
        self._sight.recording = None if self._meeting.first_part is None else self._sight.recording
        self._sight.agreement = self._agreement(self._sight.language)
        self._sight.part = 1 if self._meeting.first_part is None else len(self._earlier) + 2
        self._microphone_known.clear()
        self._source_failed = None
        self._microphone.open()
        return self._task(self._until_microphone_known(), "microphone known")

    async def _until_microphone_known(self) -> None:
        try:
            async with asyncio.timeout(MICROPHONE_PATIENCE_SECONDS):
                await self._microphone_known.wait()
        except TimeoutError:
            self.happen(MicrophoneIs(Microphone.LOST))

    async def _begin(self, at: int) -> bool:
        """Make the recording and store from `at` on; False, and BeginFailed, when the disk refuses."""
        began = wall_of(self._clock, at).astimezone(self._zone)
        agreement = self._sight.agreement or self._agreement(self._sight.language)
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
        self._copied = None
        await self._copies.stop()
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
        self._lingering = False
        self._sight.registered = frozenset()
        rate = self._heard_format.rate
        self._sight.recording = RecordingInSight(recording.id, recording.folder, rate)
        self._sight.kept_until = at_the_latest(began, self._config.retention)
        self._copied = recording
        self._copies.start(recording.folder)
        await self._add_to_register("begun", {"id": recording.id, "folder": recording.folder.name, "part_of": list(earlier)})
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
        self._task(self._seal(recording), "seal")

    async def _seal(self, recording: Recording) -> None:
        try:
            sealed = await self._small(lambda: self._seal_or_remove(recording))
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
        sealed = seal(self._disk, self._clock, recording)
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
                if self._copied is not None and self._copied == self._recording:
                    self._copies.follow(report.file_bytes)
            case rec.LevelIs(level):
                sight.level = level
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

    def _on_copies(self) -> None:
        """Copies that were verified are registered first, and only then told and counted."""
        if self._ended:
            return
        self._sight.copies = self._copies.states
        recording = self._copied
        for state in self._copies.states:
            if state.state != "verified":
                self._being_registered.discard(state.stick)
            elif recording is not None and state.stick not in self._being_registered:
                self._being_registered.add(state.stick)
                self._task(self._register_copy(recording, state), "verified")
        self._count_copies()

    async def _register_copy(self, recording: Recording, copy: CopyState) -> None:
        path = self._sight.stick_paths.get(copy.stick)
        if not any(known.folder == copy.folder for known in self._register.of(recording.id).copies):
            await self._add_to_register(
                "verified",
                {
                    "id": recording.id,
                    "stick": str(path or copy.label),
                    "label": copy.label,
                    "folder": copy.folder,
                    "method": copy.method,
                    "bytes": copy.verified_bytes,
                },
            )
        self._sight.registered |= {copy.stick}
        self._count_copies()

    def _count_copies(self) -> None:
        states = self._copies.states
        verified = {state.stick for state in states if state.state == "verified"}
        registered = verified & self._sight.registered
        settled = self._copies.settled and registered == verified
        self.happen(CopiesAre(len(registered), settled))
        if self._lingering and settled:
            self._lingering = False
            self._task(self._copies.stop(), "copies end")

    # ── the meeting's end ──

    def _parts(self) -> tuple[str, ...]:
        """The ids of all parts of this meeting's recording, first to last."""
        return (*self._earlier, self._recording.id) if self._recording else ()

    async def _enter(self, event: str, party: Party | None, parts: tuple[str, ...]) -> None:
        """What the two said at the handover counts for every part of the recording; a declined meeting leaves only the count."""
        if event == "declined":
            await self._add_to_register(event, {})
            return
        for recording_id in parts:
            fields: dict[str, Value] = {"id": recording_id, **({"party": party.value} if party else {})}
            await self._add_to_register(event, fields)

    async def _add_to_register(self, event: str, fields: dict[str, Value]) -> None:
        now = stamp(self._clock, self._now())
        try:
            await self._small(lambda: self._register.add(event, {**fields, **now}))
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
            self._lingering = not self._copies.settled
            if not self._lingering:
                self._task(self._copies.stop(), "copies end")
        elif before.state is State.DECLINED:
            self._task(self._copies.stop(), "note ends")

    def _come_back(self) -> None:
        """To the handover of the first part; if the second one had begun, its copies have to be taken up again."""
        if self._first_part is not None and self._first_part.recording != self._recording:
            self._recording, self._earlier, self._sight.recording = (
                self._first_part.recording,
                self._first_part.earlier,
                self._first_part.shown,
            )
            self._task(self._copy_again(self._first_part.recording), "copies")
        self._lines.clear()
        self._sight.agreement = None
        self._sight.part = len(self._earlier) + 1

    async def _copy_again(self, recording: Recording) -> None:
        self._copied = None
        await self._copies.stop()
        self._being_registered.clear()
        self._copied = recording
        self._copies.start(recording.folder)
        self._copies.seal()

    async def _copy_note(self, text: str) -> None:
        self._copied = None
        moment = self._clock.wall().astimezone(self._zone)
        name = f"{moment:%Y-%m-%d %H.%M} afspraak {self._store.new_id()}"
        await self._copies.stop()
        self._sight.registered = frozenset(self._sight.stick_paths)
        self._copies.start_note(name, "AFSPRAAK.txt", text, int(moment.timestamp()) // 2 * 2)

    # ── what is watched ──

    async def _watch_sticks(self) -> None:
        async for event in self._sticks.watch():
            if isinstance(event, StickCame):
                self._sight.stick_paths[event.stick.key] = event.stick.path
                self._copies.came(event.stick)
                if len(self._sight.stick_paths) >= len(PARTIES):
                    self._both_sticks_seen.set()
            else:
                self._copies.went(event.stick)

    async def _watch_disk(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AT_DISK_SECONDS)
            await self._look_at_disk()

    async def _look_at_disk(self) -> None:
        """Is there room for a meeting; and for one that is being recorded: for how long?"""
        wanted = self._source.format
        second = wanted.rate * wanted.frame_bytes
        free = (await self._small(lambda: shutil.disk_usage(self._places.recordings))).free - RESERVE_BYTES
        room = max(0, free // second)
        self._sight.seconds_left = max(0, room - LAST_SECONDS)
        least = LAST_SECONDS if self._meeting.started else int(self._config.meeting.minimum_free_hours * 3600)
        enough = room >= least
        if enough is not self._meeting.room_on_disk:
            self.happen(RoomOnDisk(enough, self._now()))

    # ── requests ──

    async def _answer(self, request: RoomRequest) -> Reply:
        at = self._now()
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
            why = outcome.refused.why
            return Refused(why.value, speak(self._sight.language)(REFUSALS[why]), self._snapshot())
        return self._snapshot()

    async def _answer_admin(self, request: AdminRequest) -> Reply:  # noqa: ARG002 - there is one request so far
        return Recordings(await self._small(self._list_recordings))

    def _list_recordings(self) -> list[KeptRecording]:
        rank = {recording_id: n for n, recording_id in enumerate(self._register.order)}
        oldest_first = sorted(self._store.all(), key=lambda recording: rank.get(recording.id, len(rank)))
        kept = [(recording, self._register.of(recording.id)) for recording in oldest_first]
        return [kept_recording(recording, what, goes_at(what, self._config.retention)) for recording, what in kept]

    # ── fingers (called by gpiozero's threads) ──

    def pressed(self, party: Party | None, at: int) -> None:
        self._from_thread(lambda: self.happen(Press(party, at)))

    def held(self, at: int) -> None:
        self._from_thread(lambda: self.happen(Hold(at)))

    # ── small things ──

    def _agreement(self, language: str) -> Agreement:
        """The wording as it stands now, filled in."""
        texts = self._texts(language)
        organisation = self._config.organisation
        say = speak(language)
        places = {
            "date": day(at_the_latest(self._clock.wall().astimezone(self._zone), self._config.retention), say),
            "contact": organisation.contact or say(N_("the professional at this table")),
            "organisation": organisation.name or say(N_("the organisation")),
        }
        return Agreement(language, fill(texts.announcement, places), fill(texts.agreement, places))

    def _texts(self, language: str) -> Texts:
        """The organisation's texts as they stand now; when somebody is just making a mistake in them, as they stood before."""
        try:
            self._good_texts[language] = agreement_texts(self._places, language)
        except ConfigError as error:
            log.warning("the wording is used as it was: %s", error)
        return self._good_texts[language]

    def _keep_until(self, began: Begun | None) -> datetime | None:
        """The same after a restart as before it: from the beginning, as both read in the agreement."""
        return at_the_latest(began.local.astimezone(self._zone), self._config.retention) if began else None

    def _snapshot(self) -> Snapshot:
        self._sight.copies = self._copies.states
        told = self._meeting
        if self._unclosed:
            told = replace(self._before_closing, storing=told.storing, microphone=told.microphone)
        return snapshot(told, self._sight, self._now() // 1_000_000)

    def _publish(self) -> None:
        """One snapshot for all that happened in this turn of the loop."""
        if not self._publish_due:
            self._publish_due = True
            self._loop.call_soon(self._tell_watchers)

    def _tell_watchers(self) -> None:
        self._publish_due = False
        self._watchers.changed()

    def _now(self) -> int:
        return self._clock.monotonic_ns()

    def _from_thread(self, call: Callable[[], object]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    async def _small(self, work: Callable[[], Result]) -> Result:
        """In the one thread for the disk's small things, in order."""
        return await self._loop.run_in_executor(self._small_things, work)

    def _task(self, work: Coroutine[Any, Any, Result], name: str) -> asyncio.Task[Result]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)


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


def folder_sticks(folders: tuple[Path, ...]) -> Sticks:
    from appliance.copies.sticks import FolderSticks

    return FolderSticks(folders)
