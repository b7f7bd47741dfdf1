"""Letters and figures large enough to be read across a table, drawn with full blocks.

A terminal has one size of letter. These are drawn on a grid of five rows, from `█` and nothing else: the bare console has no half
blocks and no rounded corners. A cell is twice as high as it is wide, so two cells beside each other are a square.
"""

from __future__ import annotations

import unicodedata
from typing import Final

ROWS: Final = 5
ACCENT_ROWS: Final = 2
MOST_ACROSS: Final = 16
"""Cells in a dot's width, at most."""

_DRAWN: Final = """
A .#. #.# ### #.# #.#
B ##. #.# ##. #.# ##.
C ### #.. #.. #.. ###
D ##. #.# #.# #.# ##.
E ### #.. ##. #.. ###
F ### #.. ##. #.. #..
G ### #.. #.# #.# ###
H #.# #.# ### #.# #.#
I # # # # #
J ..# ..# ..# #.# ###
K #.# #.# ##. #.# #.#
L #.. #.. #.. #.. ###
M #...# ##.## #.#.# #...# #...#
N #..# ##.# #.## #..# #..#
O ### #.# #.# #.# ###
P ### #.# ### #.. #..
Q ### #.# #.# ### ..#
R ##. #.# ##. #.# #.#
S ### #.. ### ..# ###
T ### .#. .#. .#. .#.
U #.# #.# #.# #.# ###
V #.# #.# #.# #.# .#.
W #...# #...# #.#.# ##.## #...#
X #.# #.# .#. #.# #.#
Y #.# #.# .#. .#. .#.
Z ### ..# .#. #.. ###
0 ### #.# #.# #.# ###
1 .#. ##. .#. .#. ###
2 ### ..# ### #.. ###
3 ### ..# .## ..# ###
4 #.# #.# ### ..# ..#
5 ### #.. ### ..# ###
6 ### #.. ### #.# ###
7 ### ..# ..# ..# ..#
8 ### #.# ### #.# ###
9 ### #.# ### ..# ###
: . # . # .
"""

_GLYPHS: Final[dict[str, tuple[str, ...]]] = {line[0]: tuple(line[2:].split()) for line in _DRAWN.split("\n") if line}
_GLYPHS[" "] = ("..",) * ROWS

_ACCENTS: Final = {
    "\N{COMBINING DIAERESIS}": "#.#",
    "\N{COMBINING ACUTE ACCENT}": "..#",
    "\N{COMBINING GRAVE ACCENT}": "#..",
    "\N{COMBINING CIRCUMFLEX ACCENT}": ".#.",
}


def draw(text: str, columns: int, rows: int) -> list[str] | None:
    """`text` in the largest letters that fit into `columns` x `rows` cells; None if none fit, or a letter cannot be drawn."""
    grid = _grid(text)
    if grid is None:
        return None
    wide, high = len(grid[0]), len(grid)
    for across in range(min(MOST_ACROSS, columns // wide), 0, -1):
        down = (across + 1) // 2
        if high * down <= rows:
            return ["".join(("█" if dot == "#" else " ") * across for dot in row) for row in grid for _ in range(down)]
    return None


def _grid(text: str) -> list[str] | None:
    """The dots of a line of letters, one space between them, with two rows above where there are accents."""
    if not text:
        return None
    glyphs: list[tuple[str, ...]] = []
    for letter in text.upper():
        base, *accents = list(unicodedata.normalize("NFD", letter))
        if base not in _GLYPHS or any(accent not in _ACCENTS for accent in accents):
            return None
        above = _ACCENTS[accents[0]] if accents else ""
        width = len(_GLYPHS[base][0])
        glyphs.append((above.ljust(width, "."), "." * width, *_GLYPHS[base]))
    rows = [".".join(row) for row in zip(*glyphs, strict=True)]
    return rows if "#" in rows[0] else rows[ACCENT_ROWS:]
