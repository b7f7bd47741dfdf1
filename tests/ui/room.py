"""The other end of the socket: a service that says what a test wants the screen to see, over the real protocol on a real socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from appliance import protocol
from appliance.agreement import PARTIES, Party
from appliance.protocol import (
    CheckView,
    CopyView,
    LevelView,
    Mistaken,
    RecordingView,
    Refused,
    Reply,
    Request,
    Snapshot,
    StatusRequest,
    WatchRequest,
)
from appliance.words import Trouble, speak

ANNOUNCEMENT = {
    "nl": (
        "Zullen we dit gesprek opnemen? Dan krijgen we straks allebei precies dezelfde opname mee. We knippen er niet in. We geven de "
        "opname niet aan anderen en zetten haar niet op internet, behalve als we dat samen afspreken. U mag de opname gebruiken om het "
        "gesprek terug te luisteren, en als er ooit een klacht of een procedure komt. Dat mag ik ook. We mogen allebei op elk moment "
        "pauzeren of stoppen. Wilt u liever geen opname, zeg het gerust: dan kiezen we samen iets anders."
    ),
    "en": (
        "Shall we record this conversation? Then each of us takes home exactly the same recording. We do not cut it. We do not give it "
        "to others or put it on the internet, unless we agree on that together. You may use it to listen again, and if there is ever a "
        "complaint or a procedure. So may I. Either of us may pause or stop at any moment. If you would rather not, just say so: then "
        "we choose something else together."
    ),
}
AGREEMENT = {
    "nl": (
        "Wij nemen dit gesprek open op. Wij krijgen allebei dezelfde opname. Niemand knipt erin. Niemand geeft de opname aan anderen, "
        "behalve als wij dat samen afspreken. Het apparaat wist zijn eigen kopie uiterlijk op 7 december 2026. Vragen: 030 123 45 67."
    ),
    "en": (
        "We record this conversation openly. We both get the same recording. Nobody cuts it. Nobody gives it to others, unless we "
        "agree on that together. The device erases its own copy on 7 December 2026 at the latest. Questions: 030 123 45 67."
    ),
}
SHA256 = "3f0a9c1be27d4455a1c08f5e6b7d2231904cc0de77aa15b2cd8e01f4a6b93d70"
ROOT = "/media/recorder"
KEY = "SHA256:uNiVztksCsDhcc0u9e8BrrfKKxHh/8IXlVGgbT/zzIo"
TWIN_WORDS = ["kapper", "lantaarn", "dorp", "bezem"]
ALL_GOOD = [CheckView(what, "good") for what in ("microphone", "sticks", "clock", "power", "room")]
NOT_ALL_GOOD = [
    CheckView("microphone", "waiting"),
    CheckView("sticks", "good"),
    CheckView("clock", "bad"),
    CheckView("room", "good"),
]


def stick(name: str, state: str, share: float = 1.0) -> CopyView:
    size = 72_400_000
    return CopyView(f"{ROOT}/{name}", None, state, size, int(size * share), label=name, bytes_a_second=12_000_000)


def recording(seconds: float = 754.0, sha256: str | None = None, *, interrupted: bool = False) -> RecordingView:
    return RecordingView("k7qm", "2026-11-23 14.00 gesprek k7qm", int(seconds * 48_000), seconds, [], interrupted, sha256)


BLUE_RED = [stick("SANDISK BLAUW", "waiting"), stick("KINGSTON ROOD", "waiting")]
FOLLOWING = [stick("SANDISK BLAUW", "following", 0.99), stick("KINGSTON ROOD", "following", 0.62)]
VERIFIED = [stick("SANDISK BLAUW", "verified"), stick("KINGSTON ROOD", "verified")]


def snapshot(state: str, language: str = "nl", **different: object) -> Snapshot:
    """A snapshot as the service would send it in `state`, but for what is `different`."""
    plain = Snapshot(
        state=state,
        confirmed=[],
        storing=False,
        light=False,
        trouble=[],
        recording=None,
        copies=BLUE_RED,
        level=LevelView(-24.0, -12.0),
        microphone="heard",
        language=language,
        languages=["nl", "en"],
        announcement=ANNOUNCEMENT[language],
        agreement=AGREEMENT[language],
        version="0.1.0",
    )
    return msgspec.structs.replace(plain, **different)


def every_screen(language: str) -> Iterator[tuple[str, Snapshot]]:
    """Everything that the screen can show, each with a name for its picture."""
    say = speak(language)
    both, professional, client, guest = list(PARTIES), Party.PROFESSIONAL, Party.CLIENT, Party.GUEST

    def now(state: str, **different: object) -> Snapshot:
        return snapshot(state, language, **different)

    yield "01-invitation", now("idle", level=None)
    yield (
        "02-announcement",
        now("announcing", asked=professional, checks=ALL_GOOD, clock="2026-11-24T14:00:00+01:00", clock_trust="ntp"),
    )
    yield (
        "02-announcement-checks",
        now(
            "announcing",
            asked=professional,
            checks=NOT_ALL_GOOD,
            clock="2026-11-24T14:00:00+01:00",
            trouble=[say(Trouble.CLOCK_NOT_TRUSTED)],
        ),
    )
    yield "02-announcement-two-buttons", now("announcing", asked=professional, checks=ALL_GOOD, heard=[professional], buttons=2)
    yield "02-announcement-held", now("announcing", asked=professional, checks=ALL_GOOD, held_since=0)
    yield "03-agreement", now("agreeing", asked=client, confirmed=[professional], checks=ALL_GOOD, heard=[professional])
    yield "03-agreement-two-buttons", now("agreeing", asked=client, confirmed=[professional], buttons=2)
    one_stick, no_stick = [say(Trouble.ONE_STICK)], [say(Trouble.NO_STICK)]
    yield (
        "04-agreement-one-stick",
        now("agreeing", asked=client, confirmed=[professional], copies=BLUE_RED[:1], trouble=one_stick),
    )
    yield "05-agreement-no-stick", now("agreeing", asked=client, confirmed=[professional], copies=[], trouble=no_stick)
    yield "06-agreement-touch", now("agreeing", asked=professional, confirmed=[client], touch=True)
    yield "07-agreed", now("agreed", confirmed=both)
    running = {"started": True, "confirmed": both, "copies": FOLLOWING, "recording": recording(), "seconds_left": 11_580}
    stored = {**running, "storing": True, "light": True}
    yield "08-recording-begins", now("recording", **{**running, "recording": None})
    yield "09-recording", now("recording", **stored)
    yield (
        "10-recording-long",
        now("recording", **{**stored, "recording": recording(36_610.0), "part": 2, "copies": FOLLOWING[:1]}),
    )
    out = [say(Trouble.STICK_OUT).format(stick="KINGSTON ROOD"), *one_stick]
    yield (
        "11-recording-trouble",
        now("recording", **{**stored, "trouble": out, "copies": [FOLLOWING[0], stick("KINGSTON ROOD", "unfinished", 0.4)]}),
    )
    yield "12-recording-no-stick", now("recording", **{**stored, "copies": [], "trouble": no_stick})
    lost = [say(Trouble.MICROPHONE_LOST).format(time="00:12:34")]
    yield "13-microphone-gone", now("recording", **{**running, "microphone": "lost", "level": None, "trouble": lost})
    yield "09-recording-held", now("recording", **stored, held_since=0)
    yield "09-recording-touch", now("recording", **stored, touch=True)
    yield "09-summing-up", now("recording", **stored, summing_up=True)
    yield "09-summing-up-touch", now("recording", **stored, summing_up=True, touch=True)
    yield "14-paused", now("paused", **running)
    yield "14-paused-two-buttons", now("paused", **running, buttons=2)
    yield "15-somebody-joins", now("agreeing", **{**running, "guest": True, "joining": True, "asked": guest})
    yield "16-somebody-joins-before", now("announcing", guest=True, asked=professional)
    yield "17-agreed-again", now("agreed", **{**running, "guest": True, "confirmed": [*both, guest]})
    yield "18-sealing", now("sealing", **running)
    done = {**running, "recording": recording(sha256=SHA256), "level": None, "twin_words": TWIN_WORDS, "fingerprint": KEY}
    yield "19-copying", now("copying", **done)
    over = {**done, "copies": VERIFIED, "verified": 2, "kept_until": "2026-12-07T14:00:00+01:00"}
    yield "20-handover", now("handover", **over, asked=professional)
    yield "21-handover-client", now("handover", **over, asked=client, received=[professional])
    failed = [VERIFIED[0], stick("KINGSTON ROOD", "failed", 0.4)]
    yield (
        "22-handover-one-copy",
        now("handover", **{**over, "copies": failed, "verified": 1}, asked=client, received=[professional]),
    )
    yield "23-handover-no-copy", now("handover", **{**over, "copies": [], "verified": 0}, asked=professional)
    cut = {**over, "recording": recording(2471.0, SHA256, interrupted=True)}
    yield "24-handover-interrupted", now("handover", **cut, asked=professional)
    yield "25-handover-later", now("handover", **over, asked=client, later=[professional], trouble=out[:1])
    yield "25-handover-touch", now("handover", **over, asked=professional, touch=True)
    yield "25-handover-two-buttons", now("handover", **over, asked=professional, buttons=2)
    yield "26-declined", now("declined", level=None)
    yield "26-declined-touch", now("declined", level=None, touch=True)
    yield "27-switching-off", now("idle", level=None, leaving=[])
    yield "27-switching-off-waits", now("idle", level=None, leaving=["KINGSTON ROOD"], copies=FOLLOWING)
    yield "28-button-stuck", now("idle", level=None, trouble=[say(Trouble.BUTTON_STUCK)])


HELD_FOR_MS = 1_000
HEARTBEAT_S = 0.4


class Room:
    """A service on `socket_path` that shows `now`, remembers what it was asked, and refuses what it is told to refuse."""

    def __init__(self, socket_path: Path, now: Snapshot) -> None:
        self.socket_path = socket_path
        self.now = now
        self.asked: list[Request] = []
        self.refuses: Refused | Mistaken | None = None
        self.silent = False
        """Whether it hangs: connections stay open, and nothing is said."""
        self._watchers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.socket_path)
        self._heart = asyncio.create_task(self._beat())

    async def close(self) -> None:
        """As a service that is killed: every connection ends in the middle of whatever it was."""
        assert self._server is not None
        self._heart.cancel()
        self._server.close()
        conversations = list(self._connections.values())
        for writer in list(self._connections):
            writer.transport.abort()
        await asyncio.gather(*conversations)
        self.socket_path.unlink(missing_ok=True)

    async def show(self, now: Snapshot) -> None:
        self.now = now
        for writer in list(self._watchers):
            self._tell(writer, self._current())

    async def _beat(self) -> None:
        """As the service, which tells where things stand also when nothing happens."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self.show(self.now)

    def stamped(self, now: Snapshot) -> int:
        """The time that a snapshot shown from now on bears at least."""
        self.now = now
        return time.monotonic_ns() // 1_000_000

    def _current(self) -> Snapshot:
        """As of now; a button that is held in `now` has been held for as long as it takes to see most of it."""
        at = time.monotonic_ns() // 1_000_000
        return msgspec.structs.replace(self.now, at=at, held_since=None if self.now.held_since is None else at - HELD_FOR_MS)

    def _tell(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        if not self.silent and not writer.is_closing():
            writer.write(protocol.line(reply))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.current_task()
        assert conversation is not None
        self._connections[writer] = conversation
        try:
            while line := await reader.readline():
                self._answer(writer, protocol.room_requests.decode(line))
        except OSError:
            pass  # the other end went away, as tests make it do
        finally:
            self._connections.pop(writer)
            self._watchers.discard(writer)
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, request: Request) -> None:
        if isinstance(request, WatchRequest):
            self._watchers.add(writer)
        elif not isinstance(request, StatusRequest):
            self.asked.append(request)
            if self.refuses is not None:
                self._tell(writer, self.refuses)
                return
        self._tell(writer, self._current())


@asynccontextmanager
async def a_room(socket_path: Path, now: Snapshot) -> AsyncIterator[Room]:
    room = Room(socket_path, now)
    await room.open()
    try:
        yield room
    finally:
        await room.close()


async def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until something holds; AssertionError when it does not within `seconds`."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not come about"
        await asyncio.sleep(0.01)
