"""What the room's screen costs: until it is first painted, while nobody is there, and while a conversation is recorded.

    python -m tests.benchmarks.screen [--seconds N]

The real screen in a terminal of 100x30 (a pseudo-terminal that is read as fast as it paints), against a real service with a synthetic
microphone and two folders as sticks. CPU is what the kernel counted for the screen's process (/proc/PID/stat), in per cent of one core.
"""

from __future__ import annotations

import argparse
import os
import pty
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance import protocol
from tests.room_parts import Table
from tests.ui.translations import compile_translations

FIRST_WORDS = b"Geluidsopname?"
COLUMNS, ROWS = 100, 30


class Screen:
    """The screen's process, and the time of its first painted words."""

    def __init__(self, root: Path) -> None:
        self.began = time.monotonic()
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (ROWS, COLUMNS))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "appliance", "ui", "--root", str(root)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )
        os.close(theirs)
        self._ours = ours
        self.painted_at: float | None = None
        self.bytes_painted = 0
        self._reader = threading.Thread(target=self._read, name="eyes", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        seen = b""
        while True:
            try:
                piece = os.read(self._ours, 1 << 16)
            except OSError:
                return
            self.bytes_painted += len(piece)
            if self.painted_at is None:
                seen += piece
                if FIRST_WORDS in seen:
                    self.painted_at = time.monotonic()

    def first_paint(self) -> float:
        """Seconds from the start of the process until the invitation's words were written to the terminal."""
        while self.painted_at is None:
            if self.process.poll() is not None or time.monotonic() - self.began > 30:
                raise RuntimeError("The screen painted nothing.")
            time.sleep(0.005)
        return self.painted_at - self.began

    def cpu_over(self, seconds: float) -> float:
        """Per cent of one core."""
        before, began = self._ticks(), time.monotonic()
        time.sleep(seconds)
        used = (self._ticks() - before) / os.sysconf("SC_CLK_TCK")
        return 100 * used / (time.monotonic() - began)

    def _ticks(self) -> int:
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return int(user) + int(system)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@contextmanager
def a_table() -> Iterator[Table]:
    with tempfile.TemporaryDirectory(prefix="screen") as place:
        top = Path(place)
        for folder in ("room", "a", "b"):
            (top / folder).mkdir()
        table = Table(top / "room", (top / "a", top / "b"))
        table.serve("--source", "synthetic")
        try:
            yield table
        finally:
            table.close()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=20.0, help="how long each is measured")
    seconds = asked.parse_args().seconds
    compile_translations()
    with a_table() as table:
        paints = []
        for _ in range(3):
            screen = Screen(table.root)
            paints.append(screen.first_paint())
            screen.close()
        screen = Screen(table.root)
        try:
            screen.first_paint()
            time.sleep(2)
            idle = screen.cpu_over(seconds)
            table.agree()
            table.until(lambda now: now.microphone == "heard")
            table.do(protocol.StartRequest())
            table.until(lambda now: now.storing)
            time.sleep(2)
            painted = screen.bytes_painted
            recording = screen.cpu_over(seconds)
            painted = screen.bytes_painted - painted
        finally:
            screen.close()
    sys.stdout.write(
        f"first paint   {sorted(paints)[1]:.2f} s (of three: {', '.join(f'{paint:.2f}' for paint in paints)})\n"
        f"idle          {idle:.2f} % of one core over {seconds:g} s\n"
        f"recording     {recording:.2f} % of one core over {seconds:g} s, {painted / seconds:.0f} bytes a second to the terminal\n"
    )


if __name__ == "__main__":
    main()
