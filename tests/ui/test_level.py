"""The level on the screen: a sound that did not fit is seen and read, with sixteen colours and with none."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from appliance.protocol import LevelView
from appliance.ui.app import RoomApp
from appliance.ui.colours import CORAL
from appliance.ui.widgets.level import Level
from tests.ui.looking import CONSOLE, cut_off, rows, shown
from tests.ui.room import Room, snapshot, until

FITS, DID_NOT_FIT, SILENT = LevelView(-24.0, 0.0), LevelView(-24.0, 0.0, 3), LevelView(None, None)


async def seen(room: Room, screen: RoomApp, pilot: Pilot[None], level: LevelView | None, language: str = "nl") -> str:
    """The row of the level."""
    now = snapshot("announcing", language, level=level)
    marked = room.stamped(now)
    await room.show(now)
    await until(lambda: screen.newest is not None and screen.newest.at >= marked and shown(screen).now == screen.newest)
    await pilot.pause()
    return rows(screen)[shown(screen).query_one(Level).region.y].rstrip()


@pytest.mark.parametrize("size", [(100, 30), (80, 24), (50, 15)], ids=str)
@pytest.mark.parametrize(("language", "loud"), [("nl", "te hard"), ("en", "too loud")])
async def test_a_sound_that_did_not_fit_hits_a_wall_and_is_said_in_words(
    room: Room, screen: RoomApp, size: tuple[int, int], language: str, loud: str
) -> None:
    async with screen.run_test(size=size) as pilot:
        assert (await seen(room, screen, pilot, FITS, language)).endswith("░")
        row = await seen(room, screen, pilot, DID_NOT_FIT, language)
        assert row.endswith(f"░█ ! {loud}")
        assert set(row) <= CONSOLE
        assert cut_off(screen) == []
        assert (await seen(room, screen, pilot, FITS, language)).endswith("░"), "and it goes by itself"


async def test_the_wall_and_its_words_have_the_colour_of_trouble(room: Room, screen: RoomApp) -> None:
    async with screen.run_test(size=(80, 24)) as pilot:
        await seen(room, screen, pilot, DID_NOT_FIT)
        segments = [
            one
            for strip in shown(screen).query_one(Level).render_lines(shown(screen).query_one(Level).region.reset_offset)
            for one in strip
        ]
        coloured = "".join(one.text for one in segments if one.style and one.style.color and one.style.color.name == CORAL)
        assert coloured == "█! te hard"


async def test_where_nothing_is_heard_it_is_said(room: Room, screen: RoomApp) -> None:
    async with screen.run_test(size=(80, 24)) as pilot:
        assert (await seen(room, screen, pilot, SILENT)).endswith("niets te horen")
        assert (await seen(room, screen, pilot, None)).endswith("niets te horen")
