"""The tones: short, gentle, and different enough to be told apart without looking; and prompts, spoken for who does not see the screen.

    python -m appliance.room.sounds TONE [DEVICE]              plays one and ends
    python -m appliance.room.sounds wav [DEVICE] < a.wav       plays that

Each is played by a child of its own, because PortAudio may hang on a loudspeaker that is gone, and a tone is never worth that. A prompt
is spoken by espeak-ng (GPL-3, a program of its own; Debian has it), which knows Dutch and a hundred other languages in a few megabytes.
"""

from __future__ import annotations

import array
import asyncio
import logging
import math
import struct
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from appliance.children import dies_with_us
from appliance.meeting import Tone

RATE = 48_000
NOTE_SECONDS = 0.18
LOUDNESS = 0.2
QUIET_SECONDS = 0.1
"""Silence before and behind a tone: some drivers swallow a stream's first and last hundredths, and that would be a click."""
LONGEST_SECONDS = 5.0
LONGEST_PROMPT_SECONDS = 30.0
WORDS_A_MINUTE = "140"
"""Calmer than espeak-ng's own 175."""

# In Hz, one note after the other: rising for a beginning, falling for an end, the same note for a confirmation.
MELODIES: dict[Tone, tuple[float, ...]] = {
    Tone.CONFIRMED_PROFESSIONAL: (523.25,),
    Tone.CONFIRMED_CLIENT: (659.26,),
    Tone.CONFIRMED_GUEST: (783.99,),
    Tone.STARTED: (523.25, 659.26, 783.99),
    Tone.PAUSED: (659.26, 523.25),
    Tone.RESUMED: (523.25, 659.26),
    Tone.STOPPED: (783.99, 659.26, 523.25),
    Tone.READY: (523.25, 783.99),
    Tone.TROUBLE: (440.0, 440.0, 440.0),
}

log = logging.getLogger(__name__)


def has_sound_card() -> bool:
    """Whether the kernel has one. A sound server's null device is not a loudspeaker: it would play into the microphone."""
    return any(Path("/dev/snd").glob("pcm*p"))


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence to be said aloud."""

    language: str
    text: str


class Loudspeaker:
    """Plays tones and prompts one after the other, from the event loop. With `device` None it is silent."""

    def __init__(self, device: str | None, sounds: Callable[[str], None] = lambda _: None) -> None:
        """sounds: told what begins to sound, within half a second: a tone's name, or 'spoken'."""
        self._device = device
        self._sounds = sounds
        self._waiting: asyncio.Queue[Tone | Spoken] = asyncio.Queue(maxsize=4)
        self._task = asyncio.create_task(self._play_all(), name="loudspeaker") if device is not None else None

    def play(self, tone: Tone) -> None:
        """At once, or after the one that sounds now. A tone too many is left out rather than late."""
        if self._task is not None and not self._waiting.full():
            self._waiting.put_nowait(tone)

    def say(self, spoken: Spoken) -> None:
        """As `play`. What was to be said and was not yet is no longer true, and is left out; tones stay."""
        if self._task is None:
            return
        waiting = [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]
        for sound in waiting:
            self._waiting.task_done()
            if isinstance(sound, Tone):
                self._waiting.put_nowait(sound)
        if not self._waiting.full():
            self._waiting.put_nowait(spoken)

    async def until_quiet(self) -> None:
        """All that was asked for has sounded, or was given up."""
        await self._waiting.join()

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _play_all(self) -> None:
        while True:
            sound = await self._waiting.get()
            self._sounds("spoken" if isinstance(sound, Spoken) else sound.value)
            await self._play(sound)
            self._waiting.task_done()

    async def _play(self, sound: Tone | Spoken) -> None:
        if isinstance(sound, Tone):
            await self._child(LONGEST_SECONDS, sys.executable, "-m", __name__, sound.value, self._device or "")
            return
        voice = ("espeak-ng", "--stdout", "-s", WORDS_A_MINUTE, "-v", sound.language, "--", sound.text)
        wav = await self._child(LONGEST_SECONDS, *voice)
        if wav:
            await self._child(LONGEST_PROMPT_SECONDS, sys.executable, "-m", __name__, "wav", self._device or "", given=wav)

    async def _child(self, seconds: float, *command: str, given: bytes | None = None) -> bytes:
        """What it writes; nothing when it failed, or did not end within `seconds`."""
        try:
            child = await asyncio.create_subprocess_exec(
                *dies_with_us(),
                *command,
                stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError:
            log.info("there is no %s", command[0])
            return b""
        try:
            async with asyncio.timeout(seconds):
                written, says = await child.communicate(given)
        except TimeoutError:
            child.kill()
            log.warning("the loudspeaker did not finish %s", command)
            return b""
        if child.returncode:
            log.info("no sound: %s", says.decode(errors="replace").strip().rpartition("\n")[2])
            return b""
        return written


def pcm(notes: Iterable[float]) -> bytes:
    """16-bit mono at 48 kHz; each note swells and fades, so that it is a tone and not a click."""
    samples = array.array("h")
    count = int(RATE * NOTE_SECONDS)
    for note in notes:
        for n in range(count):
            swell = math.sin(math.pi * n / count)
            samples.append(int(32_767 * LOUDNESS * swell * math.sin(2 * math.pi * note * n / RATE)))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def spoken(wav: bytes) -> tuple[int, bytes]:
    """Rate and samples of what espeak-ng writes: 16-bit mono behind a header of 44 bytes, whose sizes say 'as long as it goes on'."""
    rate, bits = struct.unpack_from("<I", wav, 24)[0], struct.unpack_from("<H", wav, 34)[0]
    if wav[:4] != b"RIFF" or bits != 16:
        raise ValueError("This is not what espeak-ng writes.")
    return rate, wav[44 : 44 + (len(wav) - 44) // 2 * 2]


def main() -> int:
    import sounddevice

    what, device = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    try:
        rate, samples = spoken(sys.stdin.buffer.read()) if what == "wav" else (RATE, pcm(MELODIES[Tone(what)]))
        quiet = bytes(2 * int(rate * QUIET_SECONDS))
        with sounddevice.RawOutputStream(samplerate=rate, channels=1, dtype="int16", device=device or None) as stream:
            stream.write(quiet + samples + quiet)
    except (sounddevice.PortAudioError, ValueError, struct.error) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
