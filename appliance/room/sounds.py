"""The tones: short, gentle, and different enough to be told apart without looking.

    python -m appliance.room.sounds TONE [DEVICE]     plays one and ends

Each is played by a child of its own, because PortAudio may hang on a loudspeaker that is gone, and a tone is never worth that.
"""

from __future__ import annotations

import array
import asyncio
import logging
import math
import sys
from collections.abc import Iterable
from pathlib import Path

from appliance.audio.microphone import dies_with_us
from appliance.meeting import Tone

RATE = 48_000
NOTE_SECONDS = 0.18
LOUDNESS = 0.2
QUIET_SECONDS = 0.1
"""Silence before and behind a tone: some drivers swallow a stream's first and last hundredths, and that would be a click."""
LONGEST_SECONDS = 5.0

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


class Loudspeaker:
    """Plays tones one after the other, from the event loop. With `device` None it is silent."""

    def __init__(self, device: str | None) -> None:
        self._device = device
        self._waiting: asyncio.Queue[Tone] = asyncio.Queue(maxsize=4)
        self._task = asyncio.create_task(self._play_all(), name="loudspeaker") if device is not None else None

    def play(self, tone: Tone) -> None:
        """At once, or after the one that sounds now. A tone too many is left out rather than late."""
        if self._task is not None and not self._waiting.full():
            self._waiting.put_nowait(tone)

    async def until_quiet(self) -> None:
        """All that was asked for has sounded, or was given up."""
        await self._waiting.join()

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _play_all(self) -> None:
        while True:
            await self._play(await self._waiting.get())
            self._waiting.task_done()

    async def _play(self, tone: Tone) -> None:
        child = await asyncio.create_subprocess_exec(
            *dies_with_us(),
            sys.executable,
            "-m",
            __name__,
            tone.value,
            self._device or "",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                _, says = await child.communicate()
        except TimeoutError:
            child.kill()
            log.warning("the loudspeaker did not finish %s", tone)
            return
        if child.returncode:
            log.info("no tone: %s", says.decode(errors="replace").strip().rpartition("\n")[2])


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


def main() -> int:
    import sounddevice

    tone, device = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    quiet = bytes(2 * int(RATE * QUIET_SECONDS))
    try:
        with sounddevice.RawOutputStream(samplerate=RATE, channels=1, dtype="int16", device=device or None) as stream:
            stream.write(quiet + pcm(MELODIES[Tone(tone)]) + quiet)
    except (sounddevice.PortAudioError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
