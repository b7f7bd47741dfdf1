"""A bar that grows while somebody holds the button: what will come of it, and that letting go in time is no stop."""

from __future__ import annotations

import time

from textual.app import RenderResult
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget

from appliance.ui.colours import PAPER, QUIET, SUN

SHOWN_AFTER_S = 0.3
"""A short press is over by then, and shows nothing."""
DRAWN_EVERY_S = 0.1


class HoldBar(Widget):
    """Shown while a hold is under way. It counts on by itself between two snapshots, and never beyond its end."""

    def __init__(self) -> None:
        super().__init__()
        self.display = False
        self._began: float | None = None
        self._seconds = 1.0
        self._means = ""
        self._drawing: Timer | None = None

    def show(self, began: float | None, seconds: float, means: str) -> None:
        """`began`: since when it is held (s, this machine's monotonic clock), None for not at all; `means`: what comes of it."""
        self._began, self._seconds, self._means = began, seconds, means
        if began is None or not means:
            if self._drawing is not None:
                self._drawing.stop()
                self._drawing = None
            self._draw()
        elif self._drawing is None:
            self._drawing = self.set_interval(DRAWN_EVERY_S, self._draw)
            self._draw()

    @property
    def done(self) -> float:
        """How much of the hold is over, 0 to 1."""
        return 0.0 if self._began is None else min(1.0, max(0.0, (time.monotonic() - self._began) / self._seconds))

    def _draw(self) -> None:
        shown = self._drawing is not None and self.done * self._seconds >= SHOWN_AFTER_S
        self.display = shown
        self.screen.set_class(shown, "-holding")
        if shown:
            self.refresh()

    def render(self) -> RenderResult:
        cells = max(4, self.size.width)
        full = round(self.done * cells)
        return Content.assemble((self._means, SUN), "\n", ("█" * full, PAPER), ("░" * (cells - full), QUIET))
