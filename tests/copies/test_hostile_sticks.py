"""Hostile and strange sticks, and what the room reads of each (shown by `pytest -rP`). All through the whole path: parent and child.

Beside these: hostile labels, two partitions, other file systems and a hub by the real UDisks2 in test_udisks.py; what is no stick
at all (a keyboard, the appliance's own disk) in test_plugged.py; every kind of thing in every place where our folders go in
test_mirror.py; sticks that lie, byte by byte, in test_mirror_proof.py; slow and stuck ones, and a hub, in test_copying.py.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.copies.copying import Copies, CopyState
from appliance.copies.medium import BLOCK
from appliance.copies.sentences import refused_in_words
from appliance.copies.sticks import Stick, StickRefused, what_people_see
from appliance.meeting import Meeting, State
from appliance.sight import Sight, trouble
from appliance.words import speak
from tests.copies.room import NAME, UNFINISHED, GrowingRecording, MirrorStarter, all_about, differences, sealed_recording
from tests.copies.test_mirror import traced

MB = 1_000_000


@dataclass
class Room:
    """A meeting at its end, and the sticks that are in; the last one put in is good."""

    copies: Copies
    original: Path
    good: Stick

    async def what_it_reads(self, strange: Stick) -> tuple[CopyState, str]:
        """How the copy on the strange one came out, and the one sentence about it; the good one is verified all the same."""
        for stick in (strange, self.good):
            self.copies.came(stick)
        self.copies.start(self.original)
        self.copies.seal()
        await until(lambda: self.copies.settled)
        state, good = self.copies.states
        assert good.state == "verified"
        assert not differences(self.original, self.good.path / NAME)
        return state, self.sentence(state)

    def sentence(self, state: CopyState) -> str:
        (dutch,) = trouble(Meeting(State.COPYING), Sight(language="nl", copies=(state,)))
        (english,) = trouble(Meeting(State.COPYING), Sight(language="en", copies=(state,)))
        print(f"{dutch}\n{english}")
        assert state.label in dutch
        return english


@pytest.fixture
async def room(tmp_path: Path, recordings: Path) -> AsyncIterator[Room]:
    (tmp_path / "good").mkdir()
    copies = Copies(tmp_path / "locks", changed=lambda: None, patience=4.0)
    yield Room(copies, sealed_recording(recordings, 2 * MB), Stick("good-1", "GOED", tmp_path / "good"))
    await copies.stop()


def strange(path: Path, label: str = "VREEMD") -> Stick:
    return Stick("strange-1", label, path)


async def test_a_full_stick(room: Room, small_stick: Callable[[str], Path]) -> None:
    state, said = await room.what_it_reads(strange(small_stick("1M")))
    assert (state.state, state.says) == ("failed", "full")
    assert "is full" in said


async def test_a_read_only_stick(room: Room, small_stick: Callable[[str], Path]) -> None:
    stick = small_stick("8M")
    run("mount", "-o", "remount,ro", stick)
    state, said = await room.what_it_reads(strange(stick))
    assert (state.state, state.says) == ("failed", "readonly")
    assert "cannot be written on" in said


@pytest.mark.parametrize("name", [NAME, UNFINISHED])
async def test_a_folder_of_somebody_else_where_ours_goes(room: Room, stick: Path, name: str) -> None:
    (stick / name).mkdir()
    (stick / name / "vakantie.jpg").write_bytes(b"theirs")
    before = all_about(stick)
    state, said = await room.what_it_reads(strange(stick))
    assert state.says == "foreign"
    assert "already has something of the same name" in said
    assert all_about(stick) == before


@pytest.mark.parametrize("kind", ["link", "fifo", "device"])
async def test_a_link_a_fifo_and_a_device_where_our_folder_goes(room: Room, stick: Path, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    match kind:
        case "link":
            (stick / UNFINISHED).symlink_to(outside)
        case "fifo":
            os.mkfifo(stick / UNFINISHED)
        case _:
            os.mknod(stick / UNFINISHED, 0o20666, os.makedev(1, 3))
    state, said = await room.what_it_reads(strange(stick))
    assert state.says == "foreign"
    assert "we leave that alone" in said
    assert list(outside.iterdir()) == []


async def test_a_stick_that_lies_about_its_size(room: Room, lying_stick: Callable[[str, int], Path]) -> None:
    state, said = await room.what_it_reads(strange(lying_stick("vanish", 700_000)))
    assert (state.says, state.verified_bytes < 700_000 + BLOCK) == ("different", True)
    assert "does not keep what is written on it" in said


async def test_a_stick_that_gives_errors(room: Room, lying_stick: Callable[[str, int], Path]) -> None:
    state, said = await room.what_it_reads(strange(lying_stick("eio", 700_000)))
    assert state.says == "broken"
    assert "gives errors" in said


async def test_a_stick_that_hangs(room: Room, lying_stick: Callable[[str, int], Path]) -> None:
    state, said = await room.what_it_reads(strange(lying_stick("hang", 700_000)))
    assert state.says == "no progress"
    assert "has stopped taking anything" in said


async def test_a_stick_that_turns_read_only_half_way(
    room: Room, recordings: Path, image_stick: tuple[Path, Path], tmp_path: Path
) -> None:
    """As the kernel does it with a file system that it finds an error in: for real, by ext4's own switch for that."""
    shutil.rmtree(room.original)
    recording, stick = GrowingRecording(recordings), strange(image_stick[0])
    device = loop_device(stick.path)
    assert device.name.startswith("loop")
    run("mount", "-o", "remount,errors=remount-ro", stick.path)
    room.copies.came(stick)
    room.copies.came(room.good)
    room.copies.start(recording.folder)
    room.copies.follow(recording.say(MB))
    await until(lambda: all(state.verified_bytes > MB - BLOCK for state in room.copies.states))
    Path(f"/sys/fs/ext4/{device.name}/trigger_fs_error").write_text("a test", encoding="ascii")
    room.copies.follow(recording.say(MB))
    recording.seal()
    room.copies.seal()
    await until(lambda: room.copies.settled)
    state, good = room.copies.states
    assert (state.state, state.says, good.state) == ("failed", "readonly", "verified")
    assert "cannot be written on" in room.sentence(state)
    assert (stick.path / UNFINISHED / "data/gesprek.wav").stat().st_size >= MB - BLOCK, "what was verified is still there"


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def loop_device(mounted: Path) -> Path:
    said = subprocess.run(["findmnt", "-no", "SOURCE", mounted], capture_output=True, text=True, check=True).stdout
    return Path(said.strip())


