"""The service: ends cleanly whatever goes on, speaks the meeting's language, and never lets one stick decide over the room."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance import protocol
from appliance.agreement import PARTIES
from appliance.client import send
from appliance.clock import RealClock
from appliance.config import Config, Copies, Meeting, Organisation, Retention
from appliance.disk import RealDisk
from appliance.journal import check, of_kind
from appliance.meeting import Alternative
from appliance.protocol import Recordings, Request, Snapshot
from appliance.words import Trouble, speak
from tests.room.running import Room, running
from tests.room_parts import Table, journal_of

ANNOUNCE, START, STOP, PAUSE, JOIN = (
    protocol.AnnounceRequest(), protocol.StartRequest(), protocol.StopRequest(), protocol.PauseRequest(), protocol.JoinRequest()
)  # fmt: skip
PROFESSIONAL_CONFIRMS, CLIENT_CONFIRMS = (protocol.ConfirmRequest(party) for party in PARTIES)
AGREE = (ANNOUNCE, PROFESSIONAL_CONFIRMS, CLIENT_CONFIRMS)
PROFESSIONAL, CLIENT = PARTIES
LATER = tuple(protocol.LaterRequest(party) for party in PARTIES)
RECEIVED = tuple(protocol.ReceivedRequest(party) for party in PARTIES)
QUIET = Config(copies=Copies(no_progress_seconds=30))
IMPATIENT = Config(copies=Copies(no_progress_seconds=1.0))
"""The file takes no less than 5 seconds; the machinery is the same."""


@pytest.fixture(autouse=True)
def _nothing_went_wrong(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """In none of these meetings is there a traceback in the log."""
    caplog.set_level(logging.INFO)
    yield
    assert [record for record in caplog.get_records("call") if record.exc_info] == []


@pytest.fixture
def sticks(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "stick-a", tmp_path / "stick-b"


# ── told to stop


STATES: dict[str, tuple[Request, ...]] = {
    "idle": (),
    "agreeing": (ANNOUNCE, CLIENT_CONFIRMS),
    "agreed": AGREE,
    "recording": (*AGREE, START),
    "paused": (*AGREE, START, PAUSE),
    "somebody joins": (*AGREE, START, JOIN),
    "just stopped": (*AGREE, START, STOP),
    "declined": (ANNOUNCE, protocol.DeclineRequest(Alternative.SUMMARY, "Wij schrijven het samen op.")),
    "taken home": (*AGREE, START, STOP),
}


@pytest.mark.parametrize("state", STATES)
def test_told_to_stop_it_ends_cleanly_and_quickly_whatever_goes_on(table: Table, state: str) -> None:
    table.serve("--source", "synthetic")
    for request in STATES[state]:
        table.do(request)
        if request is START:
            time.sleep(0.3)
    if state == "taken home":
        table.until_state("handover")
        table.do(RECEIVED[0])
    told = time.monotonic()
    assert table.stop() == 0
    assert time.monotonic() - told < 3
    log = (table.root / "service.log").read_text()
    assert not re.search("Traceback|ERROR|Exception", log), log
    assert list(table.root.glob("*.sock")) == []
    begun = START in STATES[state]
    assert [(folder / "bagit.txt").exists() for folder in table.recordings()] == [True] * begun


def test_told_to_stop_while_it_starts_it_ends_cleanly(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.service.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
    assert table.stop() == 0


def test_ctrl_c_is_told_to_stop(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.do(*AGREE, START)
    assert table.service is not None
    table.service.send_signal(signal.SIGINT)
    assert table.service.wait(timeout=10) == 0
    (folder,) = table.recordings()
    assert (folder / "bagit.txt").exists()


# ── its words


async def test_a_meeting_in_english_has_english_words_from_beginning_to_end(tmp_path: Path) -> None:
    async with running(tmp_path / "room", QUIET) as room:
        english = await room.do(protocol.AnnounceRequest("en"))
        assert english.language == "en"
        assert "We record this conversation openly" in english.agreement
        assert "Shall we record" in english.announcement
        assert english.trouble == [Trouble.NO_STICK]
        declined = await room.do(protocol.DeclineRequest(Alternative.OTHER))
        assert (declined.state, declined.language) == ("declined", "en"), "who declines goes on in their own language"
        dutch = await room.do(protocol.CancelRequest())
        assert dutch.language == "nl"
        again = await room.do(ANNOUNCE)
        assert "Wij nemen dit gesprek open op" in again.agreement
        assert again.trouble == [speak("nl")(Trouble.NO_STICK)]


async def test_a_refusal_is_said_in_the_language_of_the_meeting(tmp_path: Path) -> None:
    async with running(tmp_path / "room", QUIET) as room:
        await room.do(protocol.AnnounceRequest("en"))
        reply = await send(room.where.control_socket, START)
        assert isinstance(reply, protocol.Refused)
        assert reply.says.startswith("Not everybody has confirmed yet.")


async def test_the_organisations_own_wording_is_what_is_confirmed_and_what_lies_in_the_copy(
    tmp_path: Path, sticks: tuple[Path, Path]
) -> None:
    own = tmp_path / "room/agreement/nl"
    own.mkdir(parents=True)
    (own / "agreement.txt").write_text("\n  Wij van {organisation} nemen dit op, tot {date}. Bel {contact}.\n\n", "utf-8-sig")
    (own / "announcement.txt").write_text("Zullen wij het opnemen?")
    config = Config(organisation=Organisation(name="Wijkteam Zuid", contact="020 123"))
    async with running(tmp_path / "room", config, *sticks) as room:
        announced = await room.do(ANNOUNCE)
        assert announced.announcement == "Zullen wij het opnemen?"
        said = re.fullmatch(r"Wij van Wijkteam Zuid nemen dit op, tot (\d+ [a-z]+ \d{4})\. Bel 020 123\.", announced.agreement)
        assert said is not None
        await room.do(*AGREE[1:], START)
        await asyncio.sleep(0.2)
        (own / "agreement.txt").write_text("Heel iets anders.")
        await room.do(STOP)
        done = await room.until_state("handover")
    assert done.recording is not None
    for folder in (Path(done.recording.folder), *(stick / Path(done.recording.folder).name for stick in sticks)):
        content = (folder / "data/agreement.txt").read_bytes()
        assert content.decode() == announced.agreement + "\n"
        version = hashlib.sha256(content).hexdigest()
        journal = journal_of(folder)
        lines = [entry for kind in ("announced", "confirmed", "started") for entry in of_kind(journal, kind)]
        assert [entry["wording"] for entry in lines] == [version] * 4


async def test_a_mistake_in_the_wording_while_the_room_is_open_does_not_keep_anybody_from_meeting(tmp_path: Path) -> None:
    own = tmp_path / "room/agreement/nl"
    own.mkdir(parents=True)
    (own / "agreement.txt").write_text("Wij spreken het zo af.")
    async with running(tmp_path / "room", QUIET) as room:
        (own / "agreement.txt").write_text("Wij spreken het zo af tot {datum}.")
        assert (await room.do(ANNOUNCE)).agreement == "Wij spreken het zo af."
        assert (await room.do(*AGREE[1:])).state == "agreed"


# ── its times


async def test_both_see_until_when_the_device_keeps_its_copy_and_the_agreement_says_the_same_day(
    tmp_path: Path, sticks: tuple[Path, Path]
) -> None:
    config = Config(retention=Retention(keep_days=3, keep_days_without_handover=10))
    async with running(tmp_path / "room", config, *sticks) as room:
        announced = await room.do(ANNOUNCE)
        began = datetime.now(UTC)
        await room.do(*AGREE[1:], START)
        await asyncio.sleep(0.2)
        await room.do(STOP)
        handover = await room.until_state("handover")
        assert handover.kept_until is not None
        until = datetime.fromisoformat(handover.kept_until)
        assert abs(until - began - timedelta(days=10)) < timedelta(minutes=2)
        assert until.utcoffset() == until.astimezone(ZoneInfo("Europe/Amsterdam")).utcoffset()
        assert f"{until.day} " in announced.agreement
        assert str(until.year) in announced.agreement
        (kept,) = await recordings(room)
        assert abs(datetime.fromisoformat(str(kept.goes_at)) - began - timedelta(days=10)) < timedelta(minutes=2)
        await room.do(*RECEIVED)
        (kept,) = await recordings(room)
        assert abs(datetime.fromisoformat(str(kept.goes_at)) - began - timedelta(days=3)) < timedelta(minutes=2)
        assert (await room.status()).kept_until is None


async def recordings(room: Room) -> list[protocol.KeptRecording]:
    reply = await send(room.where.admin_socket, protocol.RecordingsRequest())
    assert isinstance(reply, Recordings)
    return reply.recordings


async def test_the_time_on_a_recording_is_the_rooms_own(tmp_path: Path) -> None:
    config = Config(organisation=Organisation(timezone="Pacific/Chatham"))
    async with running(tmp_path / "room", config) as room:
        began = datetime.now(ZoneInfo("Pacific/Chatham"))
        done = await room.do(*AGREE, START)
        assert done.recording is not None
        folder = Path(done.recording.folder)
        assert f"{began:%Y-%m-%d %H.%M}" <= folder.name < f"{began + timedelta(minutes=2):%Y-%m-%d %H.%M}"
    local = datetime.fromisoformat(str(of_kind(journal_of(folder), "started")[0]["local"]))
    assert local.utcoffset() == began.utcoffset()


# ── sticks that are stuck


def mirrors() -> dict[str, int]:
    """The children that copy, by their stick's name."""
    there = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == os.getpid() and "appliance.copies.mirror" in words:
            there[Path(words[words.index("--stick") + 1]).name] = int(process.name)
    return there


