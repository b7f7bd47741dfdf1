"""How long people wait at the door: from the stop to two verified sticks, against copying and hashing afterwards, in the same run.

    python -m tests.benchmarks.sticks DIR [--minutes 1 10 60 240] [--speeds 10 25] [--pace 40]

Two sticks whose bytes a second the kernel's block throttle holds down (loop devices; root), each reading as fast as it writes. The
service records a meeting at up to PACE times real time (a minute takes a minute), so that the sticks keep in step with it as they
do in a meeting, and at the stop a clock is started. Then the peer, on the same sticks and with the same WAV: `cp` to both at once,
`sync`, the three files dropped from the page cache, `sha256sum` of all three at once (kinder than one after the other).

Prints seconds and ratios; the bytes that each stick was written and read for each byte of the recording; and how much of the
original came from its own disk rather than from memory. Draws sticks.svg into DIR.

Two things are to our disadvantage: at PACE times real time, what is still under way at the stop is PACE times as much as in a meeting;
and the peer copies the WAV alone. The file system is ext4, which every kernel has; FAT32 and exFAT are seen in the virtual machine.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance import protocol
from tests.room_parts import Table

BYTES_A_SECOND = 96_000  # 48 kHz, 16 bits, mono
THROTTLE = Path("/sys/fs/cgroup/blkio")
SECTOR = 512


@dataclass(frozen=True)
class Stick:
    """A mounted stick of a given speed."""

    folder: Path
    device: str
    megabytes_a_second: float

    def moved(self) -> tuple[int, int]:
        """Bytes read from the medium and written to it so far, by the kernel's count."""
        fields = Path(f"/sys/block/{self.device}/stat").read_text(encoding="ascii").split()
        return int(fields[2]) * SECTOR, int(fields[6]) * SECTOR


@dataclass(frozen=True)
class Seen:
    """One meeting. ours, peers: seconds. read, written: bytes a byte of the recording, a stick each. original: read from its disk."""

    minutes: float
    ours: float
    peers: float
    read: tuple[float, ...]
    written: tuple[float, ...]
    original: float


def main() -> None:
    parser = argparse.ArgumentParser(description="From the stop to two verified sticks, against cp and sha256sum.")
    parser.add_argument("folder", type=Path, help="where the plot goes, and the images while it runs")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60, 240], help="lengths of the meetings")
    parser.add_argument("--speeds", type=float, nargs=2, default=[10, 25], help="of the two sticks, in MB/s")
    parser.add_argument("--pace", type=int, default=40, help="how many times real time the meeting runs at")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # with everything put away
    options.folder.mkdir(parents=True, exist_ok=True)
    head = f"{'minutes':>8}{'ours, s':>10}{'cp+hash, s':>12}{'times':>8}   {'written, read a byte (each stick)':36}original read"
    sys.stdout.write(
        f"sticks of {options.speeds[0]:g} and {options.speeds[1]:g} MB/s, up to {options.pace} times real time\n{head}\n"
    )
    seen = []
    for minutes in options.minutes:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            pace = max(1, min(options.pace, int(minutes)))  # a short meeting has the time to be a real one
            seen.append(one_meeting(Path(folder), minutes, options.speeds, pace))
        sys.stdout.write(row(seen[-1]) + "\n")
        sys.stdout.flush()
    picture = options.folder / "sticks.svg"
    picture.write_text(plot(seen, options.speeds), encoding="utf-8")
    sys.stdout.write(f"plot: {picture}\n")


def row(seen: Seen) -> str:
    moved = ", ".join(f"{written:.3f} {read:.3f}" for written, read in zip(seen.written, seen.read, strict=True))
    times = f"{seen.peers / seen.ours:.1f}"
    return f"{seen.minutes:>8g}{seen.ours:>10.2f}{seen.peers:>12.2f}{times:>8}   {moved:36}{seen.original:.3f}"


def one_meeting(folder: Path, minutes: float, speeds: list[float], pace: int) -> Seen:
    recording_bytes = int(minutes * 60 * BYTES_A_SECOND)
    with ExitStack() as at_the_end:
        room = recording_bytes * 2 + recording_bytes // 10 + (96 << 20)
        sticks = [at_the_end.enter_context(stick(folder / f"stick-{speed:g}", room, speed)) for speed in speeds]
        (folder / "room").mkdir()
        table = Table(folder / "room", (sticks[0].folder, sticks[1].folder))
        at_the_end.callback(table.close)
        at_the_end.enter_context(throttled(sticks))
        table.serve("--source", "synthetic", "--pace", str(pace))
        before = [one.moved() for one in sticks]
        read_before = read_by(table)
        ours = meeting(table, minutes * 60, pace)
        (wav,) = table.where.recordings.glob("*/data/gesprek.wav")
        size = wav.stat().st_size
        moved = [
            (after[0] - then[0], after[1] - then[1]) for then, after in zip(before, [one.moved() for one in sticks], strict=True)
        ]
        original = read_by(table) - read_before - sum(read for read, _ in moved)
        table.stop()
        return Seen(
            minutes,
            ours,
            copied_and_hashed(wav, sticks),
            tuple(read / size for read, _ in moved),
            tuple(written / size for _, written in moved),
            max(0, original) / size,
        )


def meeting(table: Table, seconds: float, pace: int) -> float:
    """Record one of so many seconds of sound; from the stop to both verified."""
    table.agree()
    table.do(protocol.StartRequest())
    table.until(lambda now: now.recording is not None and now.recording.seconds >= seconds, seconds / pace * 5 + 60)
    stopped = time.monotonic()
    table.do(protocol.StopRequest())
    table.until(lambda now: now.verified == 2, seconds + 120)
    return time.monotonic() - stopped


