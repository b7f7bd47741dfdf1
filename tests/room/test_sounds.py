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
from itertools import combinations, pairwise
from pathlib import Path

import msgspec
import pytest

from appliance import protocol
from appliance.agreement import PARTIES, Party
from appliance.config import Config, Pins, Sound
from appliance.journal import of_kind, whole
from appliance.meeting import Tone
from appliance.prompts import prompt
from appliance.protocol import Snapshot
from appliance.room import sounds
from appliance.room.sounds import LOUDNESS, MELODIES, NOTE_SECONDS, RATE, Loudspeaker, Spoken, pcm
from tests.room.running import running
from tests.room_parts import RoomMicrophone, counting, journal_of, write_wav

FULL_SCALE = 32_767
TONES = sorted(MELODIES)


def samples(content: bytes) -> array.array[int]:
    heard = array.array("h")
    heard.frombytes(content)
    if sys.byteorder == "big":
        heard.byteswap()
    return heard


def test_every_tone_has_a_melody() -> None:
    assert set(MELODIES) == set(Tone)


def test_no_two_tones_sound_alike() -> None:
    assert [(one, other) for one, other in combinations(TONES, 2) if pcm(MELODIES[one]) == pcm(MELODIES[other])] == []


def test_the_notes_of_two_melodies_differ_enough_to_be_told_apart() -> None:
    pitches = sorted({note for notes in MELODIES.values() for note in notes})
    assert all(other / one > 1.15 for one, other in pairwise(pitches)), "less than a minor third apart"


@pytest.mark.parametrize("tone", TONES)
def test_a_tone_is_gentle_and_begins_and_ends_in_silence(tone: Tone) -> None:
    sounding = samples(pcm(MELODIES[tone]))
    assert len(sounding) == len(MELODIES[tone]) * int(RATE * NOTE_SECONDS)
    assert 0.7 * LOUDNESS < max(map(abs, sounding)) / FULL_SCALE <= LOUDNESS < 0.5
    assert sounding[0] == 0
    assert abs(sounding[-1]) <= 3
    steps = (abs(after - before) for before, after in pairwise(sounding))
    assert max(steps) < 2 * math.pi * max(MELODIES[tone]) / RATE * LOUDNESS * FULL_SCALE * 1.1, "a click"


def test_beginnings_rise_and_ends_fall() -> None:
    for beginning in (Tone.STARTED, Tone.RESUMED, Tone.READY):
        assert list(MELODIES[beginning]) == sorted(MELODIES[beginning])
    for end in (Tone.PAUSED, Tone.STOPPED):
        assert list(MELODIES[end]) == sorted(MELODIES[end], reverse=True)


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
        until = time.monotonic() + 10
        while not to.stat().st_size:  # silence, from the moment it is listened to
            assert time.monotonic() < until
            time.sleep(0.02)
        try:
            yield
        finally:
            time.sleep(0.2)
            recording.kill()
            recording.wait()


async def test_tones_are_heard_in_the_room_whole_and_one_after_the_other(
    microphone: RoomMicrophone, loudspeaker: str, tmp_path: Path
) -> None:
    heard = tmp_path / "heard.raw"
    with ears(microphone, heard):
        speaker = Loudspeaker(loudspeaker)
        speaker.play(Tone.STARTED)
        speaker.play(Tone.CONFIRMED_CLIENT)
        async with asyncio.timeout(15):
            await speaker.until_quiet()
        speaker.close()
    content = heard.read_bytes()
    one, other = (pcm(MELODIES[tone]).strip(b"\0") for tone in (Tone.STARTED, Tone.CONFIRMED_CLIENT))
    assert (begin := content.find(one)) > 0, "the first tone is not heard as it is written"
    assert content.find(other, begin + len(one)) > 0, "the second is not heard as it is written, and after the first"


async def test_a_machine_without_a_loudspeaker_is_silent_and_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", never)
    silent = Loudspeaker(None)
    for tone in Tone:
        silent.play(tone)
    await silent.until_quiet()
    silent.close()


async def test_a_loudspeaker_that_is_not_there_costs_a_line_in_the_log_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    broken = Loudspeaker("no such thing")
    broken.play(Tone.STARTED)
    broken.play(Tone.STOPPED)
    async with asyncio.timeout(10):
        await broken.until_quiet()
    broken.close()
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert "no sound" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_loudspeaker_that_hangs_is_ended_and_the_next_tone_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    played = tmp_path / "played"
    program = tmp_path / "hangs"
    program.write_text(f'#!/bin/sh\necho "$3 $$" >> {played}\n[ "$3" = stopped ] || exec sleep 60\n')
    program.chmod(0o755)
    monkeypatch.setattr(sounds, "LONGEST_SECONDS", 0.5)
    monkeypatch.setattr(sys, "executable", str(program))
    speaker = Loudspeaker("hangs")
    speaker.play(Tone.STARTED)
    speaker.play(Tone.STOPPED)
    async with asyncio.timeout(10):
        await speaker.until_quiet()
    speaker.close()
    (tone, hung), (next_tone, _) = (line.split() for line in played.read_text().splitlines())
    assert (tone, next_tone) == ("started", "stopped")
    assert not Path(f"/proc/{hung}").exists()
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