@contextmanager
def stuck(*names: str) -> Iterator[None]:
    """Sticks that take nothing for a while: their children stand still."""
    children = [mirrors()[name] for name in names]
    for child in children:
        os.kill(child, signal.SIGSTOP)
    try:
        yield
    finally:
        for child in children:
            try:
                os.kill(child, signal.SIGCONT)
            except ProcessLookupError:
                continue


async def recorded(room: Room, seconds: float = 0.5) -> Snapshot:
    """A recording under way, that every stick follows."""
    await room.do(*AGREE, START)
    await asyncio.sleep(seconds)
    return await room.until(lambda now: all(copy.state == "following" for copy in now.copies) and now.storing)


def states(now: Snapshot) -> dict[str, str]:
    return {copy.label: copy.state for copy in now.copies}


async def test_a_stuck_stick_is_waited_for_no_longer_than_was_said_and_is_failed(
    tmp_path: Path, sticks: tuple[Path, Path]
) -> None:
    async with running(tmp_path / "room", IMPATIENT, *sticks) as room:
        await recorded(room)
        with stuck("stick-a"):
            stopped = time.monotonic()
            await room.do(STOP)
            now = await room.until_state("handover")
            assert 0.8 < time.monotonic() - stopped < 3
            assert states(now) == {"stick-a": "failed", "stick-b": "verified"}
            assert now.verified == 1
            assert any("stick-a" in sentence for sentence in now.trouble)
        now = await room.until(lambda now: now.verified == 2)
        assert states(now) == {"stick-a": "verified", "stick-b": "verified"}, "what only took long is verified in the end"
        assert (await room.do(*RECEIVED)).state == "idle"


