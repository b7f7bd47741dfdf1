"""A microphone that goes while the room goes on, through real PortAudio and the running service: noticed, told, opened again,
and the recording keeps the room's own time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance import protocol
from appliance.journal import Entry, whole
from appliance.meeting import Tone
from appliance.protocol import Snapshot
from appliance.room.sounds import MELODIES, pcm
from tests.audio.cable import MicrophoneOnACable, silence_in
from tests.benchmarks.recording import children_of
from tests.room_parts import RATE, Table, counting, events, journal_of, samples_of, write_wav

NOTICED_WITHIN, AT_ONCE = 2.0, 1.3
THE_CHILD_ENDS = {"error", "error-then-hang", "die", "hang-open"}
"""By itself, and never waits for PortAudio to close what is broken."""
MOST_UNSURE = RATE // 20
"""50 ms."""
SECONDS_OF_SOUND = 90


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[MicrophoneOnACable]:
    there = MicrophoneOnACable(tmp_path / "microphone")
    yield there
    there.close()


@pytest.fixture(scope="module")
def counting_sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sounds") / "counting.wav"
    write_wav(path, counting(SECONDS_OF_SOUND * RATE))
    return path


def begin(table: Table, cable: MicrophoneOnACable, sound: Path) -> None:
    table.environment = cable.environment
    (table.root / "config.toml").write_text('[organisation]\nlanguage = "en"\n[sound]\ndevice = "speaker"\n')
    cable.play(sound)
    table.serve("--source", MicrophoneOnACable.DEVICE)
    table.agree()
    assert table.do(protocol.StartRequest()).storing
    time.sleep(1.5)


def within(seconds: float, table: Table, holds: Callable[[Snapshot], bool]) -> Snapshot:
    """That it was so soon enough, by the clock and not by how often we looked."""
    since = time.monotonic()
    snapshot = table.until(holds, seconds + 5)
    assert time.monotonic() - since <= seconds
    return snapshot


def is_dark(snapshot: Snapshot) -> bool:
    return not (snapshot.storing or snapshot.light)


def is_lit(snapshot: Snapshot) -> bool:
    return snapshot.storing and snapshot.light


def has_sounded(tone: Tone, cable: MicrophoneOnACable) -> bool:
    return cable.tones.exists() and pcm(MELODIES[tone]) in cable.tones.read_bytes()


def hears(table: Table) -> set[int]:
    """The capture children that run."""
    assert table.service is not None
    return {pid for pid in children_of(table.service.pid) if "appliance.audio.capture" in command_of(pid)}


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""  # it has ended since


def gaps_in(folder: Path) -> list[Entry]:
    return [entry for entry in journal_of(folder) if entry["event"] == "gap"]


def is_whole_around(gaps: list[Entry], folder: Path, cable: MicrophoneOnACable) -> None:
    """Each stretch is what sounded, sample for sample; each gap is silence, and as long as the room's own time says."""
    samples = samples_of(folder / "data/gesprek.wav")
    begins = [0, *(whole(gap, "frame") + whole(gap, "frames") for gap in gaps)]
    ends = [*(whole(gap, "frame") for gap in gaps), len(samples)]
    assert all(last - first > RATE // 2 for first, last in zip(begins, ends, strict=True))
    sounded = [cable.when_sounded(samples[first:last]) for first, last in zip(begins, ends, strict=True)]
    for number, gap in enumerate(gaps):
        at, frames, unsure = whole(gap, "frame"), whole(gap, "frames"), whole(gap, "uncertainty_frames")
        assert silence_in(samples, at, frames)
        truth = sounded[number + 1] - (sounded[number] + at - begins[number])
        assert unsure <= MOST_UNSURE
        assert abs(frames - truth) <= unsure, f"{(frames - truth) / RATE * 1000:.1f} ms too long"


def test_rule_5_pulled_and_put_back_twice_each_stretch_is_what_was_played_and_the_gaps_are_as_long_as_they_say(
    table: Table, cable: MicrophoneOnACable, counting_sound: Path
) -> None:
    begin(table, cable, counting_sound)
    for seconds_away in (1.2, 2.7):
        cable.pull()
        lost = within(NOTICED_WITHIN, table, is_dark)
        assert lost.state == "recording", "it goes on by itself"
        assert any("microphone is gone" in sentence for sentence in lost.trouble)
        table.until(lambda _: has_sounded(Tone.TROUBLE, cable), 6)
        cable.tones.unlink()
        time.sleep(seconds_away)
        cable.put_back()
        table.until(is_lit, 8)
        time.sleep(1.5)
    table.do(protocol.StopRequest())
    done = table.until_state("handover")
    assert [copy.state for copy in done.copies] == ["verified", "verified"]

    folder = table.copies()[0]
    gaps = gaps_in(folder)
    assert [gap["why"] for gap in gaps] == ["microphone", "microphone"]
    assert events(folder).count("gap") == 2
    is_whole_around(gaps, folder, cable)


@pytest.mark.parametrize(
    "fault", ["silent", "error", "hang-read", "hang-read-and-everything-else", "error-then-hang", "die", "hang-open"]
)
def test_however_portaudio_fails_it_is_noticed_in_two_seconds_opened_afresh_and_a_gap(
    fault: str, table: Table, cable: MicrophoneOnACable, counting_sound: Path, tmp_path: Path
) -> None:
    """Real PortAudio in a real child, made to fail at its next call (`faulty/sounddevice.py`). To hang in opening, it must first
    have gone; then the second child is replaced by a third."""
    told = tmp_path / "fault"
    cable.environment |= {"PYTHONPATH": str(Path(__file__).parent / "faulty"), "FAULT": str(told)}
    begin(table, cable, counting_sound)
    (first,) = hears(table)
    if fault == "hang-open":
        os.kill(first, signal.SIGKILL)
    told.write_text(fault)
    lost = within(AT_ONCE if fault in THE_CHILD_ENDS else NOTICED_WITHIN, table, is_dark)
    assert any("microphone is gone" in sentence for sentence in lost.trouble)
    table.until(is_lit, 12)
    assert not told.exists(), "it did fail"
    (afresh,) = hears(table)
    assert afresh != first
    time.sleep(1.0)
    table.do(protocol.StopRequest())
    table.until_state("handover")
    gaps = gaps_in(table.copies()[0])
    assert [gap["why"] for gap in gaps] == ["microphone"]
    is_whole_around(gaps, table.copies()[0], cable)
