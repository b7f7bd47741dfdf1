"""Every screen of the room as a picture: each state, size and language, to be looked at.

    python -m tests.pictures DIR

writes SVG, and PNG beside it where `rsvg-convert` is there (Debian package librsvg2-bin), in full colour and as the bare console's sixteen
colours show it, with one contact sheet for each size, language and kind of display.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from appliance.ui.app import RoomApp
from tests.ui.looking import shown
from tests.ui.room import a_room, every_screen, snapshot, until
from tests.ui.test_colours import VGA, on_the_console
from tests.ui.translations import compile_translations

CONSOLE = "console"
SIZES = ((100, 30), (80, 24), (50, 15))
LANGUAGES = ("nl", "en")


async def draw(folder: Path, size: tuple[int, int], language: str, display: str = "table") -> list[Path]:
    """The SVGs of every screen in one size and language, on the table's display or on the bare console."""
    drawn = []
    with tempfile.TemporaryDirectory(prefix="room") as place:
        socket_path = Path(place) / "control.sock"
        async with a_room(socket_path, snapshot("idle", language)) as room:
            app = RoomApp(socket_path, few_glyphs=display == CONSOLE)
            async with app.run_test(size=size) as pilot:
                for name, now in every_screen(language):
                    stamp = room.stamped(now)
                    await room.show(now)
                    await until(lambda stamp=stamp: app.newest is not None and app.newest.at >= stamp)  # type: ignore[misc]
                    await until(lambda: shown(app).now == app.newest)
                    await pilot.pause()
                    await pilot.pause()
                    drawn.append(folder / f"{name}-{language}-{size[0]}x{size[1]}{'-16' if display == CONSOLE else ''}.svg")
                    picture = with_its_spaces(app.export_screenshot(title="meeting-recorder"))
                    drawn[-1].write_text(in_sixteen(picture) if display == CONSOLE else picture, encoding="utf-8")
    return drawn


def in_sixteen(svg: str) -> str:
    """As the bare console shows it: each colour is its nearest of sixteen, and bold letters are the bright ones."""

    def nearest(colour: str, *, bold: bool) -> str:
        number = on_the_console(colour)
        return "#{:02x}{:02x}{:02x}".format(*VGA[number + 8 if bold and number < 8 else number])

    def of_a_rule(rule: re.Match[str]) -> str:
        bold = "font-weight: bold" in rule[0]
        return re.sub(r"#[0-9a-fA-F]{6}", lambda colour: nearest(colour[0], bold=bold), rule[0])

    rules = re.sub(r"\.terminal-\S+-r\d+ \{[^}]*\}", of_a_rule, svg)
    return re.sub(r'(<rect fill=")(#[0-9a-fA-F]{6})', lambda rect: rect[1] + nearest(rect[2], bold=False), rules)


def with_its_spaces(svg: str) -> str:
    """A renderer drops the spaces that a line begins with unless it is told not to, and large letters fall to pieces."""
    return svg.replace("<svg ", '<svg xml:space="preserve" ', 1)


def as_png(svgs: list[Path]) -> list[Path]:
    for svg in svgs:
        subprocess.run(["rsvg-convert", "-w", "900", "-o", svg.with_suffix(".png"), svg], check=True)
    return [svg.with_suffix(".png") for svg in svgs]


def contact_sheet(folder: Path, name: str, pictures: list[Path]) -> None:
    """A page with every picture on it."""
    cells = "".join(f'<figure><img src="{picture.name}"><figcaption>{picture.stem}</figcaption></figure>' for picture in pictures)
    style = "body{display:grid;grid-template-columns:repeat(3,1fr);gap:1em;font:14px sans-serif}img{width:100%}figure{margin:0}"
    (folder / f"{name}.html").write_text(f"<!doctype html><meta charset=utf-8><title>{name}</title><style>{style}</style>{cells}")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    compile_translations()
    renderer = shutil.which("rsvg-convert")
    for size in SIZES:
        for language in LANGUAGES:
            for display in ("table", CONSOLE):
                pictures = asyncio.run(draw(folder, size, language, display))
                if renderer:
                    pictures = as_png(pictures)
                contact_sheet(folder, f"all-{language}-{size[0]}x{size[1]}-{display}", pictures)
    sys.stdout.write(
        f"{folder}: " + ("SVG and PNG\n" if renderer else "SVG only: there is no rsvg-convert here (librsvg2-bin)\n")
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
