"""The whole meeting, walked by one button and one light at the pins of a simulated chip, through the running service."""

from __future__ import annotations

import asyncio
import re
import shutil
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from appliance import hands, protocol
from appliance.agreement import PARTIES, Party
from appliance.client import NoService, watch
from appliance.config import Button, Config, Light, Pins
from appliance.journal import of_kind, whole
from appliance.protocol import Snapshot
from appliance.words import Trouble, speak
from tests.audio.readers import probe
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


async def test_while_the_button_is_held_the_room_knows_since_when_and_a_stop_comes_of_it(
    tmp_path: Path, sticks: tuple[Path, Path]
) -> None:
    async with running(tmp_path / "room", ONE_BUTTON, *sticks) as room:
        await room.agree()
        finger, chip_pin = OneFinger(BUTTON, HOLD_SECONDS), pin(BUTTON)
        await finger.press()
        assert (await room.until(lambda now: now.storing)).held_since is None
        chip_pin.drive_low()
        held = await room.until(lambda now: now.held_since is not None)
        assert held.state == "recording"
        assert held.hold_seconds == HOLD_SECONDS
        assert held.held_since is not None
        assert 0 <= held.at - held.held_since < 400
        await room.until(lambda now: now.held_since is None)
        done = await room.until_state("handover")
        chip_pin.drive_high()
        assert done.recording is not None
        assert of_kind(journal_of(Path(done.recording.folder)), "stopped")[0]["by"] == "button"


async def test_a_button_that_is_stuck_is_told_and_the_meeting_goes_on_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hands, "STUCK_AFTER_NS", 700_000_000)
    monkeypatch.setattr("appliance.service.LOOK_EVERY_SECONDS", 0.1)
    chip_pin = pin(BUTTON)
    async with running(tmp_path / "room", ONE_BUTTON) as room:
        chip_pin.drive_low()
        stuck = speak("nl")(Trouble.BUTTON_STUCK)
        await room.until(lambda now: stuck in now.trouble)
        assert (await room.agree()).state == "agreed"
        chip_pin.drive_high()
        await room.until(lambda now: stuck not in now.trouble)


async def test_a_button_that_is_down_when_the_appliance_starts_is_told_and_begins_nothing(tmp_path: Path) -> None:
    chip_pin = pin(BUTTON)
    chip_pin.drive_high()
    lowered = chip_pin._set_pull
    chip_pin._set_pull = lambda value: chip_pin._change_state(False) if value == "up" else lowered(value)
    try:
        async with running(tmp_path / "room", ONE_BUTTON) as room:
            stuck = speak("nl")(Trouble.BUTTON_STUCK)
            await room.until(lambda now: stuck in now.trouble)
            chip_pin.drive_high()
            now = await room.until(lambda now: stuck not in now.trouble)
            assert now.state == "idle"
    finally:
        chip_pin._set_pull = lowered


SECOND_LIGHT = msgspec.structs.replace(ONE_BUTTON, light=Light(pin=LAMP, trouble_pin=23))


async def test_the_second_light_speaks_of_trouble_and_of_standing_still_and_the_first_one_never_blinks(
    tmp_path: Path, sticks: tuple[Path, Path]
) -> None:
    first, second = Lamp(LAMP), pin(23)
    async with running(tmp_path / "room", SECOND_LIGHT, *sticks) as room:
        await room.agree()
        await room.do(protocol.StartRequest())
        await room.until(lambda now: now.storing)
        second.clear_states()
        await asyncio.sleep(0.5)
        assert len(second.states) == 1, "all is well: it is dark"
        await room.do(protocol.PauseRequest())
        await asyncio.sleep(0.5)
        assert [bool(state.state) for state in second.states] == [False, True, False], "a flash: it stands still"
    assert not second.state
    assert len(first.lit()) == 1


async def test_a_table_without_sticks_makes_the_second_light_blink(tmp_path: Path) -> None:
    second = pin(23)
    async with running(tmp_path / "room", SECOND_LIGHT) as room:
        await room.do(protocol.AnnounceRequest())
        second.clear_states()
        await asyncio.sleep(1.7)
        assert len(second.states) >= 3


async def test_the_service_is_heard_more_than_once_a_second_also_when_nothing_happens(tmp_path: Path) -> None:
    seen: list[Snapshot] = []
    async with running(tmp_path / "room", ONE_BUTTON) as room:
        watching = asyncio.create_task(all_snapshots(room, seen))
        await asyncio.sleep(1.5)
        watching.cancel()
    times = [snapshot.at for snapshot in seen]
    assert len(times) >= 3
    assert max(after - before for before, after in pairwise(times)) < 750


async def test_a_stick_that_goes_after_somebody_confirmed_is_in_the_journal(tmp_path: Path, sticks: tuple[Path, Path]) -> None:
    async with running(tmp_path / "room", ONE_BUTTON, *sticks) as room:
        label = (await room.until(lambda now: len(now.copies) == 2)).copies[0].label
        await room.agree()
        shutil.rmtree(sticks[0])
        await room.until(lambda now: any("stick" in sentence for sentence in now.trouble))
        await room.do(protocol.StartRequest())
        await room.until(lambda now: now.storing)
        await room.do(protocol.StopRequest())
        done = await room.until_state("handover")
        assert done.recording is not None
        journal = journal_of(Path(done.recording.folder))
    (failed,) = of_kind(journal, "stick-failed")
    assert failed["stick"] == label
    names = [entry["event"] for entry in journal]
    assert names.index("confirmed") < names.index("stick-failed") < names.index("started")


async def test_a_summary_before_the_stop_is_the_chapter_to_listen_to_first(tmp_path: Path, sticks: tuple[Path, Path]) -> None:
    async with running(tmp_path / "room", ONE_BUTTON, *sticks) as room:
        await room.agree()
        await room.do(protocol.StartRequest())
        await room.until(lambda now: now.storing)
        await asyncio.sleep(0.3)
        await room.do(protocol.MarkRequest(Party.CLIENT))
        assert (await room.do(protocol.SumUpRequest())).summing_up
        await asyncio.sleep(0.2)
        assert not (await room.do(protocol.ResumeRequest())).summing_up
        await asyncio.sleep(0.2)
        await room.do(protocol.SumUpRequest())
        await asyncio.sleep(0.3)
        await room.do(protocol.StopRequest())
        done = await room.until_state("handover")
        assert done.recording is not None
        folder = Path(done.recording.folder)
    summary = of_kind(journal_of(folder), "summary")
    assert len(summary) == 2
    assert probe(folder / "data/gesprek.wav").marks == [
        (0, "Het begin van het gesprek"),
        (whole(of_kind(journal_of(folder), "mark")[0], "frame"), "Moment van de cliënt"),
        (whole(summary[1], "frame"), "Samenvatting: luister hier eerst"),
    ]


async def test_the_appliance_switches_off_when_it_is_asked_between_meetings(tmp_path: Path, sticks: tuple[Path, Path]) -> None:
    async with running(tmp_path / "room", ONE_BUTTON, *sticks) as room:
        await room.do(protocol.AnnounceRequest())
        assert await room.refused(protocol.SwitchOffRequest()) == "meeting-goes-on"
        await room.do(protocol.CancelRequest())
        await room.do(protocol.SwitchOffRequest())
        with pytest.raises(NoService):
            for _ in range(100):
                await room.status()
                await asyncio.sleep(0.02)


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
