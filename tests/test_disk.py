"""The contract of the disk port, held by the real disk and by the simulated one; and what only the simulated one can show."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from appliance.disk import RealDisk, write_whole
from tests.disks import SimulatedDisk, failing, luck

if TYPE_CHECKING:
    from random import Random

    from appliance.disk import Disk


@pytest.fixture(params=["real", "simulated"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return RealDisk() if request.param == "real" else SimulatedDisk(tmp_path)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder for a simulated disk, beside those in which its leftovers are laid out."""
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def left(folder: Path) -> dict[str, bytes | None]:
    """What a folder holds, by the names in it; a folder is None."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def after_power_cut(disk: SimulatedDisk, instant: int, by: Random | None = None) -> dict[str, bytes | None]:
    into = disk.root.parent / f"cut {len(list(disk.root.parent.iterdir()))}"
    into.mkdir()
    disk.after_power_cut(instant, into, by)
    return left(into)


def test_a_new_file_is_empty_and_can_be_written_at_any_place(disk: Disk, tmp_path: Path) -> None:
    fd = disk.create(tmp_path / "new")
    disk.write_at(fd, b"late", 6)
    disk.write_at(fd, bytearray(b"early"), 0)
    disk.write_at(fd, memoryview(b"X"), 1)
    disk.sync(fd)
    disk.close(fd)
    disk.sync_folder(tmp_path)
    assert (tmp_path / "new").read_bytes() == b"eXrly\0late"


def test_a_name_that_is_taken_is_refused_also_when_a_link_bears_it(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            disk.create(tmp_path / name)
    with pytest.raises(FileExistsError):
        disk.make_folder(tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


def test_an_existing_file_is_opened_as_it_is_and_a_link_to_it_is_not(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    fd = disk.open(tmp_path / "there")
    disk.write_at(fd, b"X", 2)
    disk.truncate(fd, 4)
    disk.close(fd)
    assert (tmp_path / "there").read_bytes() == b"01X3"
    with pytest.raises(OSError, match="symbolic") as refused:
        disk.open(tmp_path / "link")
    assert refused.value.errno == errno.ELOOP
    with pytest.raises(FileNotFoundError):
        disk.open(tmp_path / "nowhere")


def test_truncating_can_also_lengthen_with_zeros(disk: Disk, tmp_path: Path) -> None:
    fd = disk.create(tmp_path / "new")
    disk.truncate(fd, 3)
    disk.close(fd)
    assert (tmp_path / "new").read_bytes() == bytes(3)


def test_folders_are_made_and_names_are_given_in_place_of_others_and_taken_away(disk: Disk, tmp_path: Path) -> None:
    disk.make_folder(tmp_path / "folder")
    for name in ("one", "two"):
        fd = disk.create(tmp_path / "folder" / name)
        disk.write_at(fd, name.encode(), 0)
        disk.close(fd)
    disk.rename(tmp_path / "folder" / "one", tmp_path / "folder" / "two")
    assert left(tmp_path) == {"folder": None, "folder/two": b"one"}
    disk.remove(tmp_path / "folder" / "two")
    disk.sync_folder(tmp_path / "folder")
    assert left(tmp_path) == {"folder": None}
    with pytest.raises(FileNotFoundError):
        disk.remove(tmp_path / "folder" / "two")


def test_a_small_file_is_put_there_in_one_step_also_in_place_of_an_older_one(disk: Disk, tmp_path: Path) -> None:
    write_whole(disk, tmp_path / "note", b"first")
    write_whole(disk, tmp_path / "note", b"second")
    assert left(tmp_path) == {"note": b"second"}


def test_after_a_kill_every_write_that_returned_is_there_and_part_of_the_last(room: Path, tmp_path: Path) -> None:
    disk = SimulatedDisk(room)
    fd = disk.create(room / "file")
    disk.write_at(fd, b"first", 0)
    disk.write_at(fd, b"second", 5)
    for name in ("early", "late"):
        (tmp_path / name).mkdir()
    disk.after_kill(2, tmp_path / "early", reached=2)
    disk.after_kill(3, tmp_path / "late")
    assert left(tmp_path / "early") == {"file": b"firstse"}
    assert left(tmp_path / "late") == left(room) == {"file": b"firstsecond"}


def test_after_a_power_cut_only_what_was_synced_is_sure_names_and_bytes_apart(room: Path) -> None:
    disk = SimulatedDisk(room)
    fd = disk.create(room / "file")
    disk.write_at(fd, b"first", 0)
    disk.sync(fd)
    named = len(disk.steps)
    disk.sync_folder(room)
    disk.write_at(fd, b"second", 5)
    disk.rename(room / "file", room / "renamed")
    assert after_power_cut(disk, named) == {}
    assert after_power_cut(disk, len(disk.steps)) == {"file": b"first"}
    disk.sync_folder(room)
    disk.sync(fd)
    assert after_power_cut(disk, len(disk.steps)) == {"renamed": b"firstsecond"}


def test_by_luck_any_sector_that_was_not_synced_is_old_or_new(room: Path) -> None:
    disk = SimulatedDisk(room)
    fd = disk.create(room / "file")
    disk.write_at(fd, b"o" * 1024, 0)
    disk.sync(fd)
    disk.sync_folder(room)
    disk.write_at(fd, b"n" * 1024, 0)
    seen = {after_power_cut(disk, 5, luck(seed))["file"] for seed in range(60)}
    o, n = b"o" * 512, b"n" * 512
    assert seen == {o + o, o + n, n + o, n + n}


def test_by_luck_a_file_is_shorter_than_it_was_or_as_long_without_its_bytes(room: Path) -> None:
    disk = SimulatedDisk(room)
    fd = disk.create(room / "file")
    disk.sync_folder(room)
    disk.write_at(fd, b"n" * 700, 0)
    seen = {after_power_cut(disk, 3, luck(seed))["file"] for seed in range(120)}
    lengths = {len(content) for content in seen if content is not None}
    assert {0, 512, 700} <= lengths <= set(range(701))
    assert any(content and set(content) == {0} for content in seen), "zeros at a length that was never written"
    assert any(content and content.endswith(b"n" * 188) and not content.startswith(b"n") for content in seen)


def test_a_sync_that_failed_is_not_made_good_by_the_next_one_but_by_writing_again(room: Path) -> None:
    disk = SimulatedDisk(room, failing({3}))
    fd = disk.create(room / "file")
    disk.sync_folder(room)
    disk.write_at(fd, b"heard", 0)
    with pytest.raises(OSError, match="fault") as failed:
        disk.sync(fd)
    assert failed.value.errno == errno.EIO
    disk.sync(fd)
    assert left(room) == {"file": b"heard"}, "the page cache still shows it"
    assert after_power_cut(disk, len(disk.steps)) == {"file": b""}
    disk.write_at(fd, b"heard", 0)
    disk.sync(fd)
    assert after_power_cut(disk, len(disk.steps)) == {"file": b"heard"}


def test_a_write_can_fail_half_way_as_on_a_full_disk(room: Path) -> None:
    disk = SimulatedDisk(room, failing({1}, errno.ENOSPC, reached=3))
    fd = disk.create(room / "file")
    with pytest.raises(OSError, match="fault") as failed:
        disk.write_at(fd, b"heard", 0)
    assert failed.value.errno == errno.ENOSPC
    assert left(room) == {"file": b"hea"}


def test_any_step_can_fail_and_then_it_was_not_done(room: Path) -> None:
    disk = SimulatedDisk(room, failing({0, 2, 4, 6, 8}))
    with pytest.raises(OSError, match="fault"):
        disk.create(room / "file")
    disk.create(room / "file")
    with pytest.raises(OSError, match="fault"):
        disk.rename(room / "file", room / "other")
    disk.sync_folder(room)
    with pytest.raises(OSError, match="fault"):
        disk.make_folder(room / "folder")
    disk.make_folder(room / "folder")
    with pytest.raises(OSError, match="fault"):
        disk.sync_folder(room)
    disk.sync_folder(room)
    with pytest.raises(OSError, match="fault"):
        disk.remove(room / "file")
    assert left(room) == {"file": b"", "folder": None}
    assert after_power_cut(disk, len(disk.steps)) == {"file": b""}, "the folder's name met a sync that failed"


def test_a_file_that_was_there_before_keeps_its_name_and_what_is_not_overwritten(room: Path) -> None:
    (room / "folder").mkdir()
    (room / "folder" / "old").write_bytes(b"0123456789")
    disk = SimulatedDisk(room)
    fd = disk.open(room / "folder" / "old")
    disk.write_at(fd, b"X", 0)
    disk.truncate(fd, 5)
    assert after_power_cut(disk, len(disk.steps)) == {"folder": None, "folder/old": b"0123456789"}
    disk.sync(fd)
    assert after_power_cut(disk, len(disk.steps)) == {"folder": None, "folder/old": b"X1234"}


def test_a_folder_renamed_keeps_what_is_in_it(room: Path) -> None:
    disk = SimulatedDisk(room)
    disk.make_folder(room / "copy (onvolledig)")
    write_whole(disk, room / "copy (onvolledig)" / "file", b"all")
    disk.sync_folder(room)
    disk.rename(room / "copy (onvolledig)", room / "copy")
    assert after_power_cut(disk, len(disk.steps)) == {"copy (onvolledig)": None, "copy (onvolledig)/file": b"all"}
    disk.sync_folder(room)
    assert after_power_cut(disk, len(disk.steps)) == {"copy": None, "copy/file": b"all"}


def test_a_small_file_is_as_it_was_or_new_and_whole_after_a_power_cut_at_any_instant(room: Path) -> None:
    disk = SimulatedDisk(room)
    write_whole(disk, room / "note", b"old" * 400)
    durable = len(disk.steps)
    write_whole(disk, room / "note", b"new" * 500)
    for instant in range(durable, len(disk.steps) + 1):
        for seed in range(10):
            assert after_power_cut(disk, instant, luck(seed))["note"] in {b"old" * 400, b"new" * 500}
    assert after_power_cut(disk, len(disk.steps))["note"] == b"new" * 500
