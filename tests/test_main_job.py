"""The main job through a running service: agree, record, seal, two equal copies; and what comes of it when it is killed."""

from __future__ import annotations

import array
import filecmp
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import bagit
import pytest
import soundfile

from appliance import protocol
from appliance.agreement import PARTIES, Party
from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import SyntheticTrack
from appliance.meeting import Alternative
from tests.room_parts import RATE, Table, counting, events, journal_of, register_of, samples_of, write_wav

START, STOP, PAUSE, RESUME = protocol.StartRequest(), protocol.StopRequest(), protocol.PauseRequest(), protocol.ResumeRequest()
CLIENT, PROFESSIONAL, GUEST = Party.CLIENT, Party.PROFESSIONAL, Party.GUEST


def same_folders(one: Path, other: Path) -> bool:
    """Every name, byte and modification time."""
    names = sorted(path.relative_to(one) for path in one.rglob("*"))
    return (
        names == sorted(path.relative_to(other) for path in other.rglob("*"))
        and all(filecmp.cmp(one / name, other / name, shallow=False) for name in names if (one / name).is_file())
        and all((one / name).stat().st_mtime_ns == (other / name).stat().st_mtime_ns for name in names if (one / name).is_file())
    )


def is_synthetic(samples: array.array[int]) -> bool:
    """Whether this is one unbroken stretch of the synthetic voice, from wherever."""
    turn = array.array("h")
    turn.frombytes(SyntheticTrack(PcmFormat()).at(0, 2 * SyntheticTrack.PERIOD))
    whole = turn.tobytes()
    content = samples.tobytes()
    size = 2 * SyntheticTrack.PERIOD
    begin = whole.find(content[:2000])
    return begin >= 0 and all(
        content[at : at + size] == (whole[begin:] + whole)[: len(content[at : at + size])] for at in range(0, len(content), size)
    )