async def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_both_dropped_at_once_by_a_hub(room: Room, stick: Path, tmp_path: Path) -> None:
    both = (strange(stick), room.good)
    for one in both:
        room.copies.came(one)
    room.copies.start(room.original)
    room.copies.follow(2 * MB)
    await until(lambda: all(state.verified_bytes > 0 for state in room.copies.states))
    for one in both:
        room.copies.went(one)
    for state in room.copies.states:
        assert (state.state, state.says) == ("unfinished", "gone")
        assert "Put it back: it goes on where it was" in room.sentence(state)


def test_a_stick_with_thousands_of_files_has_none_of_them_opened(
    recordings: Path, stick: Path, mirrors: MirrorStarter, tmp_path: Path
) -> None:
    sealed = sealed_recording(recordings, 2 * MB)
    for number in range(5000):
        (stick / f"IMG_{number:05}.jpg").touch()
    (stick / "autorun.inf").write_bytes(b"[autorun]\nopen=virus.exe\n")
    mirror = mirrors.of(sealed, stick)
    began = time.monotonic()
    with traced(mirror, tmp_path / "trace", "trace=open,openat,openat2"):
        mirror.seal()
        assert mirror.outcome()["is"] == "verified"
    took = time.monotonic() - began
    print(f"5000 files beside it: {took:.1f} s; nothing to read in the room")
    opened = (tmp_path / "trace").read_text(encoding="utf-8")
    assert "gesprek.wav" in opened
    assert "IMG_" not in opened
    assert "autorun" not in opened


@pytest.mark.parametrize(
    "label",
    [
        "\x1b]0;gehackt\x07",
        "[red]ROOD[/red]",
        "\u202eKCITS",
        "<b>DIK</b>",
        "{stick}{minutes}",
        "%s%n",
        "a\u0301\u0301\u0301",
        "\0\r\n",
    ],
)
async def test_whatever_a_stick_is_called_the_sentence_about_it_is_one_line_of_text(
    room: Room, small_stick: Callable[[str], Path], label: str
) -> None:
    state, said = await room.what_it_reads(strange(small_stick("1M"), what_people_see(label)))
    assert state.state == "failed"
    assert said.isprintable()
    assert not set(said) & set("[]<>{}")


@pytest.mark.parametrize("why", ["file system", "empty", "locked", "readonly", "damaged"])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_a_stick_that_is_refused_is_refused_in_words(why: str, language: str) -> None:
    stick = Stick("a", "MUZIEK", Path("/dev/sda1"), "SanDisk Ultra", 32 * 10**9)
    said = refused_in_words(StickRefused(stick, why), speak(language))  # type: ignore[arg-type]
    print(said)
    assert "MUZIEK (SanDisk Ultra, 32 GB)" in said
    assert "{" not in said
