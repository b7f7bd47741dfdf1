"""What can be done with sticks while no meeting goes on: a copy made later, a recording that was brought, two sticks compared.

None of it has anything to do with the meeting's states; a meeting that begins ends a comparison, and takes the copies over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from appliance.clock import Clock, wall_of
from appliance.copies.comparing import StickUnreadableError, compare_sticks, compared_in_words, unreadable_in_words
from appliance.copies.sticks import Stick
from appliance.copies.verify import verify
from appliance.errands import Errands
from appliance.journal import Value
from appliance.papers import Papers
from appliance.protocol import CopyRequest, Refused, Reply, Snapshot, TakeInRequest
from appliance.register import Register
from appliance.sight import Sight
from appliance.startup import register_taken_in
from appliance.store import Recording, Store
from appliance.take_in import Origin, TakeInError, TakenIn, pieces_of, take_in
from appliance.trust import Trust
from appliance.twins import Twins
from appliance.wording import Wording
from appliance.words import Trouble, speak

Enter: TypeAlias = Callable[[str, Mapping[str, Value]], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class AtRest:
    """`must_wait`: why not now, None at rest. `changed`: the room has something new to see."""

    store: Store
    register: Register
    twins: Twins
    sight: Sight
    errands: Errands
    clock: Clock
    zone: ZoneInfo
    wording: Wording
    papers: Callable[[], Papers]
    enter: Enter
    must_wait: Callable[[], Refused | None]
    snapshot: Callable[[], Snapshot]
    changed: Callable[[], None]
    _comparing: asyncio.Task[None] | None = field(default=None, init=False)

    async def answer(self, request: CopyRequest | TakeInRequest) -> Reply:
        return await self.copy(request, "room") if isinstance(request, CopyRequest) else await self.take_in(request)

    async def copy(self, request: CopyRequest, by: str) -> Reply:
        """A copy made later, by anyone in the room, as long as the recording is kept."""
        recording = next((there for there in self.store.all() if there.id == request.id and there.is_bagged), None)
        if recording is None:
            return Refused("not-here", f"The appliance keeps no recording {request.id}. Nothing has changed.", self.snapshot())
        if (why := self.must_wait() or self._no_stick()) is not None:
            return why
        if not await asyncio.to_thread(is_sound, recording):
            return Refused("damaged", speak(self.sight.language)(Trouble.ORIGINAL_DAMAGED), self.snapshot())
        await self.enter("copied-again", {"id": recording.id, "by": by})
        await self.twins.again(recording)
        return self.snapshot()

    async def take_in(self, request: TakeInRequest) -> Reply:
        """R4 the other way round: a file that lies on a stick which is in becomes a recording, and is copied to every stick."""
        path = Path(request.path)
        stick = next((stick for stick in self.twins.sticks_in if _is_on(stick, path)), None)
        if (why := self.must_wait()) is not None:
            return why
        if stick is None:
            return Refused("not-on-a-stick", "That file is not on a stick that is in. Nothing was taken in.", self.snapshot())
        origin = Origin(path.name, stick.known_by, request.party)
        try:
            taken = await asyncio.to_thread(self._take_in, path, origin)
        except (TakeInError, OSError) as error:
            return Refused("not-taken-in", f"{error} Nothing was taken in; on the stick nothing has changed.", self.snapshot())
        await self.errands.on_disk(lambda: register_taken_in(self.register, self.clock, taken.recording))
        await self.twins.again(taken.recording)
        return self.snapshot()

    def _take_in(self, path: Path, origin: Origin) -> TakenIn:
        """In a thread that nobody waits for but who asked: a dying stick may never answer."""
        trusted = self.clock.trust() is not Trust.NONE
        language = self.sight.language
        return take_in(
            self.store,
            self.clock,
            pieces_of(path),
            origin,
            agreement=self.wording.agreement(language).text,
            language=language,
            local=wall_of(self.clock, self.clock.monotonic_ns()).astimezone(self.zone) if trusted else None,
            papers=self.papers(),
        )

    def _no_stick(self) -> Refused | None:
        if self.twins.states:
            return None
        return Refused("no-stick", speak(self.sight.language)(Trouble.NO_STICK), self.snapshot())

    # ── two sticks beside each other ──

    def stick_came(self) -> None:
        """Two sticks that are put in while nobody meets are compared; nothing of them is kept."""
        self.forget_comparison()
        sticks = self.twins.sticks_in
        if len(sticks) == 2 and self.must_wait() is None:
            self._comparing = self.errands.run(self._compare(*sticks), "two sticks compared")

    def forget_comparison(self) -> None:
        """A stick went, or a meeting begins."""
        if self._comparing is not None:
            self._comparing.cancel()
            self._comparing = None
        self.sight.comparison = None

    async def _compare(self, one: Stick, other: Stick) -> None:
        say = speak(self.sight.language)
        try:
            compared = await compare_sticks(one, other)
        except StickUnreadableError as error:
            log.warning("%s", error)
            self.sight.comparison = unreadable_in_words(error, say)
        else:
            self.sight.comparison = compared_in_words(compared, say) if compared.recordings else None
        self.changed()


def is_sound(recording: Recording) -> bool:
    """Whether a sealed recording still is as it was sealed: every byte of it is read. A signature that is missing is no damage."""
    return verify(recording.folder).verdict != "changed"


def _is_on(stick: Stick, path: Path) -> bool:
    """By its plain name, without asking the stick: what is a link is refused when it is opened."""
    return path.is_absolute() and ".." not in path.parts and path.is_relative_to(stick.path)
