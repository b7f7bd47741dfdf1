"""How a child process of ours comes to an end with us, however we end.

PR_SET_PDEATHSIG asks the kernel for it: a signal to the child when its parent is no more (prctl(2)). Set by util-linux's
setpriv, where it is: from Python it would take a page both writable and executable (ctypes), which the unit forbids.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def dies_with_us() -> tuple[str, ...]:
    """What to put before a command, so that it is killed when we are gone. Empty where there is no setpriv."""
    return _with_signal("KILL")


def told_to_end_with_us() -> tuple[str, ...]:
    """The same for a child that needs a moment to end well: SIGTERM when we are gone."""
    return _with_signal("TERM")


def _with_signal(signal: str) -> tuple[str, ...]:
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", signal) if setpriv else ()


def environment_of_a_child() -> dict[str, str]:
    """Ours, and this very package first: a checkout's children are the checkout's."""
    here = str(Path(__file__).resolve().parents[1])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
