from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.copies.room import GrowingRecording, MirrorStarter, sealed_recording
from tests.copies.sockets import Sockets, sockets_of_a_table
from tests.ui.translations import compile_translations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


compile_translations()


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    return folder


@pytest.fixture
def recording(recordings: Path) -> GrowingRecording:
    """One that is still going on."""
    return GrowingRecording(recordings)


@pytest.fixture
def sealed(recordings: Path) -> Path:
    return sealed_recording(recordings)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


@pytest.fixture
def mirrors(tmp_path: Path) -> Iterator[MirrorStarter]:
    locks = tmp_path / "locks"
    locks.mkdir()
    starter = MirrorStarter(locks)
    yield starter
    starter.end_all()


@pytest.fixture
def memory_stick() -> Iterator[Path]:
    """A folder in memory: no medium to read past a cache from."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small_stick(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A stick of a given size ('3M')."""
    with ExitStack() as at_the_end:

        def make(size: str) -> Path:
            folder = tmp_path / f"stick of {size}"
            folder.mkdir()
            _run("mount", "-t", "tmpfs", "-o", f"size={size}", "stick", folder)
            at_the_end.callback(_run, "umount", "--lazy", folder)
            return folder

        yield make


@pytest.fixture
def image_stick(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """An ext4 file system in a file, mounted: its folder, and the image, whose bytes can be changed behind its back."""
    image, folder = tmp_path / "stick.img", tmp_path / "image stick"
    folder.mkdir()
    with image.open("wb") as empty:
        empty.truncate(24 << 20)
    _run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", image)
    _run("mount", "-o", "loop,nosuid,nodev,noexec", image, folder)
    yield folder, image
    _run("umount", "--lazy", folder)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """The table's sockets for sticks, with real UDisks2 behind them."""
    with sockets_of_a_table() as there:
        yield there


@pytest.fixture
def lying_stick(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """A stick with one fault (see lying_stick.py)."""
    mounted: list[tuple[Path, subprocess.Popen[bytes]]] = []

    def make(fault: str, offset: int) -> Path:
        backing, folder = tmp_path / f"{fault} behind", tmp_path / f"{fault} stick"
        backing.mkdir()
        folder.mkdir()
        command = [sys.executable, "-m", "tests.copies.lying_stick", str(backing), str(folder), fault, str(offset)]
        mounted.append((folder, subprocess.Popen(command, cwd=Path(__file__).parents[2])))
        deadline = time.monotonic() + 10
        while not folder.is_mount():
            assert mounted[-1][1].poll() is None, "it could not be mounted"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return folder

    yield make
    for folder, server in mounted:
        server.kill()
        server.wait()
        _run("umount", "--lazy", folder)
