"""The lab's own eyes: what they must see when a recording did not survive."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import SyntheticTrack
from appliance.disk import RealDisk
from appliance.journal import Entry, check, of_kind, whole
from appliance.mending import mend
from appliance.papers import Papers
from appliance.sealing import seal
from appliance.signing import make_new
from tests.audio import simulated_room
from tests.audio.simulated_room import MS, SECOND, Room, RoomClock
from tests.lab.outcome import Asked, Told, examine, lost_us, nothing_left

VOICE = PcmFormat()
PRESSED = 2 * SECOND


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a sealed recording of the lab's voice: 2 s, a pause of half a second, 1.5 s; interrupted unless `stopped`."""

    def recorded(*, stopped: bool = True, beside: int = 0) -> Path:
        track = SyntheticTrack(VOICE)

        def heard(frames: range, _: PcmFormat) -> bytes:
            late = frames.start > 4 * VOICE.rate
            return track.at(frames.start + (beside if late else 0), len(frames))

        monkeypatch.setattr(simulated_room, "pcm_of", heard)
        recordings = tmp_path / "recordings"
        recordings.mkdir()
        room = Room(recordings, audio_format=VOICE, disk=RealDisk())
        room.microphone(0, 8 * SECOND, blocks=(2_400,))
        room.begin(PRESSED)
        room.pause(4 * SECOND)
        room.resume(4_500 * MS)
        if stopped:
            room.stop(6 * SECOND)
        room.run(7 * SECOND if stopped else 5_600 * MS)
        clock = RoomClock("another-boot")
        mend(room.disk, clock, room.made)
        seal(room.disk, clock, room.made, Papers(make_new(room.disk, tmp_path)))
        return room.made.folder

    return recorded


def stopped_at(frames: int) -> Told:
    return Told(8_000_000, "handover", "k7qm", frames, Asked("stop", 6_000_000, answered=True))


def test_a_recording_that_survived_is_found_well(record: Callable[..., Path], tmp_path: Path) -> None:
    folder = record()
    copies = [shutil.copytree(folder, tmp_path / name / folder.name) for name in "ab"]
    outcome = examine(folder, copies, stopped_at(168_000))
    assert outcome.wrong == ()
    assert (outcome.frames, outcome.lost_ms, outcome.interrupted) == (168_000, 0, False)


def test_what_was_told_and_is_not_there_is_seen(record: Callable[..., Path]) -> None:
    assert "168001 frames were told" in " ".join(examine(record(), (), stopped_at(168_001)).wrong)


def test_one_wrong_sample_is_seen(record: Callable[..., Path]) -> None:
    folder = record()
    wav = folder / "data/gesprek.wav"
    wav.chmod(0o600)
    with wav.open("r+b") as content:
        content.seek(1024 + 2 * 100_000)
        content.write(b"\1\0")
    assert "From frame 96000 to 168000 it is not what was heard." in examine(folder, (), stopped_at(0)).wrong


def test_sound_from_another_moment_is_seen(record: Callable[..., Path]) -> None:
    assert "heard 5 frames beside" in " ".join(examine(record(beside=5), (), stopped_at(0)).wrong)


@pytest.mark.parametrize(("line", "other"), [(b'"paused"', b'"pauzed"'), (b"}\n", b"}\nx")])
def test_a_journal_that_breaks_is_seen(record: Callable[..., Path], line: bytes, other: bytes) -> None:
    folder = record()
    journal = folder / "data/journal.jsonl"
    journal.chmod(0o600)
    before, found, behind = journal.read_bytes().rpartition(line)
    journal.write_bytes(before + other + behind)
    assert found
    assert "The journal breaks" in examine(folder, (), stopped_at(0)).wrong[0]


def test_a_copy_that_differs_is_seen(record: Callable[..., Path], tmp_path: Path) -> None:
    folder = record()
    copies = [shutil.copytree(folder, tmp_path / name / folder.name) for name in "ab"]
    (copies[1] / "bag-info.txt").chmod(0o600)
    (copies[1] / "bag-info.txt").write_bytes(b"x")
    wrong = " ".join(examine(folder, copies, stopped_at(0)).wrong)
    assert "bag-info.txt not as in the original" in wrong
    assert "verify says" in wrong


def test_a_stop_that_became_an_interruption_is_seen(record: Callable[..., Path]) -> None:
    folder = record(stopped=False)
    assert examine(folder, (), Told(6_000_000, asked=Asked("resume", 4_500_000, answered=True))).wrong == ()
    assert "answered so" in " ".join(examine(folder, (), stopped_at(0)).wrong)


def test_a_digest_that_was_shown_must_stay(record: Callable[..., Path]) -> None:
    told = Told(8_000_000, "handover", "k7qm", 0, Asked("stop", 6_000_000, answered=True), sha256="0" * 64)
    assert "digest that was shown" in " ".join(examine(record(), (), told).wrong)


def test_the_loss_is_the_sound_between_what_came_out_and_the_cut(record: Callable[..., Path]) -> None:
    folder = record(stopped=False)
    entries: list[Entry] = list(check((folder / "data/journal.jsonl").read_bytes()).entries)
    frames = whole(of_kind(entries, "sealed")[0], "frames")
    assert 96_000 < frames < 168_000
    heard_to_us = 4_500_000 + (frames - 96_000) * 1_000_000 // VOICE.rate
    assert lost_us(entries, frames, Told(heard_to_us + 700_000)) == 700_000
    pressed = Told(heard_to_us + 700_000, asked=Asked("stop", heard_to_us + 200_000, answered=False))
    assert lost_us(entries, frames, pressed) == 200_000
    too_much = Told(heard_to_us + 1_200_000, asked=Asked("resume", 4_500_000, answered=True))
    assert "1200 ms of sound are missing." in examine(folder, (), too_much).wrong


def test_no_recording_is_right_only_when_no_sound_of_it_was_told() -> None:
    begun = Asked("start", 1_000_000, answered=False)
    assert nothing_left(Told(1_300_000, asked=begun)).wrong == ()
    assert nothing_left(Told(1_300_000, asked=begun)).lost_ms == 300
    assert nothing_left(Told(1_300_000, frames=1, asked=begun)).wrong != ()
