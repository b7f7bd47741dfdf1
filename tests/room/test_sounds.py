"""The tones: told apart without looking, gentle, heard through a real loudspeaker's stream, and never worth a recording."""

from __future__ import annotations

import array
import asyncio
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

import pytest

from appliance.meeting import Tone
from appliance.room import sounds
from appliance.room.sounds import LOUDNESS, MELODIES, NOTE_SECONDS, RATE, Loudspeaker, pcm
from tests.room_parts import RoomMicrophone

FULL_SCALE = 32_767
TONES = sorted(MELODIES)


def samples(content: bytes) -> array.array[int]:
    heard = array.array("h")
    heard.frombytes(content)
    if sys.byteorder == "big":
        heard.byteswap()
    return heard


def strength(heard: array.array[int], hertz: float) -> float:
    """How much of one pitch there is, 0 to about 1 (Goertzel)."""
    coefficient = 2 * math.cos(2 * math.pi * hertz / RATE)
    before = now = 0.0
    for sample in heard:
        before, now = now, sample + coefficient * now - before
    power = now * now + before * before - coefficient * now * before
    energy = sum(sample * sample for sample in heard) * len(heard) / 2
    return power / energy if energy else 0.0


def notes_heard(heard: array.array[int], count: int) -> tuple[float, ...]:
    """The melody that sounds, by the pitches that the appliance has."""
    pitches = sorted({note for notes in MELODIES.values() for note in notes})
    size = len(heard) // count
    pieces = (heard[n * size : (n + 1) * size] for n in range(count))
    return tuple(max(pitches, key=lambda hertz: strength(piece, hertz)) for piece in pieces)


def test_every_tone_has_a_melody() -> None:
    assert set(MELODIES) == set(Tone)


def test_no_two_tones_sound_alike() -> None:
    assert [(one, other) for one, other in combinations(TONES, 2) if pcm(MELODIES[one]) == pcm(MELODIES[other])] == []


def test_the_notes_of_two_melodies_differ_enough_to_be_told_apart() -> None:
    pitches = sorted({note for notes in MELODIES.values() for note in notes})
    assert all(other / one > 1.15 for one, other in zip(pitches, pitches[1:], strict=False)), "less than a minor third apart"


@pytest.mark.parametrize("tone", TONES)
def test_a_tone_is_gentle_and_begins_and_ends_in_silence(tone: Tone) -> None:
    sounding = samples(pcm(MELODIES[tone]))
    assert len(sounding) == len(MELODIES[tone]) * int(RATE * NOTE_SECONDS)
    assert 0.7 * LOUDNESS < max(map(abs, sounding)) / FULL_SCALE <= LOUDNESS < 0.5
    assert sounding[0] == 0
    assert abs(sounding[-1]) <= 3
    steps = (abs(after - before) for before, after in zip(sounding, sounding[1:], strict=False))
    assert max(steps) < 2 * math.pi * max(MELODIES[tone]) / RATE * LOUDNESS * FULL_SCALE * 1.1, "a click"


def test_a_melody_is_played_as_it_is_written() -> None:
    assert notes_heard(samples(pcm(MELODIES[Tone.STOPPED])), 3) == MELODIES[Tone.STOPPED]


# ── through a loudspeaker


@pytest.fixture
def loudspeaker(microphone: RoomMicrophone, monkeypatch: pytest.MonkeyPatch) -> str:
    """A loudspeaker `roomspeaker` in the room of the microphone; it is known to this process and its children."""
    config = Path(microphone.environment["ALSA_CONFIG_PATH"])
    server = microphone.environment["PULSE_SERVER"]
    with config.open("a") as more:
        more.write(
            f'pcm.roomspeaker {{ type pulse server "{server}" device "feed" hint {{ show on description "room speaker" }} }}\n'
        )
    for name, value in microphone.environment.items():
        monkeypatch.setenv(name, value)
    return "roomspeaker"


