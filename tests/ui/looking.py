"""What a person sees of the screen, as text."""

from __future__ import annotations

import re

from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from appliance.ui.app import RoomApp
from appliance.ui.screens.moment import Moment
from appliance.ui.screens.room_screen import RoomScreen

CONSOLE = set("─│┌┐└┘█▌▐░▒▓●■►◄↑↓") | {chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x100))}
"""What the bare console can show: ASCII, Latin-1 and a handful of shapes."""
HALF_BLOCKS = {"▀", "▄"}
"""What only the table's display has: the code to photograph is drawn with them."""


def rows(app: RoomApp) -> list[str]:
    return [strip.text for strip in app.screen._compositor.render_strips()]


def reads(app: RoomApp) -> str:
    """All words on the screen in reading order, however they are broken into rows."""
    return words(" ".join(rows(app)))


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def shown(app: RoomApp) -> RoomScreen:
    assert isinstance(app.screen, RoomScreen)
    return app.screen


def is_quiet(app: RoomApp) -> bool:
    return isinstance(app.screen, Moment)


def cut_off(app: RoomApp) -> list[str]:
    """Every widget of which a part is outside the screen or its place; what is in a text that scrolls may be."""
    cut = []
    for widget in app.screen.query("*"):
        if not all(part.display for part in (widget, *_around(widget))) or _scrolls(widget):
            continue
        place = app.screen.find_widget(widget)
        if place.region.intersection(place.clip) != place.region or (not place.region and isinstance(widget, Static)):
            cut.append(f"{widget!r} at {place.region} within {place.clip}")
    return cut


def _around(widget: Widget) -> list[Widget]:
    return [ancestor for ancestor in widget.ancestors if isinstance(ancestor, Widget)]


def _scrolls(widget: Widget) -> bool:
    return any(isinstance(ancestor, VerticalScroll) for ancestor in _around(widget))
