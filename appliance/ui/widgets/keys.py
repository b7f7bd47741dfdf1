"""The foot of the screen: every key that does something now, and what it does. Each is also a thing to touch."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget
from textual.widgets import Static

from appliance.ui.colours import INK, STONE
from appliance.ui.ways import Taken, Way

MOST = 12
"""More than this is on no screen."""
BETWEEN = 2


class Flow(Layout):
    """Things beside each other, on the next row when a row is full."""

    name = "flow"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:  # noqa: ARG002 - Textual's
        parent.pre_layout(self)
        viewport = parent.app.viewport_size
        placements: list[WidgetPlacement] = []
        x = y = high = 0
        for child in children:
            gutter = child.styles.gutter
            width = min(size.width, child.get_content_width(size, viewport) + gutter.width)
            height = child.get_content_height(size, viewport, width - gutter.width) + gutter.height
            if x and x + width > size.width:
                x, y, high = 0, y + high + (1 if high > 1 else 0), 0  # what a thumb touches stands apart
            placements.append(WidgetPlacement(Region(x, y, width, height), NULL_OFFSET, NULL_SPACING, child))
            x += width + BETWEEN
            high = max(high, height)
        return placements


class Key(Static):
    def __init__(self) -> None:
        super().__init__("", markup=False)
        self.way: Way | None = None
        self.display = False

    def show(self, way: Way | None) -> None:
        if way == self.way:
            return
        self.way = way
        self.display = way is not None
        if way is not None:
            self.update(Content.assemble((f" {way.shown} ", f"{INK} on {STONE}"), " ", way.label))

    def on_click(self) -> None:
        if self.way is not None and self.way.does is not None:
            self.post_message(Taken(self.way))


class Keys(Widget):
    def __init__(self) -> None:
        super().__init__()
        self._flow = Flow()
        self._keys = [Key() for _ in range(MOST)]

    @property
    def layout(self) -> Layout:
        return self._flow  # a stylesheet knows only Textual's own layouts by name

    def compose(self) -> ComposeResult:
        yield from self._keys

    def show(self, ways: Sequence[Way]) -> None:
        shown = [way for way in ways if way.label]
        for place, key in enumerate(self._keys):
            key.show(shown[place] if place < len(shown) else None)
