from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from appliance.copies import pace
from appliance.copies.copying import Copies, CopyState
from appliance.copies.medium import BLOCK
from appliance.copies.sentences import slow_in_words
from appliance.copies.sticks import Stick
from appliance.words import speak
from tests.copies.room import NAME, UNFINISHED, GrowingRecording, all_about, differences, sealed_recording, times

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MB = 1_000_000


@dataclass
class Table:
    """The copies, and everything that was ever said of them."""

    copies: Copies
    locks: Path
    said: list[tuple[CopyState, ...]] = field(default_factory=list)

    def of(self, stick: Stick) -> CopyState:
        return next(state for state in self.copies.states if state.stick == stick.key)

    async def until(self, condition: Callable[[], bool], within: float = 20.0) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, self.copies.states
            await asyncio.sleep(0.01)

    async def until_state(self, stick: Stick, *states: str, within: float = 20.0) -> CopyState:
        await self.until(lambda: self.of(stick).state in states, within)
        return self.of(stick)


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[Table]:
    states: list[tuple[CopyState, ...]] = []
    copies = Copies(tmp_path / "locks", changed=lambda: states.append(copies.states), patience=0.6, try_again=0.05)
    yield Table(copies, tmp_path / "locks", states)
    await copies.stop()


@pytest.fixture
def sticks(tmp_path: Path) -> tuple[Stick, Stick]:
    made = []
    for name in ("links", "rechts"):
        (tmp_path / name).mkdir()
        made.append(Stick(f"{name}-1", name, tmp_path / name))
    return made[0], made[1]


