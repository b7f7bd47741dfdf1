"""The sticks, side by side: what each of them has, by what was read back from it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal

from appliance.protocol import CopyView
from appliance.ui.widgets.words import Words
from appliance.words import Say

SIDE_BY_SIDE = 2
"""Two places are always shown, so that a stick that is missing is seen."""
PLACES = 4
MEGABYTE = 1_000_000

PICTURES = {"waiting": "░", "following": "►", "verified": "●", "unfinished": "▒", "failed": "■"}


class StickLine(Words):
    """One stick: its name, its state as a picture and as a word and, at the end of the meeting, how far it is checked."""

    def __init__(self) -> None:
        super().__init__()
        self.copy: CopyView | None = None
        self._say: Say = str
        self._progress = False

    def on_resize(self) -> None:
        self.show_copy(self.copy, self._say, progress=self._progress)

    def show_copy(self, copy: CopyView | None, say: Say, *, progress: bool) -> None:
        self.copy, self._say, self._progress = copy, say, progress
        state = copy.state if copy is not None else "missing"
        for name in (*PICTURES, "missing"):
            self.set_class(name == state, f"-{name}")
        if copy is None:
            self.show(say("No stick"))
            return
        lines = [copy.label or copy.stick, f"{PICTURES.get(state, '►')} {_state(state, say)}"]
        if progress and state == "following" and copy.bytes:
            lines[1] = say("{percent}% checked").format(percent=copy.verified_bytes * 100 // copy.bytes)
            lines.append(self._bar(copy))
        self.show("\n".join(lines))

    def _bar(self, copy: CopyView) -> str:
        cells = max(4, self.content_size.width)
        full = min(cells, copy.verified_bytes * cells // copy.bytes)
        return "█" * full + "░" * (cells - full)


class Sticks(Horizontal):
    """All sticks. `progress`: whether it is shown how far each one is, as after the stop."""

    def __init__(self, *, progress: bool = False) -> None:
        super().__init__()
        self.progress = progress
        self._lines = [StickLine() for _ in range(PLACES)]

    def compose(self) -> ComposeResult:
        yield from self._lines

    def show(self, copies: Sequence[CopyView], say: Say) -> None:
        for place, line in enumerate(self._lines):
            copy = copies[place] if place < len(copies) else None
            line.show_copy(copy, say, progress=self.progress)
            line.set_class(copy is None and place >= SIDE_BY_SIDE, "-empty")


def following(copies: Sequence[CopyView]) -> int:
    """How many sticks take the recording along, or have it already."""
    return sum(copy.state in {"following", "verified"} for copy in copies)


def present(copies: Sequence[CopyView]) -> int:
    """How many sticks are there to be written to."""
    return sum(copy.state in {"waiting", "following", "verified"} for copy in copies)


def _state(state: str, say: Say) -> str:
    return {
        "waiting": say("is ready"),
        "following": say("is following"),
        "verified": say("checked and equal"),
        "unfinished": say("not complete"),
        "failed": say("did not work"),
    }.get(state, state)


def signs(sha256: str, columns: int) -> str:
    """A hash in groups of eight, as many in a row as fit: it is compared by eye, and read aloud."""
    groups = [sha256[at : at + 8] for at in range(0, len(sha256), 8)]
    a_row = 8 if columns >= 72 else 4  # 71 or 35 columns
    return "\n".join(" ".join(groups[at : at + a_row]) for at in range(0, len(groups), a_row))
