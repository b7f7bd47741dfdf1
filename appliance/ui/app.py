"""The room's screen as a program: it shows the service's newest snapshot and sends what people want.

It holds nothing of the meeting. Killed, it is missed by nobody; started again, it shows where things stand. What it shows was true less
than a second ago: the service tells where things stand also when nothing happens, and when it does not, the screen shows nothing but
'one moment'.
The few things of its own are the language chosen on the invitation, the text that is being typed, and the key that waits for its second
press.
"""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.timer import Timer

from appliance.agreement import Party
from appliance.client import NoService, send, watch
from appliance.meeting import State
from appliance.protocol import DeclineRequest, MarkRequest, Mistaken, Refused, Request, Snapshot
from appliance.ui.colours import TABLE
from appliance.ui.presses import Presses
from appliance.ui.screens.agreed import Agreed
from appliance.ui.screens.agreement import Agreement
from appliance.ui.screens.announcement import Announcement
from appliance.ui.screens.declined import Declined
from appliance.ui.screens.finishing import Finishing
from appliance.ui.screens.handover import Handover
from appliance.ui.screens.invitation import Invitation
from appliance.ui.screens.moment import Moment
from appliance.ui.screens.paused import Paused
from appliance.ui.screens.recording import Recording
from appliance.ui.screens.room_screen import RoomScreen
from appliance.ui.screens.somebody_joins import SomebodyJoins
from appliance.ui.screens.switching_off import SwitchingOff
from appliance.ui.ways import OtherLanguage, Taken, Way, WhoseMark, Written
from appliance.words import Say, languages, speak

AGAIN_S = 0.5
"""Between two tries to reach the service."""
LOOK_S = 0.2
OLD_AFTER_S = 0.78
"""With one more look at the clock, nothing older than a second is on the screen. The service says something every 0.4 s."""
SECOND_PRESS_S = 5.0
NOTICE_S = 6.0

FIRST_LANGUAGE = "nl"

SCREENS: dict[str, type[RoomScreen]] = {
    State.IDLE: Invitation,
    State.ANNOUNCING: Announcement,
    State.AGREEING: Agreement,
    State.AGREED: Agreed,
    State.RECORDING: Recording,
    State.PAUSED: Paused,
    State.SEALING: Finishing,
    State.COPYING: Finishing,
    State.HANDOVER: Handover,
    State.DECLINED: Declined,
}

HEARD: dict[tuple[str, str], int] = {
    (State.AGREED, State.RECORDING): 1,
    (State.RECORDING, State.PAUSED): 2,
    (State.RECORDING, State.AGREEING): 2,
    (State.PAUSED, State.RECORDING): 1,
    (State.RECORDING, State.SEALING): 3,
    (State.PAUSED, State.SEALING): 3,
}
"""How often the terminal's bell sounds at a start, a pause, a resumption and the end, while there are no tones."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A first press that waits for its second, until `until` (s, monotonic)."""

    keys: tuple[str, ...]
    until: float


