"""What recording costs: this service against arecord, ffmpeg and sox, side by side, of the same sound, in the same run.

    python -m tests.benchmarks.recording [--seconds 60]

Prints CPU seconds for each recorded hour and the peak of memory (proportional set size, every process), and ratios.
The service's figures are for all it does: capture, levels, hashing, syncing every second, two copies that are read
back; how much of it each of its processes takes stands below. Also: how long from the second confirmation and the press to
the first stored sample.

Each program listens at a null sink of its own, and all of them play the same sound at the same time. At one and the same sink
the listener that wants the shortest latency makes all others wake up as often as itself: each would pay for the worst."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from appliance import protocol
from tests.room_parts import RATE, RoomMicrophone, Table, counting, write_wav

TICK = os.sysconf("SC_CLK_TCK")
PEERS: dict[str, list[str]] = {
    "arecord": ["arecord", "-q", "-D", "arecord", "-f", "S16_LE", "-r", "48000", "-c", "1"],
    "ffmpeg": [
        "ffmpeg",
        "-v",
        "error",
        "-nostdin",
        "-y",
        "-f",
        "alsa",
        "-ch_layout",
        "mono",
        "-sample_rate",
        "48000",
        "-i",
        "ffmpeg",
    ],
    "sox": ["sox", "-q", "-t", "alsa", "-c", "1", "-r", "48000", "sox"],
}
"""Each records from a device of its own name."""


class Microphones(RoomMicrophone):
    """One for this service, and one for each of the others, which hear the same."""

    def plug_in(self) -> None:
        super().plug_in()
        native = self._folder / "native"
        for name in PEERS:
            settings = (f"sink_name={name}", "format=s16le", "rate=48000", "channels=1", "channel_map=mono")
            environment = {**os.environ, **self.environment}
            subprocess.run(
                ["pactl", "load-module", "module-null-sink", *settings], env=environment, check=True, capture_output=True
            )
            with (self._folder / "asound.conf").open("a") as known:
                known.write(f'pcm.{name} {{ type pulse server "unix:{native}" device "{name}.monitor" }}\n')

    def play_to_all(self, wav: Path) -> None:
        self.play(wav)
        for name in PEERS:
            words = ["paplay", "-d", name, "--latency-msec=500", str(wav)]
            self._players.append(subprocess.Popen(words, env={**os.environ, **self.environment}))


@dataclass
class Cost:
    """Of one program and all its children. cpu: seconds of user and system time; memory: peak of the sum, in bytes (PSS)."""

    name: str
    root: int
    cpu_before: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    seen: dict[int, float] = field(default_factory=dict)
    before: dict[int, float] = field(default_factory=dict)
    modules: dict[int, str] = field(default_factory=dict)

    def look(self) -> None:
        pids = [self.root, *children_of(self.root)]
        for pid in pids:
            self.seen[pid] = cpu_seconds(pid) or self.seen.get(pid, 0.0)
            self.modules.setdefault(pid, module_of(pid))
        self.cpu = sum(self.seen.values())
        self.memory = max(self.memory, sum(pss(pid) for pid in pids))

    def begin(self) -> None:
        self.look()
        self.cpu_before, self.before = self.cpu, dict(self.seen)

    def by_process(self) -> list[tuple[str, float]]:
        """CPU seconds of each since the beginning."""
        return [(self.modules[pid], seen - self.before.get(pid, 0.0)) for pid, seen in self.seen.items()]


def module_of(pid: int) -> str:
    """The module that a Python process runs; of another program its name."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return "gone"
    return words[words.index("-m") + 1] if "-m" in words else words[0]


def children_of(pid: int) -> list[int]:
    """All of a process's descendants, however deep."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue  # it ended while we looked
    return [pid for child in found for pid in (child, *children_of(child))]


def cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def pss(pid: int) -> int:
    try:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seconds", type=float, default=60.0, help="how long all of them record (default: 60)")
    seconds: float = asked.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        measure(Path(folder), seconds)


def measure(folder: Path, seconds: float) -> None:
    microphone = Microphones(folder / "microphone")
    table = Table(folder / "room", (folder / "stick-a", folder / "stick-b"), environment=microphone.environment)
    for place in (table.root, *table.sticks):
        place.mkdir()
    peers: list[tuple[str, subprocess.Popen[bytes]]] = []
    try:
        write_wav(folder / "sound.wav", counting(int((seconds + 30) * RATE)))
        microphone.play_to_all(folder / "sound.wav")
        table.serve("--source", RoomMicrophone.DEVICE)
        table.agree()
        pressed = time.monotonic()
        table.do(protocol.StartRequest())
        table.until(lambda snapshot: snapshot.storing, 5)
        storing_after = time.monotonic() - pressed
        environment = {**os.environ, **microphone.environment}
        peers = [
            (name, subprocess.Popen([*command, str(folder / f"{name}.wav")], env=environment, stderr=subprocess.DEVNULL))
            for name, command in PEERS.items()
        ]
        assert table.service is not None
        time.sleep(2)
        costs = [Cost("this service", table.service.pid), *(Cost(name, child.pid) for name, child in peers)]
        show(watch(costs, seconds), seconds, storing_after)
        table.do(protocol.StopRequest())
        done = table.until_state("handover")
        gaps = done.recording.gaps if done.recording else []
        sys.stdout.write(f"gaps in this service's recording: {len(gaps)}; copies verified: {done.verified}\n")
    finally:
        for _, child in peers:
            child.terminate()
            child.wait()
        table.close()
        microphone.close()


def watch(costs: list[Cost], seconds: float) -> list[Cost]:
    for cost in costs:
        cost.begin()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(1)
        for cost in costs:
            cost.look()
    return costs


def show(costs: list[Cost], seconds: float, storing_after: float) -> None:
    ours = costs[0]
    spent = {cost.name: (cost.cpu - cost.cpu_before) * 3600 / seconds for cost in costs}
    sys.stdout.write(f"{'':14}{'CPU s per hour':>16}{'ours / its':>12}{'peak MiB':>10}{'ours / its':>12}\n")
    for cost in costs:
        cpu = f"{spent[ours.name] / spent[cost.name]:.2f}" if spent[cost.name] else "-"
        memory = f"{ours.memory / cost.memory:.1f}" if cost.memory else "-"
        sys.stdout.write(f"{cost.name:14}{spent[cost.name]:16.1f}{cpu:>12}{cost.memory / 2**20:10.1f}{memory:>12}\n")
    for module, took in ours.by_process():
        sys.stdout.write(f"  {module:24}{took * 3600 / seconds:6.1f}\n")
    sys.stdout.write(f"from the press to the first stored sample, as a client sees it: {storing_after * 1000:.0f} ms\n")


if __name__ == "__main__":
    main()
