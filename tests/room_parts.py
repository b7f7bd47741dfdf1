"""Things in the room, for tests: a running service, a microphone that PortAudio hears, sounds that tell which frame they are."""

from __future__ import annotations

import array
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from appliance import protocol
from appliance.agreement import PARTIES
from appliance.client import NoService, ask
from appliance.config import Places, places
from appliance.journal import Entry, check
from appliance.protocol import Refused, Reply, Request, Snapshot

RATE = 48_000


@dataclass
class Table:
    """A room's table: the service's folder, two sticks, and the service, when it runs."""

    root: Path
    sticks: tuple[Path, Path]
    environment: dict[str, str] = field(default_factory=dict)
    service: subprocess.Popen[bytes] | None = None

    @property
    def where(self) -> Places:
        return places(self.root)

    def serve(self, *arguments: str, sticks: bool = True) -> None:
        """Start the service, and wait until it answers."""
        given = [word for stick in self.sticks for word in ("--stick", str(stick))] if sticks else []
        with (self.root / "service.log").open("ab") as log:
            self.service = subprocess.Popen(
                [sys.executable, "-m", "appliance", "serve", "--root", str(self.root), *given, *arguments],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                self.status()
            except NoService:
                assert self.service.poll() is None, (self.root / "service.log").read_text()
                time.sleep(0.02)
            else:
                return
        raise AssertionError((self.root / "service.log").read_text())

    def ask(self, request: Request) -> Reply:
        return ask(self.where.control_socket, request)

    def do(self, *requests: Request) -> Snapshot:
        """Ask for things that the meeting must allow; the last snapshot."""
        answers = [self._allowed(request) for request in requests]
        return answers[-1]

    def _allowed(self, request: Request) -> Snapshot:
        reply = self.ask(request)
        assert isinstance(reply, Snapshot), reply
        return reply

    def refused(self, request: Request) -> Refused:
        reply = self.ask(request)
        assert isinstance(reply, Refused), reply
        return reply

    def status(self) -> Snapshot:
        return self.do(protocol.StatusRequest())

    def agree(self) -> Snapshot:
        return self.do(protocol.AnnounceRequest(), *(protocol.ConfirmRequest(party) for party in PARTIES))

    def until(self, holds: Callable[[Snapshot], bool], seconds: float = 20) -> Snapshot:
        """Wait for something to be so."""
        end = time.monotonic() + seconds
        while not holds(snapshot := self.status()):
            assert time.monotonic() < end, (snapshot, (self.root / "service.log").read_text()[-2000:])
            time.sleep(0.03)
        return snapshot

    def until_state(self, state: str, seconds: float = 20) -> Snapshot:
        return self.until(lambda snapshot: snapshot.state == state, seconds)

    def take_home(self) -> Snapshot:
        """Both take their stick; the meeting is over."""
        return self.do(*(protocol.ReceivedRequest(party) for party in PARTIES))

    def kill(self) -> None:
        """As by the mains, but for the kernel, which goes on."""
        assert self.service is not None
        self.service.kill()
        self.service.wait()

    def stop(self) -> int:
        """As by the system: SIGTERM."""
        assert self.service is not None
        self.service.send_signal(signal.SIGTERM)
        return self.service.wait(timeout=30)

    def close(self) -> None:
        if self.service is not None and self.service.poll() is None:
            self.service.kill()
            self.service.wait()

    def copies(self) -> list[Path]:
        """The finished copies on both sticks."""
        return [bag.parent for stick in self.sticks for bag in sorted(stick.glob("*/bagit.txt"))]

    def recordings(self) -> list[Path]:
        return sorted(self.where.recordings.iterdir())


def journal_of(folder: Path) -> list[Entry]:
    """A folder's journal, whole and unbroken."""
    checked = check((folder / "data/journal.jsonl").read_bytes())
    assert checked.broken is None
    return list(checked.entries)


def events(folder: Path) -> list[str]:
    """What happened, without the audio lines."""
    return [str(entry["event"]) for entry in journal_of(folder) if entry["event"] != "audio"]


def register_of(table: Table) -> list[Entry]:
    checked = check(table.where.register.read_bytes())
    assert checked.broken is None
    return list(checked.entries)


def write_wav(path: Path, samples: array.array[int], rate: int = RATE) -> None:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(samples.tobytes())


def samples_of(path: Path) -> array.array[int]:
    """A 16-bit mono recording's samples, by an independent reader."""
    import soundfile

    with soundfile.SoundFile(path) as sound:
        assert (sound.channels, sound.subtype) == (1, "PCM_16")
        samples = array.array("h")
        samples.frombytes(bytes(sound.buffer_read(-1, dtype="int16")))
        return samples


COUNT_UP = 32_000


def counting(frames: int, first: int = 0) -> array.array[int]:
    """A sound that tells which frame each sample is, and is never silent: two samples name a place within 25 hours of sound.

    Even frames count up from 1, odd ones say how often that counter went round.
    """
    return array.array(
        "h", (n // 2 % COUNT_UP + 1 if n % 2 == 0 else -(n // 2 // COUNT_UP) - 1 for n in range(first, first + frames))
    )


def place_of(samples: array.array[int], at: int = 0) -> int:
    """Which frame of `counting` the sample at `at` is."""
    if samples[at] > 0:
        return ((-samples[at + 1] - 1) * COUNT_UP + samples[at] - 1) * 2
    if samples[at + 1] - 1 == 0:  # the next even sample began a new round
        return (-samples[at] * COUNT_UP - 1) * 2 + 1
    return ((-samples[at] - 1) * COUNT_UP + samples[at + 1] - 2) * 2 + 1


class RoomMicrophone:
    """A PulseAudio of our own: PortAudio hears its null sink as the microphone `roommic`, and with it all that is played there."""

    DEVICE = "device:roommic"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        native = folder / "native"
        (folder / "asound.conf").write_text(
            "</usr/share/alsa/alsa.conf>\n"
            f'pcm.roommic {{ type pulse server "unix:{native}" device "feed.monitor" '
            'hint { show on description "room microphone" } }\n'
        )
        self.environment = {
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
            "PULSE_SERVER": f"unix:{native}",
            "XDG_RUNTIME_DIR": str(folder),
            "HOME": str(folder),
        }
        self._players: list[subprocess.Popen[bytes]] = []
        self.plug_in()

    def plug_in(self) -> None:
        native = self._folder / "native"
        native.unlink(missing_ok=True)
        self._pulse = subprocess.Popen(
            [
                "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
                "--realtime=no", "--high-priority=no", f"--log-target=file:{self._folder}/log",
                f"--load=module-native-protocol-unix socket={native} auth-anonymous=1",
                "--load=module-null-sink sink_name=feed format=s16le rate=48000 channels=1 channel_map=mono",
            ],
            env={**os.environ, **self.environment, **dict.fromkeys(("PULSE_RUNTIME_PATH", "PULSE_STATE_PATH"), str(self._folder))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 10
        while not native.is_socket():
            assert self._pulse.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.02)

    def play(self, wav: Path) -> subprocess.Popen[bytes]:
        """Begin to sound; a sound of its own rate and channels is heard bit for bit."""
        player = subprocess.Popen(
            ["paplay", "-d", "feed", "--latency-msec=500", str(wav)], env={**os.environ, **self.environment}
        )
        self._players.append(player)
        return player

    def unplug(self) -> None:
        """As a pulled cable."""
        self._pulse.kill()
        self._pulse.wait()

    def close(self) -> None:
        for player in self._players:
            player.kill()
            player.wait()
        self.unplug()


@contextmanager
def listening_beside(microphone: RoomMicrophone) -> Iterator[Callable[[], int]]:
    """A second pair of ears at the same microphone, with little latency: gives the monotonic ns at which frame 0 of `counting`
    sounded, by the earliest of all that it heard."""
    ears = subprocess.Popen(
        ["parec", "-d", "feed.monitor", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=5", "--raw"],
        env={**os.environ, **microphone.environment},
        stdout=subprocess.PIPE,
    )
    assert ears.stdout is not None

    def began() -> int:
        earliest: int | None = None
        rest = b""
        for _ in range(60):
            rest += os.read(ears.stdout.fileno(), 1 << 16)  # type: ignore[union-attr]
            now = time.monotonic_ns()
            heard = array.array("h")
            heard.frombytes(rest[: len(rest) // 4 * 4])
            rest = rest[len(rest) // 4 * 4 :]
            if len(heard) >= 4 and heard[-2] and heard[-1]:
                bound = now - (place_of(heard, len(heard) - 2) + 2) * 1_000_000_000 // RATE
                earliest = bound if earliest is None else min(earliest, bound)
        assert earliest is not None, "nothing was heard"
        return earliest

    try:
        yield began
    finally:
        ears.kill()
        ears.wait()


def as_json(message: Snapshot) -> dict[str, object]:
    told: dict[str, object] = msgspec.json.decode(msgspec.json.encode(message))
    return told