class RoomApp(App[None]):
    CSS_PATH = Path(__file__).with_name("room.tcss")
    TITLE = "meeting-recorder"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (70, "-wide")]  # noqa: RUF012 - Textual's own form
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-low"), (20, "-middle"), (28, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q,ctrl+c", "quit", show=False, priority=True)]

    def __init__(self, socket_path: Path, *, few_glyphs: bool | None = None) -> None:
        """few_glyphs: whether the display lacks half blocks; by default the bare console does."""
        super().__init__()
        self.few_glyphs = os.environ.get("TERM") == "linux" if few_glyphs is None else few_glyphs
        self.presses = Presses()
        self.register_theme(TABLE)
        self.theme = TABLE.name
        self.socket_path = socket_path
        self.newest: Snapshot | None = None
        self.heard_at = time.monotonic()
        self.chosen: str | None = None
        """The language chosen on the invitation; from the announcement on the service's rules."""
        self._asked: Asked | None = None
        self._whose_mark: Asked | None = None
        self._notice_ends: Timer | None = None
        self._showing = asyncio.Lock()
        self._looked_at = self.heard_at

    # ── the language

    @property
    def language(self) -> str:
        if self.newest is None:
            return FIRST_LANGUAGE
        return self.chosen if self.chosen is not None and self.newest.state == State.IDLE else self.newest.language

    @property
    def say(self) -> Say:
        return speak(self.language)

    def _others(self) -> list[str]:
        """The languages that come next, in turn."""
        there = list(self.newest.languages) if self.newest is not None and self.newest.languages else list(languages())
        if self.language not in there:
            return there
        here = there.index(self.language)
        return there[here + 1 :] + there[:here]

    # ── what the service says

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return TABLE.variables

    def get_default_screen(self) -> RoomScreen:
        return Moment(None, FIRST_LANGUAGE)

    def on_mount(self) -> None:
        self.set_interval(LOOK_S, self._look)
        self._follow()

    @work(name="follow the service")
    async def _follow(self) -> None:
        while True:
            try:
                async for snapshot in watch(self.socket_path):
                    await self._hear(snapshot)
            except NoService as away:
                log.info("%s", away)
            if self.newest is not None and self.newest.leaving is not None:
                self.exit()  # it was switched off from here
            await asyncio.sleep(AGAIN_S)

    async def _hear(self, snapshot: Snapshot) -> None:
        async with self._showing:
            before, self.newest, self.heard_at = self.newest, snapshot, time.monotonic()
            if before is None or before.state != snapshot.state:
                self._new_state(before, snapshot)
            here = self.screen if self.screen_stack else None
            if before is not None and same(before, snapshot) and isinstance(here, RoomScreen) and not isinstance(here, Moment):
                here.now = snapshot
            else:
                await self._show()

    def _new_state(self, before: Snapshot | None, after: Snapshot) -> None:
        self.chosen = self._asked = self._whose_mark = None
        for _ in range(HEARD.get((before.state, after.state), 0) if before is not None else 0):
            self.bell()

    async def _show(self) -> None:
        """Put the screen that belongs to the newest snapshot on top, and bring it up to date."""
        if self.newest is None or not self.screen_stack:
            return
        if isinstance(self.screen, Moment) and len(self.screen_stack) > 1:
            await _to_its_end(self.pop_screen())
        kind = screen_for(self.newest)
        here = self.screen
        if type(here) is not kind:
            there = self._make(kind, self.newest)
            await _to_its_end(self.push_screen(there) if isinstance(here, Moment) else self.switch_screen(there))
            return
        if isinstance(here, Invitation):
            here.language, here.others = self.language, self._others()
        here.show(self.newest, self.say)

    def _make(self, kind: type[RoomScreen], newest: Snapshot) -> RoomScreen:
        if kind is Invitation:
            return Invitation(newest, self.language, self._others())
        return kind(newest, self.language)

    # ── when the service says nothing

    async def _look(self) -> None:
        now = time.monotonic()
        silent_for, since_last_look = now - self.heard_at, now - self._looked_at
        self._looked_at = now
        if since_last_look > 2 * LOOK_S:
            return  # it was this screen that stood still: what the service said meanwhile is read first
        if silent_for > OLD_AFTER_S:
            async with self._showing:
                await self._one_moment(time.monotonic() - self.heard_at)

    async def _one_moment(self, silent_for: float) -> None:
        if silent_for <= OLD_AFTER_S or not self.screen_stack:
            return
        moment = self.screen if isinstance(self.screen, Moment) else None
        if moment is None:
            moment = Moment(self.newest, self.language)
            await _to_its_end(self.push_screen(moment))
        moment.show_silence(silent_for)

    # ── what people want

    async def on_taken(self, message: Taken) -> None:
        way = message.way
        if way.once_more and not self._is_second(way):
            self._asked = Asked(way.keys, time.monotonic() + SECOND_PRESS_S)
            self._notice(way.once_more, SECOND_PRESS_S)
            return
        self._asked = None
        match way.does:
            case OtherLanguage():
                async with self._showing:
                    self.chosen = next(iter(self._others()), None)
                    await self._show()
            case WhoseMark():
                self._whose_mark = Asked(way.keys, time.monotonic() + SECOND_PRESS_S)
                self._notice(self.say("Whose moment? Press P or C."), SECOND_PRESS_S)
            case Request() as request:
                self._notice("")
                self.intend(request)

    def on_written(self, message: Written) -> None:
        self.intend(DeclineRequest(message.alternative, message.note), self.say("Written down. Each of you takes it home."))

    def on_key(self, event: Key) -> None:
        """The key behind M: whose moment it is."""
        party = {"p": Party.PROFESSIONAL, "c": Party.CLIENT}.get(event.key.lower())
        asked, self._whose_mark = self._whose_mark, None
        if party is not None and asked is not None and time.monotonic() < asked.until:
            self._notice("")
            self.intend(MarkRequest(party))

    def _is_second(self, way: Way) -> bool:
        return self._asked is not None and self._asked.keys == way.keys and time.monotonic() < self._asked.until

    @work(name="tell the service")
    async def intend(self, request: Request, done: str = "") -> None:
        """Send what somebody wants. What comes of it is in the next snapshot; `done` is said when there is no other sign of it."""
        try:
            answer = await send(self.socket_path, request)
        except NoService as away:
            log.info("%s", away)
            self._notice(self.say("The recorder does not answer now. Please try again in a moment."))
            return
        if isinstance(answer, Refused | Mistaken):
            self._notice(answer.says)
        elif done or isinstance(request, MarkRequest):
            self._notice(done or self.say("This moment is marked."))

    def _notice(self, words: str, seconds: float | None = None) -> None:
        if self._notice_ends is not None:
            self._notice_ends.stop()
            self._notice_ends = None
        if isinstance(self.screen, RoomScreen):
            self.screen.notice(words)
        if words:
            self._notice_ends = self.set_timer(NOTICE_S if seconds is None else seconds, lambda: self._notice(""))

    # ── a fault of the screen's own is for the log, never for the table

    def _handle_exception(self, error: Exception) -> None:
        log.error("The screen fell over.", exc_info=error)
        super()._handle_exception(error)

    def _print_error_renderables(self) -> None:
        self._exit_renderables.clear()