async def test_who_says_later_goes_on_at_once_and_the_copy_goes_on_behind_it(tmp_path: Path, sticks: tuple[Path, Path]) -> None:
    async with running(tmp_path / "room", QUIET, *sticks) as room:
        await recorded(room)
        with stuck("stick-a", "stick-b"):
            await room.do(STOP)
            await room.until_state("copying")
            assert await room.refused(RECEIVED[0]) == "copies-not-ready"
            now = await room.do(LATER[0])
            assert (now.state, now.later) == ("handover", [PROFESSIONAL])
            assert await room.refused(RECEIVED[1]) == "no-copy-left"
        now = await room.until(lambda now: now.verified == 2)
        assert now.state == "handover"
        assert (await room.do(RECEIVED[1])).state == "idle"


async def test_a_stick_put_in_during_the_handover_is_followed_and_verified_without_leaving_it(
    tmp_path: Path, sticks: tuple[Path, Path]
) -> None:
    async with running(tmp_path / "room", QUIET, *sticks) as room:
        sticks[1].rmdir()
        await room.until(lambda now: len(now.copies) == 1)
        await recorded(room)
        await room.do(STOP)
        now = await room.until_state("handover")
        assert now.verified == 1
        await room.do(RECEIVED[0])
        assert await room.refused(RECEIVED[1]) == "no-copy-left"
        sticks[1].mkdir()
        now = await room.until(lambda now: now.verified == 2)
        assert now.state == "handover"
        assert states(now) == {"stick-a": "verified", "stick-b": "verified"}
        assert (await room.do(RECEIVED[1])).state == "idle"


async def test_a_copy_that_nobody_waited_for_goes_on_in_the_idle_room_until_it_is_done(
    tmp_path: Path, sticks: tuple[Path, Path]
) -> None:
    async with running(tmp_path / "room", QUIET, *sticks) as room:
        recording = (await recorded(room)).recording
        assert recording is not None
        with stuck("stick-a", "stick-b"):
            await room.do(STOP)
            await room.until_state("copying")
            assert (await room.do(*LATER)).state == "idle"
            assert states(await room.status()) == {"stick-a": "following", "stick-b": "following"}
        copies = [stick / Path(recording.folder).name for stick in sticks]
        await room.until(lambda _: all((copy / "bagit.txt").exists() for copy in copies) and not mirrors())
        (kept,) = await recordings(room)
        assert (kept.id, [copy.state for copy in kept.copies]) == (recording.id, ["verified", "verified"])
        assert (await room.status()).state == "idle"
    events = [entry["event"] for entry in check((tmp_path / "room/register.jsonl").read_bytes()).entries]
    assert events.count("verified") == 2


