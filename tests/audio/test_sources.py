"""One contract for everything that sound comes from; and each source's samples against an independent reader."""

from __future__ import annotations

import array
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import soundfile

from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import (
    EndOfSource,
    Heard,
    PortAudioSource,
    Source,
    SourceError,
    SyntheticTrack,
    check_spec,
    open_source,
    speed_of,
)
from tests.audio import readers
from tests.disks import luck
from tests.room_parts import RATE, RoomMicrophone, counting, place_of, write_wav

FORMATS = [PcmFormat(RATE, bits, channels) for bits in (16, 24) for channels in (1, 2)]
formats = pytest.mark.parametrize("audio_format", FORMATS, ids=lambda one: f"{one.bits} bit, {one.channels}")
LATENCY = 0.2
MS = 1_000_000


@dataclass(frozen=True)
class Kind:
    """How a source is asked for; `ends` if it has an end."""

    spec: str
    pace: str
    ends: bool = False
    own_clock: bool = False


KINDS = {
    "a PortAudio device": Kind(RoomMicrophone.DEVICE, "real"),
    "a WAV in real time": Kind("wav:{sound}", "real"),
    "a WAV over and over": Kind("again:{sound}", "real"),
    "a WAV as fast as possible": Kind("wav:{sound}", "fast", ends=True, own_clock=True),
    "a WAV at 50 times real time": Kind("wav:{sound}", "50", ends=True, own_clock=True),
    "a synthetic voice in real time": Kind("synthetic", "real"),
    "a synthetic voice as fast as possible": Kind("synthetic", "fast", own_clock=True),
}
SOUND_FRAMES = RATE + 7


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    write_wav(path, counting(SOUND_FRAMES))
    return path


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def opened(kind: Kind, sound: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    if kind.spec.startswith("device"):
        microphone: RoomMicrophone = request.getfixturevalue("microphone")
        for name, value in microphone.environment.items():
            monkeypatch.setenv(name, value)
        long_sound = sound.with_name("long.wav")
        write_wav(long_sound, counting(20 * RATE))
        microphone.play(long_sound)
        refresh_portaudio()
    source = open_source(kind.spec.format(sound=sound), kind.pace, PcmFormat(), LATENCY)
    if kind.spec.startswith("device"):
        until_heard(source)
    yield source
    source.close()


def refresh_portaudio() -> None:
    """PortAudio knows the devices of when it was initialised; a capture child is a fresh process each time."""
    import sounddevice

    sounddevice._terminate()
    sounddevice._initialize()


def until_heard(source: Source) -> None:
    """The room's loudspeaker takes a second or two to begin."""
    until = time.monotonic() + 10
    while source.read() is None:
        assert time.monotonic() < until, "nothing is heard"
        time.sleep(0.02)


def heard_for(source: Source, seconds: float) -> list[tuple[int, Heard]]:
    """What is read within so many seconds, each with when the read returned. A nap in between, as the child has."""
    heard, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            piece = source.read()
        except EndOfSource:
            break
        if piece is not None:
            heard.append((time.monotonic_ns(), piece))
        if not source.own_clock:
            time.sleep(0.03)
    return heard


def test_every_source_keeps_its_contract(kind: Kind, opened: Source) -> None:
    assert opened.own_clock is kind.own_clock
    assert opened.format == PcmFormat()
    assert opened.name
    longest = 0.0
    until, heard = time.monotonic() + 0.8, list[tuple[int, Heard]]()
    ended = False
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            piece = opened.read()
        except EndOfSource:
            ended = True
            break
        longest = max(longest, time.monotonic() - began)
        if piece is not None:
            assert len(piece.pcm) % opened.format.frame_bytes == 0
            assert 0 < opened.format.frames(len(piece.pcm)) <= RATE // 2
            heard.append((time.monotonic_ns(), piece))
        if not kind.own_clock:
            time.sleep(0.03)
        elif len(heard) > 200:
            break
    assert longest < 0.1, "it waited"
    assert ended is kind.ends
    assert heard
    assert not any(piece.overflowed or piece.jumped for _, piece in heard)
    times = [piece.captured_ns for _, piece in heard[5:]]
    assert times == sorted(times)
    for returned, piece in heard[5:]:
        age = returned - piece.captured_ns
        assert (
            -1 * MS <= age - (0 if kind.own_clock else len(piece.pcm) // 2 * 1_000_000_000 // RATE) <= (LATENCY + 0.2) * 1000 * MS
        )
    if not kind.own_clock:  # two reads follow each other in time as they do in frames
        for (_, one), (_, other) in pairwise(heard[5:]):
            follows = one.captured_ns + len(one.pcm) // 2 * 1_000_000_000 // RATE
            assert abs(other.captured_ns - follows) <= 25 * MS


def write_sound(path: Path, audio_format: PcmFormat, frames: int, subtype: str | None = None) -> bytes:
    """Random sound by soundfile; what an independent reader finds in it."""
    pcm = luck(7).randbytes(frames * audio_format.frame_bytes)
    wide = pcm if audio_format.bits == 16 else b"".join(b"\0" + pcm[at : at + 3] for at in range(0, len(pcm), 3))
    with soundfile.SoundFile(path, "w", audio_format.rate, audio_format.channels, subtype or f"PCM_{audio_format.bits}") as file:
        file.buffer_write(wide, dtype="int16" if audio_format.bits == 16 else "int32")
    return pcm


def read_all(source: Source) -> bytes:
    content = b""
    while True:
        try:
            piece = source.read()
        except EndOfSource:
            return content
        assert piece is not None
        content += piece.pcm


@formats
@pytest.mark.parametrize("name", ["sound.wav", "sound.flac"])
def test_a_sound_file_is_given_sample_for_sample(audio_format: PcmFormat, name: str, tmp_path: Path) -> None:
    pcm = write_sound(tmp_path / name, audio_format, 30_001)
    source = open_source(f"wav:{tmp_path / name}", "fast", PcmFormat(8_000, audio_format.bits, 1), LATENCY)
    assert source.format == audio_format, "rate and channels are the file's"
    assert read_all(source) == pcm == readers.heard(tmp_path / name)
    with pytest.raises(EndOfSource):
        source.read()


def test_a_file_of_16_bits_asked_for_in_24_keeps_its_samples_in_the_upper_ones(tmp_path: Path) -> None:
    pcm = write_sound(tmp_path / "a.wav", PcmFormat(), 5_000)
    wide = read_all(open_source(f"wav:{tmp_path / 'a.wav'}", "fast", PcmFormat(RATE, 24, 1), LATENCY))
    assert wide[0::3] == bytes(5_000)
    assert bytes(byte for pair in zip(wide[1::3], wide[2::3], strict=True) for byte in pair) == pcm


def test_a_file_in_real_time_goes_on_by_the_clock_and_is_silent_after_its_end(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", counting(RATE // 2))
    source = open_source(f"wav:{tmp_path / 'a.wav'}", "real", PcmFormat(), LATENCY)
    began = time.monotonic()
    heard = b"".join(piece.pcm for _, piece in heard_for(source, 0.8))
    assert len(heard) / 2 / RATE == pytest.approx(time.monotonic() - began, abs=0.1)
    assert heard[:RATE] == counting(RATE // 2).tobytes()
    assert not any(heard[RATE:])


def test_a_reader_that_slept_gets_all_that_sounded_in_the_meantime_in_bounded_pieces(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", counting(3 * RATE))
    source = open_source(f"wav:{tmp_path / 'a.wav'}", "real", PcmFormat(), LATENCY)
    time.sleep(1.0)
    pieces = [piece for _, piece in heard_for(source, 0.3)]
    assert max(len(piece.pcm) for piece in pieces) <= RATE * 2 // 5 * 2
    heard = b"".join(piece.pcm for piece in pieces)
    assert len(heard) >= 1.1 * RATE * 2
    assert counting(3 * RATE).tobytes().startswith(heard)
    for one, other in pairwise(pieces):
        assert abs(other.captured_ns - one.captured_ns - len(one.pcm) // 2 * 1_000_000_000 // RATE) <= 1


def test_a_file_over_and_over_has_no_hole_where_it_begins_again(tmp_path: Path) -> None:
    sound = counting(1_001)
    write_wav(tmp_path / "a.wav", sound)
    source = open_source(f"again:{tmp_path / 'a.wav'}", "real", PcmFormat(), LATENCY)
    time.sleep(0.1)
    heard = b"".join(piece.pcm for _, piece in heard_for(source, 0.1))
    assert len(heard) > 3 * 2_002
    assert (sound.tobytes() * (len(heard) // 2_002 + 1)).startswith(heard)


@formats
def test_the_synthetic_voice_is_never_silent_never_constant_and_the_same_at_the_same_frame(audio_format: PcmFormat) -> None:
    track = SyntheticTrack(audio_format)
    period = SyntheticTrack.PERIOD
    whole = track.next(2 * period + 11)
    assert track.at(0, 2 * period + 11) == whole
    assert track.at(period - 3, 1_000) == whole[(period - 3) * audio_format.frame_bytes :][: 1_000 * audio_format.frame_bytes]
    one = track.at(0, period)
    samples = [one[at : at + audio_format.bits // 8] for at in range(0, len(one), audio_format.bits // 8)]
    assert bytes(audio_format.bits // 8) not in samples
    seconds = {
        one[at : at + 4_800 * audio_format.frame_bytes] for at in range(0, len(one) - 4_800, 4_800 * audio_format.frame_bytes)
    }
    assert len(seconds) >= 10, "no two stretches are alike"


def test_n_times_real_time_is_n_times_real_time(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", counting(10 * RATE))
    began = time.monotonic()
    pcm = read_all(open_source(f"wav:{tmp_path / 'a.wav'}", "20", PcmFormat(), LATENCY))
    assert time.monotonic() - began == pytest.approx(0.5, abs=0.15)
    assert pcm == counting(10 * RATE).tobytes()


A_SENTENCE = r"^.{20,}[^.]\.$"


@pytest.mark.parametrize(
    ("spec", "pace", "says"),
    [
        ("device:roommic", "fast", "real time only"),
        ("device:roommic", "60", "real time only"),
        ("tape:deck", "real", "is no source"),
        ("", "real", "is no source"),
        ("wav:/nowhere/a.wav", "real", r"/nowhere/a\.wav"),
        ("again:/nowhere/a.wav", "fast", r"/nowhere/a\.wav"),
        *((("synthetic"), pace, "is no pace") for pace in ("0", "-1", "slow", "nan", "inf", "1e9", "")),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_before_and_when_it_is_opened(spec: str, pace: str, says: str) -> None:
    for refuse in (lambda: check_spec(spec, pace), lambda: open_source(spec, pace, PcmFormat(), LATENCY)):
        with pytest.raises(SourceError, match=says) as refused:
            refuse()
        assert str(refused.value).endswith(".")


@pytest.mark.parametrize("spec", ["device", "device:Yeti", "synthetic"])
def test_what_can_be_is_let_pass(spec: str) -> None:
    check_spec(spec, "real")
    assert speed_of("0.5") == 0.5


def no_sound(path: Path) -> None:
    path.write_bytes(b"this is no sound file")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def a_folder(path: Path) -> None:
    path.mkdir()


def three_channels(path: Path) -> None:
    with soundfile.SoundFile(path, "w", RATE, 3, "PCM_16") as file:
        file.buffer_write(bytes(600), dtype="int16")


@pytest.mark.parametrize("made", [no_sound, empty, a_folder, three_channels], ids=lambda made: made.__name__)
def test_a_file_that_cannot_be_played_is_refused_in_a_sentence_that_names_it(
    made: Callable[[Path], None], tmp_path: Path
) -> None:
    made(tmp_path / "a.wav")
    with pytest.raises(SourceError, match=r"a\.wav.*\.$"):
        open_source(f"wav:{tmp_path / 'a.wav'}", "real", PcmFormat(), LATENCY)


def test_a_file_that_is_damaged_half_way_ends_in_a_sentence_or_in_its_end(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.flac", PcmFormat(), 5 * RATE)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5_000] = luck(1).randbytes(5_000)
    (tmp_path / "a.flac").write_bytes(content)
    source = open_source(f"wav:{tmp_path / 'a.flac'}", "fast", PcmFormat(), LATENCY)
    try:
        assert read_all(source)
    except SourceError as error:
        assert str(error).endswith(".")  # noqa: PT017 - either is well


def test_a_read_that_libsndfile_refuses_is_told_in_a_sentence(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", counting(100))
    source = open_source(f"wav:{tmp_path / 'a.wav'}", "fast", PcmFormat(), LATENCY)
    source.close()
    with pytest.raises(SourceError, match=r"a\.wav cannot be played to its end: .*\.$"):
        source.read()


def test_a_microphone_that_is_not_there_is_told_in_a_sentence() -> None:
    with pytest.raises(SourceError, match=r"The microphone no-such-microphone does not open: .*\.$"):
        open_source("device:no-such-microphone", "real", PcmFormat(), LATENCY)


def test_portaudio_gives_what_was_played_sample_for_sample_and_says_when_it_is_gone(
    microphone: RoomMicrophone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in microphone.environment.items():
        monkeypatch.setenv(name, value)
    write_wav(tmp_path / "a.wav", counting(20 * RATE))
    microphone.play(tmp_path / "a.wav")
    refresh_portaudio()
    source = open_source(RoomMicrophone.DEVICE, "real", PcmFormat(), LATENCY)
    until_heard(source)
    heard = array.array("h", b"".join(bytes(piece.pcm) for _, piece in heard_for(source, 1.0)))
    first = next(n for n, sample in enumerate(heard) if sample)
    assert len(heard) - first > RATE // 3
    assert heard[first:] == counting(len(heard) - first, place_of(heard, first))
    microphone.unplug()
    with pytest.raises(SourceError, match=r"^The microphone went away: .*\.$"):
        heard_for(source, 2)
    source.close()


def test_what_was_read_of_a_microphone_before_it_went_is_told_before_that_it_went(
    microphone: RoomMicrophone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in microphone.environment.items():
        monkeypatch.setenv(name, value)
    write_wav(tmp_path / "a.wav", counting(20 * RATE))
    microphone.play(tmp_path / "a.wav")
    refresh_portaudio()
    source = open_source(RoomMicrophone.DEVICE, "real", PcmFormat(), LATENCY)
    assert isinstance(source, PortAudioSource)
    told = 0
    with pytest.raises(SourceError, match=r"^The microphone went away: .*\.$"):
        while True:
            piece = source.read()
            told += PcmFormat().frames(len(piece.pcm)) if piece else 0
            if told > RATE and source._untold:
                microphone.unplug()
            time.sleep(source.nap_seconds)
    assert told == source._clock._frames
    source.close()
