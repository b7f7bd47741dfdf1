"""The whole meeting, walked by one button and one light at the pins of a simulated chip, through the running service."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from appliance.agreement import PARTIES, Party
from appliance.client import watch
from appliance.config import Button, Config, Light, Pins
from appliance.journal import of_kind, whole
from appliance.protocol import Snapshot
from tests.room.running import Lamp, OneFinger, Room, pin, running
from tests.room_parts import journal_of, samples_of

BUTTON, OTHER_BUTTON, LAMP = 17, 22, 27
HOLD_SECONDS = 0.5
ONE_BUTTON = Config(
    pins=Pins(factory="mock"),
    button=Button(pins=(BUTTON,), hold_seconds=HOLD_SECONDS, bounce_milliseconds=10),
    light=Light(pin=LAMP),
)
TWO_BUTTONS = msgspec.structs.replace(ONE_BUTTON, button=msgspec.structs.replace(ONE_BUTTON.button, pins=(BUTTON, OTHER_BUTTON)))
DEAF_SECONDS = 1.0


@pytest.fixture
def sticks(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "stick-a", tmp_path / "stick-b"


async def all_snapshots(room: Room, seen: list[Snapshot]) -> None:
    async for snapshot in watch(room.where.control_socket):
        seen.append(snapshot)


async def test_rule_3_one_button_walks_the_whole_meeting_and_the_light_is_on_exactly_while_it_is_stored(
    tmp_path: Path, sticks: tuple[Path, Path]
) -> None:
    seen: list[Snapshot] = []
    async with running(tmp_path / "room", ONE_BUTTON, *sticks) as room:
        watching = asyncio.create_task(all_snapshots(room, seen))
        lamp, finger = Lamp(LAMP), OneFinger(BUTTON, HOLD_SECONDS)
        await finger.press()
        assert (await room.until(lambda now: now.microphone == "heard")).state == "announcing"
        await finger.press()
        assert (await room.status()).confirmed == [Party.PROFESSIONAL]
        await finger.press()
        assert (await room.status()).confirmed == [Party.PROFESSIONAL], "a second press at once is not the other's"
        await asyncio.sleep(DEAF_SECONDS)
        await finger.press()
        assert (await room.status()).state == "agreed"
        assert lamp.lit() == []
        assert lamp.is_dark
        await finger.press()
        await room.until(lambda now: now.storing)
        await asyncio.sleep(0.5)
        assert lamp.is_lit
        await finger.press()
        await room.until(lambda now: not now.storing)
        assert (await room.status()).state == "paused"
        assert lamp.is_dark
        await asyncio.sleep(0.3)
        await finger.press()
        await room.until(lambda now: now.storing)
        assert (await room.status()).state == "recording"
        await asyncio.sleep(0.4)
        await finger.hold()
        done = await room.until_state("handover")
        assert lamp.is_dark
        assert [copy.state for copy in done.copies] == ["verified", "verified"]
        assert done.recording is not None
        folder = Path(done.recording.folder)
        await finger.press()
        assert (await room.status()).received == [Party.PROFESSIONAL]
        await finger.press()
        assert (await room.status()).state == "idle"
        watching.cancel()

    assert all(snapshot.storing is snapshot.light for snapshot in seen)
    states = [snapshot.state for snapshot in seen]
    assert [state for n, state in enumerate(states) if n == 0 or states[n - 1] != state] == [
        "idle", "announcing", "agreeing", "agreed", "recording", "paused", "recording", "sealing", "copying", "handover", "idle"
    ]  # fmt: skip
    journal = journal_of(folder)
    pressed = {str(entry["event"]): whole(entry, "mono_us") / 1e6 for entry in journal if "mono_us" in entry}
    lit = lamp.lit()
    assert len(lit) == 2
    for (on, off), (begin, end) in zip(lit, [("started", "paused"), ("resumed", "stopped")], strict=True):
        assert pressed[begin] <= on < pressed[begin] + 0.5, "lit as soon as what is said is stored"
        assert pressed[end] <= off < pressed[end] + 0.5, "lit until the last that was said is stored"
    assert of_kind(journal, "stopped")[0]["by"] == "button"
    stretches = [pressed["paused"] - pressed["started"], pressed["stopped"] - pressed["resumed"]]
    assert len(samples_of(folder / "data/gesprek.wav")) == pytest.approx(sum(stretches) * 48_000, abs=3 * 480)


async def test_rule_t2_with_two_buttons_each_confirms_for_itself_only(tmp_path: Path, sticks: tuple[Path, Path]) -> None:
    async with running(tmp_path / "room", TWO_BUTTONS, *sticks) as room:
        professional, client = OneFinger(BUTTON, HOLD_SECONDS), OneFinger(OTHER_BUTTON, HOLD_SECONDS)
        await professional.press()
        assert (await room.until_state("announcing")).buttons == 2
        await client.press()
        await client.press()
        assert (await room.status()).confirmed == [Party.CLIENT]
        await professional.press()
        assert (await room.status()).confirmed == list(PARTIES)
        await client.hold()
        assert (await room.until_state("declined")).recording is None
        await professional.press()
        assert (await room.status()).state == "idle"
    assert list((tmp_path / "room/recordings").iterdir()) == []


async def test_a_hold_in_an_idle_room_begins_nothing(tmp_path: Path) -> None:
    chip_pin = pin(BUTTON)
    async with running(tmp_path / "room", ONE_BUTTON) as room:
        chip_pin.drive_low()
        await asyncio.sleep(HOLD_SECONDS + 0.2)
        assert (await room.status()).state == "idle"
        chip_pin.drive_high()
        await asyncio.sleep(0.1)
        assert (await room.status()).state == "idle", "a hold is no press"


async def test_the_lamp_is_dark_when_the_service_ends_in_the_middle_of_a_recording(tmp_path: Path) -> None:
    async with running(tmp_path / "room", ONE_BUTTON) as room:
        lamp, finger = Lamp(LAMP), OneFinger(BUTTON, HOLD_SECONDS)
        await room.agree()
        await finger.press()
        await room.until(lambda now: now.storing)
        assert lamp.is_lit
    assert lamp.is_dark
    assert len(lamp.lit()) == 1
    (folder,) = (tmp_path / "room/recordings").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d\.\d\d gesprek \w{4}", folder.name)
    assert of_kind(journal_of(folder), "stopped")[0]["by"] == "system"
