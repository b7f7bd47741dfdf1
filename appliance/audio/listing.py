"""Which microphones PortAudio shows, and how loud it is at one: asked in a process of its own, for PortAudio writes to stderr as it
likes, and hangs on some devices.

    python -m appliance.audio.listing                                           a JSON list of what can be heard
    python -m appliance.audio.listing SOURCE RATE BITS CHANNELS LATENCY SECONDS    a JSON object: the level at one, so long
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from appliance.audio.level import Meter, Tally
from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import SourceError, open_source

PATIENCE_SECONDS = 15.0
OPENING_SECONDS = 3.0
"""A source tells nothing before it is sure of the time of what it heard."""


@dataclass(frozen=True, slots=True)
class HeardDevice:
    """A microphone as PortAudio names it. `rate`: samples a second that it likes best."""

    name: str
    channels: int
    rate: int
    is_default: bool


@dataclass(frozen=True, slots=True)
class HeardLevel:
    """dB below full scale; None for digital silence. `clipped`: samples at full scale, of `seconds` of sound."""

    device: str
    level: float | None
    peak: float | None
    clipped: int
    seconds: float


def microphones() -> list[HeardDevice]:
    """What can be heard here, the default first. SourceError, with a sentence, where nobody can tell."""
    return [HeardDevice(**each) for each in _asked([])]


def level_at(spec: str, audio: PcmFormat, latency: float, seconds: float) -> HeardLevel:
    """Listen for so long, and keep nothing. SourceError."""
    words = [spec, str(audio.rate), str(audio.bits), str(audio.channels), str(latency), str(seconds)]
    return HeardLevel(**_asked(words))


def _asked(words: list[str]) -> Any:
    try:
        said = subprocess.run(
            [sys.executable, "-m", "appliance.audio.listing", *words],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(
            f"PortAudio did not answer within {PATIENCE_SECONDS:.0f} s. Unplug the microphone, and plug it in."
        ) from error
    if said.returncode:
        lines = said.stderr.decode(errors="replace").strip().splitlines()
        raise SourceError(lines[-1] if lines else "PortAudio's process ended without a word.")
    return json.loads(said.stdout)


def _listed() -> list[dict[str, Any]]:
    try:
        import sounddevice
    except OSError as error:
        raise SourceError("PortAudio is not installed on this machine (Debian package libportaudio2).") from error
    try:
        default = sounddevice.default.device[0]
        found = [
            {
                "name": str(device["name"]),
                "channels": int(device["max_input_channels"]),
                "rate": int(device["default_samplerate"]),
                "is_default": number == default,
            }
            for number, device in enumerate(sounddevice.query_devices())
            if device["max_input_channels"] > 0
        ]
    except sounddevice.PortAudioError as error:
        raise SourceError(f"PortAudio cannot tell which microphones there are: {error}.") from error
    return sorted(found, key=lambda device: not device["is_default"])


def _level(spec: str, audio: PcmFormat, latency: float, seconds: float) -> dict[str, Any]:
    source = open_source(spec, "real", audio, latency)
    meter, tally, frames = Meter(), Tally(), 0
    until = time.monotonic() + seconds + latency + OPENING_SECONDS
    while time.monotonic() < until and frames < seconds * source.format.rate:
        heard = source.read()
        if heard is not None:
            tally += meter.add(source.format, heard.pcm)
            frames += source.format.frames(len(heard.pcm))
        time.sleep(source.nap_seconds)
    if not frames:
        raise SourceError(f"The microphone {source.name} opens and says nothing.")
    return {
        "device": source.name,
        "level": tally.level_dbfs,
        "peak": tally.peak_dbfs,
        "clipped": tally.clipped,
        "seconds": round(frames / source.format.rate, 2),
    }


def main() -> int:
    ours = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints is no part of the answer
    words = sys.argv[1:]
    try:
        if words:
            spec, rate, bits, channels, latency, seconds = words
            answer: object = _level(spec, PcmFormat(int(rate), int(bits), int(channels)), float(latency), float(seconds))
        else:
            answer = _listed()
    except SourceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    os.write(ours, json.dumps(answer).encode())
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a device that hangs in close does not keep us
