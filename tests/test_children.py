"""A child of ours ends when we do, however that comes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.children import dies_with_us, environment_of_a_child, told_to_end_with_us

_PARENT = """
import subprocess, sys, time
from appliance import children
child = subprocess.Popen([*getattr(children, sys.argv[1])(), "sh", "-c", sys.argv[2], "child", sys.argv[3]])
print(child.pid, flush=True)
time.sleep(60)
"""


def ended(pid: int, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(("how", "told"), [("dies_with_us", False), ("told_to_end_with_us", True)])
def test_a_child_ends_with_a_parent_that_was_killed(tmp_path: Path, how: str, *, told: bool) -> None:
    """Only the one that may end well is told before: it leaves its last word."""
    script = 'trap "echo ended well > $1; exit" TERM; touch "$1.ready"; while :; do sleep 0.05; done'
    last_word = tmp_path / "last-word"
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, how, script, str(last_word)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    while not last_word.with_name("last-word.ready").exists():
        time.sleep(0.01)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert ended(child)
    assert last_word.exists() is told


def test_without_setpriv_children_are_started_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert dies_with_us() == told_to_end_with_us() == ()


def test_a_child_runs_the_code_that_its_parent_runs() -> None:
    program = "import appliance; print(appliance.__file__)"
    shown = subprocess.run(
        [sys.executable, "-P", "-c", program], env=environment_of_a_child(), capture_output=True, text=True, check=True, cwd="/"
    )
    assert Path(shown.stdout.strip()).parents[1] == Path(__file__).parents[1]
