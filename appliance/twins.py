"""The two copies of what is being recorded, as the meeting sees them: which sticks are in, what is verified, what is settled.

`copies/copying.py` makes them; here they are told to the room and to the register. A copy that was verified is registered first, and
only then shown and counted: what the screen says is on the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from appliance.agreement import PARTIES
from appliance.copies.beforehand import shortage
from appliance.copies.copying import Copies, CopyState
from appliance.copies.sticks import Stick, StickBusyError, StickCame, StickRefused, Sticks, StickWent
from appliance.errands import Errands
from appliance.journal import Value
from appliance.meeting import CopiesAre, MeetingEvent
from appliance.register import Register
from appliance.sight import Sight
from appliance.store import Recording

STICKS_SEEN_WITHIN_SECONDS = 3.0
NOTE = "AFSPRAAK.txt"

Enter: TypeAlias = Callable[[str, Mapping[str, Value]], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest meeting that the administrator allows for: its seconds, and bytes of sound a second."""

    seconds: float
    bytes_a_second: int


@dataclass(frozen=True, slots=True)
class Room:
    """What the copies ask of the room that they are made in.

    enter: a line into the register. happen: to the meeting. may_let_go: whether a stick with a verified copy is not needed in the
    device any more. stick_came_or_went: called after each.
    """

    enter: Enter
    happen: Callable[[MeetingEvent], object]
    may_let_go: Callable[[], bool]
    stick_came_or_went: Callable[[], None]


