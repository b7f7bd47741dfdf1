"""How loud the microphone hears the table, so that both see that it hears them."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from appliance.protocol import LevelView
from appliance.ui.colours import CORAL, LEAF, QUIET, SUN
from appliance.words import Say

SILENCE_DB = -60.0


class Level(Widget):
    """A bar from -60 dB to full scale. Five levels a second arrive; it is drawn when the bar differs by half a cell.

    Sound that did not fit is a wall at the bar's end, and words: the colour alone says nothing. It stays for as long as the snapshot
    tells of it, some seconds.
    """

    halves: reactive[int] = reactive(0)
    """Half cells of the bar."""
    before: reactive[str] = reactive("")
    behind: reactive[str] = reactive("")
    too_loud: reactive[bool] = reactive(default=False)

    def show(self, level: LevelView | None, say: Say) -> None:
        self.before = say("Sound")
        heard = level.level if level is not None else None
        self.halves = self._halves(heard)
        self.too_loud = level is not None and level.clipped > 0
        if self.too_loud:
            self.behind = f"! {say('too loud')}"
        else:
            self.behind = say("nothing is heard") if heard is None else ""

    def _bar(self) -> int:
        """Cells that the bar may take: what the words beside it leave."""
        return max(8, self.size.width - len(self.before) - 18)

    def _halves(self, db: float | None) -> int:
        if db is None:
            return 0
        share = min(1.0, max(0.0, (db - SILENCE_DB) / -SILENCE_DB))
        return round(share * self._bar() * 2)

    def render(self) -> RenderResult:
        wall = "█" if self.too_loud else ""
        cells = self._bar() - len(wall)
        full, half = divmod(self.halves, 2)
        bar = ("█" * full + "▌" * half)[:cells]
        rest = "░" * (cells - len(bar))
        behind = (self.behind, CORAL if self.too_loud else SUN)
        return Content.assemble(self.before, " ", (bar, LEAF), (rest, QUIET), (wall, CORAL), " ", behind)
