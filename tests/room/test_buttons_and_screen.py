"""The whole meeting by buttons at pins, in each layout, read off the screen in a real terminal: each press is explained before it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.agreement import PARTIES
from appliance.config import Config
from tests.room.running import OneFinger, Room, running
from tests.room.test_meeting_by_button import BUTTON, HOLD_SECONDS, ONE_BUTTON, OTHER_BUTTON, TWO_BUTTONS
from tests.ui.test_in_a_terminal import Terminal
from tests.ui.translations import compile_translations

compile_translations()


@dataclass
class TableWithScreen:
    room: Room
    terminal: Terminal

    async def reads(self, *sentences: str) -> None:
        await asyncio.to_thread(self.terminal.until, *sentences)


@asynccontextmanager
async def laid(tmp_path: Path, config: Config) -> AsyncIterator[TableWithScreen]:
    async with running(tmp_path / "room", config, tmp_path / "stick-a", tmp_path / "stick-b") as room:
        command = f"{sys.executable} -m appliance ui --root {tmp_path / 'room'}"
        terminal = await asyncio.to_thread(Terminal, 80, 24, "tmux-256color", command)
        try:
            yield TableWithScreen(room, terminal)
        finally:
            await asyncio.to_thread(terminal.close)


async def test_one_button_walks_the_meeting_and_the_screen_explains_each_press_before_it(tmp_path: Path) -> None:
    async with laid(tmp_path, ONE_BUTTON) as table:
        finger = OneFinger(BUTTON, HOLD_SECONDS)
        presses = 0

        async def press(*before: str) -> None:
            nonlocal presses
            await table.reads(*before)
            await finger.press()
            presses += 1

        await press("Koffie? Thee? Geluidsopname?", "Druk op de knop om te beginnen.")
        await press("Vertel het eerst aan elkaar", "Professional, druk op de knop.")
        await table.reads("Spreken wij dit zo af?", "bevestigd")
        await asyncio.sleep(1.0)
        await press("Cliënt, druk op de knop als u het zo afspreekt.")
        await table.room.until(lambda now: now.microphone == "heard")
        await press("Afgesproken", "Druk op de knop. Dan begint de opname")
        await table.reads("Wij nemen dit gesprek op", "Vat eerst samen. Houd dan de knop ingedrukt.")
        assert presses <= 5
        holding = asyncio.create_task(finger.hold())
        await table.reads("Blijf drukken om te stoppen.")
        await holding
        await press("Neem ieder één stick mee.", "Professional, neem uw stick en druk op de knop.")
        await press("Cliënt, neem uw stick en druk op de knop.")
        await table.reads("Koffie? Thee? Geluidsopname?")


async def test_with_a_button_each_the_screen_says_that_each_presses_their_own(tmp_path: Path) -> None:
    async with laid(tmp_path, TWO_BUTTONS) as table:
        professional, client = OneFinger(BUTTON, HOLD_SECONDS), OneFinger(OTHER_BUTTON, HOLD_SECONDS)
        await table.reads("Druk op een knop om te beginnen.")
        await client.press()
        await table.reads("Druk ieder op uw eigen knop.")
        await client.press()
        await table.reads("Spreken wij dit zo af?", "Professional, druk op uw eigen knop als u het zo afspreekt.")
        await professional.press()
        assert (await table.room.status()).confirmed == list(PARTIES)
        await table.room.until(lambda now: now.microphone == "heard")
        await table.reads("Druk op een knop. Dan begint de opname")
        await client.press()
        await table.reads("Wij nemen dit gesprek op")
        await professional.press()
        await table.reads("Pauze.", "Druk op een knop om verder te gaan.")
        await client.hold()
        await table.reads("Professional, neem uw stick en druk op uw eigen knop.")
        await client.press()
        await table.reads("heeft een stick")
        await professional.press()
        await table.reads("Koffie? Thee? Geluidsopname?")