async def test_the_next_meeting_does_not_wait_for_the_copies_of_the_last(tmp_path: Path, sticks: tuple[Path, Path]) -> None:
    async with running(tmp_path / "room", QUIET, *sticks) as room:
        first = (await recorded(room)).recording
        with stuck("stick-a", "stick-b"):
            await room.do(STOP)
            await room.until_state("copying")
            await room.do(*LATER)
            await room.do(*AGREE)
            pressed = time.monotonic()
            second = await room.do(START)
            assert time.monotonic() - pressed < 2
            assert second.storing
        await asyncio.sleep(0.3)
        await room.do(STOP)
        done = await room.until_state("handover")
        assert states(done) == {"stick-a": "verified", "stick-b": "verified"}
        assert done.recording is not None
        assert first is not None
        assert done.recording.seconds > time.monotonic() - pressed - 1.5, (
            "the first words are there, however long the sticks took"
        )
        assert {kept.id: len(kept.copies) for kept in await recordings(room)} == {first.id: 0, done.recording.id: 2}


# ── a disk that refuses


class RefusesToBegin(RealDisk):
    """A disk that takes its time to say no."""

    refuses = True

    def make_folder(self, path: Path) -> None:
        if self.refuses:
            time.sleep(0.3)
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        super().make_folder(path)


async def test_a_recording_that_cannot_begin_is_said_and_may_be_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = RefusesToBegin()
    async with running(tmp_path / "room", QUIET, disk=disk) as room:
        now = await room.do(*AGREE, START)
        assert (now.state, now.storing, now.recording) == ("agreed", False, None)
        assert speak("nl")(Trouble.NOT_BEGUN) in now.trouble
        disk.refuses = False
        assert (await room.do(START)).storing
    assert "the recording could not begin" in caplog.text
    caplog.clear()


async def test_a_stop_before_the_disk_refused_to_begin_ends_in_idle_and_not_in_a_seal_without_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = RefusesToBegin()
    async with running(tmp_path / "room", QUIET, disk=disk) as room:
        await room.do(*AGREE)
        starting = asyncio.create_task(send(room.where.control_socket, START))
        await room.until_state("recording")
        await room.do(STOP)
        await starting
        assert (await room.until_state("idle")).recording is None
        disk.refuses = False
        await room.do(*AGREE)
        await room.until(lambda now: now.microphone == "heard")
        assert (await room.do(START)).storing
    caplog.clear()


async def test_a_disk_without_room_refuses_the_start_and_says_so(tmp_path: Path) -> None:
    config = Config(meeting=Meeting(minimum_free_hours=10_000_000.0))
    async with running(tmp_path / "room", config) as room:
        now = await room.do(*AGREE)
        assert speak("nl")(Trouble.DISK_FULL) in now.trouble
        assert await room.refused(START) == "no-room-on-disk"
        assert (await room.status()).state == "agreed"


# ── a restart


class MovedClock(RealClock):
    """A wall clock that an administrator set right in the middle of a meeting."""

    moved = timedelta(0)

    def wall(self) -> datetime:
        return super().wall() + self.moved


async def test_a_restart_tells_the_same_day_as_before_though_the_meeting_went_on_past_midnight(table: Table) -> None:
    clock = MovedClock()
    async with running(table.root, QUIET, *table.sticks, clock=clock) as room:
        announced = await room.do(*AGREE, START)
        await asyncio.sleep(0.2)
        clock.moved = timedelta(hours=20)
        await room.do(STOP)
        before = (await room.until_state("handover")).kept_until
    async with running(table.root, QUIET, *table.sticks, clock=clock) as room:
        after = await room.until_state("handover")
    assert after.kept_until == before
    assert before is not None
    assert f"{datetime.fromisoformat(before).day} " in announced.agreement


async def test_a_late_handover_keeps_nothing_longer_than_both_agreed_on(tmp_path: Path, sticks: tuple[Path, Path]) -> None:
    clock = MovedClock()
    async with running(tmp_path / "room", QUIET, *sticks, clock=clock) as room:
        await room.do(*AGREE, START)
        await asyncio.sleep(0.2)
        await room.do(STOP)
        await room.until_state("handover")
        (kept,) = await recordings(room)
        clock.moved = timedelta(days=12)
        await room.do(*RECEIVED)
        assert [after.goes_at for after in await recordings(room)] == [kept.goes_at]
