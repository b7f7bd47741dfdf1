"""The real sounddevice, in which an open microphone goes wrong as told by the file that FAULT names; put in front by PYTHONPATH.

The first microphone that sees the file takes it away: the next one, in a child that was started afresh, is well. A call
that hangs does so inside the C library, as PortAudio does when a driver never returns.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib.machinery
import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Any

_here = Path(__file__).resolve().parent
_elsewhere = [place for place in sys.path if Path(place or ".").resolve() != _here]
_spec = next(
    spec for spec in (importlib.machinery.PathFinder.find_spec(__name__, [place]) for place in _elsewhere) if spec is not None
)
assert _spec.loader is not None
_real: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_real)
globals().update({name: value for name, value in vars(_real).items() if not name.startswith("__")})

_FAULT = Path(os.environ["FAULT"])


def _hang(library: ctypes.CDLL | None = None) -> None:
    while True:
        (library or ctypes.CDLL(None)).pause()


class RawInputStream(_real.RawInputStream):  # type: ignore[misc]
    """A microphone. It opens and reads as ever until it is told to fail."""

    _fault = ""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self._told() == "hang-open":
            _hang()

    def _told(self) -> str:
        if not self._fault and _FAULT.exists():
            self._fault = _FAULT.read_text()
            _FAULT.unlink()
        return self._fault

    @property
    def read_available(self) -> int:
        return 0 if self._told() == "silent" else int(super().read_available)

    def read(self, frames: int) -> Any:
        match self._told():
            case "hang-read":
                _hang()
            case "hang-read-and-everything-else":
                _hang(ctypes.PyDLL(None))
            case "die":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "error":
                raise _real.PortAudioError("Unanticipated host error", -9999)
            case "error-then-hang":
                atexit.register(_hang)  # Pa_Terminate closes what is still open
                raise _real.PortAudioError("Unanticipated host error", -9999)
        return super().read(frames)

    def stop(self, ignore_errors: bool = True) -> None:
        self._let_go(super().stop, ignore_errors)

    def abort(self, ignore_errors: bool = True) -> None:
        self._let_go(super().abort, ignore_errors)

    def close(self, ignore_errors: bool = True) -> None:
        self._let_go(super().close, ignore_errors)

    def _let_go(self, really: Any, ignore_errors: bool) -> None:
        if self._fault == "error-then-hang":
            _hang()
        really(ignore_errors)
