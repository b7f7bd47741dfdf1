"""A microphone on a cable that can be pulled and put back while the sound in the room goes on, and a loudspeaker that is heard.

The room is one PulseAudio with two doors: the microphone's cable is one of its sockets, the player and a second pair of ears come
in by the other. To pull the cable is to shut the first door in the face of whoever is connected. So the ears hear on while the
microphone is away, and what they wrote down is the room's own time line: how long a gap was in truth can be counted in frames.

The ears ask for a short latency, and keep it. The null sink renders as much ahead as its quickest listener allows; without
them it renders up to half a second ahead, and by another time after each reconnection: sound that is heard before it was made, which no
microphone does.
"""

from __future__ import annotations

import array
import os
import subprocess
from pathlib import Path

from tests.room_parts import RoomMicrophone

ENOUGH_TO_KNOW_IT = 1_000
"""Bytes of the `counting` sound."""


class MicrophoneOnACable(RoomMicrophone):
    """PortAudio hears `roommic` while the cable is in; `speaker` writes all that it is given into `tones`."""

    def __init__(self, folder: Path) -> None:
        self._cable: str | None = None
        self._ears: subprocess.Popen[bytes] | None = None
        super().__init__(folder)
        self.tones = folder / "tones.raw"
        self._heard = folder / "ears.raw"
        (folder / "asound.conf").write_text(
            "</usr/share/alsa/alsa.conf>\n"
            f'pcm.roommic {{ type pulse server "unix:{folder}/cable" device "feed.monitor" '
            'hint { show on description "room microphone" } }\n'
            f'pcm.speaker {{ type file slave.pcm null file "{self.tones}" format raw '
            'hint { show on description "room speaker" } }\n'
        )
        with self._heard.open("wb") as heard:
            self._ears = subprocess.Popen(
                ["parec", "-d", "feed.monitor", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=5", "--raw"],
                env={**os.environ, **self.environment},
                stdout=heard,
            )
        self.put_back()

    def pull(self) -> None:
        """As a pulled cable: who listens at it hears no more, and finds no microphone."""
        assert self._cable is not None
        self._control("unload-module", self._cable)
        self._cable = None

    def put_back(self) -> None:
        assert self._cable is None
        self._cable = self._control(
            "load-module", "module-native-protocol-unix", f"socket={self._folder}/cable", "auth-anonymous=1"
        )

    def _control(self, *words: str) -> str:
        environment = {**os.environ, **self.environment}
        return subprocess.run(["pactl", *words], env=environment, check=True, capture_output=True, text=True).stdout.strip()

    def when_sounded(self, stretch: array.array[int]) -> int:
        """At which frame of the room's own time line a stretch of sound began, which must have sounded there sample for sample.

        (Not: which must be the sound that is played. On a busy machine the player itself may leave a hole.)
        """
        heard, wanted = self._heard.read_bytes(), stretch.tobytes()
        begin = heard.find(wanted[:ENOUGH_TO_KNOW_IT])
        assert begin >= 0, "its beginning was never heard in the room"
        assert begin % 2 == 0
        assert heard[begin : begin + len(wanted)] == wanted, "it is not what was heard in the room"
        return begin // 2

    def close(self) -> None:
        if self._ears is not None:
            self._ears.kill()
            self._ears.wait()
        super().close()


def silence_in(samples: array.array[int], begin: int, frames: int) -> bool:
    return samples[begin : begin + frames] == array.array("h", bytes(2 * frames))
