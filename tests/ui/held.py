"""Every screen as text, as it was when somebody last looked at it and found it good: a change is seen in the diff.

python -m tests.ui.held      writes them anew; look at them (and at `python -m tests.pictures DIR`) before they are kept
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from appliance.ui.app import RoomApp
from tests.ui.looking import rows, shown
from tests.ui.room import a_room, every_screen, snapshot, until
from tests.ui.translations import compile_translations

HELD = Path(__file__).parent / "held"
SIZES = ((100, 30), (80, 24))
LANGUAGES = ("nl", "en")


def place(size: tuple[int, int], language: str) -> Path:
    return HELD / f"{language}-{size[0]}x{size[1]}.txt"


def as_text(screens: dict[str, list[str]]) -> str:
    return "".join(f"== {name}\n" + "".join(f"{row.rstrip()}\n" for row in lines) for name, lines in screens.items())


def held(size: tuple[int, int], language: str) -> dict[str, list[str]]:
    """What each screen looked like; nothing of one that is new."""
    there = place(size, language)
    text = there.read_text(encoding="utf-8") if there.exists() else ""
    pieces = (piece.splitlines() for piece in text.split("== ")[1:])
    return {lines[0]: lines[1:] for lines in pieces}


async def _look(size: tuple[int, int], language: str) -> dict[str, list[str]]:
    seen = {}
    with tempfile.TemporaryDirectory(prefix="room") as folder:
        socket_path = Path(folder) / "control.sock"
        async with a_room(socket_path, snapshot("idle", language)) as room:
            app = RoomApp(socket_path, few_glyphs=False)
            async with app.run_test(size=size) as pilot:
                for name, now in every_screen(language):
                    if now.held_since is not None:
                        continue  # its bar moves
                    marked = room.stamped(now)
                    await room.show(now)
                    await until(lambda marked=marked: app.newest is not None and app.newest.at >= marked)  # type: ignore[misc]
                    await until(lambda: shown(app).now == app.newest)
                    for _ in range(3):
                        await pilot.pause()
                    seen[name] = rows(app)
    return seen


def main() -> None:
    compile_translations()
    HELD.mkdir(exist_ok=True)
    for size in SIZES:
        for language in LANGUAGES:
            place(size, language).write_text(as_text(asyncio.run(_look(size, language))), encoding="utf-8")


if __name__ == "__main__":
    main()
