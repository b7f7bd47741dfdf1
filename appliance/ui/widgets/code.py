"""A code to photograph (QR, ISO/IEC 18004): the recording's hash, so that nobody has to copy 64 signs by hand.

A cell of a terminal is twice as high as it is wide, so a square of the code is half a cell (drawn with half blocks, which the bare console
lacks), or two cells beside each other. Dark squares are the background's own black and light ones are painted: a telephone wants dark on
light, and a light rim around it.
"""

from __future__ import annotations

from functools import cache

import segno
from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from appliance.ui.colours import INK, PAPER

RIM = 2
"""Light squares around the code. The standard wants four; telephones of today read it with two."""


def what_it_says(recording_id: str, sha256: str) -> str:
    """In the letters of QR's alphanumeric mode, which takes half the room."""
    return f"{recording_id} SHA256 {sha256}".upper()


@cache
def squares(text: str) -> tuple[tuple[bool, ...], ...]:
    """Rows of squares, True for dark, with the rim."""
    code = segno.make_qr(text, error="l", boost_error=False)
    return tuple(tuple(bool(square) for square in row) for row in code.matrix_iter(border=RIM))


def room_for(text: str) -> Size:
    """Cells that the smallest drawing of it takes."""
    side = len(squares(text))
    return Size(side, (side + 1) // 2)


def drawn(text: str) -> list[str]:
    """The smallest drawing, in half blocks: a painted half is a light square."""
    rows = [*squares(text)]
    if len(rows) % 2:
        rows.append((True,) * len(rows[0]))
    return [
        "".join("█▄▀ "[2 * below + above] for above, below in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]


class Code(Widget):
    """One code. Without a text it takes no room."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self.text = ""

    def show(self, text: str) -> None:
        self.display = bool(text)
        if text != self.text:
            self.text = text
            self.refresh(layout=True)

    def render(self) -> RenderResult:
        return Content.assemble(("\n".join(drawn(self.text)), f"{PAPER} on {INK}")) if self.text else ""

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - Textual's signature
        return room_for(self.text).width if self.text else 0

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's signature
        return room_for(self.text).height if self.text else 0
