"""The code on the handover: who photographs the screen has the recording's hash, by another program than the one that drew it."""

from __future__ import annotations

import numpy as np
import pytest
import zxingcpp

from appliance.ui.app import RoomApp
from appliance.ui.widgets.code import Code, drawn, what_it_says
from tests.ui.looking import reads, rows, shown
from tests.ui.room import SHA256, Room, every_screen, until

HANDOVER = dict(every_screen("nl"))["20-handover"]
SAYS = f"K7QM SHA256 {SHA256.upper()}"
PIXELS = 4


def photographed(lines: list[str]) -> list[str]:
    """What a reader of codes finds on a picture of these rows: letters are light, the display is dark."""
    halves = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255)}
    picture = [[halves.get(cell, (0, 0))[half] for cell in line] for line in lines for half in (0, 1)]
    pixels = np.kron(np.array(picture, dtype=np.uint8), np.ones((PIXELS, PIXELS), dtype=np.uint8))
    return [found.text for found in zxingcpp.read_barcodes(pixels, try_invert=False)]


def test_what_is_drawn_is_what_a_reader_reads() -> None:
    assert photographed(drawn(what_it_says("k7qm", SHA256))) == [SAYS]


async def test_rule_5_a_photo_of_the_handover_has_the_hash_in_a_code_and_in_letters(room: Room, screen: RoomApp) -> None:
    await room.show(HANDOVER)
    async with screen.run_test(size=(100, 30)) as pilot:
        await until(lambda: screen.newest is not None and shown(screen).now == screen.newest)
        await until(lambda: any(code.region for code in shown(screen).query(Code)))
        await pilot.pause()
        assert photographed(rows(screen)) == [SAYS]
        for group in range(0, 64, 8):
            assert SHA256[group : group + 8] in reads(screen)
        assert " · ".join(HANDOVER.twin_words) in reads(screen)


@pytest.mark.parametrize("size", [(80, 24), (50, 15)])
async def test_where_the_code_has_no_room_words_and_letters_stay(room: Room, screen: RoomApp, size: tuple[int, int]) -> None:
    await room.show(HANDOVER)
    async with screen.run_test(size=size):
        await until(lambda: SHA256 in reads(screen).replace(" ", ""))
        assert "▀" not in reads(screen)
        assert " · ".join(HANDOVER.twin_words) in reads(screen)


async def test_the_bare_console_which_lacks_half_blocks_gets_no_code(room: Room, screen: RoomApp) -> None:
    console = RoomApp(screen.socket_path, few_glyphs=True)
    await room.show(HANDOVER)
    async with console.run_test(size=(100, 30)):
        await until(lambda: SHA256 in reads(console).replace(" ", ""))
        assert "▀" not in reads(console)
