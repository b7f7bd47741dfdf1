"""The demo: the whole job in one command, with a microphone if one is heard, else a spoken sample; everything is kept."""

from __future__ import annotations

import array
import filecmp
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from appliance import demo as the_demo
from appliance.client import NoService
from tests.room_parts import RATE, RoomMicrophone, Table, counting, place_of, samples_of, write_wav

FIELDS = {"copies", "sha256", "frames", "seconds", "verified"}
NO_PORTAUDIO = """
import ctypes.util
find = ctypes.util.find_library
ctypes.util.find_library = lambda name: None if "portaudio" in name else find(name)
"""


def demo(home: Path, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """In an empty home, with nothing of this machine's own."""
    home.mkdir(exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ALSA_", "PULSE_"))}
    return subprocess.run(
        [sys.executable, "-m", "appliance", "demo", *words],
        env={**clean, "HOME": str(home), **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def without_portaudio(folder: Path) -> dict[str, str]:
    """As on a machine where it is not installed: the library is looked for in the usual way, and is not there."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(NO_PORTAUDIO)
    return {"PYTHONPATH": str(folder)}


def is_the_default(microphone: RoomMicrophone) -> None:
    with Path(microphone.environment["ALSA_CONFIG_PATH"]).open("a") as more:
        more.write(f'pcm.!default {{ type pulse server "{microphone.environment["PULSE_SERVER"]}" device "feed.monitor" }}\n')


def did_the_whole_job(ran: subprocess.CompletedProcess[str], seconds: float) -> dict[str, Any]:
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    shown: dict[str, Any] = json.loads(ran.stdout.rstrip("\n").rpartition("\n")[2])
    assert shown.keys() >= FIELDS
    assert shown["verified"] is True
    assert shown["seconds"] == pytest.approx(seconds, abs=0.1)
    assert shown["frames"] == round(shown["seconds"] * RATE)
    one, other = (Path(copy) for copy in shown["copies"])
    assert one.is_absolute()
    assert one.parent != other.parent
    for copy in (one, other):
        assert (copy / "bagit.txt").is_file()
        assert hashlib.sha256((copy / "data/gesprek.wav").read_bytes()).hexdigest() == shown["sha256"]
        assert subprocess.run(["sha256sum", "-c", "--quiet", "manifest-sha256.txt"], cwd=copy, check=False).returncode == 0
        assert len(samples_of(copy / "data/gesprek.wav")) == shown["frames"]
    assert filecmp.cmpfiles(one, other, [path.relative_to(one) for path in one.rglob("*") if path.is_file()], shallow=False)[
        1:
    ] == ([], [])
    log = (Path(shown["folder"]) / "service.log").read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log
    return shown


def test_in_an_empty_home_without_portaudio_it_does_the_whole_job_with_a_spoken_sample(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran = demo(home, "--headless", "--seconds", "2", **without_portaudio(tmp_path / "shim"))
    shown = did_the_whole_job(ran, 2)
    assert shown["source"] == "sample"
    assert "spoken sample" in ran.stderr
    assert all(Path(copy).is_relative_to(home) for copy in shown["copies"])
    assert max(map(abs, samples_of(Path(shown["copies"][0]) / "data/gesprek.wav"))) > 2_000, "a voice is heard"


def test_the_microphone_that_the_system_takes_by_default_is_what_is_recorded(microphone: RoomMicrophone, tmp_path: Path) -> None:
    is_the_default(microphone)
    write_wav(tmp_path / "sound.wav", counting(30 * RATE))
    microphone.play(tmp_path / "sound.wav")
    root = tmp_path / "room"
    ran = demo(
        tmp_path / "home", "--headless", "--seconds", "2", "--root", root, **{**microphone.environment, "HOME": str(tmp_path)}
    )
    shown = did_the_whole_job(ran, 2)
    assert shown["source"] == "microphone"
    assert "the microphone" in ran.stderr
    assert shown["folder"] == str(root)
    heard = samples_of(Path(shown["copies"][0]) / "data/gesprek.wav")
    assert heard == counting(len(heard), place_of(heard)), "not what sounded in the room"


def test_a_microphone_that_gives_nothing_but_zeros_counts_as_none(
    microphone: RoomMicrophone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_the_default(microphone)
    for name, value in microphone.environment.items():
        monkeypatch.setenv(name, value)
    write_wav(tmp_path / "silence.wav", array.array("h", bytes(20 * RATE)))
    microphone.play(tmp_path / "silence.wav")
    monkeypatch.setattr(the_demo, "MICROPHONE_WITHIN_SECONDS", 1.5)
    assert the_demo._source().startswith("again:")
    write_wav(tmp_path / "sound.wav", counting(10 * RATE))
    microphone.play(tmp_path / "sound.wav")
    assert the_demo._source() == "device"


def test_without_a_terminal_the_screen_is_not_begun_and_it_says_what_to_do(tmp_path: Path) -> None:
    ran = demo(tmp_path / "home")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "--headless" in ran.stderr
    assert list((tmp_path / "home").iterdir()) == []


def test_a_service_that_cannot_begin_is_said_with_its_own_words(tmp_path: Path) -> None:
    root = tmp_path / "room"
    root.mkdir()
    (root / "config.toml").write_text("[audio]\nrates = 1\n")
    ran = demo(tmp_path / "home", "--headless", "--root", root, **without_portaudio(tmp_path / "shim"))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "did you mean audio.rate?" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda number: number.name)
def test_rule_3_a_demo_that_is_ended_leaves_no_recorder_behind_that_nobody_sees(number: signal.Signals, tmp_path: Path) -> None:
    table = Table(tmp_path, (tmp_path / "stick-1", tmp_path / "stick-2"))
    shown = subprocess.Popen(
        [sys.executable, "-m", "appliance", "demo", "--headless", "--seconds", "60", "--root", str(tmp_path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 20
    while not is_storing(table):
        assert time.monotonic() < until
        time.sleep(0.05)
    shown.send_signal(number)
    shown.wait(timeout=20)
    while is_there(table):
        assert time.monotonic() < until + 10, "the recorder goes on"
        time.sleep(0.05)
    (recording,) = table.recordings()
    assert (recording / "bagit.txt").exists(), "what was recorded is sealed all the same"


def is_there(table: Table) -> bool:
    try:
        table.status()
    except NoService:
        return False
    return True


def is_storing(table: Table) -> bool:
    return is_there(table) and table.status().storing
