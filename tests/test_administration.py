"""What administrators do with a recording that is kept: through the command line and the running service, each act in the register."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance import protocol
from appliance.agreement import PARTIES
from appliance.cli import main
from appliance.clock import RealClock
from appliance.config import Config, Retention
from appliance.copies.verify import verify
from appliance.journal import Entry, check
from appliance.words import speak
from tests.room.running import Room, running

DAY = timedelta(days=1)
START, STOP = protocol.StartRequest(), protocol.StopRequest()


class LaterClock(RealClock):
    """The machine's own clock, as if some days had passed."""

    days = 0.0

    def wall(self) -> datetime:
        return datetime.now(UTC) + self.days * DAY


@pytest.fixture
def clock() -> LaterClock:
    return LaterClock()


@asynccontextmanager
async def kept(tmp_path: Path, clock: LaterClock) -> AsyncIterator[tuple[Room, str]]:
    """A room at rest, with one recording that was handed over."""
    async with running(tmp_path / "room", Config(), tmp_path / "a", tmp_path / "b", clock=clock) as room:
        await room.agree()
        begun = await room.do(START)
        assert begun.recording is not None
        await asyncio.sleep(0.4)
        await room.do(STOP)
        await room.until_state("handover")
        await room.until(lambda now: now.verified == 2)
        await room.do(*(protocol.ReceivedRequest(party) for party in PARTIES))
        await room.until_state("idle")
        yield room, begun.recording.id


async def administer(room: Room, *words: str, status: int = 0) -> Any:
    """A command with --json; what it said last, or its sentence when it did not succeed."""
    ran = await asyncio.to_thread(CliRunner().invoke, main, [*words, "--json", "--root", str(room.where.register.parent)])
    assert ran.exit_code == status, ran.output
    return json.loads(ran.stdout.splitlines()[-1]) if ran.stdout.strip() else ran.stderr.strip()


def register_of(room: Room, event: str) -> list[Entry]:
    checked = check(room.where.register.read_bytes())
    assert checked.broken is None
    return [entry for entry in checked.entries if entry["event"] == event]


async def test_what_is_kept_is_listed_and_shown(tmp_path: Path, clock: LaterClock) -> None:
    async with kept(tmp_path, clock) as (room, which):
        (row,) = await administer(room, "recordings", "list")
        assert (row["id"], row["hold"], len(row["copies"])) == (which, False, 2)
        shown = await administer(room, "recordings", "show", which)
        assert shown == row
        journal = (Path(row["folder"]) / "data/journal.jsonl").read_bytes()
        assert shown["journal"] == check(journal).chain.head
        assert "no recording zzzz" in await administer(room, "recordings", "show", "zzzz", status=1)


async def test_rule_6_what_is_due_goes_by_itself_and_the_preview_says_so_before(tmp_path: Path, clock: LaterClock) -> None:
    async with kept(tmp_path, clock) as (room, which):
        (before,) = await administer(room, "retention", "preview")
        assert (before["id"], before["decision"]) == (which, "keep")
        assert await administer(room, "retention", "run") == [before]
        clock.days = 7.01
        (due,) = await administer(room, "retention", "preview")
        assert due["decision"] == "goes"
        assert await administer(room, "retention", "run") == [due]
        assert await administer(room, "recordings", "list") == []
        assert list(room.where.recordings.rglob("*.wav")) == []
        (deleted,) = register_of(room, "deleted")
        assert deleted["id"] == which
        (began,) = register_of(room, "deleting")
        assert began["by"] == getpass.getuser()
        for stick in room.sticks:
            (copy,) = stick.iterdir()
            assert verify(copy, speak("en")).verdict == "intact", "the sticks are the parties' own"


async def test_what_is_held_stays_until_it_is_released(tmp_path: Path, clock: LaterClock) -> None:
    async with kept(tmp_path, clock) as (room, which):
        day = (datetime.now(UTC) + 30 * DAY).date().isoformat()
        held = await administer(room, "recordings", "hold", which, "--reason", "complaint 7", "--until", day)
        assert (held["hold"], held["hold_reason"]) == (True, "complaint 7")
        clock.days = 20
        (fate,) = await administer(room, "retention", "run")
        assert fate["decision"] == "held"
        assert "held" in await administer(room, "recordings", "delete", which, "--both-agreed", status=1)
        await administer(room, "recordings", "release", which)
        (fate,) = await administer(room, "retention", "run")
        assert fate["decision"] == "goes"
        assert [line["by"] for line in (*register_of(room, "held"), *register_of(room, "released"))] == [getpass.getuser()] * 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("hold", "zzzz", "--reason", "x"), "no recording zzzz"),
        (("hold", "ID", "--reason", "  "), "has a reason"),
        (("hold", "ID", "--reason", "x", "--until", "tomorrow"), "not a day"),
        (("hold", "ID", "--reason", "x", "--until", "2020-01-01"), "over already"),
        (("release", "ID"), "not held"),
        (("delete", "ID"), "both parties agreed"),
        (("delete", "zzzz", "--both-agreed"), "no recording zzzz"),
    ],
)
async def test_what_cannot_be_done_is_said_and_changes_nothing(
    words: tuple[str, ...], says: str, tmp_path: Path, clock: LaterClock
) -> None:
    async with kept(tmp_path, clock) as (room, which):
        before = room.where.register.read_bytes()
        said = await administer(room, "recordings", *(which if word == "ID" else word for word in words), status=1)
        assert says in said
        assert room.where.register.read_bytes() == before