def same(before: Snapshot, after: Snapshot) -> bool:
    """Whether nothing is to be drawn anew: only time went by."""
    return msgspec.structs.replace(before, at=after.at) == after and after.held_since is None


def screen_for(now: Snapshot) -> type[RoomScreen]:
    if now.leaving is not None:
        return SwitchingOff
    new = now.joining or (now.guest and Party.GUEST not in now.confirmed)
    if new and now.state in {State.ANNOUNCING, State.AGREEING}:
        return SomebodyJoins
    return SCREENS.get(now.state, Moment)


async def _to_its_end(change: Awaitable[object]) -> None:
    """Wait for a change of screens. Whoever leaves meanwhile cancels the waiting and not the change, on which Textual waits too."""
    await asyncio.shield(change)


def run(socket_path: Path) -> int:
    """Show the room's screen until somebody leaves it (Ctrl+Q). A screen that falls over is started again. Returns the exit status."""
    _log_beside(socket_path)
    while True:
        room = RoomApp(socket_path)
        room.run()
        if not room.return_code:
            return 0
        time.sleep(1)


def _log_beside(socket_path: Path) -> None:
    """The terminal is the screen's own, so the log goes to the system's, or to a file beside the socket."""
    system = Path("/dev/log")
    try:
        if system.exists():
            where: logging.Handler = logging.handlers.SysLogHandler(str(system))
        else:
            where = logging.FileHandler(socket_path.parent / "ui.log", delay=True)
    except OSError:
        where = logging.NullHandler()
    log.addHandler(where)
    log.propagate = False
