"""Other people's readers of a WAV: libsndfile (by soundfile), ffprobe and sox. None of them knows what we meant to write."""

from __future__ import annotations

import json
import struct
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from appliance.audio.pcm import PcmFormat

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Probe:
    """What ffprobe says. frames is 0 where it gives no duration; marks: frame and label of each chapter."""

    format: PcmFormat
    frames: int
    tags: dict[str, str]
    marks: list[tuple[int, str]]


def heard(path: Path, from_frame: int = 0, frames: int = -1) -> bytes:
    """The samples by soundfile, as the file holds them: little endian, 16 or 24 bits."""
    with soundfile.SoundFile(path) as wav:
        wav.seek(from_frame)
        if wav.subtype == "PCM_16":
            return bytes(wav.buffer_read(frames, dtype="int16"))
        left_aligned = bytes(wav.buffer_read(frames, dtype="int32"))
    samples = bytearray(len(left_aligned) // 4 * 3)
    for byte in range(3):
        samples[byte::3] = left_aligned[byte + 1 :: 4]
    return bytes(samples)


def levels(path: Path) -> str:
    """What `data/levels.csv` must be: libsndfile reads the WAV as 16 bits, numpy counts."""
    sound, rate = soundfile.read(path, dtype="int16", always_2d=True)
    lines = ["second,level_dbfs,peak_dbfs,clipped\n"]
    for second, begin in enumerate(range(0, len(sound), rate)):
        samples = sound[begin : begin + rate].astype(np.float64)
        clipped = np.count_nonzero(samples == 32_767) + np.count_nonzero(samples == -32_768)
        level, peak = np.sqrt(np.mean(samples**2)) / 32_768, np.abs(samples).max() / 32_768
        shown = [f"{20 * np.log10(one):.1f}".replace("-0.0", "0.0") if one else "" for one in (level, peak)]
        lines.append(f"{second},{shown[0]},{shown[1]},{clipped}\n")
    return "".join(lines)


def frames_heard(path: Path) -> int:
    """Frames by soundfile, which refuses a file that it cannot play."""
    return int(soundfile.info(path).frames)


def format_heard(path: Path) -> PcmFormat:
    about = soundfile.info(path)
    return PcmFormat(about.samplerate, {"PCM_16": 16, "PCM_24": 24}[about.subtype], about.channels)


def kind_heard(path: Path) -> str:
    """WAV or RF64 by soundfile."""
    return str(soundfile.info(path).format)


def marks_heard(path: Path) -> list[tuple[int, str]]:
    """Frame and label of each cue by libsndfile (SFC_GET_CUE of sndfile.h), which reads at most 100 of them here."""
    point = struct.Struct("<iIiiiI256s")
    with soundfile.SoundFile(path) as wav:
        cues = soundfile._ffi.new("char[]", 4 + 100 * point.size)
        if not soundfile._snd.sf_command(wav._file, 0x10CE, cues, 4 + 100 * point.size):
            return []
        answer = bytes(soundfile._ffi.buffer(cues))
    (count,) = struct.unpack_from("<I", answer)
    points = [point.unpack_from(answer, 4 + number * point.size) for number in range(count)]
    return [(sample, label.split(b"\0", 1)[0].decode()) for _, _, _, _, _, sample, label in points]


def probe(path: Path) -> Probe:
    """ffprobe; it must open the file, find one PCM stream and call nothing an error."""
    asked = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", "-show_chapters", str(path)]
    answer = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert answer.stderr == "", answer.stderr
    said: dict[str, Any] = json.loads(answer.stdout)
    (stream,) = said["streams"]
    bits = {"pcm_s16le": 16, "pcm_s24le": 24}[stream["codec_name"]]
    return Probe(
        format=PcmFormat(int(stream["sample_rate"]), bits, stream["channels"]),
        frames=stream.get("duration_ts", 0),
        tags=said["format"].get("tags", {}),
        marks=[(chapter["start"], chapter["tags"]["title"]) for chapter in said["chapters"]],
    )


def sox_hears(path: Path, audio_format: PcmFormat) -> bytes:
    """The samples by sox, which must complain of nothing."""
    raw = ["-t", "raw", "-e", "signed-integer", "-b", str(audio_format.bits), "-L", "-"]
    answer = subprocess.run(["sox", "-D", path, *raw], capture_output=True, check=True)
    assert answer.stderr == b"", answer.stderr
    return answer.stdout


def ffmpeg_hears(path: Path, audio_format: PcmFormat, from_frame: int = 0) -> bytes:
    """The samples by ffmpeg from a frame on; it must call nothing an error."""
    start = ["-ss", f"{from_frame / audio_format.rate:.6f}"] if from_frame else []
    asked = ["ffmpeg", "-v", "error", *start, "-i", str(path), "-f", f"s{audio_format.bits}le", "-"]
    answer = subprocess.run(asked, capture_output=True, check=True)
    assert answer.stderr == b"", answer.stderr
    return answer.stdout