class Twins:
    """One for the service's life. All calls from the event loop; nothing here waits for a stick."""

    def __init__(
        self,
        sticks: Sticks,
        copies: Callable[[Callable[[], None]], Copies],
        register: Register,
        sight: Sight,
        errands: Errands,
        longest: Longest,
        room: Room,
    ) -> None:
        """copies: makes the copies, given whom to tell of changes."""
        self._sticks = sticks
        self._copies = copies(self._changed)
        self._register = register
        self._sight = sight
        self._errands = errands
        self._longest = longest
        self._room = room
        self._in: dict[str, Stick] = {}
        self._began = asyncio.get_running_loop().time()
        self._both_sticks_seen = asyncio.Event()
        self._copied: Recording | None = None
        """What the copies are of: goes on when the meeting is over; None while they are of a note, or of nothing."""
        self._being_registered: set[str] = set()
        self._lingering = False
        self._ended = False

    async def watch(self) -> None:
        """Take in every stick that comes, until cancelled."""
        async for event in self._sticks.watch():
            match event:
                case StickCame(stick):
                    self._in[stick.key] = self._sight.sticks[stick.key] = stick
                    self._copies.came(stick)
                    self._errands.run(self._ask_for_room(stick), "room on a stick")
                    if len(self._sight.sticks) >= len(PARTIES):
                        self._both_sticks_seen.set()
                case StickRefused(stick):
                    log.info("%s cannot be used: %s", stick.known_by, event.why)
                    self._sight.refused[stick.key] = event
                    self._changed()
                case StickWent(stick):
                    self._in.pop(stick.key, None)
                    self._sight.refused.pop(stick.key, None)
                    self._sight.shortages.pop(stick.key, None)
                    self._copies.went(stick)
            self._room.stick_came_or_went()

    async def _ask_for_room(self, stick: Stick) -> None:
        """Beforehand, against the longest meeting: what is in the way is said while another stick can still be found."""
        try:
            free = await self._sticks.free_bytes(stick)
        except OSError as error:
            log.warning("%s does not say how much room it has: %s", stick.known_by, error)
            return
        short = shortage(stick, free, longest_seconds=self._longest.seconds, bytes_a_second=self._longest.bytes_a_second)
        if short is not None and stick.key not in self._sight.refused:
            self._sight.shortages[stick.key] = short
            self._changed()

    # ── what they are of ──

    def follow(self, recording: Recording) -> None:
        """Copy what grows there, from now on."""
        self._sight.registered = frozenset()
        self._lingering = False
        self._take(recording)

    def go_on(self, recording: Recording) -> None:
        """After a start: a recording whose copies may be there in part, or whole."""
        self._take(recording)

    async def again(self, recording: Recording) -> None:
        """Back to the copies of a recording that was sealed before."""
        await self.drop()
        self._being_registered.clear()
        self._take(recording)
        self._copies.seal()

    async def note(self, folder_name: str, text: str, at: int) -> None:
        """In place of a recording, what the two agreed instead; `at` is its modification time, seconds since 1970."""
        await self.drop()
        self._sight.registered = frozenset(self._sight.sticks)
        self._copies.start_note(folder_name, NOTE, text, at)

    def durable(self, recording: Recording | None, file_bytes: int) -> None:
        """So much of the recording's WAV is on the disk."""
        if self._copied is not None and self._copied == recording:
            self._copies.follow(file_bytes)

    async def seal(self) -> None:
        """The recording is whole. After a start sticks are told one after the other; 'no stick' is true only when they had time."""
        try:
            async with asyncio.timeout(max(0, self._began + STICKS_SEEN_WITHIN_SECONDS - asyncio.get_running_loop().time())):
                await self._both_sticks_seen.wait()
        except TimeoutError:
            log.info("going on with %d sticks", len(self._copies.states))
        self._copies.seal()

    def let_go(self) -> None:
        """The meeting is over. Copies that are not through yet go on until they are, or until the next recording."""
        self._lingering = not self._copies.settled
        for state in self._copies.states:
            stick = self._sight.sticks.get(state.stick)
            if stick is not None and state.state == "verified":
                self._errands.run(self._let_go_of(stick), "let go")
        if not self._lingering:
            self._errands.run(self._copies.stop(), "copies end")

    async def drop(self) -> None:
        """No copies of anything."""
        self._copied = None
        await self._copies.stop()

    async def end(self) -> None:
        self._ended = True
        await self._copies.stop()

    def _take(self, recording: Recording) -> None:
        self._copied = recording
        self._copies.start(recording.folder)

    @property
    def sticks_in(self) -> list[Stick]:
        """Those that are in now and can be used, in the order in which they came."""
        return list(self._in.values())

    @property
    def in_use(self) -> tuple[str, ...]:
        """The id of the recording that is being copied; none when every stick is through."""
        return () if self._copied is None or self._copies.settled else (self._copied.id,)

    # ── what comes of them ──

    @property
    def states(self) -> tuple[CopyState, ...]:
        return self._copies.states

    def _changed(self) -> None:
        if self._ended:
            return
        self._sight.copies = self._copies.states
        recording = self._copied
        for state in self._copies.states:
            if state.state != "verified":
                self._being_registered.discard(state.stick)
            elif recording is not None and state.stick not in self._being_registered:
                self._being_registered.add(state.stick)
                self._errands.run(self._register_copy(recording, state), "verified")
        self._count()

    async def _register_copy(self, recording: Recording, copy: CopyState) -> None:
        stick = self._sight.sticks.get(copy.stick)
        if not any(known.folder == copy.folder for known in self._register.of(recording.id).copies):
            await self._room.enter(
                "verified",
                {
                    "id": recording.id,
                    "stick": str(stick.path if stick else copy.label),
                    "label": copy.label,
                    "make": stick.make if stick else "",
                    "size": stick.size if stick else 0,
                    "folder": copy.folder,
                    "method": copy.method,
                    "bytes": copy.verified_bytes,
                },
            )
        if stick is not None and self._room.may_let_go():
            await self._let_go_of(stick)
        self._sight.registered |= {copy.stick}
        self._count()

    async def _let_go_of(self, stick: Stick) -> None:
        """Before anybody is told that it may be taken."""
        try:
            await self._sticks.let_go(stick)
        except StickBusyError as error:
            log.warning("%s", error)

    def _count(self) -> None:
        verified = {state.stick for state in self._copies.states if state.state == "verified"}
        registered = verified & self._sight.registered
        settled = self._copies.settled and registered == verified
        self._room.happen(CopiesAre(len(registered), settled))
        if self._lingering and settled:
            self._lingering = False
            self._errands.run(self._copies.stop(), "copies end")
