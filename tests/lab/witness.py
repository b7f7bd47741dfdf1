"""Somebody in the room who sees all that is shown, notes when, and remembers what was asked: what must be true after a power cut.

Snapshots bear the machine's own monotonic clock. The smallest difference ever seen between that and the clock here is the
distance between the two clocks, but for the few milliseconds that the quickest snapshot took on its way.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from appliance import protocol
from appliance.client import NoService, ask
from appliance.protocol import Reply, Request, Snapshot, WatchRequest
from tests.lab.outcome import Asked, Told

WHAT: dict[type[Request], str] = {
    protocol.StartRequest: "start",
    protocol.PauseRequest: "pause",
    protocol.ResumeRequest: "resume",
    protocol.StopRequest: "stop",
}


class Witness(threading.Thread):
    """From one start of the machine to its power cut. `saw` is called, in this thread, at each change of state."""

    def __init__(self, control: Path, saw: Callable[[str], None]) -> None:
        super().__init__(name="witness", daemon=True)
        self._control = control
        self._saw = saw
        self._seen: list[tuple[float, Snapshot]] = []
        self._asked: tuple[str, float, bool] | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Ends with the service, or with the machine."""
        state = ""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                with protocol.address(self._control) as address:
                    connection.connect(address)
                connection.sendall(protocol.line(WatchRequest()))
                with connection.makefile("rb") as answers:
                    for answer in answers:
                        snapshot = protocol.replies.decode(answer)
                        if not isinstance(snapshot, Snapshot):
                            continue
                        with self._lock:
                            self._seen.append((time.monotonic(), snapshot))
                        if snapshot.state != state:
                            state = snapshot.state
                            self._saw(state)
        except (OSError, ValueError):  # the last line may be half a one
            return

    def ask(self, request: Request) -> Reply:
        """Ask for something, and remember it. NoService when the power goes meanwhile."""
        what, sent = WHAT.get(type(request)), time.monotonic()
        if what:
            self._saw(what)
            self._asked = (what, sent, False)
        reply = ask(self._control, request, patience=60)
        if isinstance(reply, Snapshot):
            with self._lock:
                self._seen.append((time.monotonic(), reply))
            if what:
                self._asked = (what, sent, True)
        return reply

    def now(self) -> Snapshot | None:
        with self._lock:
            return self._seen[-1][1] if self._seen else None

    def told(self, cut: float) -> Told:
        """What had been told at a moment of the clock here."""
        with self._lock:
            seen = [(at, snapshot) for at, snapshot in self._seen if at <= cut]
        if not seen:
            return Told(0)
        between = min(at - snapshot.at / 1000 for at, snapshot in seen)
        last = seen[-1][1]
        recording = last.recording.id if last.recording else None
        frames = [one.recording.frames for _, one in seen if one.recording and one.recording.id == recording]
        asked = self._asked
        return Told(
            at_us=_us(cut - between),
            state=last.state,
            recording=recording,
            frames=max(frames, default=0),
            asked=Asked(asked[0], _us(asked[1] - between), asked[2]) if asked else None,  # type: ignore[arg-type]
            sha256=last.recording.sha256 if last.recording else None,
            verified=last.verified,
        )


def until(control: Path, holds: Callable[[Snapshot], bool], seconds: float) -> Snapshot | None:
    """The first snapshot of which something holds; None if there is none within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            reply = ask(control, protocol.StatusRequest(), patience=30)
        except NoService:
            reply = None
        if isinstance(reply, Snapshot) and holds(reply):
            return reply
        time.sleep(0.2)
    return None


def _us(seconds: float) -> int:
    return int(seconds * 1_000_000)
