"""The layers: imports point one way, the rules know nothing of the world, and the heavy libraries stay where they are used."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_imports_point_one_way() -> None:
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    looked = subprocess.run([sys.executable, "-c", lint], capture_output=True, text=True, check=False, cwd=ROOT)
    assert looked.returncode == 0, looked.stdout


def test_every_module_has_its_layer() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    placed = {name.strip().removeprefix("appliance.") for layer in contract["layers"] for name in layer.split("|")}
    there = {path.stem for path in (ROOT / "appliance").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert there - {"__init__"} == placed


def loaded_by(program: str) -> set[str]:
    """The top-level modules that a fresh Python has after a program."""
    shown = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {name.partition(".")[0] for name in shown.stdout.split()}


@pytest.mark.parametrize(
    ("program", "without"),
    [
        (
            "import appliance.meeting, appliance.agreement, appliance.journal",
            {"asyncio", "threading", "socket", "msgspec", "click"},
        ),
        ("import appliance.cli", {"asyncio", "textual", "sounddevice", "soundfile", "gpiozero", "bagit", "numpy"}),
        ("import appliance.service", {"textual", "sounddevice", "soundfile", "gpiozero", "lgpio", "numpy", "click"}),
        ("import appliance.ui.app", {"sounddevice", "soundfile", "gpiozero", "numpy"}),
        ("import appliance.audio.capture", {"asyncio", "textual", "sounddevice", "gpiozero", "numpy"}),
        ("import appliance.copies.mirror", {"asyncio", "textual", "sounddevice", "soundfile", "gpiozero", "numpy"}),
        ("import appliance.room.button, appliance.room.light, appliance.room.pins", {"gpiozero", "lgpio"}),
    ],
)
def test_a_part_brings_along_only_what_it_needs(program: str, without: set[str]) -> None:
    assert loaded_by(program) & without == set()
