"""A wall clock that is wrong, or jumps in the middle of a meeting: it names nothing wrongly, measures nothing, and is never hidden."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance import protocol, service
from appliance.agreement import PARTIES
from appliance.audio.wav import describe
from appliance.cli import main
from appliance.client import send
from appliance.clock import RealClock
from appliance.config import Config, Retention
from appliance.copies.verify import verify
from appliance.journal import Entry, of_kind, whole
from appliance.protocol import ClockView
from appliance.words import Trouble, speak
from tests.room.running import Room, Shown, running
from tests.room_parts import journal_of

ANNOUNCE, START, STOP, PAUSE, RESUME = (
    protocol.AnnounceRequest(), protocol.StartRequest(), protocol.StopRequest(), protocol.PauseRequest(), protocol.ResumeRequest()
)  # fmt: skip
NOBODY_KNOWS = speak("nl")(Trouble.CLOCK_NOT_TRUSTED)
DAY = timedelta(days=1)


@dataclass
class TurnedClock(RealClock):
    """The machine's own clock, but for its hands."""

    off: timedelta = timedelta(0)

    def wall(self) -> datetime:
        return datetime.now(UTC) + self.off


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_EVERY_SECONDS", 0.1)


async def record(room: Room, seconds: float = 0.5) -> Path:
    await room.agree()
    begun = await room.do(START)
    assert begun.recording is not None
    await asyncio.sleep(seconds)
    await room.do(STOP)
    await room.until_state("handover")
    return Path(begun.recording.folder)


def register_of(room: Room) -> list[Entry]:
    return [json.loads(line) for line in room.where.register.read_bytes().splitlines()]


async def test_without_a_trusted_clock_a_recording_has_no_date_and_says_so(tmp_path: Path) -> None:
    config = Config(retention=Retention(keep_days_without_handover=30))
    async with running(tmp_path / "room", config, tmp_path / "a", tmp_path / "b", signs=Shown(server=False)) as room:
        announced = await room.do(ANNOUNCE)
        assert NOBODY_KNOWS in announced.trouble
        assert announced.clock_trust == "none"
        assert announced.clock is not None
        assert "dag 30 na vandaag" in announced.agreement
        await room.do(protocol.CancelRequest())
        folder = await record(room)
        done = await room.status()
        assert done.kept_until is None
        (kept,) = (await recordings(room)).recordings
        assert kept.goes_at is None
    assert folder.name.startswith("zonder datum gesprek ")
    journal = journal_of(folder)
    (started,) = of_kind(journal, "started")
    assert started["local"] is None
    assert {line["trust"] for line in journal if "wall" in line} == {"none"}
    assert describe(folder / "data/gesprek.wav").origination.at is None
    for copy in (folder, *(tmp_path / stick / folder.name for stick in "ab")):
        assert verify(copy, speak("en")).verdict == "intact"


async def test_a_trusted_clock_is_not_talked_about(tmp_path: Path) -> None:
    async with running(tmp_path / "room", Config()) as room:
        announced = await room.do(ANNOUNCE)
        assert NOBODY_KNOWS not in announced.trouble
        assert announced.clock_trust == "ntp"
        await room.do(protocol.CancelRequest())
        folder = await record(room)
    assert {line["trust"] for line in journal_of(folder) if "wall" in line} == {"ntp"}


@pytest.mark.parametrize(
    ("jump", "server", "trust"),
    [(-DAY, False, "none"), (3650 * DAY, False, "none"), (timedelta(hours=1), True, "ntp")],
    ids=["a day back", "ten years on", "a step by a time server"],
)
async def test_rule_5_a_clock_that_jumps_is_written_down_and_measures_nothing(
    jump: timedelta, server: bool, trust: str, tmp_path: Path
) -> None:
    clock, signs = TurnedClock(), Shown(server=False)
    where = tmp_path / "room"
    async with running(where, Config(), tmp_path / "a", tmp_path / "b", clock=clock, signs=signs) as room:
        await send(room.where.admin_socket, protocol.ClockConfirmRequest())
        before = await record(room)
        await room.do(*(protocol.LaterRequest(party) for party in PARTIES))
        await room.agree()
        began = await room.do(START)
        assert began.recording is not None
        await asyncio.sleep(0.4)
        clock.off, signs.server = jump, server
        await asyncio.sleep(0.6)
        await room.do(STOP)
        await room.until_state("handover")
        listed = [kept.id for kept in (await recordings(room)).recordings]
    folder = Path(began.recording.folder)
    journal = journal_of(folder)
    (line,) = of_kind(journal, "clock")
    assert abs(whole(line, "jumped_ms") - jump.total_seconds() * 1000) < 100
    assert line["trust"] == trust
    (started,), (stopped,) = of_kind(journal, "started"), of_kind(journal, "stopped")
    assert (started["trust"], stopped["trust"]) == ("confirmed", trust)
    lasted = (whole(stopped, "mono_us") - whole(started, "mono_us")) / 1e6
    assert 0.9 < lasted < 3
    assert abs(whole(stopped, "frame") / whole(started, "rate") - lasted) < 0.001
    assert of_kind(journal, "gap") == []
    assert listed == [before.name[-4:], folder.name[-4:]], "by what was begun first, whatever a clock said"
    assert folder.name[:10] == before.name[:10] != "zonder dat"
    assert verify(folder, speak("en")).verdict == "intact"
    assert any(entry["event"] == "clock" and entry["jumped_ms"] is not None for entry in register_of(room))


