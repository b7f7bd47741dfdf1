"""The WAV as others read it: its layout, its words, its marks, its growth past 4 GiB. What it survives: test_wav_survives.py."""

from __future__ import annotations

import os
import struct
import tracemalloc
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import (
    HEADER_BYTES,
    LAST_CUE_FRAME,
    Cue,
    Origination,
    WavError,
    WavWriter,
    describe,
    header,
    read_pcm,
    recover,
    resized,
    trailer,
    whole_frames,
)
from appliance.disk import RealDisk
from tests.audio import readers
from tests.disks import SimulatedDisk, failing, luck

if TYPE_CHECKING:
    from pathlib import Path

SPEECH = PcmFormat()
FORMATS = [PcmFormat(48_000, bits, channels) for bits in (16, 24) for channels in (1, 2)]
AT = datetime(2026, 11, 23, 14, 0, 3, 250_000, tzinfo=timezone(timedelta(hours=1)))
TABLE = Origination("gesprek k7qm", "k7qm", AT)
MARKS = [Cue(0, "begin"), Cue(31, "pauze"), Cue(31, "verder"), Cue(999, "er komt iemand bij: kind, 12 jaar")]

formats = pytest.mark.parametrize("audio_format", FORMATS, ids=lambda one: f"{one.bits} bit, {one.channels}")


def noise(audio_format: PcmFormat, frames: int, seed: int = 0) -> bytes:
    return luck(seed).randbytes(frames * audio_format.frame_bytes)


def recorded(path: Path, audio_format: PcmFormat, pcm: bytes, cues: list[Cue] | None = None) -> Path:
    """A recording of this sound, sealed if cues are given."""
    with WavWriter.create(RealDisk(), path, audio_format, TABLE) as wav:
        wav.append(pcm)
        wav.sync()
        if cues is not None:
            wav.seal(cues)
    return path


@formats
@pytest.mark.parametrize("frames", [0, 1000, 1001])
def test_every_reader_hears_the_same_samples_before_and_after_the_seal(
    audio_format: PcmFormat, frames: int, tmp_path: Path
) -> None:
    pcm = noise(audio_format, frames)
    for name, cues in (("open.wav", None), ("bare.wav", []), ("sealed.wav", MARKS)):
        wav = recorded(tmp_path / name, audio_format, pcm, cues)
        assert readers.format_heard(wav) == describe(wav).format == audio_format
        assert readers.frames_heard(wav) == describe(wav).frames == frames
        assert readers.heard(wav) == b"".join(read_pcm(wav, audio_format, 0, frames)) == pcm
    for wav in (tmp_path / "open.wav", tmp_path / "sealed.wav"):
        said = readers.probe(wav)
        assert (said.format, said.frames) == (audio_format, frames)
    assert readers.ffmpeg_hears(tmp_path / "sealed.wav", audio_format) == pcm
    if frames:  # of an empty file sox complains that there is no audio
        assert readers.sox_hears(tmp_path / "sealed.wav", audio_format) == pcm


@formats
def test_the_chunks_of_a_sealed_file_fill_it_to_the_last_byte_and_are_even(audio_format: PcmFormat, tmp_path: Path) -> None:
    content = recorded(tmp_path / "a.wav", audio_format, noise(audio_format, 1001), MARKS).read_bytes()
    kind, size, wave = struct.unpack_from("<4sI4s", content)
    assert (kind, size, wave) == (b"RIFF", len(content) - 8, b"WAVE")
    chunks, at = [], 12
    while at < len(content):
        name, length = struct.unpack_from("<4sI", content, at)
        chunks.append((name, at + 8))
        at += 8 + length + length % 2
    assert at == len(content)
    assert [name for name, _ in chunks] == [b"JUNK", b"fmt ", b"bext", b"data", b"cue ", b"LIST"]
    assert dict(chunks)[b"data"] == HEADER_BYTES


@pytest.mark.parametrize("frames", [1000, 1001])
def test_marks_are_seen_by_others_where_they_are_and_with_their_words(frames: int, tmp_path: Path) -> None:
    odd = PcmFormat(48_000, 24, 1)
    marks = [*MARKS, Cue(frames, "caf\N{LATIN SMALL LETTER E WITH ACUTE} dicht")]
    wav = recorded(tmp_path / "a.wav", odd, noise(odd, frames), marks[::-1])
    expected = [(mark.frame, mark.label) for mark in marks]
    assert readers.probe(wav).marks == expected
    assert readers.marks_heard(wav) == expected
    assert describe(wav).cues == tuple(marks)


