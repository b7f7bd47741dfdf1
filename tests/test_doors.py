"""The doors: whoever comes, however rude, slow or many, the room's service goes on; and the file system decides who may enter."""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import grp
import json
import os
import pwd
import random
import resource
import socket
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance import protocol
from appliance.client import send
from appliance.doors import DoorError, Doors, Patience, Watchers
from appliance.protocol import AdminRequest, KeptRecording, Mistaken, Recordings, Refused, Reply, RoomRequest, Snapshot
from tests.room_parts import Table, register_of

Answer = dict[str, Any]
WATCH = b'{"do":"watch"}\n'
STATUS = b'{"do":"status"}\n'


def snapshot(at: int = 0, announcement: str = "") -> Snapshot:
    return Snapshot(
        "idle", [], storing=False, light=False, trouble=[], recording=None, copies=[], at=at, announcement=announcement
    )


@dataclass
class House:
    """The two doors, with somebody behind each who only says what was asked."""

    folder: Path
    asked: list[str] = field(default_factory=list)
    asked_by: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = snapshot()
        self.watchers = Watchers(lambda: self.now)

    def tell(self, now: Snapshot) -> None:
        self.now = now
        self.watchers.changed()

    @property
    def room(self) -> Path:
        return self.folder / "control.sock"

    @property
    def administration(self) -> Path:
        return self.folder / "admin.sock"

    async def answer(self, request: RoomRequest) -> Reply:
        self.asked.append(str(type(request).__struct_config__.tag))
        match request:
            case protocol.StopRequest():
                return Refused("not-recording", "Nothing is being recorded now.", snapshot())
            case protocol.HoldRequest():
                raise RuntimeError("something that nobody thought of")
        return self.now if request.__class__ is protocol.StatusRequest else snapshot()

    async def answer_admin(self, _: AdminRequest, by: str) -> Reply:
        self.asked_by.append(by)
        return Recordings([KeptRecording("k7qm", "folder", 1.0, None, interrupted=False, copies=[], goes_at=None, hold=False)])


@asynccontextmanager
async def open_house(folder: Path, **more: Any) -> AsyncIterator[House]:
    house = House(folder)
    doors = Doors(house.watchers, **more)
    await doors.open_room(house.room, "", house.answer)
    await doors.open_administration(house.administration, "", house.answer_admin)
    try:
        yield house
    finally:
        await doors.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as there:
        yield there


