"""The screen and the service: what is shown is what the service said last, what is done is asked of it, and losing it costs nothing."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot

from appliance.agreement import PARTIES, Party
from appliance.meeting import Alternative
from appliance.protocol import (
    AnnounceRequest,
    CancelRequest,
    ConfirmRequest,
    DeclineRequest,
    JoinRequest,
    LaterRequest,
    MarkRequest,
    Mistaken,
    PressRequest,
    ReceivedRequest,
    Refused,
    Request,
    ResumeRequest,
    Snapshot,
    StopRequest,
    SumUpRequest,
    SwitchOffRequest,
)
from appliance.ui import app as ui
from appliance.ui.app import RoomApp
from appliance.ui.screens import room_screen
from appliance.ui.screens.declined import Choice
from appliance.ui.widgets.confirmation import Confirmation
from appliance.ui.widgets.hold_bar import HoldBar
from appliance.ui.widgets.keys import Key
from tests.ui.looking import is_quiet, reads, rows, shown
from tests.ui.room import Room, a_room, every_screen, snapshot, until

SCREENS = dict(every_screen("nl"))
P, C, G = Party.PROFESSIONAL, Party.CLIENT, Party.GUEST


async def seen(screen: RoomApp, text: str, seconds: float = 5.0) -> None:
    await until(lambda: text in reads(screen), seconds)


async def longest_stall_until(true: Callable[[], bool]) -> float:
    """Seconds that this process got no turn from a busy machine, at most at once."""
    longest, last = 0.0, time.monotonic()
    while not true():
        await asyncio.sleep(0.01)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        assert longest < 5
    return longest


async def press(pilot: Pilot[None], *keys: str) -> None:
    """As a person presses: the next key after a moment."""
    for key in keys:
        await pilot.press(key)
        await asyncio.sleep(0.2)


async def test_it_shows_where_the_meeting_stands(room: Room, screen: RoomApp) -> None:
    async with screen.run_test():
        await seen(screen, "Koffie? Thee? Geluidsopname?")
        await room.show(SCREENS["09-recording"])
        await seen(screen, "Wij nemen dit gesprek op")
        await room.show(SCREENS["14-paused"])
        await seen(screen, "Pauze. Er wordt niets opgenomen.")


async def test_started_again_in_the_middle_it_shows_where_things_stand(room: Room, socket_path: Path) -> None:
    await room.show(SCREENS["09-recording"])
    for _ in range(2):
        screen = RoomApp(socket_path)
        async with screen.run_test():
            await seen(screen, "Wij nemen dit gesprek op")
    assert room.asked == []


@pytest.mark.parametrize(
    ("name", "key", "request_sent"),
    [
        ("01-invitation", "space", AnnounceRequest("nl")),
        ("01-invitation", "enter", AnnounceRequest("nl")),
        ("02-announcement", "space", PressRequest()),
        ("02-announcement", "p", ConfirmRequest(P)),
        ("02-announcement", "C", ConfirmRequest(C)),
        ("03-agreement", "c", ConfirmRequest(C)),
        ("03-agreement", "j", JoinRequest()),
        ("07-agreed", "space", PressRequest()),
        ("09-recording", "space", PressRequest()),
        ("09-recording", "j", JoinRequest()),
        ("09-recording", "s", SumUpRequest()),
        ("09-summing-up", "s", StopRequest()),
        ("09-summing-up", "x", ResumeRequest()),
        ("09-summing-up", "space", PressRequest()),
        ("09-recording", "1", MarkRequest(P)),
        ("09-recording", "2", MarkRequest(C)),
        ("14-paused", "space", PressRequest()),
        ("15-somebody-joins", "g", ConfirmRequest(G)),
        ("19-copying", "P", LaterRequest(P)),
        ("20-handover", "space", PressRequest()),
        ("20-handover", "p", ReceivedRequest(P)),
        ("20-handover", "c", ReceivedRequest(C)),
        ("20-handover", "C", LaterRequest(C)),
        ("24-handover-interrupted", "2", AnnounceRequest()),
        ("26-declined", "space", PressRequest()),
    ],
)
async def test_one_key_asks_for_one_thing(room: Room, screen: RoomApp, name: str, key: str, request_sent: Request) -> None:
    await room.show(SCREENS[name])
    async with screen.run_test() as pilot:
        await until(lambda: screen.newest is not None and shown(screen).now == screen.newest)
        await pilot.press(key)
        await until(lambda: room.asked != [])
        assert room.asked == [request_sent]


@pytest.mark.parametrize(
    ("name", "key", "asks", "request_sent"),
    [
        ("01-invitation", "o", "Druk nog een keer op O", SwitchOffRequest()),
        ("27-switching-off-waits", "o", "Nog niet klaar: de kopie op KINGSTON ROOD.", SwitchOffRequest(now=True)),
        ("14-paused", "s", "Druk nog een keer op S", StopRequest()),
        ("02-announcement", "d", "Druk nog een keer op D", DeclineRequest()),
        ("07-agreed", "d", "Druk nog een keer op D", DeclineRequest()),
        ("03-agreement", "x", "Druk nog een keer op X", CancelRequest()),
        ("15-somebody-joins", "x", "Druk nog een keer op X", CancelRequest()),
        ("15-somebody-joins", "s", "Druk nog een keer op S", StopRequest()),
        ("26-declined", "x", "Druk nog een keer op X", CancelRequest()),
    ],
)
async def test_what_ends_something_wants_a_second_press(
    room: Room, screen: RoomApp, name: str, key: str, asks: str, request_sent: Request
) -> None:
    await room.show(SCREENS[name])
    async with screen.run_test() as pilot:
        await until(lambda: screen.newest is not None and shown(screen).now == screen.newest)
        await pilot.press(key)
        await seen(screen, asks)
        assert room.asked == []
        await asyncio.sleep(0.2)
        await pilot.press(key)
        await until(lambda: room.asked == [request_sent])


async def test_a_second_press_that_comes_too_late_is_a_first_one(
    room: Room, screen: RoomApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui, "SECOND_PRESS_S", 0.3)
    await room.show(SCREENS["14-paused"])
    async with screen.run_test() as pilot:
        await seen(screen, "Pauze. Er wordt niets opgenomen.")
        for _ in range(2):
            await pilot.press("s")
            await seen(screen, "Druk nog een keer op S")
            await until(lambda: "Druk nog een keer op S" not in reads(screen))
            await asyncio.sleep(1.0)
        assert room.asked == []


async def test_another_key_in_between_takes_the_first_press_back(room: Room, screen: RoomApp) -> None:
    await room.show(SCREENS["02-announcement"])
    async with screen.run_test() as pilot:
        await seen(screen, "Vertel het eerst aan elkaar")
        await press(pilot, "d", "x", "d")
        assert room.asked == []


async def test_a_key_that_is_held_down_ends_nothing_and_starts_nothing(
    room: Room, screen: RoomApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_screen, "REPEAT_S", 0.8)  # between two presses of a pilot a screen may have to be drawn
    async with screen.run_test() as pilot:
        for name, key in [("14-paused", "s"), ("03-agreement", "d"), ("03-agreement", "space")]:
            await room.show(SCREENS[name])
            await until(lambda: screen.newest is not None and shown(screen).now == screen.newest)
            room.asked.clear()
            for pause in [0.3, *[0.01] * 6]:
                await pilot.press(key)
                await asyncio.sleep(pause)
            await asyncio.sleep(0.4)
            assert room.asked == ([PressRequest()] if key == "space" else [])


@pytest.mark.parametrize(
    ("key", "screens", "request_sent"),
    [
        ("s", ["09-recording", "09-summing-up"], SumUpRequest()),
        ("space", ["01-invitation", "02-announcement", "03-agreement"], AnnounceRequest("nl")),
    ],
)
async def test_a_key_that_is_held_down_while_the_screen_changes_is_still_one_press(
    room: Room, screen: RoomApp, key: str, screens: list[str], request_sent: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_screen, "REPEAT_S", 0.6)  # between two presses of a pilot a screen may have to be drawn
    await room.show(SCREENS[screens[0]])
    async with screen.run_test() as pilot:
        await until(lambda: screen.newest is not None and shown(screen).now == screen.newest)
        await pilot.press(key)
        await until(lambda: room.asked == [request_sent])
        for name in screens[1:]:
            await room.show(SCREENS[name])
            for _ in range(5):
                await pilot.press(key)
        await asyncio.sleep(0.7)
        assert room.asked == [request_sent]


async def test_while_the_button_is_held_a_bar_grows_and_says_what_comes_of_it(room: Room, screen: RoomApp) -> None:
    await room.show(SCREENS["09-recording-held"])
    async with screen.run_test():
        await seen(screen, "Blijf drukken om te stoppen. Loslaten is pauze.")
        bar = shown(screen).query_one(HoldBar)
        cells = rows(screen)[bar.region.bottom - 1]
        assert cells.count("█") >= 40, "most of 1.5 seconds are over"
        assert "Spatie" not in reads(screen)
        await room.show(SCREENS["09-recording"])
        await until(lambda: "Spatie" in reads(screen))
        assert "Blijf drukken" not in reads(screen)


async def test_the_bar_grows_by_itself_and_a_short_press_shows_none(room: Room, screen: RoomApp) -> None:
    async with screen.run_test():
        await seen(screen, "Koffie?")
        bar = shown(screen).query_one(HoldBar)
        bar.show(time.monotonic(), 1.0, "Blijf drukken.")
        assert not bar.display
        done = bar.done
        await until(lambda: bar.display)
        assert bar.done > max(done, 0.29)
        await until(lambda: bar.done == 1.0)
        bar.show(None, 1.0, "")
        assert not bar.display


async def test_where_nothing_comes_of_a_hold_no_bar_is_shown(room: Room, screen: RoomApp) -> None:
    async with screen.run_test():
        for name in ("01-invitation", "18-sealing", "19-copying", "26-declined"):
            await room.show(msgspec.structs.replace(SCREENS[name], held_since=0))
            await until(lambda name=name: screen.newest is not None and screen.newest.state == SCREENS[name].state)  # type: ignore[misc]
            await asyncio.sleep(0.15)
            assert not shown(screen).query_one(HoldBar).display


async def test_the_screen_ends_when_the_device_was_switched_off_from_it(room: Room, screen: RoomApp) -> None:
    await room.show(SCREENS["27-switching-off"])
    async with screen.run_test():
        await seen(screen, "Het apparaat gaat uit")
        await room.close()
        await until(lambda: screen.return_code == 0)
        await room.open()


async def test_the_language_is_chosen_on_the_invitation(room: Room, screen: RoomApp) -> None:
    async with screen.run_test() as pilot:
        await seen(screen, "L English")
        await press(pilot, "l")
        await seen(screen, "Coffee? Tea? A recording?")
        await seen(screen, "L Nederlands")
        await press(pilot, "space")
        assert room.asked == [AnnounceRequest("en")]
        await room.show(snapshot("announcing", "en", asked=P))
        await seen(screen, "Tell each other first")
        await room.show(snapshot("idle"))
        await seen(screen, "Koffie? Thee? Geluidsopname?")


async def test_a_refusal_is_said_and_goes_away(room: Room, screen: RoomApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "NOTICE_S", 0.5)
    await room.show(SCREENS["07-agreed"])
    async with screen.run_test() as pilot:
        await seen(screen, "Afgesproken")
        answers: list[Refused | Mistaken] = [Refused("no-microphone", "Steek de stekker erin."), Mistaken("Dat was geen vraag.")]
        for answer in answers:
            room.refuses = answer
            await press(pilot, "space")
            await seen(screen, answer.says)
            await until(lambda says=answer.says: says not in reads(screen))  # type: ignore[misc]
            await asyncio.sleep(0.8)


async def test_a_mark_is_for_the_party_whose_key_follows(room: Room, screen: RoomApp) -> None:
    await room.show(SCREENS["09-recording"])
    async with screen.run_test() as pilot:
        await seen(screen, "Wij nemen dit gesprek op")
        await press(pilot, "m")
        await seen(screen, "Voor wie is dit moment?")
        await press(pilot, "c")
        await seen(screen, "Dit moment is aangegeven.")
        await press(pilot, "p")
        assert room.asked == [MarkRequest(C)]


async def test_rule_1_a_short_note_of_what_is_done_instead_is_sent(room: Room, screen: RoomApp) -> None:
    await room.show(SCREENS["26-declined"])
    async with screen.run_test() as pilot:
        await seen(screen, "Geen opname. Dat is goed.")
        await press(pilot, "1")
        await pilot.press(*"samen op", "escape")
        await press(pilot, "3")
        await pilot.press(*"volgende week x 2", "enter")
        await until(lambda: room.asked != [])
        assert room.asked == [DeclineRequest(Alternative.FOLLOW_UP, "volgende week x 2")]
        await seen(screen, "Opgeschreven.")


async def test_a_note_that_is_being_written_outlives_a_snapshot(room: Room, screen: RoomApp) -> None:
    await room.show(SCREENS["26-declined"])
    async with screen.run_test() as pilot:
        await seen(screen, "Geen opname. Dat is goed.")
        await press(pilot, "1", *"morgen")
        await room.show(SCREENS["26-declined"])
        await pilot.pause()
        await seen(screen, "morgen")


async def test_everything_can_be_touched_where_there_are_no_keys(room: Room, screen: RoomApp) -> None:
    """What several keys do together at a keyboard is one thing each to touch, as high as a thumb."""
    async with screen.run_test(size=(100, 30)) as pilot:
        for name, touched, request_sent in [
            ("09-recording-touch", "2", MarkRequest(C)),
            ("09-summing-up-touch", "S", StopRequest()),
            ("25-handover-touch", "Shift+P", LaterRequest(P)),
        ]:
            await room.show(SCREENS[name])
            await until(lambda: screen.newest is not None and shown(screen).now == screen.newest)
            await pilot.pause()
            await until(lambda: any(key.region for key in shown(screen).query(Key)))
            keys = [key for key in shown(screen).query(Key) if key.way is not None]
            assert all(key.way and key.way.does is not None for key in keys), name
            assert {key.region.height for key in keys} == {3}, name
            await pilot.click(next(key for key in keys if key.way is not None and key.way.shown == touched))
            await until(lambda wanted=request_sent: room.asked[-1:] == [wanted])  # type: ignore[misc]


async def test_rule_1_what_is_done_instead_can_be_touched_and_kept_without_a_keyboard(room: Room, screen: RoomApp) -> None:
    await room.show(SCREENS["26-declined-touch"])
    async with screen.run_test(size=(100, 30)) as pilot:
        await seen(screen, "Raak aan wat u kiest.")
        await pilot.click(shown(screen).query(Choice)[2])
        await seen(screen, "Enter Bewaren")
        await pilot.click(next(key for key in shown(screen).query(Key) if key.way is not None and key.way.shown == "Enter"))
        await until(lambda: room.asked == [DeclineRequest(Alternative.FOLLOW_UP, "een tweede gesprek")])


async def test_names_and_keys_can_be_touched(room: Room, screen: RoomApp) -> None:
    await room.show(SCREENS["06-agreement-touch"])
    async with screen.run_test(size=(100, 30)) as pilot:
        await seen(screen, "Raak uw eigen naam aan")
        await pilot.click(shown(screen).query(Confirmation)[0])
        await until(lambda: room.asked == [ConfirmRequest(P)])
        await pilot.click(next(key for key in shown(screen).query(Key) if key.way is not None and key.way.shown == "J"))
        await until(lambda: room.asked == [ConfirmRequest(P), JoinRequest()])
        assert "Spatie" not in reads(screen)


async def test_leaving_it_in_the_middle_of_a_change_is_no_fault(room: Room, socket_path: Path) -> None:
    async def change() -> None:
        while True:
            for now in SCREENS.values():
                await room.show(now)
                await asyncio.sleep(0.01)

    changing = asyncio.create_task(change())
    for wait in (0.05, 0.1, 0.2, 0.3):
        screen = RoomApp(socket_path)
        async with screen.run_test() as pilot:
            await asyncio.sleep(wait)
            await pilot.press("ctrl+q")
        assert screen.return_code == 0
    changing.cancel()


# ── losing the service


async def test_a_service_that_went_away_is_said_calmly_and_is_found_again(room: Room, screen: RoomApp) -> None:
    await room.show(SCREENS["09-recording"])
    async with screen.run_test(size=(50, 15)):
        await seen(screen, "Wij nemen dit gesprek op")
        await room.close()
        await asyncio.sleep(1.1)
        assert "De opname gaat door." in reads(screen)
        assert "█" not in reads(screen)
        assert "Wij nemen dit gesprek op" not in reads(screen)
        await room.open()
        await seen(screen, "Wij nemen dit gesprek op", seconds=1.5)


@pytest.mark.parametrize(
    ("name", "says"), [("14-paused", "Wat is opgenomen, is veilig."), ("09-recording", "De opname gaat door.")]
)
async def test_a_service_that_hangs_is_noticed_within_a_second(room: Room, screen: RoomApp, name: str, says: str) -> None:
    await room.show(SCREENS[name])
    async with screen.run_test():
        await until(lambda: screen.newest is not None and shown(screen).now == screen.newest)
        await room.show(SCREENS[name])
        room.silent = True
        stood_still = await longest_stall_until(lambda: is_quiet(screen))
        assert time.monotonic() - screen.heard_at < 1.1 + stood_still
        await seen(screen, says)
        room.silent = False
        await until(lambda: not is_quiet(screen))


async def test_a_service_with_nothing_new_to_tell_is_still_heard_and_the_screen_stays(room: Room, screen: RoomApp) -> None:
    async with screen.run_test():
        await seen(screen, "Koffie? Thee? Geluidsopname?")
        for _ in range(8):
            await asyncio.sleep(0.2)
            assert not is_quiet(screen)
        assert room.asked == []


async def test_a_service_that_stays_away_is_no_longer_a_moment(
    room: Room, screen: RoomApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.ui.screens.moment.A_WHILE_S", 1.5)
    await room.show(SCREENS["09-recording"])
    async with screen.run_test():
        await seen(screen, "Wij nemen dit gesprek op")
        await room.close()
        await seen(screen, "De recorder geeft geen antwoord.")
        assert "De opname gaat door" not in reads(screen)
        await room.open()


async def test_without_a_service_it_waits_and_then_begins(screen: RoomApp, socket_path: Path) -> None:
    async with screen.run_test() as pilot:
        await seen(screen, "De recorder gaat aan.")
        await press(pilot, "space", "s", "s")
        async with a_room(socket_path, snapshot("idle")) as room:
            await seen(screen, "Koffie? Thee? Geluidsopname?")
            assert room.asked == []


async def test_a_wish_that_reaches_nobody_is_said(room: Room, screen: RoomApp) -> None:
    await room.show(SCREENS["14-paused"])
    async with screen.run_test() as pilot:
        await seen(screen, "Pauze.")
        await room.close()
        await pilot.press("space")
        await seen(screen, "Probeer het zo nog een keer.")
        await room.open()


# ── signs


async def test_the_bell_sounds_at_the_start_a_pause_a_resumption_and_the_end(
    room: Room, screen: RoomApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(screen, "bell", lambda: rung.append(screen.newest.state if screen.newest else ""))
    async with screen.run_test():
        for name in [
            "07-agreed",
            "09-recording",
            "14-paused",
            "09-recording",
            "18-sealing",
            "19-copying",
            "20-handover",
            "01-invitation",
        ]:
            await room.show(SCREENS[name])
            await until(lambda state=SCREENS[name].state: screen.newest is not None and screen.newest.state == state)  # type: ignore[misc]
    assert list(dict.fromkeys(rung)) == ["recording", "paused", "sealing"]
    assert rung.count("recording") == 2


async def test_no_bell_sounds_when_the_screen_is_started_in_the_middle(
    room: Room, screen: RoomApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(screen, "bell", lambda: rung.append(1))
    await room.show(SCREENS["09-recording"])
    async with screen.run_test():
        await seen(screen, "Wij nemen dit gesprek op")
    assert rung == []


FALLS_OVER_ONCE = """
import sys
from pathlib import Path
from appliance.ui import app