async def test_rule_6_both_may_agree_to_erase_it_now(tmp_path: Path, clock: LaterClock) -> None:
    async with kept(tmp_path, clock) as (room, which):
        assert await administer(room, "recordings", "delete", which, "--both-agreed") == []
        assert list(room.where.recordings.iterdir()) == []
        receipt = json.loads((room.where.register.parent / "receipts" / f"{which}.json").read_text())
        assert receipt["why"] == "both parties agreed"


async def test_what_is_in_the_room_is_not_erased(tmp_path: Path, clock: LaterClock) -> None:
    async with running(tmp_path / "room", Config(), clock=clock) as room:
        await room.agree()
        begun = await room.do(START)
        assert begun.recording is not None
        said = await administer(room, "recordings", "delete", begun.recording.id, "--both-agreed", status=1)
        assert "in the room now" in said
        clock.days = 100
        (fate,) = await administer(room, "retention", "run")
        assert fate["decision"] == "keep"
        assert (await room.status()).state == "recording"


@pytest.mark.parametrize("words", [("copy",), ("recordings", "reissue")])
async def test_rule_4_a_lost_stick_is_made_again_while_the_recording_is_kept(
    words: tuple[str, ...], tmp_path: Path, clock: LaterClock
) -> None:
    async with kept(tmp_path, clock) as (room, which):
        (folder,) = (tmp_path / "b").iterdir()
        lost = tmp_path / "lost"
        (tmp_path / "b").rename(lost)
        await room.until(lambda now: [copy.label for copy in now.copies] == ["a"])
        (tmp_path / "b").mkdir()
        await room.until(lambda now: len(now.copies) == 2)
        copies = await administer(room, *words, which)
        assert {copy["label"]: copy["state"] for copy in copies} == {"a": "verified", "b": "verified"}
        assert verify(tmp_path / "b" / folder.name, speak("en")).verdict == "intact"
        assert [line["id"] for line in register_of(room, "copied-again")] == [which]


async def test_a_copy_later_waits_for_the_meeting_and_for_a_stick(tmp_path: Path, clock: LaterClock) -> None:
    async with kept(tmp_path, clock) as (room, which):
        assert "keeps no recording zzzz" in await administer(room, "copy", "zzzz", status=1)
        await room.do(protocol.AnnounceRequest())
        assert "gesprek" in await administer(room, "copy", which, status=1)
        await room.do(protocol.CancelRequest())
        for stick in room.sticks:
            stick.rename(stick.with_name(f"{stick.name} out"))
        await room.until(lambda now: not now.copies)
        assert "stick" in await administer(room, "copy", which, status=1)


async def test_many_due_at_once_are_refused_with_status_1_until_somebody_says_how_many(tmp_path: Path, clock: LaterClock) -> None:
    async with running(tmp_path / "room", Config(), clock=clock) as room:
        for _ in range(4):
            await room.agree()
            await room.do(START)
            await asyncio.sleep(0.3)
            await room.do(STOP)
            await room.until_state("handover")
            await room.do(*(protocol.LaterRequest(party) for party in PARTIES))
        clock.days = 15
        refused = await administer(room, "retention", "run", status=1)
        assert {fate["decision"] for fate in refused} == {"refused"}
        assert len(await administer(room, "recordings", "list")) == 4
        done = await administer(room, "retention", "run", "--expect", "4")
        assert {fate["decision"] for fate in done} == {"goes"}
        assert await administer(room, "recordings", "list") == []


async def test_rule_6_the_days_that_both_agreed_to_outlive_what_is_configured_since(tmp_path: Path, clock: LaterClock) -> None:
    async with kept(tmp_path, clock) as (room, which):
        (promised,) = [row["goes_at"] for row in await administer(room, "recordings", "list") if row["id"] == which]
    other = Config(retention=Retention(keep_days=1, keep_days_without_handover=1))
    async with running(tmp_path / "room", other, tmp_path / "a", tmp_path / "b", clock=clock) as room:
        (after,) = [row["goes_at"] for row in await administer(room, "recordings", "list") if row["id"] == which]
    assert promised is not None
    assert after == promised