async def visit(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with protocol.address(path) as address:
        return await asyncio.open_unix_connection(address, limit=1 << 20)


async def say(path: Path, content: bytes) -> list[Answer]:
    """All answers to what is said, with nothing more to say after it, until the door is closed."""
    reader, writer = await visit(path)
    with contextlib.suppress(ConnectionError):
        writer.write(content)
        await writer.drain()
        writer.write_eof()
    answers = []
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(3):
            async for line in reader:
                answers.append(json.loads(line))
    writer.close()
    return answers


# ── who may


async def test_both_sockets_are_for_their_owner_and_group_only(house: House) -> None:
    for path in (house.room, house.administration):
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


async def test_a_socket_is_never_there_with_another_mode_than_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bind, rename = asyncio.start_unix_server, Path.rename
    too_early: list[Path] = []
    modes: list[int] = []

    async def bind_and_look(*arguments: Any, **more: Any) -> asyncio.Server:
        server = await bind(*arguments, **more)
        too_early.extend(tmp_path.glob("*.sock"))
        return server

    def look_and_rename(path: Path, to: Path) -> Path:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        return rename(path, to)

    monkeypatch.setattr(asyncio, "start_unix_server", bind_and_look)
    monkeypatch.setattr(Path, "rename", look_and_rename)
    before = os.umask(0)
    try:
        doors = Doors(Watchers(snapshot))
        await doors.open_room(tmp_path / "control.sock", "", House(tmp_path).answer)
        await doors.close()
    finally:
        os.umask(before)
    assert (too_early, modes) == ([], [0o660])


async def test_a_group_that_does_not_exist_is_said_in_a_sentence(tmp_path: Path) -> None:
    doors = Doors(Watchers(snapshot))
    with pytest.raises(DoorError, match="no-such-group"):
        await doors.open_room(tmp_path / "control.sock", "no-such-group", House(tmp_path).answer)
    assert not (tmp_path / "control.sock").exists()
    await doors.close()


async def test_rule_6_each_socket_refuses_what_belongs_to_the_other(house: House) -> None:
    (from_the_room,) = await say(house.room, b'{"do":"recordings"}\n')
    assert from_the_room["is"] == "mistaken"
    for request in (b'{"do":"announce"}\n', b'{"do":"stop"}\n', STATUS, WATCH):
        (from_the_office,) = await say(house.administration, request)
        assert from_the_office["is"] == "mistaken"
    assert house.asked == []
    assert (await say(house.administration, b'{"do":"recordings"}\n'))[0]["recordings"][0]["id"] == "k7qm"
    assert house.asked_by == [pwd.getpwuid(os.getuid()).pw_name]


def knock(paths: Sequence[Path], user: int, group: int, *groups: int) -> list[int]:
    """What the kernel says to a process of another user, by errno; 0: come in. A fork, because nobody can run our Python."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        said = bytearray()
        try:
            os.setgroups(groups)
            os.setgid(group)
            os.setuid(user)
            for path in paths:
                with socket.socket(socket.AF_UNIX) as visitor:
                    said.append(visitor.connect_ex(str(path)))
        finally:
            os.write(theirs, bytes(said))
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answers:
        said_to_child = list(answers.read())
    os.waitpid(child, 0)
    return said_to_child


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may walk into: only the sockets in it decide."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_rule_6_the_kernel_lets_each_group_in_at_its_own_door_and_nobody_else_at_any(open_folder: Path) -> None:
    room, administrators, others = (grp.getgrnam(name) for name in ("audio", "adm", "games"))
    somebody = pwd.getpwnam("nobody")
    house = House(open_folder)
    doors = Doors(house.watchers)
    await doors.open_room(house.room, room.gr_name, house.answer)
    await doors.open_administration(house.administration, administrators.gr_name, house.answer_admin)
    both = (house.room, house.administration)
    refused = errno.EACCES
    try:
        assert knock(both, somebody.pw_uid, somebody.pw_gid) == [refused, refused]
        assert knock(both, somebody.pw_uid, somebody.pw_gid, others.gr_gid) == [refused, refused]
        assert knock(both, somebody.pw_uid, somebody.pw_gid, room.gr_gid) == [0, refused]
        assert knock(both, somebody.pw_uid, somebody.pw_gid, administrators.gr_gid) == [refused, 0]
    finally:
        await doors.close()


async def test_the_register_is_told_who_it_was_whatever_they_say_of_themselves(open_folder: Path) -> None:
    group, somebody = grp.getgrnam("adm"), pwd.getpwnam("nobody")
    async with open_house(open_folder) as house:
        os.chown(house.administration, -1, group.gr_gid)

        def as_nobody() -> None:
            child = os.fork()
            if child == 0:
                os.setgroups([group.gr_gid])
                os.setuid(somebody.pw_uid)
                with socket.socket(socket.AF_UNIX) as visitor:
                    visitor.connect(str(house.administration))
                    visitor.sendall(b'{"do":"recordings","by":"root"}\n{"do":"recordings"}\n')
                    visitor.shutdown(socket.SHUT_WR)
                    while visitor.recv(4096):
                        pass
                os._exit(0)
            os.waitpid(child, 0)

        await asyncio.to_thread(as_nobody)
    assert house.asked_by == ["nobody"]


# ── how many, and how slowly


async def test_the_one_too_many_is_told_so_and_finds_a_place_when_somebody_leaves(tmp_path: Path) -> None:
    async with open_house(tmp_path, places=3) as house:
        there = [await visit(house.room) for _ in range(3)]
        (away,) = await say(house.room, STATUS)
        assert (away["is"], away["why"]) == ("refused", "too-many")
        assert away["says"].endswith(".")
        assert (await say(house.administration, b'{"do":"recordings"}\n'))[0]["is"] == "recordings", "another door"
        there[0][1].close()
        await asyncio.sleep(0.05)
        assert (await say(house.room, STATUS))[0]["is"] == "snapshot"
        for _, writer in there:
            writer.close()


async def test_who_begins_a_line_and_does_not_end_it_loses_the_place(tmp_path: Path) -> None:
    async with open_house(tmp_path, places=1, patience=Patience(line=0.2)) as house:
        began = time.monotonic()

        def slowly() -> bytes:
            with socket.socket(socket.AF_UNIX) as slow:
                slow.connect(str(house.room))
                slow.settimeout(0.02)
                while time.monotonic() - began < 5:
                    slow.sendall(b"x")
                    with contextlib.suppress(TimeoutError):
                        return slow.recv(4096)
            return b""

        answer = json.loads(await asyncio.to_thread(slowly))
        assert 0.15 < time.monotonic() - began < 2
        assert answer["is"] == "mistaken"
        assert "in time" in answer["says"]
        await asyncio.sleep(0.05)
        assert (await say(house.room, STATUS))[0]["is"] == "snapshot"


async def test_who_says_nothing_for_a_long_time_is_told_so_and_loses_the_place(tmp_path: Path) -> None:
    async with open_house(tmp_path, patience=Patience(silence=0.2)) as house:
        reader, _ = await visit(house.room)
        answer = json.loads(await reader.readline())
        assert answer["is"] == "mistaken"
        assert "a long time" in answer["says"]
        assert await reader.read() == b""


async def test_who_asks_and_asks_and_never_reads_loses_the_place(tmp_path: Path) -> None:
    async with open_house(tmp_path, places=1, patience=Patience(line=0.2)) as house:
        house.now = snapshot(announcement="x" * 50_000)
        deaf = socket.socket(socket.AF_UNIX)
        deaf.connect(str(house.room))
        deaf.sendall(STATUS * 60)
        await asyncio.sleep(1)
        assert (await say(house.room, STATUS))[0]["is"] == "snapshot"
        deaf.close()


async def test_a_screen_that_does_not_read_keeps_its_place(tmp_path: Path) -> None:
    async with open_house(tmp_path, patience=Patience(line=0.1, silence=0.1)) as house:
        reader, writer = await visit(house.room)
        writer.write(WATCH)
        await asyncio.sleep(0.5)
        house.tell(snapshot(7))
        seen = [json.loads(await reader.readline())["at"] for _ in range(2)]
        assert seen == [0, 7]
        writer.close()


# ── what is said


@pytest.mark.parametrize(
    "line",
    [
        b"hello", b"{", b"[]", b"null", b"{}", b'"status"', b'{"do":"dance"}', b'{"do":7}', b'{"do":"confirm"}', b"\xff\xfe\x00", b"",
        b'{"do":"confirm","party":"neighbour"}', b'{"do":"decline","alternative":"tea"}', b'{"do":"stop","force":true}',
        b'{"do":"status","do":"stop","x":1}', b"[" * 5000, b'{"do":"confirm","party":{"a":[1,2,3]}}',
    ],
)  # fmt: skip
async def test_what_is_no_request_is_answered_so_and_the_next_line_is_heard(house: House, line: bytes) -> None:
    mistaken, status = await say(house.room, line + b"\n" + STATUS)
    assert mistaken["is"] == "mistaken"
    assert mistaken["says"].endswith(".")
    assert status["is"] == "snapshot"
    assert house.asked == ["status"]


async def test_a_refusal_has_its_reason_for_a_program_its_sentence_and_where_things_stand(house: House) -> None:
    (refused,) = await say(house.room, b'{"do":"stop"}\n')
    assert (refused["is"], refused["why"], refused["snapshot"]["state"]) == ("refused", "not-recording", "idle")
    assert refused["says"].endswith(".")


async def test_requests_on_one_connection_are_answered_in_order(house: House) -> None:
    answers = await say(house.room, b'{"do":"announce"}\n{"do":"stop"}\n{"do":"nothing"}\n' + STATUS)
    assert [answer["is"] for answer in answers] == ["snapshot", "refused", "mistaken", "snapshot"]


@pytest.mark.parametrize("length", [protocol.LONGEST_MESSAGE, 10 * protocol.LONGEST_MESSAGE])
async def test_a_line_that_is_too_long_is_answered_so_and_ends_the_visit(house: House, length: int) -> None:
    answer = await send(house.room, protocol.DeclineRequest(note="x" * length))
    assert isinstance(answer, Mistaken)
    assert str(protocol.LONGEST_MESSAGE) in answer.says
    assert len(await say(house.room, b"x" * protocol.LONGEST_MESSAGE + b"y\n" + STATUS)) == 1
    assert house.asked == []


async def test_a_line_without_end_takes_no_more_memory_than_one_that_is_too_long(house: House) -> None:
    _, writer = await visit(house.room)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(ConnectionError):
        for _ in range(400):
            writer.write(b"x" * 65_536)
            await writer.drain()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_000
    writer.close()
    assert (await say(house.room, STATUS))[0]["is"] == "snapshot"


async def test_a_client_that_has_no_more_to_say_still_gets_its_answer(house: House) -> None:
    assert [answer["is"] for answer in await say(house.room, STATUS)] == ["snapshot"]
    assert [answer["is"] for answer in await say(house.room, STATUS.strip())] == ["snapshot"], "no last newline"


async def test_a_client_that_leaves_before_its_answer_disturbs_nobody(house: House, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):
        _, writer = await visit(house.room)
        writer.write(STATUS * 50)
        writer.transport.abort()
    assert (await say(house.room, STATUS))[0]["is"] == "snapshot"
    assert "Traceback" not in caplog.text


async def test_a_slow_client_keeps_nobody_waiting(house: House) -> None:
    reader, writer = await visit(house.room)
    for byte in STATUS[:-1]:
        writer.write(bytes([byte]))
        await writer.drain()
        assert (await say(house.room, STATUS))[0]["is"] == "snapshot"
    writer.write(b"\n")
    assert json.loads(await reader.readline())["is"] == "snapshot"
    writer.close()


async def test_a_fault_of_the_service_is_said_and_logged_and_everything_goes_on(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    fault, status = await say(house.room, b'{"do":"hold"}\n' + STATUS)
    assert (fault["is"], fault["why"], status["is"]) == ("refused", "fault", "snapshot")
    assert fault["says"].endswith(".")
    assert "something that nobody thought of" in caplog.text


# ── who watches


async def test_a_watcher_sees_where_things_stand_and_then_each_change(house: House) -> None:
    house.tell(snapshot(1))
    reader, writer = await visit(house.room)
    writer.write(WATCH)
    assert json.loads(await reader.readline())["at"] == 1
    for at in (2, 3):
        house.tell(snapshot(at))
        assert json.loads(await reader.readline())["at"] == at
    writer.close()


async def test_a_watcher_that_does_not_read_gets_the_newest_when_it_reads_and_no_backlog(house: House) -> None:
    reader, writer = await visit(house.room)
    reader._limit = 1  # type: ignore[attr-defined]  # asyncio stops reading ahead of us
    writer.write(WATCH)
    words = "Zullen we dit gesprek opnemen? " * 60
    for at in range(2_000):
        house.tell(snapshot(at, words))
        await asyncio.sleep(0)
    reader._limit = 1 << 20  # type: ignore[attr-defined]
    seen: list[int] = []
    async with asyncio.timeout(5):
        while not seen or seen[-1] != 1_999:
            seen.append(json.loads(await reader.readline())["at"])
    assert seen == sorted(seen)
    assert len(seen) <= 20
    writer.close()


async def test_watchers_that_never_read_take_no_memory(house: House) -> None:
    there = [await visit(house.room) for _ in range(20)]
    for reader, writer in there:
        reader._limit = 1  # type: ignore[attr-defined]
        writer.write(WATCH)
    words = "x" * 20_000
    for at in range(50):
        house.tell(snapshot(at, words))
        await asyncio.sleep(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for at in range(1_000):
        house.tell(snapshot(at, words))
        await asyncio.sleep(0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4_000
    for _, writer in there:
        writer.transport.abort()


async def test_doors_that_close_on_their_visitors_say_nothing_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with open_house(tmp_path) as house:
        there = [await visit(house.room) for _ in range(3)]
        there[0][1].write(WATCH)
        there[1][1].write(b"half a li")
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)
    last_words = await asyncio.gather(*(reader.read() for reader, _ in there))
    assert last_words == [protocol.line(snapshot()), b"", b""]
    assert caplog.text == ""


async def test_a_watcher_that_leaves_is_forgotten(house: House) -> None:
    for _ in range(5):
        _, writer = await visit(house.room)
        writer.write(WATCH)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.transport.abort()
    await asyncio.sleep(0.1)
    assert house.watchers._changed == set()


# ── where the doors are


async def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    for name in ("control.sock", "admin.sock", "control.sock.new"):
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(tmp_path / name))
        left.close()
    async with open_house(tmp_path) as house:
        assert (await say(house.room, STATUS))[0]["is"] == "snapshot"
    assert list(tmp_path.glob("*.sock*")) == []


async def test_a_folder_deeper_than_the_kernel_takes_for_a_socket_works(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["a-folder-with-a-rather-long-name"] * 6)
    deep.mkdir(parents=True)
    assert len(str(deep / "control.sock")) > 107
    async with open_house(deep) as house:
        assert (await say(house.room, STATUS))[0]["is"] == "snapshot"


def test_one_room_has_one_service(tmp_path: Path) -> None:
    first = Doors(Watchers(snapshot))
    first.take_lock(tmp_path / "control.sock")
    with pytest.raises(DoorError, match="already running"):
        Doors(Watchers(snapshot)).take_lock(tmp_path / "control.sock")
    first.give_up_lock()
    Doors(Watchers(snapshot)).take_lock(tmp_path / "control.sock")


# ── all of it, while a recording runs


@contextmanager
def crowd(path: Path, count: int) -> Iterator[list[socket.socket]]:
    there = []
    with protocol.address(path) as address:
        for _ in range(count):
            guest = socket.socket(socket.AF_UNIX)
            guest.settimeout(10)
            guest.connect(address)
            there.append(guest)
    try:
        yield there
    finally:
        for guest in there:
            guest.close()


def test_two_hundred_clients_of_the_worst_kinds_leave_no_gap_and_no_waiting(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(protocol.StartRequest())
    waited = array.array("d")
    until = time.monotonic() + 2.5
    with crowd(table.where.control_socket, 200) as guests:
        rudeness = [b"nonsense\n" * 20, b"{" * 300_000, WATCH, STATUS[:7], STATUS * 40]
        for n, guest in enumerate(guests):
            guest.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                guest.send(rudeness[n % len(rudeness)])
        while time.monotonic() < until:
            asked = time.monotonic()
            assert table.status().state == "recording"
            waited.append(time.monotonic() - asked)
            time.sleep(0.05)
    table.do(protocol.StopRequest())
    done = table.until_state("handover")
    assert done.recording is not None
    assert done.recording.gaps == []
    assert max(waited) < 1.0
    assert sorted(waited)[len(waited) // 2] < 0.1
    log = (table.root / "service.log").read_text()
    assert "Traceback" not in log


def nonsense(count: int, decoder: msgspec.json.Decoder[Any]) -> Iterator[bytes]:
    """Requests gone wrong in every way that a byte can: none of them is one, and the same ones each time."""
    chance = random.Random(8)  # noqa: S311 - the same each time
    good = [STATUS, WATCH, b'{"do":"stop"}\n', b'{"do":"confirm","party":"client"}\n', b'{"do":"delete","id":"k7qm","both_agreed":true}\n',
            b'{"do":"decline","alternative":"other","note":"tea"}\n', b'{"do":"hold","id":"k7qm","reason":"x","until":null}\n',
            b'{"do":"clock-confirm"}\n', b'{"do":"retention-run","expected":3}\n']  # fmt: skip
    made = 0
    while made < count:
        line = bytearray(chance.choice(good).rstrip(b"\n"))
        match chance.randrange(6):
            case 0:
                for _ in range(chance.randrange(1, 4)):
                    line[chance.randrange(len(line))] = chance.randrange(256)
            case 1:
                del line[chance.randrange(len(line)) :]
            case 2:
                line[chance.randrange(len(line)) : 0] = chance.randbytes(chance.randrange(1, 40))
            case 3:
                line = bytearray(2 * bytes(line))
            case 4:
                line = bytearray(b"[" * chance.randrange(1, 3000))
            case _:
                line = bytearray(b'{"do":' + b"9" * chance.randrange(1, 2000) + b"}")
        words = bytes(line).replace(b"\n", b" ")
        try:
            decoder.decode(words)
        except (msgspec.DecodeError, UnicodeDecodeError):
            made += 1
            yield words + b"\n"


def test_ten_thousand_messages_that_are_none_at_both_doors_leave_no_gap(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(protocol.StartRequest())
    mistaken = 0
    for path, decoder in (
        (table.where.control_socket, protocol.room_requests),
        (table.where.admin_socket, protocol.admin_requests),
    ):
        lines = list(nonsense(5_000, decoder))
        with crowd(path, 10) as guests:
            for n, guest in enumerate(guests):
                for begin in range(n * 500, n * 500 + 500, 50):
                    guest.sendall(b"".join(lines[begin : begin + 50]))
                    with guest.makefile("rb") as answers:
                        mistaken += sum(json.loads(answers.readline())["is"] == "mistaken" for _ in range(50))
    assert mistaken == 10_000
    assert table.status().state == "recording"
    table.do(protocol.StopRequest())
    done = table.until_state("handover")
    assert done.recording is not None
    assert done.recording.gaps == []
    assert [copy.state for copy in done.copies] == ["verified", "verified"]
    assert "Traceback" not in (table.root / "service.log").read_text()
    happened = {str(line["event"]) for line in register_of(table)}
    assert happened <= {"key", "begun", "sealed", "verified", "clock", "handed-over"}, happened


def test_a_session_by_hand_reads_as_the_contract_says(table: Table) -> None:
    """What `socat - UNIX-CONNECT:control.sock` would do."""
    table.serve("--source", "synthetic")
    with crowd(table.where.control_socket, 1) as (guest,), guest.makefile("rwb") as words:
        for said, state in ((b'{"do":"status"}', "idle"), (b'{"do":"announce"}', "announcing"), (b'{"do":"cancel"}', "idle")):
            words.write(said + b"\n")
            words.flush()
            answer = msgspec.json.decode(words.readline())
            assert (answer["is"], answer["state"]) == ("snapshot", state)
