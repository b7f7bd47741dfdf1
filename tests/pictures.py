"""Every screen of the room as a picture: each state, size and language, to be looked at.

    python -m tests.pictures DIR

writes SVG, and PNG beside it where `rsvg-convert` is there (Debian package librsvg2-bin), with one contact sheet a size and language.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from appliance.ui.app import RoomApp
from tests.ui.looking import shown
from tests.ui.room import a_room, every_screen, snapshot, until
from tests.ui.translations import compile_translations

SIZES = ((100, 30), (80, 24), (50, 15))
LANGUAGES = ("nl", "en")


async def draw(folder: Path, size: tuple[int, int], language: str) -> list[Path]:
    """The SVGs of every screen in one size and language."""
    drawn = []
    with tempfile.TemporaryDirectory(prefix="room") as place:
        socket_path = Path(place) / "control.sock"
        async with a_room(socket_path, snapshot("idle", language)) as room:
            app = RoomApp(socket_path)
            async with app.run_test(size=size) as pilot:
                for name, now in every_screen(language):
                    stamp = room.stamped(now)
                    await room.show(now)
                    await until(lambda stamp=stamp: app.newest is not None and app.newest.at >= stamp)  # type: ignore[misc]
                    await until(lambda: shown(app).now == app.newest)
                    await pilot.pause()
                    drawn.append(folder / f"{name}-{language}-{size[0]}x{size[1]}.svg")
                    drawn[-1].write_text(with_its_spaces(app.export_screenshot(title="meeting-recorder")), encoding="utf-8")
    return drawn


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
            pictures = asyncio.run(draw(folder, size, language))
            if renderer:
                pictures = as_png(pictures)
            contact_sheet(folder, f"all-{language}-{size[0]}x{size[1]}", pictures)
    sys.stdout.write(
        f"{folder}: " + ("SVG and PNG\n" if renderer else "SVG only: there is no rsvg-convert here (librsvg2-bin)\n")
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
