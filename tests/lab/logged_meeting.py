"""Inside the machine: one meeting, recorded on a disk of which every write and flush is logged.

    python -m tests.lab.logged_meeting DISK LOG        (as root; called by every_flush)

DISK gets an ext4 behind dm-log-writes, LOG the log. The real service records there for some 20 s, with a pause. Every 50 ms a mark
is put into the log: what the room has been told by then, as JSON (`outcome.Told`). So for every write in the log it is known
what had been promised before it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from appliance import protocol
from appliance.agreement import PARTIES
from appliance.protocol import Request, Snapshot
from tests.lab.outcome import Told
from tests.lab.witness import Witness, until

NAME = "logged"
MARK_EVERY_SECONDS = 0.05
MEETING: tuple[tuple[Request, float], ...] = (
    (protocol.AnnounceRequest(), 0.2),
    *((protocol.ConfirmRequest(party), 0.1) for party in PARTIES),
    (protocol.StartRequest(), 9.3),
    (protocol.PauseRequest(), 2.0),
    (protocol.ResumeRequest(), 8.6),
    (protocol.StopRequest(), 0),
)


def main() -> None:
    disk, log = sys.argv[1:]
    with logged_disk(disk, log) as room, tempfile.TemporaryDirectory() as sticks:
        record(room, Path(sticks))


@contextmanager
def logged_disk(disk: str, log: str) -> Iterator[Path]:
    """A folder on a disk that is logged; the log is whole when it is left."""
    sectors = int(_run("blockdev", "--getsz", disk))
    _run("modprobe", "dm-log-writes")
    _run("dmsetup", "create", NAME, "--table", f"0 {sectors} log-writes {disk} {log}")
    place = Path(tempfile.mkdtemp())
    try:
        _run("mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", f"/dev/mapper/{NAME}")
        _run("mount", f"/dev/mapper/{NAME}", str(place))
        try:
            yield place
        finally:
            _run("umount", str(place))
    finally:
        _run("dmsetup", "remove", "--retry", NAME)
        place.rmdir()


def record(room: Path, sticks: Path) -> None:
    """The meeting, up to its handover; marks all the while."""
    (room / "config.toml").write_text("[meeting]\nminimum_free_hours = 0.1\n")  # a small disk is copied often and soon
    given = []
    for name in ("a", "b"):
        (sticks / name).mkdir()
        given += ["--stick", str(sticks / name)]
    command = [sys.executable, "-m", "appliance", "serve", "--root", str(room), "--source", "synthetic", *given]
    with subprocess.Popen(command) as service:
        try:
            control = room / "control.sock"
            _must(until(control, lambda snapshot: snapshot.state == "idle", 120), "The service does not start.")
            witness = Witness(control, lambda _: None)
            witness.start()
            marker = Marker(witness)
            marker.start()
            for request, seconds in MEETING:
                if isinstance(request, protocol.StartRequest):
                    _must(until(control, lambda snapshot: snapshot.microphone == "heard", 120), "The microphone is not heard.")
                answer = witness.ask(request)
                _must(answer if isinstance(answer, Snapshot) else None, f"{request} was answered with {answer}.")
                time.sleep(seconds)
            _must(until(control, lambda snapshot: snapshot.state == "handover", 120), "There is no handover.")
            time.sleep(1)
            marker.end()
        finally:
            service.terminate()


class Marker(threading.Thread):
    """Puts into the log, over and over, what the room has been told by then."""

    def __init__(self, witness: Witness) -> None:
        super().__init__(name="marker", daemon=True)
        self._witness = witness
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(MARK_EVERY_SECONDS):
            mark(self._witness.told(time.monotonic()))

    def end(self) -> None:
        self._over.set()
        self.join()


# struct dm_ioctl and DM_TARGET_MSG of linux/dm-ioctl.h: a process for each mark would cost more than the recording.
_DM_IOCTL = struct.Struct("=3I2IIiIIIQ128s129s7x")
_DM_TARGET_MSG = 0xC138FD0E


def mark(told: Told) -> None:
    """Into the log, behind all that is sure now."""
    text = b"mark " + msgspec.json.encode(told) + b"\0"
    size = _DM_IOCTL.size + 8 + len(text)
    head = _DM_IOCTL.pack(4, 0, 0, size, _DM_IOCTL.size, 0, 0, 0, 0, 0, 0, NAME.encode(), b"")
    control = os.open("/dev/mapper/control", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(control, _DM_TARGET_MSG, bytearray(head + struct.pack("=Q", 0) + text))
    finally:
        os.close(control)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _must(snapshot: Snapshot | None, otherwise: str) -> None:
    if snapshot is None:
        raise SystemExit(otherwise)


if __name__ == "__main__":
    main()