# ── spoken


async def test_a_prompt_is_spoken_and_heard_in_the_room(microphone: RoomMicrophone, loudspeaker: str, tmp_path: Path) -> None:
    heard = tmp_path / "heard.raw"
    with ears(microphone, heard):
        speaker = Loudspeaker(loudspeaker)
        speaker.say(Spoken("nl", "Afgesproken."))
        async with asyncio.timeout(20):
            await speaker.until_quiet()
        speaker.close()
    sounding = samples(heard.read_bytes())
    loud = sum(abs(sample) > 500 for sample in sounding)
    assert loud > RATE * 0.1, "some tenths of a second of a voice"


async def test_what_is_no_longer_true_is_not_said(loudspeaker: str) -> None:
    speaker = Loudspeaker(loudspeaker)
    for sentence in ("Eerst.", "Dan."):
        speaker.say(Spoken("nl", sentence))
    speaker.play(Tone.PAUSED)
    speaker.say(Spoken("nl", "Nu."))
    assert [speaker._waiting.get_nowait() for _ in range(speaker._waiting.qsize())] == [Tone.PAUSED, Spoken("nl", "Nu.")]
    speaker.close()


def table_with_prompts(state: str, **different: object) -> Snapshot:
    return msgspec.structs.replace(
        Snapshot(state=state, confirmed=[], storing=False, light=False, trouble=[], recording=None, copies=[]), **different
    )


@pytest.mark.parametrize("language", ["nl", "en"])
def test_each_step_is_said_once_and_the_conversation_is_left_alone(language: str) -> None:
    steps = [
        table_with_prompts(state, language=language, asked=asked)
        for state, asked in [
            ("idle", None), ("announcing", Party.PROFESSIONAL), ("agreeing", Party.CLIENT), ("agreed", None), ("recording", None),
            ("paused", None), ("recording", None), ("sealing", None), ("copying", None), ("handover", Party.PROFESSIONAL),
            ("handover", Party.CLIENT), ("idle", None),
        ]
    ]  # fmt: skip
    said = [prompt(before, now) for before, now in pairwise(steps)]
    assert [bool(words) for words in said] == [True, True, True, True, True, True, False, True, True, True, False]
    assert all(prompt(now, now) == "" for now in steps)
    assert prompt(None, steps[4]) == "", "a service that starts in the middle says nothing"
    assert len({words for words in said if words}) == 8


async def test_the_appliances_own_sounds_are_marked_where_they_are_in_the_recording(
    microphone: RoomMicrophone, loudspeaker: str, tmp_path: Path
) -> None:
    write_wav(tmp_path / "room.wav", counting(RATE * 30))
    microphone.play(tmp_path / "room.wav")
    config = Config(pins=Pins(factory="none"), sound=Sound(device=loudspeaker, prompts=True))
    async with running(tmp_path / "room", config, tmp_path / "a", tmp_path / "b", source="device:roommic") as room:
        await room.do(protocol.AnnounceRequest())
        await room.until(lambda now: now.microphone == "heard")
        await room.do(*(protocol.ConfirmRequest(party) for party in PARTIES))
        await room.do(protocol.StartRequest())
        await room.until(lambda now: now.storing)
        await asyncio.sleep(0.4)
        await room.do(protocol.PauseRequest())
        await room.until(lambda now: not now.storing)
        await room.service._parts_of_table.loudspeaker.until_quiet()
        await room.do(protocol.ResumeRequest())
        await room.until(lambda now: now.storing)
        await asyncio.sleep(0.4)
        await room.do(protocol.StopRequest())
        done = await room.until_state("handover")
        assert done.recording is not None
        journal = journal_of(Path(done.recording.folder))
    sounds = of_kind(journal, "tone")
    (paused,) = of_kind(journal, "paused")
    (resumed,) = [entry for entry in sounds if entry["tone"] == "resumed"]
    assert whole(paused, "frame") <= whole(resumed, "frame") <= whole(paused, "frame") + RATE // 4
    assert not {"paused", "stopped"} & {str(entry["tone"]) for entry in sounds}, (
        "they are not in the recording, nor in its journal"
    )
