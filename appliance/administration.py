"""What the administrators ask for: what is kept and for how long, and whether the clock is right.

Each act is a line in the register, with the name of who did it as the kernel knows it, before it is answered.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from appliance.clock import rfc3339
from appliance.config import Config
from appliance.deletion import Eraser
from appliance.errands import Errands
from appliance.journal import Value
from appliance.keys import renew
from appliance.protocol import (
    AdminRequest,
    ClockConfirmRequest,
    ClockRequest,
    ClockView,
    CopyRequest,
    DeleteRequest,
    Fates,
    FateView,
    HoldRecordingRequest,
    KeptRecording,
    KeyView,
    Mistaken,
    NewKeyRequest,
    Recordings,
    RecordingsRequest,
    Refused,
    ReleaseRequest,
    Reply,
    RetentionPreviewRequest,
    RetentionRunRequest,
)
from appliance.register import Register
from appliance.retention import Decision, Fate, Now, fates, goes_at
from appliance.sight import kept_recording
from appliance.signing import own_keys
from appliance.store import Recording, Store
from appliance.timekeeping import Timekeeper

Enter: TypeAlias = Callable[[str, Mapping[str, Value]], Awaitable[None]]
LONGEST_REASON = 500
BOTH_AGREED = "both parties agreed"
DAYS_ARE_OVER = "its days are over"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Administration:
    """`enter` writes a line into the register, with the time. `in_use` gives the ids of what the room has its hands on.

    `look_at_clock` looks now, and tells the room what changed. `copy` copies a recording to the sticks that are in.
    """

    config: Config
    store: Store
    register: Register
    eraser: Eraser
    clock: Timekeeper
    errands: Errands
    enter: Enter
    in_use: Callable[[], Sequence[str]]
    look_at_clock: Callable[[], Awaitable[None]]
    copy: Callable[[CopyRequest, str], Awaitable[Reply]]
    key_is_new: Callable[[], None] = lambda: None

    async def answer(self, request: AdminRequest, by: str) -> Reply:  # noqa: C901, PLR0911 - a row a request
        """by: the name of who asks."""
        match request:
            case RecordingsRequest():
                return Recordings(await self.errands.on_disk(self._list))
            case HoldRecordingRequest():
                return await self._hold(request, by)
            case ReleaseRequest(which):
                return await self._release(which, by)
            case DeleteRequest():
                return await self._delete(request, by)
            case RetentionPreviewRequest():
                await self.look_at_clock()
                return _shown(await self.errands.on_disk(lambda: self._fates(None)))
            case RetentionRunRequest(expected):
                await self.look_at_clock()
                return await self.errands.on_disk(lambda: self._run(expected, by))
            case CopyRequest():
                return await self.copy(request, by)
            case ClockRequest():
                await self.look_at_clock()
                return self._clock_view()
            case ClockConfirmRequest(after_setting):
                await self.look_at_clock()
                self.clock.confirm()
                await self.enter("clock-confirmed", {"by": by, "set": after_setting})
                await self.look_at_clock()
                return self._clock_view()
            case NewKeyRequest():
                return await self.errands.on_disk(lambda: self._new_key(by))

    # ── the clock ──

    def _clock_view(self) -> ClockView:
        judged = self.clock.judged
        return ClockView(
            wall=rfc3339(judged.seen.wall),
            local=judged.seen.wall.astimezone(self._zone).isoformat(timespec="seconds"),
            trust=judged.trust.value,
            time_server=judged.seen.ntp,
            battery=rfc3339(judged.seen.rtc) if judged.seen.rtc else None,
            last_trusted=rfc3339(judged.last_trusted) if judged.last_trusted else None,
        )

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.config.organisation.timezone)

    # ── the key (in the disk's thread) ──

    def _new_key(self, by: str) -> KeyView:
        state = self.store.folder.parent
        new = renew(self.store.disk, self.clock, state, self.register, by).public
        self.key_is_new()
        return KeyView(new.fingerprint, [key.fingerprint for key in own_keys(state)[:-1]], new.allowed_signer.strip())

    # ── what is kept (in the disk's thread) ──

    def _there(self) -> list[Recording]:
        """Oldest first, by the register's lines and not by any clock."""
        rank = {recording_id: n for n, recording_id in enumerate(self.register.order)}
        return sorted(self.store.all(), key=lambda recording: rank.get(recording.id, len(rank)))

    def _list(self) -> list[KeptRecording]:
        return [self._row(recording) for recording in self._there()]

    def _row(self, recording: Recording) -> KeptRecording:
        kept = self.register.of(recording.id)
        return kept_recording(recording, kept, goes_at(kept, self.config.retention))

    def _find(self, which: str) -> Recording | None:
        return next((recording for recording in self.store.all() if recording.id == which), None)

    def _fates(self, expected: int | None) -> list[Fate]:
        kept = {recording.id: self.register.of(recording.id) for recording in self._there()}
        now = Now(self.clock.wall(), self.clock.trust(), self.register.newest)
        return fates(kept, now, self.config.retention, in_use=self.in_use(), expected=expected)

    def _run(self, expected: int | None, by: str) -> Fates:
        decided = self._fates(expected)
        erased = []
        for fate in decided:
            recording = self._find(fate.id) if fate.decision is Decision.GOES else None
            if recording is not None:
                self.eraser.erase(recording, DAYS_ARE_OVER, by)
                erased.append(fate.id)
        log.info("retention: %d of %d erased", len(erased), len(decided))
        return _shown(decided, erased)

    # ── acts ──

    async def _hold(self, request: HoldRecordingRequest, by: str) -> Reply:
        recording = await self.errands.on_disk(lambda: self._find(request.id))
        if recording is None:
            return _not_here(request.id)
        reason = request.reason.strip()
        if not reason or len(reason) > LONGEST_REASON:
            return Mistaken(f"A hold has a reason, of at most {LONGEST_REASON} letters.")
        try:
            until = self._end_of(request.until) if request.until else None
        except ValueError:
            return Mistaken(f"{request.until!r} is not a day; write it as 2027-01-31.")
        if until is not None and until <= self.clock.wall():
            return Mistaken(f"{request.until} is over already.")
        await self.enter("held", {"id": request.id, "reason": reason, "until": rfc3339(until) if until else None, "by": by})
        return Recordings([self._row(recording)])

    def _end_of(self, day: str) -> datetime:
        """The last moment of a day in the room's time zone."""
        return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), self._zone)

    async def _release(self, which: str, by: str) -> Reply:
        recording = await self.errands.on_disk(lambda: self._find(which))
        if recording is None:
            return _not_here(which)
        if self.register.of(which).hold is None:
            return Refused("not-held", f"{which} is not held. Nothing has changed.")
        await self.enter("released", {"id": which, "by": by})
        return Recordings([self._row(recording)])

    async def _delete(self, request: DeleteRequest, by: str) -> Reply:
        recording = await self.errands.on_disk(lambda: self._find(request.id))
        if recording is None:
            return _not_here(request.id)
        if not request.both_agreed:
            return Refused(
                "not-agreed", "A recording is erased before its time only when both parties agreed. Nothing was erased."
            )
        if self.register.of(request.id).hold is not None:
            return Refused("held", f"{request.id} is held. Release it first. Nothing was erased.")
        if request.id in self.in_use():
            return Refused("in-use", f"{request.id} is in the room now. End the meeting first. Nothing was erased.")
        await self.errands.on_disk(lambda: self.eraser.erase(recording, BOTH_AGREED, by))
        return Recordings(await self.errands.on_disk(self._list))


def _shown(decided: Sequence[Fate], erased: Sequence[str] = ()) -> Fates:
    views = [
        FateView(fate.id, fate.decision.value, rfc3339(fate.goes_at) if fate.goes_at else None, fate.why.value)
        for fate in decided
    ]
    return Fates(views, list(erased))


def _not_here(which: str) -> Refused:
    return Refused("not-here", f"The appliance keeps no recording {which}. Nothing has changed.")
