"""The room's virtual machine: a Debian with everything on the table, that can be switched off in the middle of anything.

    with Machine(lab, "room") as machine:
        machine.boot()
        machine.run("uname -r")
        machine.hands.plug("stick-a", image)
        machine.power_cut()
        machine.boot()                          # the same disk

A power cut is `kill -9` of QEMU. Its disks have no cache in this machine's memory (`cache=none`), and the room's own disk is a
copy-on-write layer whose tables QEMU writes when the guest flushes: what the guest has not flushed may be lost, as in a drive
with a cache of its own.

The processor is emulated (TCG), on purpose: it runs wherever QEMU does, and a slow machine shows more of what lies between two
steps. The guest has no network: it is reached by ssh through a port of this machine, and nothing is reached from inside.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from appliance.children import dies_with_us
from tests.lab.hands import Hands

BOOT_SECONDS = 240.0
PRODUCT = "/opt/meeting-recorder/product"
KERNEL_OPTIONS = (
    "root=/dev/vda rw console=ttyS0 console=tty0 quiet loglevel=4 mitigations=off net.ifnames=0"
    " systemd.default_device_timeout_sec=600"  # on a busy host the sticks come late
)
BARE = (
    "udisks2.service", "polkit.service", "gpio-chip.service", "systemd-modules-load.service", "alsa-restore.service",
    "keyboard-setup.service", "console-setup.service", "getty@tty1.service", "serial-getty@ttyS0.service",
    "systemd-logind.service", "systemd-timesyncd.service", "e2scrub_reap.service", "fstrim.timer",
    "dpkg-db-backup.timer", "e2scrub_all.timer", "apt-daily.timer", "sound.target",
)  # fmt: skip
"""What a machine without sound card, pins and screen can do without."""
REPOSITORY = Path(__file__).parents[2]
COPIED_IN = ("appliance", "config", "tests")


class LabError(Exception):
    """The machine does not do what was asked; the sentence says where to look."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A further disk: `image` is raw. `usb`: a stick in a socket, with `name` as its serial number; else /dev/vdb, vdc, ..."""

    name: str
    image: Path
    usb: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        drive = f"if=none,id={self.name},file={self.image},format=raw,cache=none"
        device = (
            f"usb-storage,bus=xhci.0,drive={self.name},removable=on,serial={self.name}"
            if self.usb
            else f"virtio-blk-pci,drive={self.name},serial={self.name}"
        )
        return "-drive", drive, "-device", device