@contextmanager
def ears(microphone: RoomMicrophone, to: Path) -> Iterator[None]:
    """All that sounds in the room, into a file."""
    with to.open("wb") as output:
        recording = subprocess.Popen(
            ["parec", "-d", "feed.monitor", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=20", "--raw"],
            env={**os.environ, **microphone.environment},
            stdout=output,
        )
        while not to.stat().st_size:  # a null sink's monitor gives silence from the moment it is listened to
            time.sleep(0.02)
        try:
            yield
        finally:
            time.sleep(0.2)
            recording.kill()
            recording.wait()


def sounding_part(heard: array.array[int]) -> array.array[int]:
    loud = [n for n, sample in enumerate(heard) if abs(sample) > 60]
    return heard[loud[0] : loud[-1] + 1] if loud else array.array("h")


def test_a_tone_is_heard_in_the_room_whole_and_as_it_is_written(microphone: RoomMicrophone, loudspeaker: str, tmp_path: Path) -> None:
    heard = tmp_path / "heard.raw"
    with ears(microphone, heard):
        played = subprocess.run(
            [sys.executable, "-m", "appliance.room.sounds", Tone.STARTED.value, loudspeaker], check=False, capture_output=True, text=True
        )
    assert (played.returncode, played.stderr) == (0, "")
    sounding = sounding_part(samples(heard.read_bytes()))
    melody = MELODIES[Tone.STARTED]
    assert len(sounding) == pytest.approx(len(melody) * NOTE_SECONDS * RATE, rel=0.05)
    assert notes_heard(sounding, len(melody)) == melody
    assert max(map(abs, sounding)) <= LOUDNESS * FULL_SCALE * 1.02


async def test_tones_wait_for_each_other_and_are_all_heard(microphone: RoomMicrophone, loudspeaker: str, tmp_path: Path) -> None:
    heard = tmp_path / "heard.raw"
    with ears(microphone, heard):
        speaker = Loudspeaker(loudspeaker)
        speaker.play(Tone.CONFIRMED_PROFESSIONAL)
        speaker.play(Tone.CONFIRMED_CLIENT)
        async with asyncio.timeout(10):
            while not speaker.is_quiet:
                await asyncio.sleep(0.02)
        speaker.close()
    content = samples(heard.read_bytes())
    size = int(NOTE_SECONDS * RATE)
    pitches = [
        max((523.25, 659.26, 783.99), key=lambda hertz: strength(piece, hertz))
        for n in range(0, len(content) - size // 3, size // 3)
        if max(map(abs, piece := content[n : n + size // 3])) > 0.5 * LOUDNESS * FULL_SCALE
    ]
    assert pitches[0] == 523.25
    assert pitches[-1] == 659.26
    assert pitches == sorted(pitches), "one after the other"


async def test_a_machine_without_a_loudspeaker_is_silent_and_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", never)
    silent = Loudspeaker(None)
    for tone in Tone:
        silent.play(tone)
    await asyncio.sleep(0.05)
    assert silent.is_quiet
    silent.close()


async def test_a_loudspeaker_that_is_not_there_costs_a_line_in_the_log_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    broken = Loudspeaker("no such thing")
    broken.play(Tone.STARTED)
    broken.play(Tone.STOPPED)
    async with asyncio.timeout(10):
        while not broken.is_quiet:
            await asyncio.sleep(0.02)
    broken.close()
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert "no tone" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_loudspeaker_that_hangs_is_ended_and_the_next_tone_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    played = tmp_path / "played"
    program = tmp_path / "hangs"
    program.write_text(f'#!/bin/sh\necho "$3" >> {played}\n[ "$3" = stopped ] || exec sleep 60\n')
    program.chmod(0o755)
    monkeypatch.setattr(sounds, "LONGEST_SECONDS", 0.5)
    monkeypatch.setattr(sys, "executable", str(program))
    speaker = Loudspeaker("hangs")
    speaker.play(Tone.STARTED)
    speaker.play(Tone.STOPPED)
    async with asyncio.timeout(10):
        while not speaker.is_quiet:
            await asyncio.sleep(0.02)
    speaker.close()
    assert played.read_text().split() == ["started", "stopped"]
    assert "did not finish" in caplog.text


async def test_tones_too_many_are_left_out_and_never_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[str] = []

    async def slow(*arguments: str, **_: object) -> None:
        began.append(arguments[-2])
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slow)
    speaker = Loudspeaker("slow")
    for _ in range(1000):
        speaker.play(Tone.PAUSED)
    await asyncio.sleep(0.05)
    assert began == ["paused"]
    speaker.close()
