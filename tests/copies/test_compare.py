"""Two sticks checked against each other (issue: 'gelijk', or from where on they differ), without keeping anything."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.copies.comparing import Compared, StickUnreadableError, compare_sticks, compared_in_words, unreadable_in_words
from appliance.copies.sticks import Stick
from appliance.words import speak
from tests.copies.room import NAME, UNFINISHED, all_about, sealed_recording

MB = 1_000_000
OTHER = "2026-11-20 09.30 gesprek zzzz"


@pytest.fixture
def pair(recordings: Path, tmp_path: Path) -> tuple[Stick, Stick]:
    """Two sticks with the same recording of some 42 seconds."""
    sealed = sealed_recording(recordings, 4 * MB)
    for name in ("links", "rechts"):
        shutil.copytree(sealed, tmp_path / name / NAME)
    return Stick("l-1", "LINKS", tmp_path / "links"), Stick("r-1", "RECHTS", tmp_path / "rechts")


async def compared(pair: tuple[Stick, Stick]) -> Compared:
    before = [all_about(stick.path) for stick in pair]
    result = await compare_sticks(*pair)
    assert [all_about(stick.path) for stick in pair] == before, "nothing is written"
    for language in ("nl", "en"):
        print(compared_in_words(result, speak(language)))
    return result


def change(path: Path, at: int, new: bytes) -> None:
    path.chmod(0o644)
    with path.open("r+b") as content:
        content.seek(at)
        content.write(new)


async def test_two_copies_of_one_recording_are_equal(pair: tuple[Stick, Stick]) -> None:
    result = await compared(pair)
    assert result.equal
    assert [one.name for one in result.recordings] == [NAME]
    assert compared_in_words(result, speak("nl")) == "Op beide sticks staat dezelfde opname."


@pytest.mark.parametrize(("second", "shown"), [(0, "00:00:00"), (10, "00:00:10"), (41, "00:00:41")])
async def test_the_first_difference_is_told_in_the_time_of_the_recording(
    pair: tuple[Stick, Stick], second: int, shown: str
) -> None:
    wav = pair[1].path / NAME / "data/gesprek.wav"
    change(wav, 1024 + second * 96_000 + 48, b"\x55\xaa")
    if second < 41:
        change(wav, 1024 + 41 * 96_000, b"\x55\xaa")
    result = await compared(pair)
    assert not result.equal
    assert result.first_difference_seconds == pytest.approx(second, abs=0.01)
    assert shown in compared_in_words(result, speak("nl"))


async def test_one_that_was_cut_short_differs_where_it_ends(pair: tuple[Stick, Stick]) -> None:
    wav = pair[0].path / NAME / "data/gesprek.wav"
    wav.chmod(0o644)
    os.truncate(wav, 1024 + 30 * 96_000)
    assert (await compared(pair)).first_difference_seconds == 30


@pytest.mark.parametrize("file", ["data/journal.jsonl", "data/agreement.txt", "bagit.txt", "manifest-sha256.txt"])
async def test_what_differs_beside_the_sound_is_named(pair: tuple[Stick, Stick], file: str) -> None:
    if file == "bagit.txt":
        (pair[0].path / NAME / "extra.txt").write_text("put in later", encoding="utf-8")
        file = "extra.txt"
    else:
        change(pair[0].path / NAME / file, 3, b"#")
    result = await compared(pair)
    assert (result.equal, result.recordings[0].file, result.first_difference_seconds) == (False, file, None)
    assert file in compared_in_words(result, speak("en"))


async def test_a_changed_header_is_no_difference_in_the_sound(pair: tuple[Stick, Stick]) -> None:
    change(pair[0].path / NAME / "data/gesprek.wav", 100, b"\x01")
    result = await compared(pair)
    assert (result.recordings[0].file, result.recordings[0].seconds) == ("data/gesprek.wav", None)


async def test_what_computers_left_on_one_of_them_is_no_difference(pair: tuple[Stick, Stick]) -> None:
    (pair[0].path / NAME / ".DS_Store").write_bytes(b"theirs")
    (pair[1].path / NAME / "data/Thumbs.db").write_bytes(b"theirs")
    (pair[1].path / "System Volume Information").mkdir()
    assert (await compared(pair)).equal


async def test_sticks_without_a_recording_in_common_are_not_called_equal(pair: tuple[Stick, Stick]) -> None:
    (pair[1].path / NAME).rename(pair[1].path / OTHER)
    result = await compared(pair)
    assert (result.equal, result.recordings, result.only) == (False, (), ((NAME,), (OTHER,)))
    shutil.rmtree(pair[1].path / OTHER)
    assert (await compared(pair)).only == ((NAME,), ())


async def test_of_several_recordings_every_one_that_is_on_both_is_compared(pair: tuple[Stick, Stick]) -> None:
    for stick in pair:
        shutil.copytree(stick.path / NAME, stick.path / OTHER)
    change(pair[1].path / OTHER / "data/gesprek.wav", 1024 + 5 * 96_000, b"\x55\xaa")
    result = await compared(pair)
    assert [(one.name, one.equal) for one in result.recordings] == [(OTHER, False), (NAME, True)]
    assert not result.equal


async def test_an_unfinished_copy_is_not_compared(pair: tuple[Stick, Stick]) -> None:
    (pair[1].path / NAME).rename(pair[1].path / UNFINISHED)
    assert (await compared(pair)).recordings == ()
    (pair[1].path / UNFINISHED).rename(pair[1].path / NAME)
    (pair[1].path / NAME / "bagit.txt").unlink()
    assert (await compared(pair)).recordings == ()


@pytest.mark.parametrize("where", [NAME, f"{NAME}/data", f"{NAME}/data/gesprek.wav"])
@pytest.mark.parametrize("kind", ["link", "fifo"])
async def test_nothing_is_followed_and_nothing_waited_for(pair: tuple[Stick, Stick], where: str, kind: str) -> None:
    path = pair[1].path / where
    aside = pair[1].path / "aside"
    path.rename(aside)
    if kind == "link":
        path.symlink_to(aside)
    else:
        os.mkfifo(path)
    if where == NAME:
        assert (await compared(pair)).recordings == (), "what is no folder is no recording"
    elif where.endswith("data"):
        assert (await compared(pair)).recordings[0].file == "data/gesprek.wav", "it is not looked into"
    else:
        with pytest.raises(StickUnreadableError) as failed:
            await compared(pair)
        assert failed.value.stick == pair[1]
        print(unreadable_in_words(failed.value, speak("nl")))


async def test_a_stick_that_is_not_there_is_named(pair: tuple[Stick, Stick]) -> None:
    shutil.rmtree(pair[1].path)
    with pytest.raises(StickUnreadableError) as failed:
        await compare_sticks(*pair)
    assert failed.value.stick == pair[1]
    assert "RECHTS" in unreadable_in_words(failed.value, speak("nl"))


async def test_a_stick_that_never_answers_is_given_up_and_left_behind(pair: tuple[Stick, Stick], tmp_path: Path) -> None:
    stopped = tmp_path / "python"
    stopped.write_text("#!/bin/sh\nkill -STOP $$\n", encoding="ascii")
    stopped.chmod(0o755)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr("sys.executable", str(stopped))
    with pytest.raises(StickUnreadableError, match="too long"):
        await compare_sticks(*pair, patience=0.3)
    monkeypatch.undo()


async def test_it_is_told_how_far_it_is(pair: tuple[Stick, Stick], lying_stick: Callable[[str, int], Path]) -> None:
    for stick in pair:
        shutil.copyfile(stick.path / NAME / "data/gesprek.wav", stick.path / "big")
        with (stick.path / "big").open("ab") as big:
            big.truncate(80 << 20)
        (stick.path / NAME / "data/gesprek.wav").unlink()
        (stick.path / "big").rename(stick.path / NAME / "data/gesprek.wav")
    heard: list[tuple[int, int]] = []
    result = await compare_sticks(*pair, told=lambda done, total: heard.append((done, total)))
    assert result.equal
    assert heard
    assert heard == sorted(heard)
    assert all(0 < done <= total for done, total in heard)


async def test_cancelled_it_leaves_no_process(pair: tuple[Stick, Stick]) -> None:
    comparing = asyncio.create_task(compare_sticks(*pair))
    await asyncio.sleep(0.05)
    comparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await comparing
    await asyncio.sleep(0.2)
    here = str(pair[0].path).encode()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = process.read_bytes()
        except OSError:
            continue
        assert not (b"appliance.copies.compare" in command and here in command)