class Machine:
    """One machine. `lab` is a folder that `tests.lab.build` made; all of this machine's own files are in `lab/name`.

    Not for two threads at once, but for `power_cut`.
    """

    def __init__(
        self,
        lab: Path,
        name: str,
        *,
        disks: Sequence[Disk] = (),
        memory: int = 1024,
        screen: bool = False,
        without: Sequence[str] = (),
    ) -> None:
        """`without`: units that are not to start, for a quicker boot (`BARE`)."""
        self.lab = lab.resolve()
        self.folder = self.lab / name
        self.folder.mkdir(exist_ok=True)
        self._disks = tuple(disks)
        self._memory = memory
        self._screen = screen
        self._without = tuple(without)
        self._forward: tuple[str, ...] = ()
        self._qemu: subprocess.Popen[bytes] | None = None
        self._ssh: subprocess.Popen[bytes] | None = None
        self._port = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.power_cut()

    @property
    def disk(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def hands(self) -> Hands:
        """A new pair each time: after a power cut the old ones hold nothing."""
        return Hands(self.folder / "qmp.sock")

    def as_built(self) -> None:
        """Forget all that was ever written to the room's own disk."""
        self.disk.unlink(missing_ok=True)

    def forward(self, name: str, to: str) -> Path:
        """From the next boot on: a socket here that leads to a Unix socket in the machine."""
        self._forward += ("-L", f"./{name}:{to}")
        return self.folder / name

    # ── power ──

    def boot(self) -> float:
        """Switch on, and wait for log-in; the seconds that it took."""
        began = time.monotonic()
        self.power_cut()
        if not self.disk.exists():
            base = self.lab / "base.img"
            _call(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(self.disk)])
        self._port = _free_port()
        with (self.folder / "qemu.log").open("ab") as log:
            command = [*dies_with_us(), *self._command()]
            self._qemu = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._log_in(began + BOOT_SECONDS)
        return time.monotonic() - began

    def power_cut(self) -> None:
        """The mains fail, now. Harmless when it is off."""
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()
        if self._ssh is not None:
            self._ssh.kill()
            self._ssh.wait()
        self._qemu = self._ssh = None

    def shut_down(self, seconds: float = 120.0) -> None:
        """As by the button of a computer: everything is stopped in order, and then it is off."""
        assert self._qemu is not None
        self.run("systemctl poweroff --no-block", check=False)
        try:
            self._qemu.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"The machine does not shut down; see {self.folder}/serial.log.") from error
        self.power_cut()

    def _command(self) -> list[str]:
        screen = ["-vga", "virtio"] if self._screen else ["-vga", "none"]
        return [
            "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "2",
            "-m", str(self._memory), "-nodefaults", "-display", "none", *screen, "-no-reboot",
            "-kernel", str(self.lab / "vmlinuz"), "-initrd", str(self.lab / "initrd.img"),
            "-append", " ".join((KERNEL_OPTIONS, *(f"systemd.mask={unit}" for unit in self._without))),
            "-drive", f"if=none,id=root,file={self.disk},format=qcow2,cache=none", "-device", "virtio-blk-pci,drive=root",
            "-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-:22",
            "-device", "virtio-net-pci,netdev=n0,romfile=", "-device", "virtio-rng-pci",
            "-device", "qemu-xhci,id=xhci", "-device", "usb-kbd,bus=xhci.0", "-device", "usb-tablet,bus=xhci.0",
            "-chardev", "file,id=serial,path=serial.log,append=on", "-serial", "chardev:serial",
            "-qmp", "unix:qmp.sock,server=on,wait=off",
            *(option for disk in self._disks for option in disk.options),
        ]  # fmt: skip

    # ── inside ──

    def run(self, command: str, *, check: bool = True, stdin: bytes = b"", seconds: float = 120.0) -> str:
        """What a shell command in the machine prints. LabError if it fails, unless not to `check`."""
        try:
            done = subprocess.run(
                [*self._ssh_command(), command], cwd=self.folder, input=stdin, capture_output=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"No answer within {seconds:.0f} s: {command}") from error
        if check and done.returncode:
            raise LabError(f"{command}: exit status {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
        return done.stdout.decode(errors="replace")

    def lines(self, command: str) -> Iterator[str]:
        """What a command in the machine prints, line by line as it comes. LabError if it fails."""
        with (self.folder / "command.log").open("w+b") as errors:
            with subprocess.Popen(
                [*self._ssh_command(), command], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            ) as running:
                assert running.stdout is not None
                for line in running.stdout:
                    yield line.decode()
            if running.returncode:
                errors.seek(0)
                raise LabError(f"{command}: exit status {running.returncode}: {errors.read().decode(errors='replace')[-2000:]}")

    def put_product_in(self) -> None:
        """The product as it lies in this working tree, durably: a power cut is not to tear the program itself."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name in COPIED_IN:
                tar.add(REPOSITORY / name, name, filter=_without_bytecode)
        self.run(
            f"rm -rf {PRODUCT}/* && tar -x --no-same-owner -C {PRODUCT}"
            f" && /opt/meeting-recorder/bin/python -m compileall -q {PRODUCT} && sync",
            stdin=packed.getvalue(),
            seconds=300,
        )

    def fetch(self, paths: Sequence[str], into: Path) -> None:
        """Copies of files and folders in the machine, with their full paths below `into`."""
        done = subprocess.run(
            [*self._ssh_command(), "tar -c --files-from=-"],
            cwd=self.folder,
            input="\n".join(paths).encode(),
            capture_output=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            raise LabError(f"tar: {done.stderr.decode(errors='replace')}")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            tar.extractall(into, filter="data")

    def _ssh_command(self) -> list[str]:
        """Through one connection that stays open: a handshake takes a second under emulation."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=30")
        given = [word for option in (*options, "StreamLocalBindUnlink=yes", "ServerAliveInterval=15") for word in ("-o", option)]
        return [
            "ssh",
            "-F",
            "none",
            "-i",
            str(self.lab / "key"),
            *given,
            "-S",
            "ssh.sock",
            "-p",
            str(self._port),
            "root@127.0.0.1",
        ]

    def _log_in(self, until: float) -> None:
        while time.monotonic() < until:
            assert self._qemu is not None
            if self._qemu.poll() is not None:
                raise LabError(f"QEMU ended: {(self.folder / 'qemu.log').read_text()[-2000:]}")
            if self._ssh is None or self._ssh.poll() is not None:
                self._open_ssh()
            if (self.folder / "ssh.sock").exists():
                with contextlib.suppress(LabError):
                    self.run("true", seconds=10)
                    return
            time.sleep(0.5)
        raise LabError(f"Nobody can log in; see serial.log and ssh.log in {self.folder}.")

    def _open_ssh(self) -> None:
        (self.folder / "ssh.sock").unlink(missing_ok=True)
        with (self.folder / "ssh.log").open("ab") as log:
            self._ssh = subprocess.Popen(
                [*self._ssh_command(), "-M", "-N", *self._forward],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 10
        while not (self.folder / "ssh.sock").exists() and self._ssh.poll() is None and time.monotonic() < until:
            time.sleep(0.1)


def _without_bytecode(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name.endswith("__pycache__") else member


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr}")