def read_by(table: Table) -> int:
    """Bytes that the service and its children, those that ended too, had read from disks."""
    if table.service is None:
        return 0
    pids = [table.service.pid, *map(int, children_of(table.service.pid))]
    return sum(read_bytes(pid) for pid in pids)


def children_of(pid: int) -> list[str]:
    return [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def read_bytes(pid: int) -> int:
    try:
        fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines())
    except OSError:
        return 0  # it ended: its parent counts for it
    return int(fields["read_bytes"])


def copied_and_hashed(wav: Path, sticks: list[Stick]) -> float:
    """What people do today: copy to both, sync, and hash what is really on the three disks."""
    copies = [one.folder / "copy.wav" for one in sticks]
    began = time.monotonic()
    together([["sh", "-c", 'cp "$1" "$2" && sync "$2"', "copy", str(wav), str(copy)] for copy in copies])
    together([["dd", f"if={path}", "iflag=nocache", "count=0", "status=none"] for path in (wav, *copies)])
    digests = together([["sha256sum", str(path)] for path in (wav, *copies)])
    taken = time.monotonic() - began
    assert len({digest.split()[0] for digest in digests}) == 1
    return taken


def together(commands: list[list[str]]) -> list[str]:
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    said = [one.communicate()[0] for one in running]
    assert not any(one.returncode for one in running)
    return said


# The sticks.


@contextmanager
def stick(folder: Path, room: int, speed: float) -> Iterator[Stick]:
    image = folder.with_suffix(".img")
    subprocess.run(["truncate", "-s", str(room), image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=0", image], check=True)
    loop = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True).stdout.strip()
    try:
        folder.mkdir()
        subprocess.run(["mount", "-o", "nosuid,nodev,noexec,noatime", loop, folder], check=True)
        shutil.rmtree(folder / "lost+found")
        subprocess.run(["sync", "--file-system", folder], check=True)
        try:
            yield Stick(folder, Path(loop).name, speed)
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)
        image.unlink()


@contextmanager
def throttled(sticks: list[Stick]) -> Iterator[None]:
    """This process and all its children read and write the sticks no faster than they are sold; back at the end.

    So does the kernel's own write-back, which is in the root group: `cp` leaves most of its writing to it.
    """
    group = THROTTLE / f"sticks-{os.getpid()}"
    group.mkdir()
    for one in sticks:
        limit(group, one, one.megabytes_a_second)
        limit(THROTTLE, one, one.megabytes_a_second)
    (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    try:
        yield
    finally:
        for process in (group / "cgroup.procs").read_text(encoding="ascii").split():
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                (THROTTLE / "cgroup.procs").write_text(process, encoding="ascii")
        for one in sticks:
            limit(THROTTLE, one, 0)
        group.rmdir()


def limit(group: Path, one: Stick, megabytes_a_second: float) -> None:
    """0 takes the limit away."""
    number = Path(f"/sys/block/{one.device}/dev").read_text(encoding="ascii").strip()
    for way in ("read", "write"):
        said = f"{number} {int(megabytes_a_second * 1e6)}"
        (group / f"blkio.throttle.{way}_bps_device").write_text(said, encoding="ascii")


# The picture.

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 400, 70, 50


def plot(seen: list[Seen], speeds: list[float]) -> str:
    """Seconds from the stop to both verified, by the length of the meeting; both axes logarithmic."""
    every = [one.ours for one in seen] + [one.peers for one in seen]
    low, high = 10 ** math.floor(math.log10(min(every))), 10 ** math.ceil(math.log10(max(every)))
    first, last = min(one.minutes for one in seen), max(one.minutes for one in seen)

    def across(minutes: float) -> float:
        share = math.log(minutes / first) / math.log(last / first) if last > first else 0.5
        return LEFT + 30 + share * (WIDTH - LEFT - 90)

    def up(seconds: float) -> float:
        return HEIGHT - BOTTOM - math.log(seconds / low) / math.log(high / low) * (HEIGHT - BOTTOM - 60)

    def line(points: list[tuple[float, float]], colour: str, name: str, name_at: int) -> list[str]:
        path = " ".join(f"{across(minutes):.1f},{up(seconds):.1f}" for minutes, seconds in points)
        dots = [f'<circle cx="{across(m):.1f}" cy="{up(s):.1f}" r="4" fill="{colour}"/>' for m, s in points]
        values = [
            f'<text x="{across(m):.1f}" y="{up(s) - 9:.1f}" text-anchor="middle" font-size="12" fill="{colour}">{s:.3g} s</text>'
            for m, s in points
        ]
        (minutes, seconds), *_ = points
        named = f'<text x="{across(minutes) - 12:.1f}" y="{up(seconds) + name_at:.1f}" fill="{colour}">{name}</text>'
        curve = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        return [curve, *dots, *values, named]

    scale, seconds = [], low
    while seconds <= high:
        y = up(seconds)
        scale += [
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 30}" y2="{y:.1f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" font-size="12">{seconds:g} s</text>',
        ]
        seconds *= 10
    scale += [
        f'<text x="{across(one.minutes):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" font-size="12">{one.minutes:g} min</text>'
        for one in seen
    ]
    title = f"From the stop to two verified sticks ({speeds[0]:g} and {speeds[1]:g} MB/s)"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="14">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="28" font-size="16">{title}</text>',
            f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle" font-size="12">length of the meeting</text>',
            *scale,
            *line([(one.minutes, one.peers) for one in seen], "#a33", "cp, sync, sha256sum", -50),
            *line([(one.minutes, one.ours) for one in seen], "#275", "this service", 24),
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    main()