async def test_an_administrator_confirms_the_clock_and_the_register_knows_who(tmp_path: Path) -> None:
    async with running(tmp_path / "room", Config(), signs=Shown(server=False)) as room:
        said = await asyncio.to_thread(run, "clock", "confirm", "--json", "--root", tmp_path / "room")
        assert said["trust"] == "confirmed"
        announced = await room.do(ANNOUNCE)
        assert NOBODY_KNOWS not in announced.trouble
    (line,) = (entry for entry in register_of(room) if entry["event"] == "clock-confirmed")
    assert line["by"] == "root" or isinstance(line["by"], str)
    async with running(tmp_path / "room", Config(), signs=Shown(server=False)) as room:
        assert (await asyncio.to_thread(run, "clock", "show", "--json", "--root", tmp_path / "room"))["trust"] == "confirmed"


async def test_a_recording_without_a_date_gets_its_day_to_go_when_the_clock_is_confirmed_in_the_same_boot(tmp_path: Path) -> None:
    clock = TurnedClock(off=-20 * 365 * DAY)
    async with running(tmp_path / "room", Config(), clock=clock, signs=Shown(server=False)) as room:
        began = datetime.now(UTC)
        await record(room)
        clock.off = timedelta(0)
        await send(room.where.admin_socket, protocol.ClockConfirmRequest())
        (kept,) = (await recordings(room)).recordings
        assert kept.goes_at is not None
        due = datetime.fromisoformat(kept.goes_at) - Retention().keep_days_without_handover * DAY
        assert abs(due - began) < timedelta(seconds=5)
    async with running(tmp_path / "room", Config(), clock=clock, signs=Shown(server=False)) as room:
        assert [again.goes_at for again in (await recordings(room)).recordings] == [kept.goes_at]


def test_setting_the_clock_is_for_root_and_nothing_is_set_when_nobody_would_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to: list[float] = []
    monkeypatch.setattr("time.clock_settime", lambda _, seconds: set_to.append(seconds))
    ran = CliRunner().invoke(main, ["clock", "set", "2026-11-24 14:03", "--root", str(tmp_path)])
    assert (ran.exit_code, set_to) == (3, [])


async def test_the_clock_is_set_in_the_rooms_own_time_and_confirmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[float] = []
    monkeypatch.setattr("time.clock_settime", lambda _, seconds: set_to.append(seconds))
    async with running(tmp_path / "room", Config(), signs=Shown(server=False)) as room:
        said = await asyncio.to_thread(run, "clock", "set", "2026-11-24 14:03", "--json", "--root", tmp_path / "room")
        assert said["trust"] == "confirmed"
    assert set_to == [datetime(2026, 11, 24, 13, 3, tzinfo=UTC).timestamp()], "14:03 in Amsterdam"
    assert [entry["set"] for entry in register_of(room) if entry["event"] == "clock-confirmed"] == [True]


async def recordings(room: Room) -> protocol.Recordings:
    reply = await send(room.where.admin_socket, protocol.RecordingsRequest())
    assert isinstance(reply, protocol.Recordings)
    return reply


def run(*words: str | Path) -> dict[str, object]:
    ran = CliRunner().invoke(main, [str(word) for word in words])
    assert ran.exit_code == 0, ran.output
    said: dict[str, object] = json.loads(ran.output.splitlines()[-1])
    assert {*said} >= set(ClockView.__struct_fields__)
    return said
