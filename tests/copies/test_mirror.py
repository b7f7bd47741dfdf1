from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile

from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import Origination, header, resized
from appliance.copies import names
from appliance.copies.medium import BLOCK, CHUNK
from appliance.copies.mirror import own_head
from appliance.store import AGREEMENT, BAG_IS_WHOLE, JOURNAL, WAV
from tests.copies.room import (
    NAME,
    SEALED_AT,
    UNFINISHED,
    GrowingRecording,
    all_about,
    another_journal,
    differences,
    sealed_recording,
    times,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.copies.room import MirrorProcess, MirrorStarter

MB = 1_000_000
CALLS = "trace=pwrite64,preadv,preadv2,pread64,fdatasync,fsync,rename,renameat,renameat2,write"


def is_equal_copy(original: Path, stick: Path) -> bool:
    """Byte for byte, in time too, and nothing else of it is left on the stick."""
    copy = stick / NAME
    return not differences(original, copy) and times(original) == times(copy) and not (stick / UNFINISHED).exists()


# The main job.


def test_a_sealed_recording_becomes_an_equal_copy(sealed: Path, stick: Path, mirrors: MirrorStarter) -> None:
    before = all_about(sealed)
    mirror = mirrors.of(sealed, stick)
    mirror.seal()
    outcome = mirror.outcome()
    total = sum(path.stat().st_size for path in sealed.rglob("*") if path.is_file())
    assert outcome == {
        "is": "verified",
        "folder": str(stick / NAME),
        "method": "direct",
        "bytes": total,
        "verified_bytes": total,
    }
    assert is_equal_copy(sealed, stick)
    assert [path.name for path in stick.iterdir()] == [NAME]
    assert all_about(sealed) == before
    assert mirror.end() == 0


def test_a_copy_follows_the_meeting_and_only_the_rest_comes_after_it(
    recording: GrowingRecording, stick: Path, mirrors: MirrorStarter
) -> None:
    mirror = mirrors.of(recording.folder, stick)
    meeting = threading.Thread(target=_talk, args=(recording, mirror.follow), name="meeting")
    meeting.start()
    mirror.until(200_000)
    assert not (stick / NAME).exists()
    meeting.join()
    durable = recording.wav.stat().st_size
    mirror.until(durable // BLOCK * BLOCK)
    recording.seal()
    mirror.seal()
    assert mirror.outcome()["is"] == "verified"
    assert is_equal_copy(recording.folder, stick)
    verified = [report["verified_bytes"] for report in mirror.reports]
    assert verified == sorted(verified)


def _talk(recording: GrowingRecording, heard: Callable[[int], None]) -> None:
    """Ten syncs of 50 ms each, with the amount of audio that a second has."""
    for _ in range(10):
        heard(recording.say(96_000))
        time.sleep(0.05)


def test_at_every_moment_the_unfinished_copy_plays_and_tells_what_it_is(
    recording: GrowingRecording, stick: Path, mirrors: MirrorStarter
) -> None:
    mirror = mirrors.of(recording.folder, stick)
    for second in range(1, 6):
        durable = recording.say(96_000)
        mirror.follow(durable)
        mirror.until(durable // BLOCK * BLOCK)
        copy = stick / UNFINISHED
        audio, rate = soundfile.read(copy / WAV, dtype="int16")
        whole, _ = soundfile.read(recording.wav, dtype="int16")
        assert rate == 48_000
        assert 0 <= second * 48_000 - len(audio) < BLOCK // 2
        assert (audio == whole[: len(audio)]).all()
    journal = (stick / UNFINISHED / JOURNAL).read_bytes()
    assert journal == (recording.folder / JOURNAL).read_bytes()
    assert journal.endswith(b"\n")
    assert (stick / UNFINISHED / AGREEMENT).read_bytes() == (recording.folder / AGREEMENT).read_bytes()


def test_only_synced_audio_and_whole_lines_are_copied(recording: GrowingRecording, stick: Path, mirrors: MirrorStarter) -> None:
    durable = recording.say(96_000)
    with recording.wav.open("ab") as wav:
        wav.write(bytes(96_000))
    with (recording.folder / JOURNAL).open("ab") as journal:
        journal.write(b'{"event":"half a li')
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(durable)
    mirror.until(durable // BLOCK * BLOCK)
    mirror.end()
    assert (stick / UNFINISHED / WAV).stat().st_size == durable // BLOCK * BLOCK
    assert (stick / UNFINISHED / JOURNAL).read_bytes().endswith(b"}\n")


def test_an_agreement_that_a_guest_joined_goes_along(recording: GrowingRecording, stick: Path, mirrors: MirrorStarter) -> None:
    mirror = mirrors.of(recording.folder, stick)
    durable = recording.say(96_000)
    mirror.follow(durable)
    mirror.until(durable // BLOCK * BLOCK)
    (recording.folder / AGREEMENT).write_text("Wij drieën nemen dit gesprek samen op.\n", encoding="utf-8")
    durable = recording.say(96_000)
    mirror.follow(durable)
    mirror.until(durable // BLOCK * BLOCK)
    recording.seal()
    mirror.seal()
    assert mirror.outcome()["is"] == "verified"
    assert is_equal_copy(recording.folder, stick)


def test_after_the_stop_nothing_is_written_or_read_back_twice(
    recording: GrowingRecording, stick: Path, mirrors: MirrorStarter, tmp_path: Path
) -> None:
    mirror = mirrors.of(recording.folder, stick)
    durable = recording.say(3 * MB)
    mirror.follow(durable)
    mirror.until(durable // BLOCK * BLOCK)
    with traced(mirror, tmp_path / "trace") as steps:
        recording.seal()
        mirror.seal()
        assert mirror.outcome()["is"] == "verified"
    moved = [step.result for step in steps if step.call in {"pwrite64", "preadv2", "pread64"} and step.on.endswith(".wav")]
    assert moved
    assert max(moved) <= 2 * BLOCK
    assert sum(moved) < 10 * BLOCK


def test_synced_before_read_back_and_named_before_called_verified(
    recording: GrowingRecording, stick: Path, mirrors: MirrorStarter, tmp_path: Path
) -> None:
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(recording.say(96_000))
    mirror.until(90_000)
    with traced(mirror, tmp_path / "trace") as steps:
        durable = recording.say(3 * MB)
        mirror.follow(durable)
        mirror.until(durable // BLOCK * BLOCK)
        recording.seal()
        mirror.seal()
        assert mirror.outcome()["is"] == "verified"
    unsynced: set[str] = set()
    read_back = set()
    for step in steps:
        match step.call:
            case "pwrite64":
                unsynced.add(step.on)
            case "fdatasync" | "fsync":
                unsynced.discard(step.on)
            case "preadv2":
                assert step.on not in unsynced, step
                read_back.add(Path(step.on).name)
    assert read_back == {Path(name).name for name in names.file_names(recording.folder)}
    last = [
        step
        for step in steps
        if step.call in {"rename", "renameat", "fsync"} or (step.call == "write" and "verified\\" in step.line)
    ]
    assert [step.call for step in last[-6:]] == ["fsync", "fsync", last[-4].call, "fsync", "fsync", "write"]
    assert last[-4].call.startswith("rename")
    assert [Path(step.on).name for step in last[-6:-4]] == ["data", UNFINISHED]
    assert [step.on for step in last[-3:-1]] == [str(stick / NAME), str(stick)]


@dataclass(frozen=True)
class Step:
    """A system call of the mirror, the file it was on, and what came of it."""

    call: str
    on: str
    result: int
    line: str


@contextmanager
def traced(mirror: MirrorProcess, trace: Path, calls: str = CALLS) -> Iterator[list[Step]]:
    """What the mirror does in here, filled in at the end."""
    command = ["strace", "-f", "-y", "-s", "64", "-e", calls, "-o", str(trace), "-p", str(mirror.process.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        assert b"attached" in tracer.stderr.readline()
        steps: list[Step] = []
        yield steps
        tracer.terminate()
        tracer.wait()
    for line in trace.read_text(encoding="utf-8").splitlines():
        call = re.match(r"\d+ +(\w+)\((?:\d+<(.*?)>|)(?=[,)]).* = (-?\d+)", line)
        if call:
            steps.append(Step(call[1], call[2] or "", int(call[3]), line))


def test_a_meeting_of_no_sound_at_all_is_copied_too(recording: GrowingRecording, stick: Path, mirrors: MirrorStarter) -> None:
    recording.say(0)
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(1024)
    recording.seal()
    mirror.seal()
    assert mirror.outcome()["is"] == "verified"
    assert is_equal_copy(recording.folder, stick)


@pytest.mark.parametrize("pcm_bytes", [BLOCK - 1024, BLOCK - 1022, CHUNK + BLOCK - 1024, CHUNK + BLOCK - 1022, 2 * CHUNK])
def test_at_the_edges_of_blocks_and_chunks_copies_are_equal(
    recordings: Path, stick: Path, mirrors: MirrorStarter, pcm_bytes: int
) -> None:
    recording = GrowingRecording(recordings)
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(recording.say(pcm_bytes))
    recording.seal()
    mirror.seal()
    assert mirror.outcome()["is"] == "verified"
    assert is_equal_copy(recording.folder, stick)


def test_a_long_journal_goes_along_in_pieces(recording: GrowingRecording, stick: Path, mirrors: MirrorStarter) -> None:
    recording.note(12_000)
    assert (recording.folder / JOURNAL).stat().st_size > CHUNK
    mirror = mirrors.of(recording.folder, stick)
    for _ in range(3):
        durable = recording.say(96_000)
        mirror.follow(durable)
        mirror.until(durable // BLOCK * BLOCK)
    recording.seal()
    mirror.seal()
    assert mirror.outcome()["is"] == "verified"
    assert is_equal_copy(recording.folder, stick)


def test_a_recording_that_came_from_a_phone_is_copied_too(
    sealed: Path, recordings: Path, stick: Path, mirrors: MirrorStarter
) -> None:
    (sealed / WAV).rename(sealed / "data/ontvangen.m4a")
    mirror = mirrors.of(sealed, stick)
    mirror.seal()
    assert mirror.outcome()["is"] == "verified"
    assert is_equal_copy(sealed, stick)


def test_in_memory_it_says_that_no_medium_was_read(sealed: Path, memory_stick: Path, mirrors: MirrorStarter) -> None:
    mirror = mirrors.of(sealed, memory_stick)
    mirror.seal()
    assert mirror.outcome()["method"] == "fadvise"
    assert is_equal_copy(sealed, memory_stick)


def test_a_note_is_verified_in_the_same_way(stick: Path, mirrors: MirrorStarter) -> None:
    mirror = mirrors.of_note("2026-11-23 14.00 afspraak k7qm", stick)
    at = int(SEALED_AT.timestamp()) // 2 * 2
    mirror.note("afspraak.txt", "Wij maken samen een verslag.\n", at)
    outcome = mirror.outcome()
    folder = stick / "2026-11-23 14.00 afspraak k7qm"
    assert (outcome["is"], outcome["method"], outcome["folder"]) == ("verified", "direct", str(folder))
    assert outcome["bytes"] == outcome["verified_bytes"] == len("Wij maken samen een verslag.\n")
    assert (folder / "afspraak.txt").read_text(encoding="utf-8") == "Wij maken samen een verslag.\n"
    assert (folder / "afspraak.txt").stat().st_mtime == at
    assert list(stick.iterdir()) == [folder]
    assert mirror.end() == 0


# Killed, and taken up again.


def test_killed_while_following_the_next_one_goes_on_from_there(
    recording: GrowingRecording, stick: Path, mirrors: MirrorStarter
) -> None:
    first = mirrors.of(recording.folder, stick)
    durable = recording.say(3 * MB)
    first.follow(durable)
    first.until(MB)
    first.kill()
    inode = (stick / UNFINISHED / WAV).stat().st_ino
    durable = recording.say(3 * MB)
    second = mirrors.of(recording.folder, stick)
    second.follow(durable)
    second.until(durable // BLOCK * BLOCK)
    recording.seal()
    second.seal()
    assert second.outcome()["is"] == "verified"
    assert is_equal_copy(recording.folder, stick)
    assert (stick / NAME / WAV).stat().st_ino == inode


def test_taken_up_again_nothing_that_was_verified_is_written_again(
    recording: GrowingRecording, stick: Path, mirrors: MirrorStarter, tmp_path: Path
) -> None:
    first = mirrors.of(recording.folder, stick)
    durable = recording.say(6 * MB)
    first.follow(durable)
    first.until(durable // BLOCK * BLOCK)
    first.kill()
    second = mirrors.of(recording.folder, stick)
    with traced(second, tmp_path / "trace") as steps:
        more = recording.say(MB)
        second.follow(more)
        second.until(more // BLOCK * BLOCK)
        recording.seal()
        second.seal()
        assert second.outcome()["is"] == "verified"
    written = sum(step.result for step in steps if step.call == "pwrite64" and step.on.endswith(".wav"))
    read = sum(step.result for step in steps if step.call == "preadv2" and step.on.endswith(".wav"))
    assert MB - BLOCK <= written < MB + 8 * BLOCK, "only what is new, and the header"
    assert read >= 7 * MB - BLOCK, "what lay there is read back: somebody may have had it in a computer"


def test_killed_at_any_moment_after_the_seal_the_next_one_ends_it(sealed: Path, stick: Path, mirrors: MirrorStarter) -> None:
    shutil.rmtree(sealed)
    sealed = sealed_recording(sealed.parent, 4 * MB)
    killed = 0
    for attempt in range(12):
        mirror = mirrors.of(sealed, stick)
        mirror.seal()
        mirror.until(0)  # it is at work
        time.sleep(attempt * 0.004)
        killed += mirror.process.poll() is None and not (stick / NAME).exists()
        mirror.kill()
    last = mirrors.of(sealed, stick)
    last.seal()
    assert last.outcome()["is"] == "verified"
    assert is_equal_copy(sealed, stick)
    assert killed >= 2


def test_killed_just_before_the_rename_nothing_is_written_again(sealed: Path, stick: Path, mirrors: MirrorStarter) -> None:
    mirror = mirrors.of(sealed, stick)
    mirror.seal()
    mirror.outcome()
    mirror.kill()
    (stick / NAME).rename(stick / UNFINISHED)
    before = {path: path.stat().st_ino for path in (stick / UNFINISHED).rglob("*")}
    again = mirrors.of(sealed, stick)
    again.seal()
    assert again.outcome()["is"] == "verified"
    assert is_equal_copy(sealed, stick)
    assert {
        stick / UNFINISHED / path.relative_to(stick / NAME): path.stat().st_ino for path in (stick / NAME).rglob("*")
    } == before


def test_killed_just_after_the_rename_the_next_one_finds_it_equal_and_syncs_the_name(
    sealed: Path, stick: Path, mirrors: MirrorStarter, tmp_path: Path
) -> None:
    for attempt in ("first", "next"):
        mirror = mirrors.of(sealed, stick)
        with traced(mirror, tmp_path / attempt) as steps:
            mirror.seal()
            outcome = mirror.outcome()
        assert outcome["is"] == "verified"
        assert outcome["verified_bytes"] == outcome["bytes"] > 300_000
        mirror.kill()
        seen = all_about(stick)
    assert all_about(stick) == seen
    assert [step.on for step in steps if step.call == "fsync"] == [str(stick / NAME), str(stick)]


def test_after_a_power_cut_took_the_originals_last_second_the_copy_follows_it(
    recording: GrowingRecording, recordings: Path, stick: Path, mirrors: MirrorStarter
) -> None:
    durable = recording.say(96_000)
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(recording.say(96_000))
    mirror.until(durable)
    mirror.kill()
    shutil.rmtree(recording.folder)
    shorter = GrowingRecording(recordings)
    shorter.say(48_000)
    shorter.seal()
    again = mirrors.of(shorter.folder, stick)
    again.seal()
    assert again.outcome()["is"] == "verified"
    assert is_equal_copy(shorter.folder, stick)


def test_a_torn_tail_on_the_stick_is_written_again(recording: GrowingRecording, stick: Path, mirrors: MirrorStarter) -> None:
    mirror = mirrors.of(recording.folder, stick)
    durable = recording.say(2 * MB)
    mirror.follow(durable)
    mirror.until(durable // BLOCK * BLOCK)
    mirror.kill()
    with (stick / UNFINISHED / WAV).open("r+b") as wav:
        wav.seek(1_500_001)
        wav.write(bytes(3_000))
        wav.truncate(1_900_003)
    os.truncate(stick / UNFINISHED / JOURNAL, (stick / UNFINISHED / JOURNAL).stat().st_size - 5)
    again = mirrors.of(recording.folder, stick)
    again.follow(durable)
    again.until(durable // BLOCK * BLOCK)
    recording.seal()
    again.seal()
    assert again.outcome()["is"] == "verified"
    assert is_equal_copy(recording.folder, stick)


def test_it_ends_when_its_standard_input_does(recording: GrowingRecording, stick: Path, mirrors: MirrorStarter) -> None:
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(recording.say(96_000))
    mirror.until(90_000)
    assert mirror.end() == 0


# Proof.


def test_a_byte_that_changed_on_the_medium_behind_the_cache_is_found_when_a_copy_is_taken_up(
    recording: GrowingRecording, image_stick: tuple[Path, Path], mirrors: MirrorStarter
) -> None:
    stick, image = image_stick
    mirror = mirrors.of(recording.folder, stick)
    durable = recording.say(MB)
    mirror.follow(durable)
    mirror.until(durable // BLOCK * BLOCK)
    mirror.kill()
    copy = stick / UNFINISHED / WAV
    content = copy.read_bytes()  # and so it is in the page cache
    change_on_the_medium(image, content[500_000:500_064])
    assert copy.read_bytes() == content, "the page cache does not know"
    again = mirrors.of(recording.folder, stick)
    again.follow(durable)
    again.until(durable // BLOCK * BLOCK)
    recording.seal()
    again.seal()
    assert again.outcome()["method"] == "direct"
    again.end()
    subprocess.run(["umount", stick], check=True)
    subprocess.run(["mount", "-o", "loop,ro", image, stick], check=True)
    assert not differences(recording.folder, stick / NAME)


def test_a_finished_copy_that_changed_on_the_medium_is_not_called_equal(
    sealed: Path, image_stick: tuple[Path, Path], mirrors: MirrorStarter
) -> None:
    stick, image = image_stick
    mirror = mirrors.of(sealed, stick)
    mirror.seal()
    assert mirror.outcome()["is"] == "verified"
    mirror.kill()
    content = (stick / NAME / WAV).read_bytes()
    change_on_the_medium(image, content[200_000:200_064])
    again = mirrors.of(sealed, stick)
    again.seal()
    outcome = again.outcome()
    assert (outcome["is"], outcome["code"]) == ("failed", "different")
    assert "data/gesprek.wav was read back different at byte 200000" in outcome["detail"]


def change_on_the_medium(image: Path, there: bytes) -> None:
    """Flip the first of these bytes in the image, past the file system that is mounted from it."""
    whole = image.read_bytes()
    assert whole.count(there) == 1
    with image.open("r+b") as medium:
        medium.seek(whole.index(there))
        medium.write(bytes([there[0] ^ 1]))
        medium.flush()
        os.fsync(medium.fileno())


# Strange sticks.


def failure(sealed: Path, stick: Path, mirrors: MirrorStarter) -> str:
    mirror = mirrors.of(sealed, stick)
    mirror.seal()
    outcome = mirror.outcome()
    assert outcome["is"] == "failed", outcome
    assert outcome["detail"]
    assert mirror.process.wait(5) == 1
    return str(outcome["code"])


def test_a_full_stick_is_full_and_what_is_on_it_plays(
    recordings: Path, small_stick: Callable[[str], Path], mirrors: MirrorStarter
) -> None:
    recording = GrowingRecording(recordings)
    stick = small_stick("3M")
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(recording.say(5 * MB))
    assert mirror.outcome()["code"] == "full"
    audio, _ = soundfile.read(stick / UNFINISHED / WAV, dtype="int16")
    assert len(audio) * 2 > 1.5 * MB


def test_a_write_protected_stick_is_readonly(sealed: Path, small_stick: Callable[[str], Path], mirrors: MirrorStarter) -> None:
    stick = small_stick("3M")
    subprocess.run(["mount", "-o", "remount,ro", stick], check=True)
    assert failure(sealed, stick, mirrors) == "readonly"


def test_a_stick_that_is_not_there_is_gone(sealed: Path, stick: Path, mirrors: MirrorStarter) -> None:
    stick.rmdir()
    assert failure(sealed, stick, mirrors) == "gone"


def test_a_stick_taken_out_half_way_is_gone(recording: GrowingRecording, stick: Path, mirrors: MirrorStarter) -> None:
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(recording.say(96_000))
    mirror.until(90_000)
    stick.rename(stick.with_name("in somebody's pocket"))
    mirror.follow(recording.say(96_000))
    assert mirror.outcome()["code"] == "gone"


def test_a_folder_of_somebody_else_is_never_overwritten(sealed: Path, stick: Path, mirrors: MirrorStarter) -> None:
    for name in (NAME, UNFINISHED):
        (stick / name).mkdir()
        (stick / name / "vakantie.jpg").write_bytes(b"theirs")
        before = all_about(stick)
        assert failure(sealed, stick, mirrors) == "foreign"
        assert all_about(stick) == before
        shutil.rmtree(stick / name)


def test_another_recording_under_the_same_name_is_never_overwritten(sealed: Path, stick: Path, mirrors: MirrorStarter) -> None:
    for name in (NAME, UNFINISHED):
        shutil.copytree(sealed, stick / name)
        journal = stick / name / JOURNAL
        journal.chmod(0o644)
        journal.write_bytes(another_journal())
        before = all_about(stick)
        assert failure(sealed, stick, mirrors) == "foreign"
        assert all_about(stick) == before
        shutil.rmtree(stick / name)


def test_a_recording_under_way_does_not_touch_a_finished_folder_of_its_name(
    recording: GrowingRecording, stick: Path, mirrors: MirrorStarter
) -> None:
    (stick / NAME).mkdir()
    mirror = mirrors.of(recording.folder, stick)
    mirror.follow(recording.say(96_000))
    assert mirror.outcome()["code"] == "foreign"
    assert all_about(stick).keys() == {".", NAME}


@pytest.mark.parametrize(
    "where", [UNFINISHED, f"{UNFINISHED}/data", f"{UNFINISHED}/data/gesprek.wav", f"{UNFINISHED}/bagit.txt", NAME]
)
@pytest.mark.parametrize(
    "kind", ["link to a folder", "link to a file", "dangling link", "fifo", "device", "hard link", "socket file"]
)
def test_nothing_is_followed_and_nothing_written_outside_the_stick(
    sealed: Path, stick: Path, mirrors: MirrorStarter, tmp_path: Path, where: str, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_bytes(b"precious")
    (stick / "theirs.txt").write_bytes(b"theirs")
    path = stick / where
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "link to a folder":
            path.symlink_to(outside)
        case "link to a file":
            path.symlink_to(outside / "precious.txt")
        case "dangling link":
            path.symlink_to(outside / "new")
        case "fifo":
            os.mkfifo(path)
        case "device":
            os.mknod(path, 0o20666, os.makedev(1, 3))
        case "hard link":
            path.hardlink_to(stick / "theirs.txt")
        case _:
            os.mknod(path, 0o140666)
    before = all_about(outside), (stick / "theirs.txt").read_bytes(), path.lstat().st_ino
    assert failure(sealed, stick, mirrors) == "foreign"
    assert (all_about(outside), (stick / "theirs.txt").read_bytes(), path.lstat().st_ino) == before


def test_what_a_computer_left_in_an_unfinished_copy_is_forgiven_and_left_alone(
    recording: GrowingRecording, stick: Path, mirrors: MirrorStarter
) -> None:
    first = mirrors.of(recording.folder, stick)
    durable = recording.say(MB)
    first.follow(durable)
    first.until(durable // BLOCK * BLOCK)
    first.kill()
    unfinished = stick / UNFINISHED
    for name in (".DS_Store", "._gesprek.wav", "data/Thumbs.db", "data/._journal.jsonl", "Desktop.ini"):
        (unfinished / name).write_bytes(b"theirs")
    (unfinished / "System Volume Information").mkdir()
    (unfinished / "System Volume Information/tracking.log").write_bytes(b"theirs")
    (stick / ".DS_Store").write_bytes(b"theirs")
    second = mirrors.of(recording.folder, stick)
    recording.seal()
    second.seal()
    assert second.outcome()["is"] == "verified"
    only_theirs = differences(recording.folder, stick / NAME).splitlines()
    assert len(only_theirs) == 6, only_theirs
    assert all(line.startswith(f"Only in {stick / NAME}") for line in only_theirs)
    assert (stick / NAME / "data/Thumbs.db").read_bytes() == b"theirs"
    second.kill()
    third = mirrors.of(recording.folder, stick)
    third.seal()
    assert third.outcome()["is"] == "verified"


@pytest.mark.parametrize("name", ["vakantie.jpg", "DS_Store", "data/.DS_Store.exe", "data/autorun.inf"])
def test_what_no_computer_leaves_by_itself_is_foreign_in_an_unfinished_copy(
    recording: GrowingRecording, stick: Path, mirrors: MirrorStarter, name: str
) -> None:
    first = mirrors.of(recording.folder, stick)
    first.follow(recording.say(MB))
    first.until(0)
    first.kill()
    (stick / UNFINISHED / name).write_bytes(b"theirs")
    recording.seal()
    assert failure(recording.folder, stick, mirrors) == "foreign"


def test_a_link_that_bears_the_name_of_a_system_file_is_foreign(
    sealed: Path, stick: Path, mirrors: MirrorStarter, tmp_path: Path
) -> None:
    (stick / UNFINISHED).mkdir()
    (stick / UNFINISHED / ".DS_Store").symlink_to(tmp_path)
    assert failure(sealed, stick, mirrors) == "foreign"


def test_a_link_in_place_of_the_stick_is_not_a_stick(sealed: Path, stick: Path, mirrors: MirrorStarter, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(stick)
    assert failure(sealed, link, mirrors) == "foreign"
    assert list(stick.iterdir()) == []


def test_two_mirrors_never_work_on_one_stick(sealed: Path, stick: Path, mirrors: MirrorStarter) -> None:
    first = mirrors.of(sealed, stick)
    first.seal()
    first.outcome()
    assert failure(sealed, stick, mirrors) == "busy"
    first.kill()
    third = mirrors.of(sealed, stick)
    third.seal()
    assert third.outcome()["is"] == "verified"


# An original that is not as it must be.


def test_an_original_that_is_no_whole_bag_is_not_sealed_on_a_stick(
    recording: GrowingRecording, stick: Path, mirrors: MirrorStarter
) -> None:
    recording.say(96_000)
    assert failure(recording.folder, stick, mirrors) == "original"


def test_an_original_that_shrinks_is_said_aloud(recording: GrowingRecording, stick: Path, mirrors: MirrorStarter) -> None:
    mirror = mirrors.of(recording.folder, stick)
    durable = recording.say(MB)
    mirror.follow(durable)
    mirror.until(durable // BLOCK * BLOCK)
    os.truncate(recording.wav, 500_000)
    mirror.follow(durable + MB)
    assert mirror.outcome()["code"] == "original"


# What it is made of.


@pytest.mark.parametrize("audio_format", [PcmFormat(), PcmFormat(48_000, 24, 1), PcmFormat(44_100, 24, 2)])
@pytest.mark.parametrize("length", [4096, 12_288, 2**32 - 8, 2**32, 2**32 + 4096, 2**33])
def test_the_mirrors_header_is_the_writers_header(audio_format: PcmFormat, length: int) -> None:
    origination = Origination("Opname", "k7qm", SEALED_AT)
    for frames in (0, 1_000_000, 2**32):
        head = header(audio_format, origination, frames) + b"audio" * 10
        expected = resized(head, (length - 1024) // audio_format.frame_bytes)
        assert own_head(head, length) == expected + head[1024:]


def test_the_copy_under_way_of_a_recording_past_4_gib_opens() -> None:
    head = header(PcmFormat(), Origination("Opname", "k7qm", SEALED_AT), 2**32)
    played = io.BytesIO(own_head(head + bytes(BLOCK), 2 * BLOCK)[:BLOCK] + bytes(BLOCK))
    assert soundfile.info(played).frames == (2 * BLOCK - 1024) // 2


def test_store_and_copies_mean_the_same_files() -> None:
    assert tuple(map(str, (WAV, JOURNAL, AGREEMENT, BAG_IS_WHOLE))) == (names.WAV, names.JOURNAL, names.AGREEMENT, names.WHOLE)


def test_a_mirror_stays_small(recording: GrowingRecording, stick: Path, mirrors: MirrorStarter) -> None:
    mirror = mirrors.of(recording.folder, stick)
    durable = recording.say(4 * MB)
    mirror.follow(durable)
    mirror.until(durable // BLOCK * BLOCK)
    status = Path(f"/proc/{mirror.process.pid}/status").read_text(encoding="utf-8")
    peak = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    assert peak < 20_000, f"{peak} kB"
