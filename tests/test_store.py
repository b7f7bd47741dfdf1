"""What lies on the disk: logs that end in half a line, folders that were half made, and what the register says of a recording."""

from __future__ import annotations

import errno
import tempfile
import tracemalloc
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.disk import RealDisk
from appliance.journal import Chain, check
from appliance.register import Register
from appliance.store import (
    ID_LETTERS,
    LARGEST_BATCH,
    JournalFile,
    Recording,
    Store,
    StoreError,
    entries_of,
    folder_name,
    lines_of,
    read_log,
)
from tests.disks import SimulatedDisk, Sync, SyncFolder, Write, failing, luck, sound

AT = datetime(2026, 11, 23, 14, 0)  # noqa: DTZ001 - a folder's name is local time


@pytest.fixture
def room(tmp_path: Path) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def log_of(path: Path, lines: int, words: str = "een regel") -> bytes:
    journal = JournalFile.create(RealDisk(), path)
    for number in range(lines):
        journal.append("mark", {"frame": number, "words": words})
        journal.sync()
    journal.close()
    return path.read_bytes()


# ── a log ───────────────────────────────────────────────────────────────────────────────────────────


def test_torn_at_any_byte_a_log_keeps_its_whole_lines_and_goes_on_behind_the_last(tmp_path: Path) -> None:
    content = log_of(tmp_path / "whole", 4)
    ends = [n + 1 for n, byte in enumerate(content) if byte == ord("\n")]
    torn = tmp_path / "torn"
    for length in range(len(content) + 1):
        torn.write_bytes(content[:length])
        journal, entries = JournalFile.open(RealDisk(), torn, tmp_path / "aside")
        whole = sum(end <= length for end in ends)
        assert [entry["frame"] for entry in entries] == list(range(whole))
        journal.append("mark", {"frame": 99})
        journal.sync()
        journal.close()
        now = check(torn.read_bytes())
        assert now.broken is None
        assert [entry["frame"] for entry in now.entries] == [*range(whole), 99]


@pytest.mark.parametrize("tail", [bytes(300), b"\n", b"\0" * 10 + b"\n", luck(1).randbytes(500), b'{"n":4}\n', b'{"n":4,"prev":'])
def test_what_a_power_cut_puts_behind_the_last_line_is_not_part_of_the_log_and_is_cut_off(tail: bytes, tmp_path: Path) -> None:
    content = log_of(tmp_path / "log", 4)
    (tmp_path / "log").write_bytes(content + tail)
    journal, entries = JournalFile.open(RealDisk(), tmp_path / "log", tmp_path / "aside")
    journal.close()
    assert len(entries) == 4
    assert (tmp_path / "log").read_bytes() == content


def test_a_log_that_was_changed_far_before_its_end_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    content = bytearray(log_of(tmp_path / "log", 500, "w" * 200))
    assert len(content) > 2 * LARGEST_BATCH
    content[1_000] ^= 1
    (tmp_path / "log").write_bytes(content)
    with pytest.raises(StoreError, match=r"log was changed: in line \d.*It is left as it is\.$"):
        JournalFile.open(RealDisk(), tmp_path / "log", tmp_path / "aside")
    with pytest.raises(StoreError, match="was changed"):
        read_log(tmp_path / "log")
    assert (tmp_path / "log").read_bytes() == content


def test_a_log_that_is_well_is_not_written_to_when_it_is_opened(room: Path) -> None:
    log_of(room / "log", 3)
    disk = SimulatedDisk(room)
    journal, _ = JournalFile.open(disk, room / "log", room / "aside")
    journal.close()
    assert not [step for step in disk.steps if isinstance(step, Write)]


