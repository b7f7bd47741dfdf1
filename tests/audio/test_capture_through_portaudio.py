"""A real PortAudio stream, recorded through the running service: what was said after the press is in the recording, to
the sample, and nothing that was said before."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from appliance import protocol
from tests.room_parts import (
    RATE,
    RoomMicrophone,
    Table,
    counting,
    events,
    journal_of,
    listening_beside,
    place_of,
    samples_of,
    write_wav,
)

SECONDS_OF_SOUND = 60
A_PRESS_IS_EXACT_TO_NS = 60_000_000
AUDIBLE = 300


@pytest.fixture(scope="module")
def counting_sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sounds") / "counting.wav"
    write_wav(path, counting(SECONDS_OF_SOUND * RATE))
    return path


def at_the_microphone(table: Table, microphone: RoomMicrophone, latency: float) -> None:
    table.environment = microphone.environment
    (table.root / "config.toml").write_text(f"[audio]\nlatency_seconds = {latency}\n")
    table.serve("--source", RoomMicrophone.DEVICE)


def test_rule_5_what_was_played_is_recorded_sample_for_sample(table: Table, microphone: RoomMicrophone, tmp_path: Path) -> None:
    speech = tmp_path / "speech.wav"
    subprocess.run(
        ["espeak-ng", "-v", "nl", "-w", tmp_path / "espeak.wav", "Een, twee, drie. Wij nemen dit gesprek op."], check=True
    )
    subprocess.run(
        ["sox", tmp_path / "espeak.wav", "-r", "48000", "-b", "16", "-c", "1", speech, "norm", "-3", "pad", "4", "1.5"],
        check=True,
    )
    at_the_microphone(table, microphone, 0.4)
    player = microphone.play(speech)
    table.agree()
    table.do(protocol.StartRequest())
    player.wait()
    table.do(protocol.StopRequest())
    table.until_state("handover")
    recorded = samples_of(table.copies()[0] / "data/gesprek.wav").tobytes()
    spoken = samples_of(speech)
    first = next(n for n, sample in enumerate(spoken) if abs(sample) > AUDIBLE)
    last = next(n for n in reversed(range(len(spoken))) if abs(spoken[n]) > AUDIBLE)
    assert last - first > RATE
    assert recorded.count(spoken[first : last + 1].tobytes()) == 1
    assert "gap" not in events(table.copies()[0])


@pytest.mark.parametrize("latency", [0.1, 0.4, 2.0])
def test_rule_3_nothing_from_before_the_press_is_stored_and_nothing_after_it_is_lost_whatever_the_latency(
    table: Table, microphone: RoomMicrophone, counting_sound: Path, latency: float
) -> None:
    at_the_microphone(table, microphone, latency)
    microphone.play(counting_sound)
    with listening_beside(microphone) as began:
        table.agree()
        sounded_at = began()
        time.sleep(2 * latency)
        pressed = time.monotonic_ns()
        table.do(protocol.StartRequest())
        time.sleep(1.0)
        paused = time.monotonic_ns()
        table.do(protocol.PauseRequest())
        resumed = time.monotonic_ns()
        table.do(protocol.ResumeRequest())
        time.sleep(1.0)
        stopped = time.monotonic_ns()
        table.do(protocol.StopRequest())
    table.until_state("handover")

    folder = table.copies()[0]
    samples = samples_of(folder / "data/gesprek.wav")
    cut = next(int(str(entry["frame"])) for entry in journal_of(folder) if entry["event"] == "paused")
    assert "gap" not in events(folder)
    for first, last, begin, end in ((0, cut, pressed, paused), (cut, len(samples), resumed, stopped)):
        place = place_of(samples, first)
        assert samples[first:last] == counting(last - first, place), "the stretch is not what was played"
        for frame, moment in ((place, begin), (place + last - first, end)):
            late_ns = sounded_at + frame * 1_000_000_000 // RATE - moment
            assert abs(late_ns) < A_PRESS_IS_EXACT_TO_NS, f"cut {late_ns / 1e6:.1f} ms from the press"
