"""The colours of the table's screen, chosen so that sixteen are enough.

A display with 24 bits shows them as they are written here. The bare console has sixteen, of which the bright half cannot be a
background; there each is shown as its nearest neighbour, which stands behind it. Whatever a colour says is said in words as well.
On that console bold means bright, so black letters on a coloured background are never bold.
"""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

NIGHT: Final = "#0b0f14"  # black: the background of everything
PAPER: Final = "#f4f4f4"  # white: letters
QUIET: Final = "#b4b4b4"  # grey: letters that may be read later
SUN: Final = "#ffe066"  # yellow: the headline, the next step
LEAF: Final = "#7ee787"  # bright green: letters that say 'good'
CORAL: Final = "#ff8a80"  # bright red: letters that say 'trouble'
INK: Final = "#000000"  # black: letters on a light background

EVENING: Final = "#1a237e"  # blue: a box that waits
STONE: Final = "#c8c8c8"  # grey: the box whose turn it is, a key
GRASS: Final = "#2fb344"  # green: a box that is done
BRICK: Final = "#a00000"  # red: the headline while samples are being stored

TABLE: Final = Theme(
    name="table",
    primary=SUN,
    secondary=QUIET,
    accent=SUN,
    warning=SUN,
    error=CORAL,
    success=LEAF,
    foreground=PAPER,
    background=NIGHT,
    surface=NIGHT,
    panel=NIGHT,
    dark=True,
    variables={
        "night": NIGHT, "paper": PAPER, "quiet": QUIET, "sun": SUN, "leaf": LEAF, "coral": CORAL, "ink": INK,
        "evening": EVENING, "stone": STONE, "grass": GRASS, "brick": BRICK,
    },
)  # fmt: skip

PAIRS: Final[tuple[tuple[str, str], ...]] = (
    (PAPER, NIGHT), (QUIET, NIGHT), (SUN, NIGHT), (LEAF, NIGHT), (CORAL, NIGHT),
    (PAPER, EVENING), (INK, STONE), (INK, GRASS), (PAPER, BRICK),
)  # fmt: skip
"""Letters and the background that they stand on: every pair that the stylesheet makes."""