def test_rule_4_both_sticks_get_the_same_verified_recording(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    begun = table.do(START)
    assert (begun.state, begun.storing, begun.light) == ("recording", True, True)
    time.sleep(1.5)
    table.do(STOP)
    done = table.until_state("handover")
    assert [copy.state for copy in done.copies] == ["verified", "verified"]
    one, other = table.copies()
    assert same_folders(one, other)
    assert same_folders(one, Path(done.recording.folder if done.recording else ""))
    assert subprocess.run(["diff", "-r", one, other], check=False).returncode == 0
    for copy in (one, other):
        bagit.Bag(str(copy)).validate()
        checked = subprocess.run(["sha256sum", "-c", "--quiet", "manifest-sha256.txt"], cwd=copy, check=False)
        assert checked.returncode == 0
        assert soundfile.info(str(copy / "data/gesprek.wav")).duration == pytest.approx(1.5, abs=0.3)
    assert is_synthetic(samples_of(one / "data/gesprek.wav"))
    assert table.take_home().state == "idle"
    assert [entry["event"] for entry in register_of(table)] == [
        "key", "begun", "sealed", "verified", "verified", "received", "received", "handed-over"
    ]  # fmt: skip


def test_rule_5_the_journal_tells_what_happened_and_binds_every_second(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    time.sleep(1.2)
    table.do(protocol.MarkRequest(CLIENT), PAUSE)
    time.sleep(0.3)
    table.do(RESUME)
    time.sleep(0.3)
    table.do(STOP)
    table.until_state("handover")
    folder = table.copies()[0]
    assert events(folder) == ["announced", "confirmed", "confirmed", "started", "mark", "paused", "resumed", "stopped", "sealed"]
    journal = journal_of(folder)
    stretches = [entry for entry in journal if entry["event"] == "audio"]
    frame = 0
    for stretch in stretches:
        assert stretch["from"] == frame
        frame += int(str(stretch["frames"]))
        assert int(str(stretch["frames"])) <= 1.3 * RATE
    assert frame == len(samples_of(folder / "data/gesprek.wav")) == journal[-1]["frames"]
    wording = next(entry for entry in journal if entry["event"] == "started")["wording"]
    assert all(entry["wording"] == wording for entry in journal if entry["event"] == "confirmed")


def test_rule_5_a_pause_takes_no_time_in_the_recording(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    time.sleep(0.5)
    paused = table.do(PAUSE)
    assert (paused.state, paused.storing, paused.light) == ("paused", False, False)
    time.sleep(1.0)
    table.do(RESUME)
    time.sleep(0.5)
    table.do(STOP)
    done = table.until_state("handover")
    assert done.recording is not None
    assert done.recording.seconds == pytest.approx(1.0, abs=0.25)
    assert done.recording.gaps == []


@pytest.mark.parametrize("pace", ["fast", "200"])
def test_a_file_at_its_own_pace_is_recorded_from_its_first_frame_to_its_last(table: Table, tmp_path: Path, pace: str) -> None:
    sound = tmp_path / "sound.wav"
    write_wav(sound, counting(45 * RATE + 7))
    table.serve("--source", f"wav:{sound}", "--pace", pace)
    table.agree()
    table.do(START)
    table.until_state("handover")
    folder = table.copies()[0]
    assert samples_of(folder / "data/gesprek.wav") == counting(45 * RATE + 7)
    assert journal_of(folder)[-2]["by"] == "source"


def test_a_file_in_real_time_is_like_a_microphone_and_silent_after_its_end(table: Table, tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    write_wav(sound, counting(RATE))
    table.serve("--source", f"wav:{sound}")
    table.agree()
    table.do(START)
    time.sleep(1.6)
    table.do(STOP)
    table.until_state("handover")
    samples = samples_of(table.copies()[0] / "data/gesprek.wav")
    assert not any(samples[-RATE // 4 :])
    assert samples[0] != 0


def test_a_file_at_its_own_pace_stands_still_while_the_recording_is_paused(table: Table, tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    write_wav(sound, counting(40 * RATE))
    table.serve("--source", f"wav:{sound}", "--pace", "20")
    table.agree()
    table.do(START)
    time.sleep(0.3)
    table.do(PAUSE)
    time.sleep(0.5)
    table.do(RESUME)
    table.until_state("handover")
    assert samples_of(table.copies()[0] / "data/gesprek.wav") == counting(40 * RATE)


def test_rule_1_declining_stores_no_audio_and_leaves_a_count(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    declined = table.do(protocol.DeclineRequest(Alternative.FOLLOW_UP))
    assert (declined.state, declined.storing, declined.recording) == ("declined", False, None)
    assert table.do(protocol.CancelRequest()).state == "idle"
    assert table.recordings() == []
    key, line = register_of(table)
    assert key["event"] == "key"
    assert line.keys() == {"event", "n", "prev", "mono_us", "wall", "trust", "boot"}
    assert not [path for path in table.root.rglob("*") if path.is_file() and path.stat().st_size > 100_000]


def test_rule_1_a_note_goes_on_both_sticks_and_nowhere_else(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(protocol.DeclineRequest(Alternative.SUMMARY, "Wij schrijven samen op wat we afspreken."))
    done = table.until(lambda snapshot: [copy.state for copy in snapshot.copies] == ["verified", "verified"])
    assert done.state == "declined"
    notes = [list(stick.rglob("*.txt")) for stick in table.sticks]
    assert [len(found) for found in notes] == [1, 1]
    assert notes[0][0].read_text() == notes[1][0].read_text()
    assert "Wij schrijven samen op" in notes[0][0].read_text()
    assert not [path for path in table.root.rglob("*") if path.is_file() and b"Wij schrijven samen op" in path.read_bytes()]
    assert table.do(protocol.CancelRequest()).state == "idle"
    table.agree()
    assert table.do(START).state == "recording"


def test_rule_3_before_the_start_there_is_nothing_on_the_disk_and_a_restart_finds_idle(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    time.sleep(0.5)
    assert table.recordings() == []
    table.kill()
    table.serve("--source", "synthetic")
    assert table.status().state == "idle"


def test_rule_3_nothing_is_stored_while_somebody_joins(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    time.sleep(0.4)
    joining = table.do(protocol.JoinRequest())
    assert (joining.state, joining.storing, joining.light, joining.joining) == ("agreeing", False, False, True)
    assert joining.announcement
    frames = joining.recording.frames if joining.recording else -1
    assert table.refused(START).why == "not-all-confirmed"
    time.sleep(0.5)
    assert (now := table.status().recording) is not None
    assert now.frames == frames
    table.do(protocol.ConfirmRequest(GUEST), START)
    time.sleep(0.4)
    table.do(STOP)
    table.until_state("handover")
    heard = events(table.copies()[0])
    assert sorted(heard[4:6]) == ["joined", "paused"]
    assert heard[6:] == ["confirmed", "resumed", "stopped", "sealed"]


def test_killed_while_recording_at_most_a_second_is_missing_and_the_next_start_seals_and_copies_it(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    pressed = time.monotonic()
    table.do(START)
    time.sleep(2.6)
    table.kill()
    recorded_for = time.monotonic() - pressed
    (folder,) = table.recordings()
    as_it_lies = soundfile.info(str(folder / "data/gesprek.wav"))
    assert as_it_lies.duration >= recorded_for - 1.4
    table.serve("--source", "synthetic")
    done = table.until_state("handover")
    assert done.recording is not None
    assert done.recording.interrupted
    assert recorded_for - 1.0 <= done.recording.seconds <= recorded_for
    assert is_synthetic(samples_of(folder / "data/gesprek.wav"))
    assert events(folder)[-2:] == ["interrupted", "sealed"]
    one, other = table.copies()
    assert same_folders(one, other)
    bagit.Bag(str(one)).validate()
    assert not list(table.sticks[0].glob("*onvolledig*"))


def test_an_interrupted_recording_may_go_on_with_a_second_part_that_names_the_first(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    time.sleep(0.5)
    table.kill()
    table.serve("--source", "synthetic")
    first = table.until_state("handover").recording
    assert first is not None
    assert table.do(protocol.AnnounceRequest()).part == 2
    assert table.do(protocol.CancelRequest()).state == "handover"
    table.agree()
    table.do(START)
    time.sleep(0.5)
    table.do(STOP)
    second = table.until_state("handover").recording
    assert second is not None
    started = next(entry for entry in journal_of(Path(second.folder)) if entry["event"] == "started")
    assert started["part_of"] == [first.id]
    table.take_home()
    received = [(entry["id"], entry["party"]) for entry in register_of(table) if entry["event"] == "received"]
    assert sorted(received) == sorted((part, party) for part in (first.id, second.id) for party in PARTIES)


def test_stopped_by_the_system_it_is_sealed_and_copied_at_the_next_start(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    time.sleep(0.8)
    assert table.stop() == 0
    (folder,) = table.recordings()
    assert (folder / "bagit.txt").exists()
    table.serve("--source", "synthetic")
    done = table.until_state("handover")
    assert done.recording is not None
    assert not done.recording.interrupted
    assert len(table.copies()) == 2
    assert journal_of(folder)[-2]["by"] == "system"


def test_killed_as_soon_as_anybody_is_told_that_it_is_being_sealed_it_is_not_interrupted(table: Table) -> None:
    """What is told is on the disk: here the line that says who stopped it."""
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    time.sleep(0.5)
    with socket.socket(socket.AF_UNIX) as watcher, socket.socket(socket.AF_UNIX) as client:
        watcher.connect(str(table.where.control_socket))
        watcher.sendall(protocol.line(protocol.WatchRequest()))
        client.connect(str(table.where.control_socket))
        client.sendall(protocol.line(STOP))
        with watcher.makefile("rb") as told:
            while b'"state":"recording"' in told.readline():
                pass
    table.kill()
    table.serve("--source", "synthetic")
    done = table.until_state("handover")
    assert done.recording is not None
    assert not done.recording.interrupted
    assert journal_of(table.copies()[0])[-2]["by"] == "room"


def test_rule_1_a_note_beside_a_recording_is_refused_and_never_lost_in_silence(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    assert table.refused(protocol.DeclineRequest(Alternative.OTHER, "een briefje")).why == "no-note-beside-a-recording"
    assert table.status().state == "recording"


def test_a_restart_in_the_handover_knows_who_received(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    time.sleep(0.3)
    table.do(STOP)
    table.until_state("handover")
    table.do(protocol.ReceivedRequest(CLIENT))
    table.kill()
    table.serve("--source", "synthetic")
    assert table.until_state("handover").received == [CLIENT]
    assert table.do(protocol.ReceivedRequest(PROFESSIONAL)).state == "idle"
    table.kill()
    table.serve("--source", "synthetic")
    assert table.status().state == "idle"


def test_started_and_stopped_at_once_leaves_nothing(table: Table) -> None:
    table.serve("--source", "synthetic", "--pace", "fast")
    table.agree()
    table.do(START)
    table.kill()
    for recording in table.recordings():
        (recording / "data/gesprek.wav").unlink()
    table.serve("--source", "synthetic")
    assert table.status().state == "idle"
    assert table.recordings() == []
    assert [entry["event"] for entry in register_of(table)][-1] == "removed"


def test_a_party_may_leave_without_a_stick(table: Table) -> None:
    table.serve("--source", "synthetic", sticks=False)
    table.agree()
    alone = table.do(START)
    assert any("stick" in sentence for sentence in alone.trouble)
    time.sleep(0.3)
    table.do(STOP)
    table.until_state("handover")
    assert table.refused(protocol.ReceivedRequest(CLIENT)).why == "no-copy-left"
    table.do(protocol.LaterRequest(CLIENT))
    assert table.do(protocol.LaterRequest(PROFESSIONAL)).state == "idle"


def test_rule_4_one_failing_stick_hurts_neither_the_other_nor_the_original(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    snapshot = table.do(START)
    assert snapshot.recording is not None
    time.sleep(1.2)
    shutil.move(table.sticks[0], table.root / "pulled-out")
    time.sleep(1.0)
    table.do(STOP)
    done = table.until_state("handover")
    assert {copy.state for copy in done.copies} == {"verified", "unfinished"}
    (whole,) = table.copies()
    assert same_folders(whole, Path(snapshot.recording.folder))
    assert any("stick" in sentence for sentence in done.trouble)
    (part,) = (table.root / "pulled-out").iterdir()
    assert part.name.endswith(" (onvolledig)")
    assert soundfile.info(str(part / "data/gesprek.wav")).frames > 0
    shutil.move(table.root / "pulled-out", table.sticks[0])
    table.until(lambda snapshot: [copy.state for copy in snapshot.copies] == ["verified", "verified"])
    assert same_folders(*table.copies())


def test_a_foreign_folder_of_the_same_name_is_never_overwritten(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    snapshot = table.do(START)
    assert snapshot.recording is not None
    foreign = table.sticks[1] / Path(snapshot.recording.folder).name
    foreign.mkdir()
    (foreign / "vakantie.txt").write_text("van iemand anders")
    time.sleep(0.3)
    table.do(STOP)
    done = table.until_state("handover")
    assert [copy.state for copy in done.copies] == ["verified", "failed"]
    assert [path.name for path in foreign.iterdir()] == ["vakantie.txt"]


def test_a_dead_microphone_is_found_at_the_level_check_and_within_ten_seconds_later(table: Table, tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    write_wav(sound, array.array("h", bytes(2 * 4 * RATE)) + counting(4 * RATE))
    table.serve("--source", f"wav:{sound}")

    def dead(snapshot: protocol.Snapshot) -> bool:
        return any("helemaal geen geluid" in sentence for sentence in snapshot.trouble)

    table.agree()
    table.until(dead, 6)
    table.until(lambda snapshot: not dead(snapshot), 4)
    table.do(START)
    table.until(dead, 10)
    table.do(STOP)
    table.until_state("handover")
    assert "silent" in events(table.copies()[0])


def test_two_services_cannot_own_one_room(table: Table) -> None:
    table.serve("--source", "synthetic")
    again = subprocess.run(
        [sys.executable, "-m", "appliance", "serve", "--root", table.root, "--source", "synthetic"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert again.returncode == 1
    assert "already running" in again.stderr
    assert table.status().state == "idle"


def test_killing_every_screen_three_times_leaves_no_gap(table: Table) -> None:
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    for _ in range(3):
        screen = subprocess.Popen(
            ["script", "-qec", f"{sys.executable} -m appliance ui --root {table.root}", "/dev/null"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        time.sleep(0.7)
        killed = subprocess.run(["pkill", "-9", "-f", "--", f"-m appliance ui --root {table.root}"], check=False)
        assert killed.returncode == 0, "there was a screen to kill"
        screen.wait()
    table.do(STOP)
    done = table.until_state("handover")
    assert done.recording is not None
    assert done.recording.gaps == []
    assert is_synthetic(samples_of(table.copies()[0] / "data/gesprek.wav"))
