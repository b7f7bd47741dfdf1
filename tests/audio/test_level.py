"""The meter on the screen: known sounds have known levels."""

from __future__ import annotations

import array
import math
from collections.abc import Iterable
from pathlib import Path

import pytest
import soundfile

import appliance
from appliance.audio.level import (
    CLIPPED_AT_ONCE,
    LATELY_SECONDS,
    PATIENCE_SECONDS,
    PATIENCE_WITH_SILENCE_SECONDS,
    SHOWN_SECONDS,
    WELL_HEARD_DBFS,
    Hint,
    Level,
    Meter,
    Pulse,
)
from appliance.audio.pcm import PcmFormat
from appliance.audio.reports import LevelIs
from tests.audio.simulated_room import BLOCK, MS, SECOND, Ears, Room

FORMATS = [PcmFormat(48_000, bits, channels) for bits in (16, 24) for channels in (1, 2)]
formats = pytest.mark.parametrize("audio_format", FORMATS, ids=lambda one: f"{one.bits} bit, {one.channels}")


def pcm_of(audio_format: PcmFormat, samples: Iterable[float]) -> bytes:
    """Samples, interleaved already, of which 1.0 is full scale."""
    full = 1 << (audio_format.bits - 1)
    whole = (max(-full, min(full - 1, round(sample * full))) for sample in samples)
    return b"".join(sample.to_bytes(audio_format.bits // 8, "little", signed=True) for sample in whole)


def level_of(audio_format: PcmFormat, pcm: bytes) -> Level:
    meter = Meter()
    for at in range(0, len(pcm), 960 * audio_format.frame_bytes):
        meter.add(audio_format, pcm[at : at + 960 * audio_format.frame_bytes])
    return meter.take()


@formats
@pytest.mark.parametrize("decibels", [0, -3, -20, -60])
def test_a_sine_s_peak_is_its_amplitude_and_its_level_three_lower(audio_format: PcmFormat, decibels: float) -> None:
    amplitude = 10 ** (decibels / 20)
    sine = [
        amplitude * math.sin(2 * math.pi * 997 * frame / 48_000) for frame in range(9_600) for _ in range(audio_format.channels)
    ]
    heard = level_of(audio_format, pcm_of(audio_format, sine))
    assert heard.peak == pytest.approx(decibels, abs=0.25)
    assert heard.level == pytest.approx(decibels - 3.01, abs=0.25)


@formats
@pytest.mark.parametrize("decibels", [0, -6, -40])
def test_a_square_s_level_is_its_peak(audio_format: PcmFormat, decibels: float) -> None:
    amplitude = 10 ** (decibels / 20)
    square = [amplitude * (-1) ** (frame // 50) for frame in range(9_600) for _ in range(audio_format.channels)]
    heard = level_of(audio_format, pcm_of(audio_format, square))
    assert heard.level == pytest.approx(decibels, abs=0.1)
    assert heard.peak == pytest.approx(decibels, abs=0.1)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("channel", [0, 1])
def test_both_channels_of_a_stereo_microphone_are_heard(bits: int, channel: int) -> None:
    stereo = PcmFormat(48_000, bits, 2)
    samples = [0.5 * (-1) ** (n // 100) if n % 2 == channel else 0.0 for n in range(19_200)]
    heard = level_of(stereo, pcm_of(stereo, samples))
    assert heard.peak == pytest.approx(-6.0, abs=0.1)
    assert heard.level == pytest.approx(-9.0, abs=0.2)


@formats
def test_digital_silence_has_no_level_and_nothing_at_all_neither(audio_format: PcmFormat) -> None:
    assert level_of(audio_format, bytes(960 * audio_format.frame_bytes)) == Level(None, None)
    assert level_of(audio_format, b"") == Level(None, None)


@formats
def test_the_least_sound_is_not_silence(audio_format: PcmFormat) -> None:
    quiet = [2.0**-15 * (-1) ** frame for frame in range(1_000) for _ in range(audio_format.channels)]
    heard = level_of(audio_format, pcm_of(audio_format, quiet))
    assert heard.peak == pytest.approx(-90.3)
    assert heard.level is not None


def test_a_tick_now_and_then_is_not_silence_either() -> None:
    heard = level_of(PcmFormat(), array.array("h", [int(n % 35 == 0) for n in range(960)]).tobytes())
    assert heard.peak == pytest.approx(-90.3)
    assert heard.level == pytest.approx(-105.7)


def test_the_loudest_negative_sample_is_full_scale() -> None:
    assert level_of(PcmFormat(), array.array("h", [-32_768] * 100).tobytes()) == Level(0.0, 0.0, clipped=100)


def test_each_question_is_about_what_came_since_the_last_one() -> None:
    meter = Meter()
    meter.add(PcmFormat(), array.array("h", [16_384] * 100).tobytes())
    assert meter.take().peak == -6.0
    assert meter.take() == Level(None, None)
    meter.add(PcmFormat(), array.array("h", [1_638] * 100).tobytes())
    assert meter.take().peak == pytest.approx(-26.0, abs=0.1)


@pytest.mark.parametrize("audio_format", [PcmFormat(), PcmFormat(bits=24, channels=2)])
@pytest.mark.parametrize("value", [b"\0\0", b"\x11\x07"])
def test_a_microphone_that_gives_one_and_the_same_value_for_three_seconds_is_dead(audio_format: PcmFormat, value: bytes) -> None:
    pulse = Pulse()
    frame = (value + b"\x07")[: audio_format.bits // 8] * audio_format.channels
    for _ in range(59):
        pulse.add(audio_format, frame * (audio_format.rate // 20))
    assert not pulse.is_dead(audio_format)
    pulse.add(audio_format, frame * (audio_format.rate // 20))
    assert pulse.is_dead(audio_format)
    pulse.add(audio_format, frame * 99 + bytes([1]) * audio_format.frame_bytes)
    assert not pulse.is_dead(audio_format)


def test_a_quiet_room_is_not_dead() -> None:
    pulse = Pulse()
    for _ in range(200):
        pulse.add(PcmFormat(), b"\0\0" * 2_399 + b"\1\0")
    assert not pulse.is_dead(PcmFormat())


# ── what the room is told ───────────────────────────────────────────────────────────────────────────


class Table:
    """A table that is heard for a while, as loud as it is, in fifths of a second."""

    def __init__(self) -> None:
        self.format = PcmFormat(8_000)
        self.meter = Meter()
        self.level = Level(None, None)

    def hear(self, seconds: float, decibels: float, *, clipped: int = 0) -> list[Hint | None]:
        """The hints as they come; `clipped`: samples at full scale in each fifth of a second."""
        frames = self.format.rate // 5
        wave = [10 ** (decibels / 20) * (-1) ** (frame // 4) for frame in range(frames - clipped)]
        pcm = pcm_of(self.format, [*wave, *[1.0] * clipped])
        hints = []
        for _ in range(round(seconds * 5)):
            self.meter.add(self.format, pcm)
            self.level = self.meter.take()
            hints.append(self.level.hint)
        return hints


NOBODY_NEAR, A_QUIET_ROOM, SPEECH, SHOUTING = WELL_HEARD_DBFS - 3, -60, -28, -6


def test_a_table_that_is_hardly_heard_is_told_so_after_some_seconds_and_no_longer_once_it_is_heard() -> None:
    table = Table()
    hints = table.hear(PATIENCE_SECONDS + 1, NOBODY_NEAR)
    assert hints.index(Hint.TOO_QUIET) == pytest.approx(PATIENCE_SECONDS * 5, abs=1)
    assert table.hear(0.8, SPEECH)[-1] is Hint.TOO_QUIET, "a cup that is put down is no speech"
    assert table.hear(0.4, SPEECH)[-1] is None


def test_where_somebody_was_heard_well_a_silence_is_a_silence() -> None:
    table = Table()
    assert set(table.hear(30, SPEECH)) == {None}
    assert set(table.hear(PATIENCE_WITH_SILENCE_SECONDS, A_QUIET_ROOM)) == {None}
    assert table.hear(12, A_QUIET_ROOM)[-1] is Hint.TOO_QUIET


def test_who_speaks_now_and_then_is_heard() -> None:
    table = Table()
    for _ in range(40):
        assert set(table.hear(1.2, SPEECH) + table.hear(15, A_QUIET_ROOM)) == {None}


def test_the_patience_begins_anew_when_the_recording_goes_on() -> None:
    table = Table()
    assert set(table.hear(19, A_QUIET_ROOM)) == {None}
    table.meter.be_patient_anew()
    assert set(table.hear(19, A_QUIET_ROOM)) == {None}
    assert table.hear(2, A_QUIET_ROOM)[-1] is Hint.TOO_QUIET


def test_sound_that_does_not_fit_is_told_after_a_second_of_it_and_forgotten_ten_seconds_after_the_last() -> None:
    table = Table()
    assert table.hear(5, SHOUTING)[-1] is None
    hints = table.hear(3, SHOUTING, clipped=CLIPPED_AT_ONCE)
    assert hints.index(Hint.TOO_LOUD) == 4
    hints = table.hear(15, SPEECH)
    assert hints.index(None) == pytest.approx(LATELY_SECONDS * 5, abs=1)
    assert set(hints[hints.index(None) :]) == {None}


def test_a_knock_on_the_table_now_and_then_is_no_reason_to_move_the_microphone() -> None:
    table = Table()
    for _ in range(20):
        assert set(table.hear(0.4, SPEECH, clipped=200) + table.hear(9, SPEECH)) == {None}


def test_a_peak_that_just_fits_is_not_too_loud() -> None:
    table = Table()
    assert set(table.hear(60, SHOUTING, clipped=CLIPPED_AT_ONCE - 1)) == {None}


def test_what_did_not_fit_is_shown_for_as_long_as_an_eye_needs() -> None:
    table = Table()
    table.hear(0.2, SPEECH, clipped=7)
    shown = [table.level.clipped]
    for _ in range(20):
        table.hear(0.2, SPEECH)
        shown.append(table.level.clipped)
    assert shown.count(7) == pytest.approx(SHOWN_SECONDS * 5, abs=1)
    assert shown == sorted(shown, reverse=True)
    assert shown[-1] == 0


def test_the_sample_that_comes_along_is_neither_too_quiet_nor_too_loud() -> None:
    sample = Path(appliance.__file__).parent / "audio" / "spoken-sample.flac"
    sound, rate = soundfile.read(sample, dtype="int16", always_2d=True)
    meter, hints = Meter(), set()
    for begin in range(0, len(sound), rate // 5):
        meter.add(PcmFormat(rate), sound[begin : begin + rate // 5].tobytes())
        hints.add(meter.take().hint)
    assert hints == {None}


SOFT = PcmFormat(1_000, 24, 1)
"""In a simulated room each frame is one louder than the last, out of eight million: it stays very soft for three quarters of a minute."""


def hints_in(room: Room) -> list[tuple[float, Hint]]:
    """When, in seconds, and which."""
    levels = [(told.at / SECOND, told.report.level) for told in room.reports if isinstance(told.report, LevelIs)]
    return [(at, level.hint) for at, level in levels if level.hint is not None]


def test_at_the_level_check_already_a_table_that_is_hardly_heard_is_told_so(tmp_path: Path) -> None:
    room = Room(tmp_path, audio_format=SOFT)
    room.microphone(0, 30 * SECOND)
    room.run(30 * SECOND)
    (at, hint), *_ = hints_in(room)
    assert hint is Hint.TOO_QUIET
    assert at == pytest.approx(PATIENCE_SECONDS, abs=0.5)


def test_what_was_quiet_before_the_start_and_in_a_pause_says_nothing_of_what_follows(tmp_path: Path) -> None:
    room = Room(tmp_path, audio_format=SOFT)
    room.microphone(0, 45 * SECOND)
    room.begin(10 * SECOND)
    room.pause(15 * SECOND)
    room.resume(23 * SECOND)
    room.run(45 * SECOND)
    (at, _), *_ = hints_in(room)
    assert at == pytest.approx(23 + PATIENCE_SECONDS, abs=0.5)


def test_a_file_that_is_not_played_in_real_time_gets_no_hints(tmp_path: Path) -> None:
    room = Room(tmp_path, audio_format=SOFT)
    tape = Ears(room, SOFT, 0, own_clock=True)
    room.when(0, tape.plug_in)
    for at in range(BLOCK, 30_000, BLOCK):
        room.when(at * MS, lambda: tape.hear(BLOCK))
    room.run(30 * SECOND)
    assert len(room.reported(LevelIs)) > 100
    assert hints_in(room) == []
