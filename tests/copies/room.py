"""What lies on the table for the tests of the copies: a recording that grows, sealed ones, and a mirror to talk to."""

from __future__ import annotations

import hashlib
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import IO, Any

from appliance.audio.pcm import PcmFormat
from appliance.audio.wav import Origination, WavWriter
from appliance.copies.bag import write_bag
from appliance.disk import RealDisk
from appliance.journal import Chain
from appliance.store import JournalFile

NAME = "2026-11-23 14.00 gesprek k7qm"
UNFINISHED = f"{NAME} (onvolledig)"
SEALED_AT = datetime(2026, 11, 23, 15, 0, 1, 250_000, tzinfo=UTC)
ABOUT = {"Source-Organization": "Gemeente Voorbeeld", "External-Identifier": "k7qm"}
MONO = PcmFormat()
_ORIGINATION = Origination("Opname van een gesprek", "k7qm", datetime(2026, 11, 23, 14, 0, tzinfo=UTC))
_CHUNK_OF_SPEECH = Random(7).randbytes(1 << 20)  # noqa: S311 no secret


class GrowingRecording:
    """A recording on the appliance, by the product's own writers: what `say` says is durable when it returns."""

    def __init__(self, recordings: Path, audio_format: PcmFormat = MONO, identity: str = "k7qm") -> None:
        self.folder = recordings / NAME
        (self.folder / "data").mkdir(parents=True)
        self.wav = self.folder / "data/gesprek.wav"
        disk = RealDisk()
        self._disk = disk
        self._format = audio_format
        self._journal = JournalFile.create(disk, self.folder / "data/journal.jsonl")
        self._journal.append("announced", {"id": identity})
        self._journal.sync()
        (self.folder / "data/agreement.txt").write_text("Wij nemen dit gesprek samen op.\n", encoding="utf-8")
        self._writer = WavWriter.create(disk, self.wav, audio_format, _ORIGINATION)

    def say(self, pcm_bytes: int) -> int:
        """So many more bytes of speech, cut to whole frames; how many bytes of the WAV are durable now."""
        rest = pcm_bytes // self._format.frame_bytes * self._format.frame_bytes
        while rest:
            piece = _CHUNK_OF_SPEECH[: min(rest, len(_CHUNK_OF_SPEECH) // self._format.frame_bytes * self._format.frame_bytes)]
            self._writer.append(piece)
            rest -= len(piece)
        self._writer.sync()
        self._journal.append("audio", {"frames": self._writer.frames, "sha256": hashlib.sha256(b"").hexdigest()})
        self._journal.sync()
        return 1024 + self._writer.data_bytes

    def note(self, lines: int) -> None:
        for _ in range(lines):
            self._journal.append("mark", {"party": "client", "at": 1})
        self._journal.sync()

    def seal(self) -> Path:
        self._writer.seal()
        self._writer.close()
        self._journal.append("sealed", {"frames": self._writer.frames})
        self._journal.sync()
        self._journal.close()
        write_bag(self._disk, self.folder, known={}, about=ABOUT, sealed_at=SEALED_AT)
        return self.folder


def sealed_recording(recordings: Path, pcm_bytes: int = 300_000) -> Path:
    recording = GrowingRecording(recordings)
    recording.say(pcm_bytes)
    return recording.seal()


def another_journal() -> bytes:
    """The first line of some other recording's."""
    return Chain().line("announced", {"id": "zzzz"})[0]


@dataclass
class MirrorProcess:
    """A mirror child, spoken to as its parent does."""

    process: subprocess.Popen[bytes]
    reports: list[dict[str, Any]] = field(default_factory=list)
    _rest: bytes = b""

    @property
    def control(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def follow(self, durable: int) -> None:
        self._tell({"do": "follow", "durable": durable})

    def seal(self) -> None:
        self._tell({"do": "seal"})

    def note(self, file: str, text: str, at: int) -> None:
        self._tell({"do": "note", "file": file, "text": text, "at": at})

    def until(self, verified_bytes: int, within: float = 20.0) -> None:
        """Wait until so much is verified, by its own word."""
        self._hear(lambda report: report["is"] == "copying" and report["verified_bytes"] >= verified_bytes, within)

    def outcome(self, within: float = 20.0) -> dict[str, Any]:
        """Wait for the last word: verified or failed."""
        return self._hear(lambda report: report["is"] != "copying", within)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """Close its standard input; its exit status."""
        self.control.close()
        return self.process.wait(10)

    def _tell(self, message: dict[str, object]) -> None:
        self.control.write(json.dumps(message).encode() + b"\n")
        self.control.flush()

    def _hear(self, wanted: Any, within: float) -> dict[str, Any]:
        out = self.process.stdout
        assert out is not None
        for report in self.reports:
            if wanted(report):
                return report
        deadline = time.monotonic() + within
        while select.select([out], [], [], max(0.0, deadline - time.monotonic()))[0]:
            got = os.read(out.fileno(), 1 << 16)
            if not got:
                break
            *lines, self._rest = (self._rest + got).split(b"\n")
            for line in lines:
                self.reports.append(json.loads(line))
            for report in self.reports:
                if wanted(report):
                    return report
        raise AssertionError(f"it never said so: {self.reports[-3:]}, status {self.process.poll()}")


class MirrorStarter:
    """Starts mirrors of one original, or of a note, and ends them all."""

    def __init__(self, locks: Path) -> None:
        self.locks = locks
        self._started: list[MirrorProcess] = []

    def of(self, original: Path, stick: Path, lock: str = "stick") -> MirrorProcess:
        return self._start("--original", str(original), stick, lock)

    def of_note(self, folder_name: str, stick: Path, lock: str = "stick") -> MirrorProcess:
        return self._start("--note", folder_name, stick, lock)

    def _start(self, what: str, which: str, stick: Path, lock: str) -> MirrorProcess:
        arguments = [what, which, "--stick", str(stick), "--lock", str(self.locks / f"{lock}.lock")]
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.copies.mirror", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        self._started.append(MirrorProcess(process))
        return self._started[-1]

    def end_all(self) -> None:
        for mirror in self._started:
            mirror.kill()
            for pipe in (mirror.process.stdin, mirror.process.stdout):
                if pipe is not None and not pipe.closed:
                    pipe.close()


def differences(one: Path, other: Path) -> str:
    """What `diff -r` prints; empty when they are equal byte for byte."""
    return subprocess.run(["diff", "-r", one, other], capture_output=True, text=True, check=False).stdout


def times(folder: Path) -> dict[str, int]:
    """Modification times in nanoseconds of everything in a folder, and of itself."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}


def all_about(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Inode, mode, time and bytes of every file: whoever wrote to any of them is seen."""
    seen = {}
    for path in (folder, *folder.rglob("*")):
        found = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        seen[str(path.relative_to(folder))] = (found.st_ino, found.st_mode, found.st_mtime_ns, content)
    return seen