class Fragile(app.RoomApp):
    broken = True

    def on_ready(self):
        if Fragile.broken:
            Fragile.broken = False
            raise RuntimeError("kapot")
        self.set_timer(0.3, self.exit)

app.RoomApp = Fragile
sys.exit(app.run(Path(sys.argv[1])))
"""


def test_a_screen_that_falls_over_shows_no_traceback_and_comes_back(socket_path: Path, tmp_path: Path) -> None:
    program = tmp_path / "falls_over.py"
    program.write_text(FALLS_OVER_ONCE)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with subprocess.Popen(
        [sys.executable, str(program), str(socket_path)],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "linux", "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as fallen:  # fmt: skip
        os.close(theirs)
        painted = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break  # the other end of a terminal that is closed: EIO
            if not piece:
                break
            painted += piece
    os.close(ours)
    assert fallen.returncode == 0
    assert painted.count(b"ogenblik") >= 1
    assert b"Traceback" not in painted
    assert b"kapot" not in painted


def test_everything_that_the_screen_can_be_told_has_a_picture() -> None:
    states: set[str] = {now.state for now in SCREENS.values()}
    assert states == set(ui.SCREENS)
    assert all(isinstance(now, Snapshot) for now in SCREENS.values())
    assert set(PARTIES) == {P, C}