def test_a_mark_that_cannot_be_expressed_is_left_out_and_the_others_stay(tmp_path: Path) -> None:
    marks = [Cue(-1, "before"), Cue(10, "within"), Cue(1001, "behind the end")]
    assert describe(recorded(tmp_path / "a.wav", SPEECH, bytes(2000), marks)).cues == (Cue(10, "within"),)
    a_long_day = LAST_CUE_FRAME + 48_000
    assert trailer(SPEECH, 0, [Cue(0, "of nothing")]) == b""
    kept = trailer(SPEECH, a_long_day, [Cue(LAST_CUE_FRAME, "last"), Cue(LAST_CUE_FRAME + 1, "too late")])
    assert kept == trailer(SPEECH, a_long_day, [Cue(LAST_CUE_FRAME, "last")])
    assert b"too late" not in kept


def test_ffprobe_reads_where_and_when_the_recording_comes_from(tmp_path: Path) -> None:
    tags = readers.probe(recorded(tmp_path / "a.wav", SPEECH, bytes(20))).tags
    expected = {
        "comment": "gesprek k7qm",
        "encoded_by": "meeting-recorder",
        "originator_reference": "k7qm",
        "date": "2026-11-23",
        "creation_time": "14:00:03",
        "time_reference": str((14 * 3600 + 3) * 48_000 + 12_000),
        "coding_history": "A=PCM,F=48000,W=16,M=mono,T=meeting-recorder\r\n",
    }
    assert {name: tags.get(name) for name in expected} == expected
    assert "umid" not in tags


def test_the_coding_history_tells_the_format(tmp_path: Path) -> None:
    wav = recorded(tmp_path / "a.wav", PcmFormat(44_100, 24, 2), bytes(6))
    tags = readers.probe(wav).tags
    assert tags["coding_history"] == "A=PCM,F=44100,W=24,M=stereo,T=meeting-recorder\r\n"
    assert tags["time_reference"] == str((14 * 3600 + 3) * 44_100 + 11_025)


def test_bext_says_version_1_without_a_umid_and_leaves_the_rest_zero() -> None:
    bext = header(SPEECH, TABLE, 0)[80:1016]
    version_at = 256 + 32 + 32 + 10 + 8 + 8
    assert bext[version_at : version_at + 2] == b"\x01\x00"
    assert not any(bext[version_at + 2 : 602])


def test_what_bext_says_is_read_back_by_us_to_the_sample(tmp_path: Path) -> None:
    back = describe(recorded(tmp_path / "a.wav", SPEECH, bytes(20))).origination
    assert (back.description, back.reference, back.at) == ("gesprek k7qm", "k7qm", AT.replace(tzinfo=None))


@settings(max_examples=60)
@given(
    at=st.datetimes(min_value=datetime(1000, 1, 1)),  # noqa: DTZ001 bext has no zone
    description=st.text(max_size=300),
    audio_format=st.sampled_from(FORMATS),
    frames=st.integers(0, 2**40),
)
def test_any_words_and_any_time_make_a_header_of_1024_bytes_that_says_so_in_ascii(
    at: datetime, description: str, audio_format: PcmFormat, frames: int
) -> None:
    head = header(audio_format, Origination(description, "k7qm", at), frames)
    assert len(head) == HEADER_BYTES
    assert head[1016:1020] == b"data"
    words = head[80 : 80 + 256].rstrip(b"\0").decode("ascii")
    assert words == "" or words.isprintable()
    assert head[80 + 320 : 80 + 338].decode("ascii") == at.strftime("%Y-%m-%d%H:%M:%S")
    assert resized(resized(head, 7), frames) == head


def test_accents_are_dropped_and_other_letters_questioned() -> None:
    words = Origination("Caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{GREEK SMALL LETTER OMEGA}\n", "", AT)
    assert header(SPEECH, words, 0)[80:].startswith(b"Cafe ? \0")


