"""The whole meeting in a real terminal, by keys alone, read off the screen: at a table's size and at the smallest, in many
colours and on the bare console."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest

from tests.room_parts import Table


class Terminal:
    """A tmux of our own, with one window."""

    def __init__(self, columns: int, rows: int, kind: str, command: str) -> None:
        self._name = f"room-{uuid.uuid4().hex[:8]}"
        self._tmux(
            "new-session",
            "-d",
            "-s",
            "table",
            "-x",
            str(columns),
            "-y",
            str(rows),
            f"exec env -u COLUMNS -u LINES TERM={kind} {command}",
        )

    def _tmux(self, *words: str) -> str:
        return subprocess.run(["tmux", "-L", self._name, *words], check=True, capture_output=True, text=True).stdout

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", "-t", "table", *keys)

    def text(self) -> str:
        """What is on the screen, with runs of white space as one space, so that a wrapped sentence is still that sentence."""
        return " ".join(self._tmux("capture-pane", "-t", "table", "-p").split())

    def until(self, *sentences: str, seconds: float = 10) -> str:
        end = time.monotonic() + seconds
        while not all(sentence in (text := self.text()) for sentence in sentences):
            assert time.monotonic() < end, f"{sentences} not on: {text}"
            time.sleep(0.05)
        return text

    def close(self) -> None:
        self._tmux("kill-server")


SMALL = (50, 15, "tmux-256color")


@pytest.fixture(params=[(100, 30, "tmux-256color"), SMALL, (80, 24, "linux")], ids=["table", "small", "console"])
def terminal(request: pytest.FixtureRequest, table: Table) -> Iterator[Terminal]:
    columns, rows, kind = request.param
    table.serve("--source", "synthetic")
    there = Terminal(columns, rows, kind, f"{sys.executable} -m appliance ui --root {table.root}")
    yield there
    there.close()


def test_the_whole_meeting_is_walked_by_keys_and_each_screen_says_what_to_do_next(terminal: Terminal, table: Table) -> None:
    terminal.until("Koffie? Thee? Geluidsopname?", "Druk op de knop om te beginnen.", "Spatie")
    terminal.press("Space")
    terminal.until("Vertel het eerst aan elkaar", "Professional, druk op de knop")
    terminal.press("p")
    terminal.until("Spreken wij dit zo af?", "Cliënt, druk op de knop als u het zo afspreekt", "bevestigd")
    terminal.press("c")
    terminal.until("Afgesproken", "Er wordt nog niets opgenomen.", "Dan begint de opname")
    table.until(lambda snapshot: snapshot.microphone == "heard")
    assert not table.status().storing
    terminal.press("Space")
    terminal.until("Wij nemen dit gesprek op", "pauzeren of stoppen")
    assert table.status().storing
    terminal.press("Space")
    terminal.until("Pauze. Er wordt niets opgenomen.", "Druk op de knop om verder te gaan.")
    table.until(lambda snapshot: not snapshot.storing, 1)
    terminal.press("j")
    terminal.until("Er komt iemand bij", "Spreekt u dit ook zo af?")
    terminal.press("g")
    terminal.until("Afgesproken", "verder")
    terminal.press("Space")
    terminal.until("Wij nemen dit gesprek op")
    terminal.press("s")
    terminal.until("Wilt u kort samenvatten?", "De opname loopt nog", "druk op S")
    assert table.status().storing
    time.sleep(1)
    terminal.press("s")
    terminal.until("Neem ieder één stick mee.", "Professional, neem uw stick", " · ".join(table.status().twin_words))
    assert len(table.copies()) == 2
    terminal.press("p")
    terminal.until("Cliënt, neem uw stick")
    terminal.press("c")
    terminal.until("Koffie? Thee? Geluidsopname?")
    assert table.status().state == "idle"


@pytest.mark.parametrize("terminal", [SMALL], indirect=True, ids=["small"])
def test_rule_1_rather_not_is_a_path_with_alternatives_and_a_way_out(terminal: Terminal, table: Table) -> None:
    terminal.until("Koffie? Thee? Geluidsopname?")
    terminal.press("Space")
    terminal.until("Vertel het eerst aan elkaar")
    terminal.press("d")
    terminal.until("nog een keer")
    terminal.press("d")
    terminal.until("Geen opname. Dat is goed.", "samenvatting")
    assert table.status().state == "declined"
    assert table.recordings() == []
    terminal.press("Space")
    terminal.until("Koffie? Thee? Geluidsopname?")
