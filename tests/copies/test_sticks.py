from __future__ import annotations

import asyncio
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.copies.sticks import FolderSticks, StickCame, StickEvent, StickWent, what_people_see

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


async def next_event(events: AsyncIterator[StickEvent]) -> StickEvent:
    return await asyncio.wait_for(anext(events), 5)


async def test_a_folder_that_is_there_is_a_stick_that_is_in(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "rechts").mkdir()
    events = FolderSticks([tmp_path / "links", tmp_path / "rechts"], every=0.01).watch()
    seen = [await next_event(events), await next_event(events)]
    assert [type(event) for event in seen] == [StickCame, StickCame]
    assert [event.stick.label for event in seen] == ["links", "rechts"]
    assert [event.stick.path for event in seen] == [tmp_path / "links", tmp_path / "rechts"]


async def test_folders_come_and_go_while_they_are_watched(tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    events = FolderSticks([folder], every=0.01).watch()
    waiting = asyncio.ensure_future(next_event(events))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    folder.mkdir()
    came = await waiting
    folder.rename(tmp_path / "in a pocket")
    assert await next_event(events) == StickWent(came.stick)
    (tmp_path / "in a pocket").rename(folder)
    assert await next_event(events) == came


async def test_another_folder_of_the_same_name_is_another_stick(tmp_path: Path) -> None:
    folder, other = tmp_path / "stick", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    events = FolderSticks([folder], every=0.01).watch()
    came = await next_event(events)
    folder.rename(tmp_path / "in a pocket")
    other.rename(folder)
    assert await next_event(events) == StickWent(came.stick)
    assert await next_event(events) == came


async def test_a_file_is_not_a_stick(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "stick").mkdir()
    events = FolderSticks([tmp_path / "file", tmp_path / "stick"], every=0.01).watch()
    assert (await next_event(events)).stick.label == "stick"


async def test_keys_are_stable_safe_in_a_file_name_and_of_one_stick_each(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a/stick", "b/stick", "Ünï ../côdé", "x" * 200)]
    for folder in folders:
        folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(folders[0])
    keys = []
    for _ in range(2):
        events = FolderSticks([*folders, tmp_path / "link"], every=0.01).watch()
        keys.append([(await next_event(events)).stick.key for _ in folders])
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == len(folders)
    for key in keys[0]:
        assert key.isascii()
        assert key.replace("-", "").isalnum()
        assert len(key) < 64


async def test_it_says_how_much_room_there_is(small_stick: Callable[[str], Path]) -> None:
    sticks = FolderSticks([small_stick("3M")], every=0.01)
    stick = (await next_event(sticks.watch())).stick
    assert await sticks.free_bytes(stick) == 3 << 20
    (stick.path / "something").write_bytes(bytes(1 << 20))
    assert await sticks.free_bytes(stick) == 2 << 20


@pytest.mark.parametrize(
    ("label", "seen"),
    [
        ("KINGSTON", "KINGSTON"),
        ("Café ﬁets", "Café ﬁets"),
        ("\x1b[31mrood\x1b[0m", "31mrood0m"),
        ("[bold red]klik[/]", "bold redklik/"),
        ("<script>alert(1)</script>", "scriptalert(1)/script"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("\u2066links\u2069\u200b\u200f", "links"),
        ("twee\nregels\tlang", "twee regels lang"),
        ("e" + "\u0300\u0301\u0302" * 30, "è"),
        ("x" * 500, "x" * 32),
        ("\0\x07\r\n", "USB"),
        ("", "USB"),
    ],
)
def test_a_label_is_shown_as_one_harmless_line(label: str, seen: str) -> None:
    assert what_people_see(label) == seen


@given(st.text())
def test_no_label_at_all_gets_anything_harmful_onto_a_screen(label: str) -> None:
    seen = what_people_see(label)
    assert 0 < len(seen) <= 32
    assert seen == seen.strip()
    for letter in seen:
        assert letter == " " or unicodedata.category(letter)[0] in "LNPSM"
        assert letter not in "[]<>{}&`\\"
