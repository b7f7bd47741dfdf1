"""The meter on the screen: known sounds have known levels."""

from __future__ import annotations

import array
import math
from collections.abc import Iterable

import pytest

from appliance.audio.level import Level, Meter, Pulse
from appliance.audio.pcm import PcmFormat

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
    assert heard.level == pytest.approx(-97.3, abs=0.2)


def test_the_loudest_negative_sample_is_full_scale() -> None:
    assert level_of(PcmFormat(), array.array("h", [-32_768] * 100).tobytes()) == Level(0.0, 0.0)


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
