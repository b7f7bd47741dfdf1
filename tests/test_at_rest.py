"""While nobody meets: a recording that was brought goes to both parties, and two sticks are laid beside each other."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance import protocol
from appliance.agreement import PARTIES, Party
from appliance.cli import main
from appliance.client import send
from appliance.config import Config
from appliance.copies.verify import verify
from appliance.journal import check
from appliance.protocol import Refused, Snapshot
from appliance.words import Trouble, speak
from tests.room.running import Room, running

CLIENT = Party.CLIENT
FROM_A_PHONE = bytes(range(256)) * 3000


async def command(room: Room, *words: str, status: int = 0) -> object:
    ran = await asyncio.to_thread(CliRunner().invoke, main, [*words, "--json", "--root", str(room.where.register.parent)])
    assert ran.exit_code == status, ran.output
    return json.loads(ran.stdout.splitlines()[-1]) if ran.stdout.strip() else ran.stderr.strip()


async def test_rule_4_a_recording_made_on_a_phone_goes_to_both_as_it_came(tmp_path: Path) -> None:
    for stick in "ab":
        (tmp_path / stick).mkdir()
    brought = tmp_path / "a" / "gesprek met mevrouw.M4A"
    brought.write_bytes(FROM_A_PHONE)
    async with running(tmp_path / "room", Config(), tmp_path / "a", tmp_path / "b") as room:
        await room.until(lambda now: len(now.copies) == 2)
        copies = await command(room, "take-in", str(brought), "--party", "client")
        assert isinstance(copies, list)
        assert [copy["state"] for copy in copies] == ["verified", "verified"]
        (kept,) = await recordings(room)
        assert kept.sha256 == hashlib.sha256(FROM_A_PHONE).hexdigest()
        assert kept.goes_at is not None
        for place in room.sticks:
            copy = place / Path(kept.folder).name
            assert (copy / "data/ontvangen.m4a").read_bytes() == FROM_A_PHONE
            assert verify(copy, speak("en")).verdict == "intact"
        assert brought.read_bytes() == FROM_A_PHONE
        changed = copy / "data/ontvangen.m4a"
        changed.chmod(0o644)
        changed.write_bytes(FROM_A_PHONE[:-1] + b"!")
        found = verify(copy, speak("en"))
        assert (found.verdict, [finding.file for finding in found.findings]) == ("changed", ["data/ontvangen.m4a"])
        events = [entry["event"] for entry in check(room.where.register.read_bytes()).entries]
        assert [event for event in events if event in {"begun", "taken-in", "sealed", "verified"}] == [
            "begun", "taken-in", "sealed", "verified", "verified",
        ]  # fmt: skip
    async with running(tmp_path / "room", Config(), tmp_path / "a", tmp_path / "b") as room:
        assert (await room.status()).state == "idle", "it is no meeting that goes on"


@pytest.mark.parametrize("what", ["elsewhere", "a link", "no sound", "not there"])
async def test_nothing_else_on_a_stick_or_beside_it_is_opened(what: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "secret.m4a").write_bytes(FROM_A_PHONE)
    path = tmp_path / "a" / "x.m4a"
    match what:
        case "elsewhere":
            path = tmp_path / "a" / ".." / "secret.m4a"
        case "a link":
            path.symlink_to(tmp_path / "secret.m4a")
        case "no sound":
            path = tmp_path / "a" / "x.exe"
            path.write_bytes(FROM_A_PHONE)
    async with running(tmp_path / "room", Config(), tmp_path / "a") as room:
        await room.until(lambda now: len(now.copies) == 1)
        reply = await send(room.where.control_socket, protocol.TakeInRequest(str(path), CLIENT))
        assert isinstance(reply, Refused)
        assert "othing was taken in" in reply.says
        assert list(room.where.recordings.iterdir()) == []


async def test_a_meeting_that_goes_on_is_not_disturbed_by_what_somebody_brings(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.mp3").write_bytes(FROM_A_PHONE)
    async with running(tmp_path / "room", Config(), tmp_path / "a") as room:
        await room.agree()
        assert await room.refused(protocol.TakeInRequest(str(tmp_path / "a" / "x.mp3"), CLIENT)) == "meeting-goes-on"


async def record(room: Room) -> Path:
    await room.agree()
    begun = await room.do(protocol.StartRequest())
    assert begun.recording is not None
    await asyncio.sleep(1.2)
    await room.do(protocol.StopRequest())
    await room.until(lambda now: now.state == "handover" and now.verified == 2)
    await room.do(*(protocol.ReceivedRequest(party) for party in PARTIES))
    return Path(begun.recording.folder)


async def put_in_again(room: Room) -> Snapshot:
    """Both sticks out, and in again."""
    for stick in room.sticks:
        stick.rename(stick.with_name(f"{stick.name} out"))
    await room.until(lambda now: not [copy for copy in now.copies if copy.state == "waiting"])
    await asyncio.sleep(0.3)
    for stick in room.sticks:
        stick.with_name(f"{stick.name} out").rename(stick)
    return await room.until(lambda now: now.comparison is not None)


async def test_two_sticks_that_are_put_in_later_are_found_equal(tmp_path: Path) -> None:
    async with running(tmp_path / "room", Config(), tmp_path / "a", tmp_path / "b") as room:
        await record(room)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if "room" not in path.parts}
        now = await put_in_again(room)
        assert now.comparison == "Op beide sticks staat dezelfde opname."
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if "room" not in path.parts} == before
        assert (await room.do(protocol.AnnounceRequest())).comparison is None


async def test_two_sticks_that_differ_are_told_from_where_on(tmp_path: Path) -> None:
    async with running(tmp_path / "room", Config(), tmp_path / "a", tmp_path / "b") as room:
        folder = await record(room)
        wav = tmp_path / "b" / folder.name / "data/gesprek.wav"
        wav.chmod(0o644)
        content = bytearray(wav.read_bytes())
        content[1024 + 2 * 48_000 + 10] ^= 1
        wav.write_bytes(content)
        now = await put_in_again(room)
        assert now.comparison is not None
        assert "00:00:01" in now.comparison


async def test_what_was_damaged_on_the_appliance_is_not_given_out_as_a_good_copy(tmp_path: Path) -> None:
    async with running(tmp_path / "room", Config(), tmp_path / "a", tmp_path / "b") as room:
        folder = await record(room)
        wav = folder / "data/gesprek.wav"
        wav.chmod(0o644)
        content = bytearray(wav.read_bytes())
        content[5000] ^= 1
        wav.write_bytes(content)
        assert await room.refused(protocol.CopyRequest(folder.name[-4:])) == "damaged"


async def test_after_a_restart_too_what_was_damaged_meanwhile_is_not_copied(tmp_path: Path) -> None:
    async with running(tmp_path / "room", Config()) as room:
        await room.agree()
        begun = await room.do(protocol.StartRequest())
        assert begun.recording is not None
        await asyncio.sleep(0.5)
        await room.do(protocol.StopRequest())
        await room.until_state("handover")
    wav = Path(begun.recording.folder) / "data/gesprek.wav"
    wav.chmod(0o644)
    wav.write_bytes(wav.read_bytes()[:-2] + b"!!")
    async with running(tmp_path / "room", Config(), tmp_path / "a", tmp_path / "b") as room:
        now = await room.until(lambda now: speak("nl")(Trouble.ORIGINAL_DAMAGED) in now.trouble)
        assert [copy.state for copy in now.copies if copy.state == "verified"] == []
        assert not list((tmp_path / "a").glob("* gesprek ????"))


async def test_sticks_without_a_recording_are_not_talked_about(tmp_path: Path) -> None:
    async with running(tmp_path / "room", Config(), tmp_path / "a", tmp_path / "b") as room:
        await room.until(lambda now: len(now.copies) == 2)
        await asyncio.sleep(1)
        assert (await room.status()).comparison is None
        shutil.rmtree(tmp_path / "b")


async def recordings(room: Room) -> list[protocol.KeptRecording]:
    reply = await send(room.where.admin_socket, protocol.RecordingsRequest())
    assert isinstance(reply, protocol.Recordings)
    return reply.recordings