def child_of(stick: Stick) -> int:
    """The process that works for a stick."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"appliance.copies.mirror" in command and str(stick.path).encode() in command:
            return int(process.name)
    raise AssertionError(f"nobody works for {stick.label}")


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def test_both_parties_get_the_same_while_the_meeting_goes_on(
    table: Table, recording: GrowingRecording, sticks: tuple[Stick, Stick]
) -> None:
    loop, durable = asyncio.get_running_loop(), 0
    for stick in sticks:
        table.copies.came(stick)
    assert [state.state for state in table.copies.states] == ["waiting", "waiting"]
    table.copies.start(recording.folder)

    def talk() -> None:
        nonlocal durable
        for _ in range(8):
            durable = recording.say(96_000)
            loop.call_soon_threadsafe(table.copies.follow, durable)
            time.sleep(0.05)

    meeting = threading.Thread(target=talk, name="meeting")
    meeting.start()
    await table.until(lambda: all(state.verified_bytes > 200_000 for state in table.copies.states))
    assert {state.state for state in table.copies.states} == {"following"}
    assert [state.folder for state in table.copies.states] == [str(stick.path / UNFINISHED) for stick in sticks]
    assert not table.copies.settled
    await asyncio.to_thread(meeting.join)
    await table.until(lambda: all(state.verified_bytes == durable // BLOCK * BLOCK for state in table.copies.states))
    recording.seal()
    before = all_about(recording.folder)
    table.copies.seal()
    await table.until(lambda: table.copies.settled)
    for state, stick in zip(table.copies.states, sticks, strict=True):
        assert (state.stick, state.label, state.folder) == (stick.key, stick.label, str(stick.path / NAME))
        assert (state.state, state.method, state.says) == ("verified", "direct", None)
        assert state.bytes == state.verified_bytes > 8 * 96_000
        assert not differences(recording.folder, stick.path / NAME)
        assert times(recording.folder) == times(stick.path / NAME)
    assert all_about(recording.folder) == before


async def test_with_no_stick_nothing_is_to_be_waited_for(table: Table, sealed: Path) -> None:
    table.copies.start(sealed)
    table.copies.seal()
    assert table.copies.settled
    assert table.copies.states == ()


async def test_a_stick_may_come_at_any_time(table: Table, recording: GrowingRecording, sticks: tuple[Stick, Stick]) -> None:
    table.copies.start(recording.folder)
    table.copies.follow(recording.say(MB))
    table.copies.came(sticks[0])
    await table.until(lambda: table.of(sticks[0]).verified_bytes > MB - BLOCK)
    recording.seal()
    table.copies.seal()
    await table.until(lambda: table.copies.settled)
    assert table.of(sticks[0]).state == "verified"
    table.copies.came(sticks[1])
    assert not table.copies.settled
    await table.until_state(sticks[1], "verified")
    assert not differences(sticks[0].path, sticks[1].path)


async def test_a_stick_pulled_half_way_is_unfinished_and_goes_on_when_it_is_put_back(
    table: Table, recording: GrowingRecording, sticks: tuple[Stick, Stick], tmp_path: Path
) -> None:
    left, right = sticks
    table.copies.start(recording.folder)
    for stick in sticks:
        table.copies.came(stick)
    table.copies.follow(recording.say(MB))
    await table.until(lambda: all(state.verified_bytes > MB - BLOCK for state in table.copies.states))
    left.path.rename(tmp_path / "in a pocket")
    table.copies.went(left)
    assert (table.of(left).state, table.of(left).says) == ("unfinished", "gone")
    table.copies.follow(recording.say(MB))
    await table.until(lambda: table.of(right).verified_bytes > 2 * MB - BLOCK)
    assert table.of(left).verified_bytes <= MB
    (tmp_path / "in a pocket").rename(left.path)
    inode = (left.path / UNFINISHED / "data/gesprek.wav").stat().st_ino
    table.copies.came(left)
    recording.seal()
    table.copies.seal()
    await table.until(lambda: table.copies.settled)
    assert [state.state for state in table.copies.states] == ["verified", "verified"]
    assert (left.path / NAME / "data/gesprek.wav").stat().st_ino == inode
    assert not differences(left.path, right.path)


async def test_a_stick_that_vanishes_before_anybody_says_so_is_unfinished(
    table: Table, recording: GrowingRecording, sticks: tuple[Stick, Stick], tmp_path: Path
) -> None:
    table.copies.came(sticks[0])
    table.copies.start(recording.folder)
    table.copies.follow(recording.say(MB))
    await table.until(lambda: table.of(sticks[0]).verified_bytes > MB - BLOCK)
    sticks[0].path.rename(tmp_path / "in a pocket")
    table.copies.follow(recording.say(MB))
    assert (await table.until_state(sticks[0], "unfinished", "failed")).says == "gone"
    assert table.of(sticks[0]).state == "unfinished"


async def test_a_verified_copy_stays_verified_when_it_is_taken_home(
    table: Table, sealed: Path, sticks: tuple[Stick, Stick]
) -> None:
    table.copies.came(sticks[0])
    table.copies.start(sealed)
    table.copies.seal()
    verified = await table.until_state(sticks[0], "verified")
    table.copies.went(sticks[0])
    assert table.copies.states == (verified,)
    table.copies.came(sticks[0])
    assert table.copies.states == (verified,)


async def test_a_service_that_starts_again_finds_the_finished_copies(
    table: Table, sealed: Path, sticks: tuple[Stick, Stick]
) -> None:
    table.copies.came(sticks[0])
    for _ in range(2):
        table.copies.start(sealed)
        table.copies.follow(300_000)
        table.copies.seal()
        assert (await table.until_state(sticks[0], "verified", "failed")).state == "verified"
        await table.copies.stop()
    assert all(path.name == NAME for path in sticks[0].path.iterdir())


async def test_a_mirror_that_cannot_be_started_is_a_failure_too(
    table: Table, sealed: Path, sticks: tuple[Stick, Stick], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "")
    table.copies.came(sticks[0])
    table.copies.start(sealed)
    assert (await table.until_state(sticks[0], "failed")).says == "died"


async def test_the_stick_is_let_go_as_soon_as_it_is_verified(table: Table, sealed: Path, sticks: tuple[Stick, Stick]) -> None:
    table.copies.came(sticks[0])
    table.copies.start(sealed)
    child = await _child(table, sticks[0])
    table.copies.seal()
    await table.until_state(sticks[0], "verified")
    await table.until(lambda: not is_alive(child), 2)


async def _child(table: Table, stick: Stick) -> int:
    found = 0

    def is_there() -> bool:
        nonlocal found
        try:
            found = child_of(stick)
        except AssertionError:
            return False
        return True

    await table.until(is_there)
    return found


async def test_a_stuck_stick_holds_up_nobody_and_stopping_takes_about_a_second(
    table: Table, recording: GrowingRecording, sticks: tuple[Stick, Stick]
) -> None:
    left, right = sticks
    table.copies.start(recording.folder)
    for stick in sticks:
        table.copies.came(stick)
    table.copies.follow(recording.say(MB))
    await table.until(lambda: all(state.verified_bytes > MB - BLOCK for state in table.copies.states))
    stuck = child_of(left)
    os.kill(stuck, signal.SIGSTOP)
    for _ in range(3):
        table.copies.follow(recording.say(MB))
        await asyncio.sleep(0.3)
    assert table.of(left).state == "following", "before the seal, nothing has to move"
    await table.until(lambda: table.of(right).verified_bytes > 4 * MB - BLOCK)
    recording.seal()
    table.copies.seal()
    await table.until_state(right, "verified", within=2)
    assert not table.copies.settled
    await table.until(lambda: table.copies.settled, 2)
    assert (table.of(left).state, table.of(left).says) == ("failed", "no progress")
    begun = time.monotonic()
    await table.copies.stop()
    assert time.monotonic() - begun < 1.5
    assert not is_alive(stuck)


async def test_what_only_took_long_is_verified_in_the_end(table: Table, sealed: Path, sticks: tuple[Stick, Stick]) -> None:
    table.copies.came(sticks[0])
    table.copies.start(sealed)
    child = await _child(table, sticks[0])
    os.kill(child, signal.SIGSTOP)
    table.copies.seal()
    assert (await table.until_state(sticks[0], "failed")).says == "no progress"
    os.kill(child, signal.SIGCONT)
    assert (await table.until_state(sticks[0], "verified")).says is None


async def test_a_stick_too_slow_for_the_meeting_is_told_as_such_and_finished_after_it(
    table: Table,
    recording: GrowingRecording,
    sticks: tuple[Stick, Stick],
    lying_stick: Callable[[str, int], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "LOOKED_AT_SECONDS", 0.3)
    slow, good = Stick("slow-1", "TRAAG", lying_stick("slow", 150)), sticks[0]
    for stick in (slow, good):
        table.copies.came(stick)
    table.copies.start(recording.folder)
    for _ in range(15):
        table.copies.follow(recording.say(MB))
        await asyncio.sleep(0.1)
    await table.until(lambda: table.of(slow).slow and table.of(slow).verified_bytes > 0)
    assert not table.of(good).slow
    said = slow_in_words(table.of(slow), speak("nl"))
    print(said)
    assert said is not None
    assert "TRAAG" in said
    assert slow_in_words(table.of(good), speak("nl")) is None
    assert (table.of(slow).seconds_left or 0) >= (table.of(good).seconds_left or 0)
    recording.seal()
    table.copies.seal()
    sealed_at = time.monotonic()
    await table.until_state(good, "verified", within=3)
    promised = (await _promise(table, slow))[1]
    await table.until_state(slow, "verified", within=60)
    print(f"promised {promised:.1f} s, took {time.monotonic() - sealed_at:.1f} s")
    assert promised == pytest.approx(time.monotonic() - sealed_at, rel=0.5)
    assert not differences(slow.path / NAME, good.path / NAME)


async def _promise(table: Table, stick: Stick) -> tuple[float, float]:
    """When it was first told after the seal how long is left, and what was told."""
    left: list[int] = []

    def told() -> bool:
        left.extend(filter(None, [table.of(stick).seconds_left]))
        return bool(left) and table.of(stick).bytes_a_second > 0

    await table.until(told)
    return time.monotonic(), left[-1]


async def test_both_sticks_that_a_hub_drops_at_once_go_on_when_they_are_back(
    table: Table, recording: GrowingRecording, sticks: tuple[Stick, Stick], tmp_path: Path
) -> None:
    table.copies.start(recording.folder)
    for stick in sticks:
        table.copies.came(stick)
    table.copies.follow(recording.say(MB))
    await table.until(lambda: all(state.verified_bytes > MB - BLOCK for state in table.copies.states))
    for stick in sticks:
        stick.path.rename(tmp_path / f"{stick.label} away")
    for stick in sticks:
        table.copies.went(stick)
    assert [(state.state, state.says) for state in table.copies.states] == [("unfinished", "gone")] * 2
    table.copies.follow(recording.say(MB))
    for stick in sticks:
        (tmp_path / f"{stick.label} away").rename(stick.path)
        table.copies.came(stick)
    recording.seal()
    table.copies.seal()
    await table.until(lambda: table.copies.settled)
    assert [state.state for state in table.copies.states] == ["verified", "verified"]
    assert not differences(sticks[0].path, sticks[1].path)


async def test_another_stick_put_in_for_one_that_stays_away_gets_the_whole_recording(
    table: Table, recording: GrowingRecording, sticks: tuple[Stick, Stick], tmp_path: Path
) -> None:
    left, right = sticks
    table.copies.start(recording.folder)
    table.copies.came(left)
    table.copies.follow(recording.say(MB))
    await table.until(lambda: table.of(left).verified_bytes > MB - BLOCK)
    left.path.rename(tmp_path / "lost")
    table.copies.went(left)
    table.copies.came(right)
    table.copies.follow(recording.say(MB))
    recording.seal()
    table.copies.seal()
    await table.until_state(right, "verified")
    assert table.copies.settled
    assert table.of(left).state == "unfinished"
    assert not differences(recording.folder, right.path / NAME)


async def test_a_sync_that_never_comes_back_holds_up_nobody(
    table: Table, recordings: Path, sticks: tuple[Stick, Stick], lying_stick: Callable[[str, int], Path]
) -> None:
    sealed = sealed_recording(recordings, 3 * MB)
    hanging = Stick("hangs-1", "hangs", lying_stick("hang", 2 * MB))
    table.copies.came(hanging)
    table.copies.came(sticks[0])
    table.copies.start(sealed)
    table.copies.seal()
    await table.until(lambda: table.copies.settled, 10)
    assert table.of(sticks[0]).state == "verified"
    assert table.of(hanging).says == "no progress"
    assert table.of(hanging).verified_bytes < 3 * MB
    begun = time.monotonic()
    await table.copies.stop()
    assert time.monotonic() - begun < 1.5


async def test_a_child_that_dies_is_a_failure_of_its_stick_alone(
    table: Table, recording: GrowingRecording, sticks: tuple[Stick, Stick]
) -> None:
    left, right = sticks
    table.copies.start(recording.folder)
    for stick in sticks:
        table.copies.came(stick)
    table.copies.follow(recording.say(MB))
    await table.until(lambda: all(state.verified_bytes > MB - BLOCK for state in table.copies.states))
    os.kill(child_of(left), signal.SIGKILL)
    assert (await table.until_state(left, "failed")).says == "died"
    recording.seal()
    table.copies.seal()
    await table.until_state(right, "verified")
    assert table.copies.settled
    table.copies.went(left)
    assert (table.of(left).state, table.of(left).says) == ("unfinished", "died")
    table.copies.came(left)
    await table.until_state(left, "verified")
    assert not differences(left.path, right.path)


async def test_a_stick_that_a_child_of_before_still_holds_is_busy_until_it_is_free(
    table: Table, sealed: Path, sticks: tuple[Stick, Stick]
) -> None:
    table.locks.mkdir()
    with (table.locks / f"{sticks[0].key}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        table.copies.came(sticks[0])
        table.copies.start(sealed)
        table.copies.seal()
        assert (await table.until_state(sticks[0], "failed")).says == "busy"
        assert table.copies.settled
        await asyncio.sleep(0.3)
        assert table.of(sticks[0]).says == "busy"
    await table.until_state(sticks[0], "verified")


async def test_a_full_and_a_foreign_stick_say_so_and_the_third_is_verified(
    table: Table, recordings: Path, sticks: tuple[Stick, Stick], small_stick: Callable[[str], Path]
) -> None:
    sealed = sealed_recording(recordings, 2 * MB)
    foreign, good = sticks
    full = Stick("full-1", "full", small_stick("1M"))
    (foreign.path / NAME).mkdir()
    for stick in (full, foreign, good):
        table.copies.came(stick)
    table.copies.start(sealed)
    table.copies.seal()
    await table.until(lambda: table.copies.settled)
    assert [(state.state, state.says) for state in table.copies.states] == [
        ("failed", "full"),
        ("failed", "foreign"),
        ("verified", None),
    ]
    for stick in (full, foreign):
        table.copies.went(stick)
    assert [state.stick for state in table.copies.states] == ["full-1", good.key], "nothing of ours is on the foreign one"
    assert (table.of(full).state, table.of(full).says) == ("unfinished", "full")


async def test_a_note_of_what_was_agreed_instead_goes_to_both(table: Table, sticks: tuple[Stick, Stick]) -> None:
    folder, text = "2026-11-23 14.00 afspraak k7qm", "We maken samen een verslag: over twee weken, bij u thuis.\n"
    for stick in sticks:
        table.copies.came(stick)
    table.copies.start_note(folder, "afspraak.txt", text, 1_795_446_000)
    await table.until(lambda: table.copies.settled)
    for state, stick in zip(table.copies.states, sticks, strict=True):
        assert (state.state, state.folder) == ("verified", str(stick.path / folder))
        assert state.bytes == state.verified_bytes == len(text.encode())
        assert (stick.path / folder / "afspraak.txt").read_text(encoding="utf-8") == text
    with pytest.raises(RuntimeError, match="stop them first"):
        table.copies.start_note(folder, "afspraak.txt", text, 0)
    await table.copies.stop()
    with pytest.raises(ValueError, match="plain names"):
        table.copies.start_note("../elders", "afspraak.txt", text, 0)


async def test_one_recording_after_another_on_the_same_sticks(
    table: Table, recordings: Path, sticks: tuple[Stick, Stick]
) -> None:
    for stick in sticks:
        table.copies.came(stick)
    for part in ("first", "second"):
        sealed = sealed_recording(recordings)
        sealed = sealed.rename(recordings / f"{part} {NAME}")
        table.copies.start(sealed)
        table.copies.seal()
        await table.until(lambda: table.copies.settled)
        assert [state.state for state in table.copies.states] == ["verified", "verified"]
        await table.copies.stop()
        assert [state.state for state in table.copies.states] == ["waiting", "waiting"]
    assert sorted(path.name for path in sticks[0].path.iterdir()) == [f"first {NAME}", f"second {NAME}"]


async def test_every_change_is_told(table: Table, sealed: Path, sticks: tuple[Stick, Stick]) -> None:
    table.copies.came(sticks[0])
    table.copies.start(sealed)
    table.copies.seal()
    await table.until(lambda: table.copies.settled)
    told = [states[0].state for states in table.said]
    assert told[0] == "waiting"
    assert told[-1] == "verified"
    assert "following" in told
    assert table.said[-1] == table.copies.states


async def test_children_do_not_outlive_a_service_that_was_killed(
    recordings: Path, sticks: tuple[Stick, Stick], tmp_path: Path
) -> None:
    sealed = sealed_recording(recordings)
    service = subprocess.Popen(  # noqa: ASYNC220 - it prints one line, and is killed
        [sys.executable, "-c", _A_SERVICE, sealed, sticks[0].path, tmp_path / "locks"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert service.stdout is not None
    assert service.stdout.readline() == b"at work\n"
    child = child_of(sticks[0])
    os.kill(child, signal.SIGSTOP)  # it cannot notice that its standard input ended
    service.kill()
    service.wait()
    service.stdout.close()
    deadline = time.monotonic() + 3
    while is_alive(child):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


_A_SERVICE = """
import asyncio, sys
from pathlib import Path
from appliance.copies.copying import Copies
from appliance.copies.sticks import Stick

async def serve():
    original, stick, locks = map(Path, sys.argv[1:])
    copies = Copies(locks, changed=lambda: None)
    copies.came(Stick("a", "a", stick))
    copies.start(original)
    copies.follow(300_000)
    while copies.states[0].verified_bytes == 0:
        await asyncio.sleep(0.01)
    print("at work", flush=True)
    await asyncio.sleep(60)

asyncio.run(serve())
"""
