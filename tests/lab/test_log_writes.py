"""The reader of the disk's log, and the states that it makes of it, on a log made by hand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.lab.log_writes import ENTRY, MAGIC, SUPER, Flags, LogError, Replay, epochs, read_log

SECTOR = 512
PLAIN = Flags(0)


def entry(sector: int, letter: bytes, flags: Flags = PLAIN, sectors: int = 1) -> bytes:
    data = b"" if flags & (Flags.DISCARD | Flags.MARK) else letter * SECTOR * sectors
    return ENTRY.pack(sector, sectors, flags, 0).ljust(SECTOR, b"\0") + data


def mark(text: bytes) -> bytes:
    return (ENTRY.pack(0, 0, Flags.MARK, len(text)) + text).ljust(SECTOR, b"\0")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    entries = [
        entry(0, b"a", sectors=2),
        mark(b"begun"),
        entry(2, b"b", Flags.FLUSH | Flags.FUA),
        entry(0, b"c", sectors=2),
        entry(3, b"d", Flags.FUA),
        entry(2, b"", Flags.DISCARD),
        entry(0, b"", Flags.FLUSH, sectors=0),
    ]
    path = tmp_path / "log"
    path.write_bytes(SUPER.pack(MAGIC, 1, len(entries), SECTOR).ljust(SECTOR, b"\0") + b"".join(entries))
    return path


def disk_after(log: Path, tmp_path: Path, *, whole: int) -> Path:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(4 * SECTOR))
    replay = Replay(log, disk)
    for epoch in list(epochs(read_log(log)))[:whole]:
        replay.whole(epoch)
    replay.close()
    return disk


def letters(disk: Path) -> bytes:
    content = disk.read_bytes()
    sectors = [content[at : at + SECTOR] for at in range(0, len(content), SECTOR)]
    assert all(len(set(sector)) == 1 for sector in sectors)
    return b"".join(sector[:1] for sector in sectors).replace(b"\0", b".")


def test_every_entry_is_read_with_its_place_its_flags_and_a_marks_text(log: Path) -> None:
    writes = read_log(log)
    assert [(write.at, write.length, write.flags) for write in writes[:5]] == [
        (0, 1024, PLAIN),
        (0, 0, Flags.MARK),
        (1024, 0, Flags.FLUSH),
        (1024, 512, Flags.FUA),
        (0, 1024, PLAIN),
    ]
    assert writes[1].text == "begun"


def test_an_epoch_ends_with_its_flush_and_a_flushs_own_data_comes_behind_it(log: Path) -> None:
    assert [[write.number for write in epoch.writes] for epoch in epochs(read_log(log))] == [[0, 1, 2], [2, 3, 4, 5, 6]]


@pytest.mark.parametrize(("whole", "left"), [(0, b"...."), (1, b"aa.."), (2, b"cc.d")])
def test_what_was_flushed_is_there(log: Path, tmp_path: Path, whole: int, left: bytes) -> None:
    assert letters(disk_after(log, tmp_path, whole=whole)) == left


def test_what_had_fua_is_there_before_the_next_flush_and_nothing_else(log: Path, tmp_path: Path) -> None:
    second = list(epochs(read_log(log)))[1]
    assert [second.writes[place].number for place in second.promises] == [2, 4, 6]
    for place, left in zip(second.promises, (b"aa..", b"aab.", b"aabd"), strict=True):
        disk = disk_after(log, tmp_path, whole=1)
        replay = Replay(log, disk)
        replay.sure(second, place, disk)
        replay.close()
        assert letters(disk) == left


def test_of_what_was_not_flushed_any_part_is_there_and_what_had_fua_only_once_it_was_answered(log: Path, tmp_path: Path) -> None:
    base = disk_after(log, tmp_path, whole=1)
    second = list(epochs(read_log(log)))[1]
    replay, luck = Replay(log, base), random.Random(1)  # noqa: S311 - luck, no secret
    seen = set()
    for _ in range(200):
        state = tmp_path / "state"
        state.write_bytes(base.read_bytes())
        answered = replay.by_luck(second, state, luck)
        seen.add(letters(state))
        assert (letters(state)[3:] == b"d") is (answered >= 4)
    replay.close()
    assert {state[:2] for state in seen} == {b"aa", b"ac", b"ca", b"cc"}
    assert {state[2:3] for state in seen} == {b"b", b"."}
    assert {state[3:] for state in seen} == {b"d", b"."}


def test_what_is_no_log_or_ends_too_soon_is_refused(log: Path, tmp_path: Path) -> None:
    with pytest.raises(LogError, match="not a log"):
        read_log(disk_after(log, tmp_path, whole=2))
    log.write_bytes(log.read_bytes()[: -SECTOR - 1])
    with pytest.raises(LogError, match="in the midst"):
        read_log(log)
