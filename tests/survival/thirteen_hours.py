"""A meeting of thirteen hours at 48 kHz, 24 bit, stereo: 13.5 GB, past 4 GiB three times over, through the real service.

    python -m tests.survival.thirteen_hours [--hours 13] [--pace 150] [--folder /var/tmp]

The service records its synthetic voice at many times real time into a real file, with a sync every second of the wall clock; nothing is
sparse and nothing is skipped. Memory (proportional set size, every process of the service) is printed along the way. Then the sealed
file is read by others: libsndfile and ffprobe for its kind and length, sha256sum for the digest that stands in its journal, and every
sample is compared with the voice. It takes some 15 GB of disk and tells so if they are not there. No sticks: copies would take 27 GB more.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance import protocol
from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import SyntheticTrack
from appliance.audio.wav import HEADER_BYTES
from appliance.journal import of_kind, whole
from tests.audio import readers
from tests.benchmarks.recording import children_of, cpu_seconds, pss
from tests.room_parts import Table, journal_of

FORMAT = PcmFormat(48_000, 24, 2)
BYTES_AN_HOUR = 3_600 * FORMAT.rate * FORMAT.frame_bytes
PIECE_FRAMES = 1 << 20
TO_SPARE_BYTES = 2_000_000_000


@dataclass
class LongRun:
    """One recording of so many hours, and what was seen of it."""

    folder: Path
    hours: float
    pace: str
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Hours recorded, and bytes that the service's processes then took."""
    cpu: float = 0.0

    @property
    def frames(self) -> int:
        return int(self.hours * 3_600 * FORMAT.rate)

    def record(self) -> Path:
        """The sealed recording's folder."""
        with _table(self.folder) as table:
            table.serve("--source", "synthetic", "--pace", self.pace, sticks=False)
            assert table.service is not None
            service = table.service.pid
            table.agree()
            table.do(protocol.StartRequest())
            told = 0
            while told < self.frames:
                time.sleep(0.5)
                seen = table.status()
                assert seen.state == "recording", (seen, (table.root / "service.log").read_text())
                told = seen.recording.frames if seen.recording else 0
                self._look(service, told)
            table.do(protocol.StopRequest())
            table.until_state("handover", seconds=1_200)
            self._look(service, told)
            self.cpu = sum(cpu_seconds(pid) for pid in (service, *children_of(service)))
            (folder,) = table.recordings()
            return folder

    def _look(self, service: int, frames: int) -> None:
        self.memory.append((frames / FORMAT.rate / 3_600, sum(pss(pid) for pid in (service, *children_of(service)))))

    def mebibytes_at(self, part: float) -> float:
        """At a part of the run: 0 is soon after the start, 1 the end."""
        _, memory = self.memory[min(len(self.memory) - 1, int(part * (len(self.memory) - 1)))]
        return memory / (1 << 20)

    @property
    def most_mebibytes(self) -> float:
        return max(memory for _, memory in self.memory) / (1 << 20)


@contextmanager
def _table(folder: Path) -> Iterator[Table]:
    (folder / "room").mkdir()
    (folder / "room" / "config.toml").write_text(
        f"[audio]\nrate = {FORMAT.rate}\nbits = {FORMAT.bits}\nchannels = {FORMAT.channels}\n[meeting]\nminimum_free_hours = 0.1\n"
    )
    table = Table(folder / "room", (folder / "a", folder / "b"))
    try:
        yield table
    finally:
        table.close()


def is_what_was_said(recording: Path) -> int:
    """Read the file by others and to its last sample; the number of frames. AssertionError for anything that is not right."""
    wav = recording / "data/gesprek.wav"
    (sealed,) = of_kind(journal_of(recording), "sealed")
    frames = whole(sealed, "frames")
    assert not of_kind(journal_of(recording), "gap")
    kind = "RF64" if HEADER_BYTES + frames * FORMAT.frame_bytes > 0xFFFF_FFFF else "WAV"
    assert readers.kind_heard(wav).startswith(kind)
    assert readers.format_heard(wav) == FORMAT
    assert readers.frames_heard(wav) == frames
    assert readers.probe(wav).frames == frames
    digest = subprocess.run(["sha256sum", wav], capture_output=True, text=True, check=True).stdout.split()[0]
    assert digest == sealed["sha256"]
    voice = SyntheticTrack(FORMAT)
    with wav.open("rb") as file:
        file.seek(HEADER_BYTES)
        for begin in range(0, frames, PIECE_FRAMES):
            count = min(PIECE_FRAMES, frames - begin)
            assert file.read(count * FORMAT.frame_bytes) == voice.at(begin, count), f"within the {count} frames from {begin} on"
    return frames


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--hours", type=float, default=13.0)
    asked.add_argument("--pace", default="150", help="how many times real time (default: 150)")
    asked.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where there is room (default: /var/tmp)")
    given = asked.parse_args()
    wanted = int(given.hours * BYTES_AN_HOUR) + TO_SPARE_BYTES
    if (free := shutil.disk_usage(given.folder).free) < wanted:
        sys.stderr.write(f"{given.folder} has {free / 1e9:.1f} GB free; {given.hours:g} hours need {wanted / 1e9:.1f}.\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="recorder-hours-", dir=given.folder) as folder:
        show(LongRun(Path(folder), given.hours, given.pace))
    return 0


def show(run: LongRun) -> None:
    began = time.monotonic()
    recording = run.record()
    recorded = time.monotonic()
    frames = is_what_was_said(recording)
    checked = time.monotonic()
    size = (recording / "data/gesprek.wav").stat().st_size
    sys.stdout.write(
        f"{frames} frames, {frames / FORMAT.rate / 3_600:.3f} h at {FORMAT.rate} Hz, {FORMAT.bits} bit, {FORMAT.channels} channels: "
        f"{size} bytes, {readers.kind_heard(recording / 'data/gesprek.wav')}\n"
        f"recorded and sealed in {recorded - began:.0f} s ({run.cpu:.0f} s of CPU), checked in {checked - recorded:.0f} s\n"
        f"memory (PSS of every process): start {run.mebibytes_at(0.02):.1f} MiB, middle {run.mebibytes_at(0.5):.1f} MiB, "
        f"end {run.mebibytes_at(1):.1f} MiB, most {run.most_mebibytes:.1f} MiB\n"
        "soundfile, ffprobe and sha256sum agree with the journal, and every sample is what was said\n"
    )


if __name__ == "__main__":
    sys.exit(main())
