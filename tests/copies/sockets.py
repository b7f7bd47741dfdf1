"""The table's USB sockets, without USB: real UDisks2, udevd and D-Bus, and loop devices that are plugged in and pulled out.

UDisks2 is on a bus of its own, so that no other program of this machine sees these sticks. There is one udevd and one kernel:
a lock keeps the tests that run beside each other apart. Needs root, and Debian's dbus, udev and udisks2.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dbus_fast import DBusFastError

from appliance.copies.udisks import Disks

UDEVD = Path("/lib/systemd/systemd-udevd")
UDISKSD = Path("/usr/libexec/udisks2/udisksd")
UDEV_CONTROL = Path("/run/udev/control")

_BUS_CONFIG = """<busconfig>
  <type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="error"/><allow receive_type="signal"/>
  </policy>
</busconfig>
"""


class Sockets:
    """Made by `sockets_of_a_table`. Images lie in `folder`, which is what `UDisksSticks(loops=...)` is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix:path={folder}/bus"
        self.programs = folder / "programs"
        """What lies here UDisks2 finds before the system's own."""
        self.programs.mkdir()
        path = f"{self.programs}:{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        self._udisksd: subprocess.Popen[bytes] | None = None
        self._loops: dict[str, str] = {}

    def image(self, name: str, *, label: str = "", size: str = "16M", make: Callable[[Path], object] | None = None) -> Path:
        """A stick in a pocket: its image, with an ext4 file system unless `make` makes another."""
        image = self.folder / f"{name}.img"
        _run("truncate", "-s", size, image)
        if make is not None:
            make(image)
        else:
            _run("mkfs.ext4", "-q", "-F", "-O", "^has_journal,^metadata_csum", "-L", label[:16], image)
        return image

    def plug(self, name: str, *, write_protected: bool = False) -> str:
        """Put it in; its device."""
        image = self.folder / f"{name}.img"
        self._loops[name] = device = _said("losetup", *(["--read-only"] if write_protected else []), "--find", "--show", image)
        # Not every kernel reads partition tables by itself; partx finds them, or there are none.
        subprocess.run(["partx", "--add", device], capture_output=True, check=False)
        _run("udevadm", "settle", "--timeout=10")
        return device

    def pull(self, name: str) -> None:
        """Take it out, whatever it is doing."""
        device = self._loops.pop(name)
        for mounted in (device, *map(str, Path("/dev").glob(f"{Path(device).name}p*"))):
            while subprocess.run(["umount", "--lazy", mounted], capture_output=True, check=False).returncode == 0:
                pass
        _wait_until(lambda: _has_no_partitions(device))
        _run("losetup", "--detach", device)

    def device(self, name: str) -> str:
        return self._loops[name]

    def start_udisks(self) -> None:
        self._udisksd = subprocess.Popen([UDISKSD], env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        asyncio.run(_until_it_answers(self.address))

    def end_udisks(self) -> None:
        if self._udisksd is not None:
            _end(self._udisksd)
            self._udisksd = None

    def pull_all(self) -> None:
        for name in list(self._loops):
            with contextlib.suppress(subprocess.CalledProcessError):
                self.pull(name)


@contextmanager
def sockets_of_a_table() -> Iterator[Sockets]:
    with ExitStack() as at_the_end:
        folder = Path(tempfile.mkdtemp(prefix="sockets-"))
        at_the_end.callback(shutil.rmtree, folder)
        lock = at_the_end.enter_context((Path(tempfile.gettempdir()) / "meeting-recorder-sockets.lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "bus.conf").write_text(_BUS_CONFIG.format(socket=folder / "bus"), encoding="utf-8")
        bus = ["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile"]
        at_the_end.callback(_end, subprocess.Popen(bus))
        if not _udevd_runs():
            at_the_end.callback(_end, subprocess.Popen([UDEVD], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        _wait_until((folder / "bus").exists)
        _wait_until(_udevd_runs)
        sockets = Sockets(folder)
        at_the_end.callback(sockets.end_udisks)
        at_the_end.callback(sockets.pull_all)
        sockets.start_udisks()
        yield sockets


def _has_no_partitions(device: str) -> bool:
    """Takes them away; one that is still being let go of stays for a moment."""
    subprocess.run(["partx", "--delete", device], capture_output=True, check=False)
    return not any(Path("/dev").glob(f"{Path(device).name}p*"))


def _udevd_runs() -> bool:
    return subprocess.run(["udevadm", "control", "--ping", "--timeout=1"], capture_output=True, check=False).returncode == 0


async def _until_it_answers(address: str) -> None:
    async with asyncio.timeout(10):
        while True:
            disks = Disks(lambda: None)
            try:
                await disks.connect(address)
            except (DBusFastError, OSError, EOFError):
                await asyncio.sleep(0.02)
            else:
                return
            finally:
                disks.close()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _said(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
