"""Colours that can be read by everybody (WCAG 2.2 AA), with 24 bits and with sixteen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.color import Color, ColorSystem
from textual.color import Color as Shade

from appliance.ui import colours
from appliance.ui.colours import PAIRS

STYLES = (Path(colours.__file__).parent / "room.tcss").read_text()
VGA = [
    (0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170),
    (85, 85, 85), (255, 85, 85), (85, 255, 85), (255, 255, 85), (85, 85, 255), (255, 85, 255), (85, 255, 255), (255, 255, 255),
]  # fmt: skip
"""The bare console's sixteen."""


def on_the_console(colour: str) -> int:
    number = Color.parse(colour).downgrade(ColorSystem.STANDARD).number
    assert number is not None
    return number


def contrast(letters: tuple[int, int, int], behind: tuple[int, int, int]) -> float:
    """WCAG 2.2, 1.4.3: from 1 to 21."""
    light, dark = sorted((_luminance(letters), _luminance(behind)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: tuple[int, int, int]) -> float:
    linear = [part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def rgb(colour: str) -> tuple[int, int, int]:
    shade = Shade.parse(colour)
    return shade.r, shade.g, shade.b


@pytest.mark.parametrize(("letters", "behind"), PAIRS)
def test_letters_stand_out_from_what_is_behind_them(letters: str, behind: str) -> None:
    assert contrast(rgb(letters), rgb(behind)) >= 4.5
    assert contrast(VGA[on_the_console(letters)], VGA[on_the_console(behind)]) >= 4.5


@pytest.mark.parametrize("behind", sorted({behind for _, behind in PAIRS}))
def test_no_background_needs_a_bright_colour_that_the_console_lacks(behind: str) -> None:
    assert on_the_console(behind) < 8


def test_colours_that_differ_in_meaning_differ_on_the_console_too() -> None:
    letters = [colours.PAPER, colours.QUIET, colours.SUN, colours.LEAF, colours.CORAL]
    backgrounds = [colours.NIGHT, colours.EVENING, colours.STONE, colours.GRASS, colours.BRICK]
    assert len({on_the_console(colour) for colour in letters}) == len(letters)
    assert len({on_the_console(colour) for colour in backgrounds}) == len(backgrounds)


def test_the_stylesheet_mixes_and_dims_no_colours() -> None:
    rules = re.sub(r"/\*.*?\*/", "", STYLES, flags=re.DOTALL)
    assert set(re.findall(r"\$[a-z-]+", rules)) <= {f"${name}" for name in colours.TABLE.variables}
    assert not re.search(r"#[0-9a-f]{6}|rgb|opacity|tint|\bdim\b|\$[a-z-]+\s+\d+%", rules)
