"""What lies on the disk: logs that end in half a line, folders that were half made, and what the register says of a recording."""

from __future__ import annotations

import errno
import tempfile
from datetime import datetime
from pathlib import Path

import pytest

from appliance.agreement import Party
from appliance.disk import RealDisk
from appliance.journal import Chain, Value, check
from appliance.store import (
    ID_LETTERS,
    LARGEST_BATCH,
    JournalFile,
    Recording,
    Register,
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
        journal, entries = JournalFile.open(RealDisk(), torn)
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
    journal, entries = JournalFile.open(RealDisk(), tmp_path / "log")
    journal.close()
    assert len(entries) == 4
    assert (tmp_path / "log").read_bytes() == content


def test_a_log_that_was_changed_far_before_its_end_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    content = bytearray(log_of(tmp_path / "log", 500, "w" * 200))
    assert len(content) > 2 * LARGEST_BATCH
    content[1_000] ^= 1
    (tmp_path / "log").write_bytes(content)
    with pytest.raises(StoreError, match=r"log was changed: in line \d.*It is left as it is\.$"):
        JournalFile.open(RealDisk(), tmp_path / "log")
    with pytest.raises(StoreError, match="was changed"):
        read_log(tmp_path / "log")
    assert (tmp_path / "log").read_bytes() == content


def test_a_log_that_is_well_is_not_written_to_when_it_is_opened(room: Path) -> None:
    log_of(room / "log", 3)
    disk = SimulatedDisk(room)
    journal, _ = JournalFile.open(disk, room / "log")
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
                left, entries = JournalFile.open(RealDisk(), Path(found) / "log")
                left.close()
                assert len(entries) >= max((lines for step, lines in synced if step <= instant), default=0)


@pytest.mark.parametrize("fails", ["create", "open"])
def test_a_log_that_cannot_be_opened_leaves_no_open_file(fails: str, room: Path) -> None:
    disk = SimulatedDisk(room)
    log_of(room / "torn", 2)
    (room / "torn").write_bytes((room / "torn").read_bytes() + b"half a li")
    disk.fault = failing({1})
    with pytest.raises(OSError, match="fault"):
        JournalFile.create(disk, room / "log") if fails == "create" else JournalFile.open(disk, room / "torn")
    assert disk._open == {}


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


# ── the register ────────────────────────────────────────────────────────────────────────────────────

NOW: dict[str, Value] = {"wall": "2026-11-23T13:00:00.000Z", "mono_us": 7}
SEALED: dict[str, Value] = {"id": "aaaa", "sha256": "f" * 64, "milliseconds": 61_500, "interrupted": True, **NOW}
VERIFIED: dict[str, Value] = {
    "id": "aaaa",
    "stick": "/media/a",
    "folder": "2026-11-23 14.00 gesprek aaaa",
    "method": "direct",
    "bytes": 7,
    **NOW,
}


def test_the_register_knows_after_a_restart_what_it_was_told(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    assert register.order == []
    register.add("begun", {"id": "aaaa", **NOW})
    register.add("begun", {"id": "0000", **NOW})
    register.add("sealed", SEALED)
    register.add("verified", VERIFIED)
    register.add("received", {"id": "aaaa", "party": "client", **NOW})
    register.add("later", {"id": "aaaa", "party": "professional", **NOW})
    register.add("declined", NOW)
    register.add("declined", NOW)
    register.add("removed", {"id": "0000", "why": "without a frame", **NOW})
    register.close()
    for known in (register, Register.open(RealDisk(), tmp_path / "register.jsonl")):
        kept = known.of("aaaa")
        assert (kept.sha256, kept.seconds, kept.interrupted, kept.sealed_at) == ("f" * 64, 61.5, True, NOW["wall"])
        assert [(copy.stick, copy.method, copy.bytes) for copy in kept.copies] == [("/media/a", "direct", 7)]
        assert (kept.received, kept.later, kept.handed_over) == ({Party.CLIENT}, {Party.PROFESSIONAL}, False)
        assert known.order == ["aaaa", "0000"], "as they were begun, whatever they are called"
        assert known.declined == 2
        assert known.knows("aaaa")
        assert not known.knows("zzzz")


def test_who_said_later_and_received_after_all_has_received(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    register.add("later", {"id": "aaaa", "party": "client", **NOW})
    register.add("received", {"id": "aaaa", "party": "client", **NOW})
    register.add("handed-over", {"id": "aaaa", **NOW})
    assert (register.of("aaaa").received, register.of("aaaa").later) == ({Party.CLIENT}, set())
    assert register.of("aaaa").handed_over


def test_a_line_is_durable_when_it_was_added_and_one_that_was_refused_goes_along_with_the_next(room: Path) -> None:
    disk = SimulatedDisk(room)
    register = Register.open(disk, room / "register.jsonl")
    register.add("begun", {"id": "aaaa", **NOW})
    disk.fault = failing({len(disk.steps) + 1})
    with pytest.raises(OSError, match="fault"):
        register.add("begun", {"id": "bbbb", **NOW})
    disk.fault = sound
    register.add("begun", {"id": "cccc", **NOW})
    with tempfile.TemporaryDirectory() as found:
        disk.after_power_cut(len(disk.steps), Path(found), None)
        assert Register.open(RealDisk(), Path(found) / "register.jsonl").order == ["aaaa", "bbbb", "cccc"]


def test_the_register_is_chained(tmp_path: Path) -> None:
    register = Register.open(RealDisk(), tmp_path / "register.jsonl")
    register.add("declined", NOW)
    checked = check((tmp_path / "register.jsonl").read_bytes())
    assert checked.broken is None
    assert checked.chain != Chain()


def test_a_recording_knows_its_places() -> None:
    recording = Recording("k7qm", Path("x"))
    assert {recording.wav.name, recording.journal.name, recording.agreement.name} == {
        "gesprek.wav",
        "journal.jsonl",
        "agreement.txt",
    }
