"""What a person sees of the screen, as text."""

from __future__ import annotations

import re

from textual.geometry import Region
from textual.widget import Widget

from appliance.ui.app import RoomApp
from appliance.ui.screens.moment import Moment
from appliance.ui.screens.room_screen import RoomScreen

CONSOLE = set("─│┌┐└┘█▌▐░▒▓●■►◄↑↓") | {chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x100))}
"""What the bare console can show: ASCII, Latin-1 and a handful of shapes."""


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
        if not widget.display or _scrolls(widget):
            continue
        seen, _ = app.screen.get_widget_at(*_corner(widget.region)) if widget.region else (None, Region())
        region, clip = app.screen.find_widget(widget).region, app.screen.find_widget(widget).clip
        if region and region.intersection(clip) != region:
            cut.append(f"{widget!r} at {region} within {clip}")
        elif not region and seen is None and widget.virtual_size.area:
            cut.append(f"{widget!r} has no room")
    return cut


def _corner(region: Region) -> tuple[int, int]:
    return max(0, region.x), max(0, region.y)


def _scrolls(widget: Widget) -> bool:
    return any(ancestor.styles.overflow_y == "auto" for ancestor in widget.ancestors if isinstance(ancestor, Widget))