def test_no_sync_writes_more_than_a_batch_at_once_and_each_is_durable_before_the_next(room: Path) -> None:
    disk = SimulatedDisk(room)
    journal = JournalFile.create(disk, room / "log")
    for number in range(60):
        journal.append("mark", {"frame": number, "words": "w" * 5_000})
    journal.append("mark", {"words": "w" * (LARGEST_BATCH - 200)})
    journal.sync()
    steps = [step for step in disk.steps if isinstance(step, Write | Sync)]
    assert [type(step) for step in steps] == [Write, Sync] * (len(steps) // 2)
    assert all(len(step.content) <= LARGEST_BATCH for step in steps if isinstance(step, Write))
    assert len(check((room / "log").read_bytes()).entries) == 61


def test_a_line_too_long_for_a_batch_is_refused_and_the_log_goes_on_without_it(room: Path) -> None:
    journal = JournalFile.create(RealDisk(), room / "log")
    with pytest.raises(StoreError, match="longer than a journal can make durable"):
        journal.append("note", {"words": "w" * LARGEST_BATCH})
    journal.append("mark", {})
    journal.sync()
    assert [entry["event"] for entry in check((room / "log").read_bytes()).entries] == ["mark"]


@pytest.mark.parametrize("fails", [0, 1, 2, 3])
def test_after_a_sync_that_failed_the_lines_are_written_again_in_their_place(fails: int, room: Path) -> None:
    disk = SimulatedDisk(room)
    journal = JournalFile.create(disk, room / "log")
    for number in range(30):
        journal.append("mark", {"frame": number, "words": "w" * 4_000})
    disk.fault = failing({len(disk.steps) + fails}, errno.EIO, reached=777)
    with pytest.raises(OSError, match="fault"):
        journal.sync()
    disk.fault = sound
    journal.append("mark", {"frame": 30})
    journal.sync()
    with tempfile.TemporaryDirectory() as found:
        disk.after_power_cut(len(disk.steps), Path(found), None)
        left = check((Path(found) / "log").read_bytes())
    assert left.broken is None
    assert [entry["frame"] for entry in left.entries] == list(range(31))


def test_after_a_power_cut_at_any_instant_every_line_that_was_synced_is_there_and_the_log_opens(room: Path) -> None:
    disk = SimulatedDisk(room)
    journal = JournalFile.create(disk, room / "log")
    created, synced = len(disk.steps), list[tuple[int, int]]()
    for number in range(12):
        for _ in range(number % 4 + 1):
            journal.append("mark", {"frame": number, "words": "w" * 300})
        journal.sync()
        synced.append((len(disk.steps), journal.chain.n))
    for instant in range(created, len(disk.steps) + 1):
        for seed in range(6):
            with tempfile.TemporaryDirectory() as found:
                disk.after_power_cut(instant, Path(found), luck(seed))
                left, entries = JournalFile.open(RealDisk(), Path(found) / "log", Path(found) / "aside")
                left.close()
                assert len(entries) >= max((lines for step, lines in synced if step <= instant), default=0)


@pytest.mark.parametrize("fails", ["create", "open"])
def test_a_log_that_cannot_be_opened_leaves_no_open_file(fails: str, room: Path) -> None:
    disk = SimulatedDisk(room)
    log_of(room / "torn", 2)
    (room / "torn").write_bytes((room / "torn").read_bytes() + b"half a li")
    disk.fault = failing({1})
    with pytest.raises(OSError, match="fault"):
        JournalFile.create(disk, room / "log") if fails == "create" else JournalFile.open(disk, room / "torn", room / "aside")
    assert disk._open == {}


def test_of_thirteen_hours_of_stretches_only_some_are_kept_in_memory_unless_all_are_asked_for(tmp_path: Path) -> None:
    chain, lines = Chain(), []
    for number in range(20_000):
        event = "mark" if number % 5_000 == 17 else "audio"
        line, chain = chain.line(event, {"from": number * 48_000, "frames": 48_000, "sha256": f"{number:064}"})
        lines.append(line)
    (tmp_path / "journal").write_bytes(b"".join(lines))
    tracemalloc.start()
    try:
        brief = read_log(tmp_path / "journal")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    whole = read_log(tmp_path / "journal", every_stretch=True)
    assert most < 3 * sum(map(len, lines))
    assert brief[1:] == whole[1:] == (chain, sum(map(len, lines)))
    assert len(whole[0]) == 20_000
    kept = [entry["n"] for entry in brief[0] if entry["event"] == "audio"]
    assert 1_500 <= len(kept) <= 2_000
    assert max(int(str(b)) - int(str(a)) for a, b in pairwise(kept)) <= 20
    assert [entry["n"] for entry in brief[0] if entry["event"] == "mark"] == [17, 5_017, 10_017, 15_017]


# ── what was cut, and what was not sure ──


def test_what_is_cut_off_a_torn_log_is_kept_beside_it_whatever_instant_the_power_goes_at(room: Path) -> None:
    good, torn = log_of(room / "log", 3), b'{"event":"mark","frame":3,"n":3,'
    (room / "log").write_bytes(good + torn)
    disk = SimulatedDisk(room)
    journal, _ = JournalFile.open(disk, room / "log", room / "aside" / "of the log")
    journal.close()
    (kept,) = (room / "aside" / "of the log").iterdir()
    assert kept.read_bytes() == torn
    for instant in range(1, len(disk.steps) + 1):
        for seed in range(8):
            with tempfile.TemporaryDirectory() as found:
                disk.after_power_cut(instant, Path(found), luck(seed))
                left = [path.read_bytes() for path in Path(found).rglob("log.*") if path.suffix != ".new"]
                assert (Path(found) / "log").read_bytes() == good + torn or left == [torn]


def test_zeros_that_are_cut_off_a_log_are_kept_nowhere(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(log_of(tmp_path / "log", 3) + bytes(5_000))
    journal, _ = JournalFile.open(RealDisk(), tmp_path / "log", tmp_path / "aside")
    journal.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_last_line_that_the_one_behind_it_contradicts_is_in_doubt_and_not_part_of_the_log(tmp_path: Path) -> None:
    content = log_of(tmp_path / "log", 6)
    lines = content.splitlines(keepends=True)
    (tmp_path / "log").write_bytes(content.replace(b'"frame":3', b'"frame":7'))
    journal, entries = JournalFile.open(RealDisk(), tmp_path / "log", tmp_path / "aside")
    journal.close()
    assert [entry["frame"] for entry in entries] == [0, 1, 2], "the chain would take the changed line as its last"
    assert (tmp_path / "log").read_bytes() == b"".join(lines[:3])
    (kept,) = (tmp_path / "aside").iterdir()
    assert kept.read_bytes() == lines[3].replace(b":3", b":7", 1).replace(b'"n":7', b'"n":3') + b"".join(lines[4:])


@pytest.mark.parametrize("believed", ["log", "register"])
def test_lines_whose_sync_failed_read_well_and_are_on_the_disk_only_when_they_were_written_again(
    believed: str, room: Path
) -> None:
    disk = SimulatedDisk(room)
    journal = JournalFile.create(disk, room / "log")
    for number in range(40):
        journal.append("mark", {"frame": number, "words": "w" * 2_000})
        if number == 37:
            journal.sync()
    disk.fault = failing({len(disk.steps) + 1})
    with pytest.raises(OSError, match="fault"):
        journal.sync()
    disk.fault = sound
    journal.close()  # the process ends here, and another one begins
    if believed == "log":
        again, entries = JournalFile.open(disk, room / "log", room / "aside")
        assert len(entries) == 40
        again.write_again()
    else:
        Register.open(disk, room / "log")
    with tempfile.TemporaryDirectory() as found:
        disk.after_power_cut(len(disk.steps), Path(found), None)
        assert len(check((Path(found) / "log").read_bytes()).entries) == 40


# ── recordings ──────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_s_name_sorts_by_time_and_names_nobody() -> None:
    assert folder_name("k7qm", AT) == "2026-11-23 14.00 gesprek k7qm"
    assert folder_name("k7qm", None) == "zonder datum gesprek k7qm"


def test_an_id_is_four_letters_that_nobody_misreads_and_no_recording_bears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(RealDisk(), tmp_path)
    for _ in range(50):
        letters = store.new_id()
        assert len(letters) == 4
        assert set(letters) <= set(ID_LETTERS)
    assert not set("0o1il") & set(ID_LETTERS)
    store.make("aaaa", AT)
    drawn = iter("aaaabbbb")
    monkeypatch.setattr("secrets.choice", lambda _: next(drawn))
    assert store.new_id() == "bbbb"


def test_a_recording_that_was_made_is_found_again_and_other_folders_are_nobody_s_business(tmp_path: Path) -> None:
    store = Store(RealDisk(), tmp_path)
    assert Store(RealDisk(), tmp_path / "nowhere").all() == []
    later, earlier, undated = store.make("bbbb", AT.replace(hour=16)), store.make("aaaa", AT), store.make("cccc", None)
    (tmp_path / "vakantie").mkdir()
    (tmp_path / " gesprek x").write_text("a file")
    (tmp_path / "2026-11-23 14.00 gesprek link").symlink_to(earlier.folder)
    assert store.all() == [earlier, later, undated]
    assert earlier.wav == tmp_path / "2026-11-23 14.00 gesprek aaaa/data/gesprek.wav"
    assert not earlier.is_bagged
    with pytest.raises(FileExistsError):
        store.make("aaaa", AT)
    assert earlier.folder.is_dir()


def test_a_recording_that_was_made_is_durable_and_one_that_could_not_be_made_is_not_there(room: Path) -> None:
    disk = SimulatedDisk(room)
    made = Store(disk, room).make("aaaa", AT)
    steps = len(disk.steps)
    with tempfile.TemporaryDirectory() as found:
        disk.after_power_cut(steps, Path(found), None)
        assert [path.name for path in Path(found).rglob("*")] == [made.folder.name, "data"]
    for number in range(steps):
        disk.fault = failing({len(disk.steps) + number}, errno.ENOSPC)
        with pytest.raises(OSError, match="fault"):
            Store(disk, room).make("bbbb", AT)
        assert [path.name for path in room.iterdir()] == [made.folder.name]


def test_whatever_a_power_cut_leaves_of_a_recording_without_sound_can_be_removed(room: Path, tmp_path: Path) -> None:
    disk = SimulatedDisk(room)
    store = Store(disk, room)
    made = store.make("aaaa", AT)
    for path in (made.agreement, made.journal, made.wav, made.agreement.with_name("agreement.txt.new")):
        disk.close(disk.create(path))
        disk.sync_folder(path.parent)
    for instant in range(len(disk.steps) + 1):
        for seed in range(6):
            with tempfile.TemporaryDirectory() as found:
                disk.after_power_cut(instant, Path(found), luck(seed))
                left = Store(RealDisk(), Path(found))
                for recording in left.all():
                    left.discard(recording)
                assert list(Path(found).iterdir()) == []
    store.discard(made)
    assert list(room.iterdir()) == []
    assert isinstance(disk.steps[-1], SyncFolder)


def test_what_was_set_aside_of_a_recording_without_sound_goes_with_it_and_is_nobody_s_recording(tmp_path: Path) -> None:
    store = Store(RealDisk(), tmp_path)
    made, other = store.make("aaaa", AT), store.make("bbbb", AT)
    for recording in (made, other):
        recording.journal.write_bytes(b"half a li")
        JournalFile.open(RealDisk(), recording.journal, recording.set_aside)[0].close()
    assert store.all() == [made, other]
    store.discard(made)
    assert store.all() == [other]
    assert not made.set_aside.exists()
    assert len(list(other.set_aside.iterdir())) == 1


def test_a_recording_that_is_being_removed_is_never_left_as_sound_without_a_journal(room: Path) -> None:
    disk = SimulatedDisk(room)
    store = Store(disk, room)
    made = store.make("aaaa", AT)
    for path in (made.journal, made.wav):
        fd = disk.create(path)
        disk.write_at(fd, bytes(3_000), 0)
        disk.sync(fd)
        disk.sync_folder(path.parent)
    before = len(disk.steps)
    store.discard(made)
    for instant in range(before, len(disk.steps) + 1):
        for seed in range(12):
            with tempfile.TemporaryDirectory() as found:
                disk.after_power_cut(instant, Path(found), luck(seed))
                names = {path.name for path in Path(found).rglob("*.*")}
                assert made.wav.name not in names or made.journal.name in names


def test_a_folder_with_something_of_somebody_else_in_it_is_not_removed(tmp_path: Path) -> None:
    store = Store(RealDisk(), tmp_path)
    made = store.make("aaaa", AT)
    (made.folder / "data/vakantie.jpg").write_bytes(b"a beach")
    with pytest.raises(OSError, match="not empty"):
        store.discard(made)
    assert (made.folder / "data/vakantie.jpg").read_bytes() == b"a beach"


def test_a_recording_s_journal_is_read_by_event(tmp_path: Path) -> None:
    made = Store(RealDisk(), tmp_path).make("aaaa", AT)
    log_of(made.journal, 3)
    assert [entry["frame"] for entry in entries_of(made)] == [0, 1, 2]
    assert [entry["frame"] for entry in lines_of(made, "mark")] == [0, 1, 2]
    assert list(lines_of(made, "gap")) == []


def test_a_recording_knows_its_places() -> None:
    recording = Recording("k7qm", Path("x"))
    assert {recording.wav.name, recording.journal.name, recording.agreement.name} == {
        "gesprek.wav",
        "journal.jsonl",
        "agreement.txt",
    }
