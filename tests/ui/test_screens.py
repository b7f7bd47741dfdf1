"""Every screen, in every size and language: what is happening and what to do next can always be read."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from appliance.protocol import Snapshot
from appliance.ui.app import RoomApp
from appliance.ui.screens.declined import Note
from appliance.ui.screens.room_screen import hold_means
from appliance.ui.widgets.confirmation import Confirmation, Confirmations
from appliance.ui.widgets.keys import Key
from appliance.ui.widgets.words import Large, Words
from appliance.words import REFUSALS, speak
from tests.ui import held
from tests.ui.looking import CONSOLE, HALF_BLOCKS, cut_off, reads, rows, shown, words
from tests.ui.room import Room, every_screen, snapshot, until

SIZES = [(100, 30), (80, 24), (50, 15), (240, 67)]
LANGUAGES = ["nl", "en"]
everywhere = pytest.mark.parametrize("language", LANGUAGES)
in_every_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


async def show(room: Room, screen: RoomApp, pilot: Pilot[None], now: Snapshot) -> None:
    """Until `now` is what the screen shows, and has its place."""
    marked = room.stamped(now)
    await room.show(now)
    await until(lambda: screen.newest is not None and screen.newest.at >= marked)
    await until(lambda: shown(screen).now == screen.newest)
    for _ in range(3):
        await pilot.pause()


def lines(screen: RoomApp) -> dict[str, str]:
    return {line: words(shown(screen).query_one(f"#{line}", Words).words) for line in ("headline", "happening", "next")}


SMALLEST = (50, 15)


@pytest.mark.parametrize(
    ("size", "language"),
    [*((size, language) for size in SIZES[:3] for language in LANGUAGES), (SIZES[3], "nl")],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]}x{value[1]}",
)
async def test_every_screen_says_what_is_happening_and_what_to_do_next(
    room: Room, screen: RoomApp, size: tuple[int, int], language: str
) -> None:
    longest = max((speak(language)(refusal) for refusal in REFUSALS.values()), key=len)
    async with screen.run_test(size=size) as pilot:
        for name, now in every_screen(language):
            await show(room, screen, pilot, now)
            every_line_can_be_read(screen, name)
            both_parties_boxes_are_equal_in_size(screen, name)
            it_is_said_that_it_records_only_while_samples_are_being_stored(screen, language, name)
            assert cut_off(screen) == [], (name, rows(screen))
            assert set("".join(rows(screen))) <= CONSOLE | HALF_BLOCKS, name
            it_looks_as_it_did(screen, size, language, name)
            if size == SMALLEST:
                await a_notice_pushes_no_line_off_the_screen(screen, pilot, longest, name)


def it_looks_as_it_did(screen: RoomApp, size: tuple[int, int], language: str, name: str) -> None:
    if size in held.SIZES and shown(screen).now.held_since is None:
        now = [row.rstrip() for row in rows(screen)]
        assert now == held.held(size, language).get(name), f"{name} changed: look at it, then python -m tests.ui.held"


def it_is_said_that_it_records_only_while_samples_are_being_stored(screen: RoomApp, language: str, name: str) -> None:
    say, said = speak(language), " ".join(lines(screen).values())
    told = say("We are recording this conversation") in said or say("We are still recording.") in said
    assert told is shown(screen).now.storing, name
    assert shown(screen).has_class("-storing") is shown(screen).now.storing, "the red bar"


async def a_notice_pushes_no_line_off_the_screen(screen: RoomApp, pilot: Pilot[None], longest: str, name: str) -> None:
    shown(screen).notice(longest)
    await pilot.pause()
    every_line_can_be_read(screen, name)
    if shown(screen).now.held_since is not None:
        return
    assert longest in reads(screen), (name, rows(screen))
    shown(screen).notice("")
    await pilot.pause()
    shown(screen)._more = False  # the room that the notice took is given back
    shown(screen).show(shown(screen).now, shown(screen).say)
    await pilot.pause()


def every_line_can_be_read(screen: RoomApp, name: str) -> None:
    seen = reads(screen)
    for line, text in lines(screen).items():
        assert len(text) > 3, (name, line)
        assert text in seen, (name, line, rows(screen))
    for trouble in shown(screen).trouble(shown(screen).now, shown(screen).say)[:1]:
        assert trouble in seen, (name, trouble, rows(screen))
    if shown(screen).now.held_since is not None:
        assert hold_means(shown(screen).now, shown(screen).say) in seen, (name, rows(screen))
        return  # the bar stands where the keys are
    for key in shown(screen).query(Key):
        assert key.way is None or f"{key.way.shown} {key.way.label}" in seen, (name, rows(screen))


def both_parties_boxes_are_equal_in_size(screen: RoomApp, name: str) -> None:
    for boxes in shown(screen).query(Confirmations):
        sizes = [box.outer_size for box in boxes.query(Confirmation) if box.words]
        assert len(sizes) >= 2, name
        assert max(size.width for size in sizes) - min(size.width for size in sizes) <= 1, name
        assert len({size.height for size in sizes}) == 1, name


@everywhere
async def test_the_name_of_who_is_asked_is_large_and_the_agreement_can_be_read_whole(
    room: Room, screen: RoomApp, language: str
) -> None:
    async with screen.run_test(size=(100, 30)) as pilot:
        await show(room, screen, pilot, dict(every_screen(language))["03-agreement"])
        large = shown(screen).query_one("#asked", Large)
        assert large.display
        assert large.size.height >= 5
        assert words(shown(screen).now.agreement) in reads(screen)


async def test_the_elapsed_time_is_the_largest_thing_while_it_records(room: Room, screen: RoomApp) -> None:
    async with screen.run_test(size=(100, 30)) as pilot:
        await show(room, screen, pilot, dict(every_screen("nl"))["09-recording"])
        assert sum(row.count("█") for row in rows(screen)) > 100
        assert "00:12:34" not in reads(screen)
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        await pilot.pause()
        assert "00:12:34" in reads(screen)


async def test_resizing_while_recording_cuts_nothing_off(room: Room, screen: RoomApp) -> None:
    async with screen.run_test(size=(100, 30)) as pilot:
        await show(room, screen, pilot, dict(every_screen("nl"))["09-recording"])
        for size in [(50, 15), (240, 67), (80, 24)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            await pilot.pause()
            assert cut_off(screen) == []
            assert all(text in reads(screen) for text in lines(screen).values())


async def test_a_long_announcement_can_be_read_to_its_end(room: Room, screen: RoomApp) -> None:
    async with screen.run_test(size=(50, 15)) as pilot:
        await show(room, screen, pilot, snapshot("announcing", asked="professional"))
        assert "030 123 45 67" not in reads(screen)
        await until(lambda: "↑↓ Lees verder" in reads(screen))
        for _ in range(8):
            await pilot.press("pagedown")
        await until(lambda: "030 123 45 67" in reads(screen))
        await pilot.press("pageup", "up")


async def test_a_text_that_fits_does_not_ask_to_be_read_on(room: Room, screen: RoomApp) -> None:
    async with screen.run_test(size=(100, 30)) as pilot:
        await show(room, screen, pilot, snapshot("announcing", asked="professional"))
        assert "Lees verder" not in reads(screen)
        assert "030 123 45 67" in reads(screen)


@in_every_size
async def test_while_a_note_is_written_everything_can_be_read(room: Room, screen: RoomApp, size: tuple[int, int]) -> None:
    async with screen.run_test(size=size) as pilot:
        await show(room, screen, pilot, snapshot("declined"))
        await pilot.press("2")
        await until(lambda: shown(screen).query_one(Note).has_focus)
        await pilot.press(*"mei")
        await pilot.pause()
        for text in [*lines(screen).values(), "mei", "Enter Bewaren", "► 2"]:
            assert text in reads(screen), (text, rows(screen))
        assert cut_off(screen) == []