@pytest.mark.parametrize("reference", ["k" * 33, "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "two\nlines"])
def test_a_reference_that_bext_cannot_hold_is_refused(reference: str) -> None:
    with pytest.raises(ValueError, match="A reference is plain ASCII"):
        Origination("gesprek", reference, AT)


# Past 4 GiB. The file is a hole with real sound at its end, so that it costs no disk.

BEFORE = 4 * 1024**3 // SPEECH.frame_bytes - 50_000
"""Frames of the hole: what is appended to it crosses 4 GiB."""


@pytest.fixture
def long_wav(tmp_path: Path) -> Path:
    """A recording of over 12 hours, a little short of 4 GiB."""
    path = recorded(tmp_path / "long.wav", SPEECH, b"")
    os.truncate(path, HEADER_BYTES + BEFORE * SPEECH.frame_bytes)
    return path


def test_a_recording_crosses_4_gib_and_only_its_header_changes(long_wav: Path) -> None:
    pcm = noise(SPEECH, 100_000)
    with WavWriter.reopen(RealDisk(), long_wav, SPEECH, TABLE, BEFORE) as wav:
        assert not describe(long_wav).rf64
        assert (readers.frames_heard(long_wav), readers.kind_heard(long_wav)) == (BEFORE, "WAV")
        wav.append(pcm[:2])
        wav.append(pcm[2:])
        assert readers.frames_heard(long_wav) >= BEFORE
        wav.sync()
        frames = BEFORE + 100_000
        assert (wav.frames, wav.synced_frames, wav.data_bytes) == (frames, frames, frames * 2)
        assert describe(long_wav).rf64
        assert (readers.frames_heard(long_wav), readers.kind_heard(long_wav)) == (frames, "RF64")
        assert readers.probe(long_wav).frames == frames
        wav.seal([Cue(5, "begin"), Cue(frames - 5, "einde")])
    assert long_wav.stat().st_blocks * 512 < 10_000_000, "the hole is still one: nothing was written again"
    assert describe(long_wav).cues == (Cue(5, "begin"), Cue(frames - 5, "einde"))
    assert (readers.frames_heard(long_wav), readers.probe(long_wav).frames) == (frames, frames)
    assert readers.probe(long_wav).marks == [(5, "begin"), (frames - 5, "einde")]
    assert readers.heard(long_wav, BEFORE - 3) == bytes(6) + pcm
    assert readers.ffmpeg_hears(long_wav, SPEECH, frames - 48_000)[-90_000:] == pcm[-90_000:]
    assert b"".join(read_pcm(long_wav, SPEECH, BEFORE, 100_000)) == pcm


def test_the_ds64_chunk_holds_the_sizes_that_no_longer_fit(long_wav: Path) -> None:
    frames = BEFORE + 100_000
    os.truncate(long_wav, HEADER_BYTES + frames * 2)
    recover(RealDisk(), long_wav, SPEECH, TABLE, frames)
    with long_wav.open("rb") as wav:
        head = wav.read(HEADER_BYTES)
    assert struct.unpack_from("<4sI4s4sIQQQI", head) == (
        b"RF64", 0xFFFF_FFFF, b"WAVE", b"ds64", 28, long_wav.stat().st_size - 8, frames * 2, frames, 0,
    )  # fmt: skip
    assert head[1016:] == b"data\xff\xff\xff\xff"


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_it_becomes_rf64_at_the_frame_whose_size_does_not_fit(beyond: int) -> None:
    largest = (0xFFFF_FFFE - HEADER_BYTES + 8) // 2
    assert header(SPEECH, TABLE, largest + beyond)[:4] == (b"RF64" if beyond > 0 else b"RIFF")


def test_the_size_that_means_elsewhere_is_never_written_as_a_size() -> None:
    head = header(SPEECH, TABLE, 0)
    assert resized(head, 0, 0xFFFF_FFFE + 8)[:8] == b"RIFF\xfe\xff\xff\xff"
    assert resized(head, 0, 0xFFFF_FFFF + 8)[:8] == b"RF64\xff\xff\xff\xff"


def test_a_trailer_alone_can_make_it_rf64() -> None:
    frames = (0xFFFF_FFFE - HEADER_BYTES + 8) // 2
    assert header(SPEECH, TABLE, frames)[:4] == b"RIFF"
    sealed = header(SPEECH, TABLE, frames, HEADER_BYTES + frames * 2 + 80)
    assert struct.unpack_from("<4sI8xIQQ", sealed) == (b"RF64", 0xFFFF_FFFF, 28, frames * 2 + HEADER_BYTES + 72, frames * 2)


def test_a_mix_of_the_old_and_new_header_at_4_gib_is_playable_as_it_lies_there(long_wav: Path) -> None:
    frames = BEFORE + 100_000
    os.truncate(long_wav, HEADER_BYTES + frames * 2)
    old, new = header(SPEECH, TABLE, BEFORE), header(SPEECH, TABLE, frames)
    for mixed in (old[:512] + new[512:], new[:512] + old[512:]):
        overwrite(long_wav, mixed)
        assert readers.frames_heard(long_wav) >= BEFORE
        assert BEFORE <= describe(long_wav).frames <= frames
        assert readers.probe(long_wav).frames >= BEFORE


def overwrite(path: Path, head: bytes) -> None:
    with path.open("r+b") as wav:
        wav.write(head)


# The writer.


def test_a_recording_never_takes_the_place_of_another(tmp_path: Path) -> None:
    recorded(tmp_path / "a.wav", SPEECH, b"ab")
    with pytest.raises(FileExistsError):
        WavWriter.create(RealDisk(), tmp_path / "a.wav", SPEECH, TABLE)
    assert describe(tmp_path / "a.wav").frames == 1


@pytest.mark.parametrize("step", range(4))
def test_a_recording_that_cannot_be_begun_leaves_nothing_behind(step: int, tmp_path: Path) -> None:
    disk = SimulatedDisk(tmp_path, failing({step}))
    with pytest.raises(OSError, match="fault"):
        WavWriter.create(disk, tmp_path / "a.wav", SPEECH, TABLE)
    assert list(tmp_path.iterdir()) == []


def test_half_a_frame_is_refused_and_nothing_is_added_after_the_seal(tmp_path: Path) -> None:
    with WavWriter.create(RealDisk(), tmp_path / "a.wav", FORMATS[-1], TABLE) as wav:
        wav.append(bytes(12))
        with pytest.raises(ValueError, match="7 bytes are no whole number of frames"):
            wav.append(bytes(7))
        wav.seal()
        with pytest.raises(WavError, match=r"a\.wav is sealed or closed"):
            wav.append(bytes(6))
    assert describe(tmp_path / "a.wav").frames == 2


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    second = noise(SPEECH, 48_000)
    with WavWriter.create(RealDisk(), tmp_path / "a.wav", SPEECH, TABLE) as wav:
        wav.append(second)
        wav.sync()
        tracemalloc.start()
        for _ in range(200):
            wav.append(memoryview(second))
            wav.sync()
        assert sum(len(piece) for piece in read_pcm(tmp_path / "a.wav", SPEECH, 0, wav.frames)) == wav.data_bytes
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 400_000


# Reading.


def test_a_stretch_is_read_in_bounded_pieces_of_whole_frames(tmp_path: Path) -> None:
    odd = PcmFormat(48_000, 24, 1)
    pcm = noise(odd, 100_000)
    wav = recorded(tmp_path / "a.wav", odd, pcm, MARKS)
    pieces = list(read_pcm(wav, odd, 7, 90_000))
    assert b"".join(pieces) == pcm[21 : 21 + 270_000]
    assert all(len(piece) % 3 == 0 and len(piece) <= 65_536 for piece in pieces)
    assert list(read_pcm(wav, odd, 7, 0)) == []
    with pytest.raises(WavError, match=r"a\.wav ends before frame 200000"):
        list(read_pcm(wav, odd, 0, 200_000))


def test_describing_cuts_sizes_that_are_too_large_to_what_is_there(tmp_path: Path) -> None:
    wav = recorded(tmp_path / "a.wav", SPEECH, bytes(2000))
    overwrite(wav, header(SPEECH, TABLE, 5_000_000_000))
    assert (describe(wav).frames, describe(wav).data_bytes, describe(wav).rf64) == (1000, 2000, True)


def damaged(head: bytes, at: int, content: bytes) -> bytes:
    return head[:at] + content + head[at + len(content) :]


@pytest.mark.parametrize(
    ("at", "content", "sentence"),
    [
        (0, b"FORM", "is not a WAV as this appliance writes it"),
        (12, b"LIST", "is not a WAV as this appliance writes it"),
        (1016, b"slnt", "is not a WAV as this appliance writes it"),
        (56, b"\x03", "in a format that this appliance does not write"),
        (70, b"\x08", "in a format that this appliance does not write"),
        (60, b"\0\0\0\0", "in a format that this appliance does not write"),
        (400, b"yesterday!", "does not say when and where it was made"),
        (80, b"\xff", "does not say when and where it was made"),
    ],
)
def test_a_file_that_is_not_ours_or_damaged_is_described_by_a_sentence(
    at: int, content: bytes, sentence: str, tmp_path: Path
) -> None:
    wav = recorded(tmp_path / "a.wav", SPEECH, bytes(2000))
    overwrite(wav, damaged(header(SPEECH, TABLE, 1000), at, content))
    with pytest.raises(WavError, match=sentence):
        describe(wav)


def test_a_file_that_is_too_short_is_described_by_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(WavError, match=r"a\.wav is too short"):
        describe(tmp_path / "a.wav")
    assert whole_frames(tmp_path / "a.wav", SPEECH) == 0


def test_whole_frames_are_counted_by_length_and_a_trailer_is_no_audio(tmp_path: Path) -> None:
    odd = PcmFormat(48_000, 24, 1)
    pcm = noise(odd, 1001)
    assert whole_frames(recorded(tmp_path / "sealed.wav", odd, pcm, MARKS), odd) == 1001
    wav = recorded(tmp_path / "open.wav", odd, pcm)
    with wav.open("ab") as behind:
        behind.write(bytes(8))
    assert describe(wav).frames == 1001
    assert whole_frames(wav, odd) == 1003
