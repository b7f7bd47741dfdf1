"""The polkit rule that the project ships, asked of the real polkitd: what the service's user may do with a stick, and what not."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.copies.sockets import UDISKSD, Sockets

RULE = Path(__file__).parents[2] / "systemd/polkit/meeting-recorder.rules"
UDEV_RULE = Path(__file__).parents[2] / "systemd/udev/70-meeting-recorder.rules"
POLKITD = "/usr/lib/polkit-1/polkitd"
USER = "nobody"  # whom every machine has; the rule is for `meeting-recorder`
UDISKS = "org.freedesktop.udisks2"
A_STICK = {"drive.removable": "true", "drive.removable.bus": "usb"}

ASKED = "Authentication is required to {} the filesystem on $(drive)"
FORMATS = "Authentication is required to format $(drive)"

May = Callable[[str, str, dict[str, str]], bool]


@pytest.fixture
def may(sockets: Sockets) -> Iterator[May]:
    """Whether a user may do an action with a device of these details, by the shipped rule and none but the system's own."""
    rules = sockets.folder / "rules"
    rules.mkdir()
    text = RULE.read_text(encoding="utf-8")
    assert '"meeting-recorder"' in text
    (rules / "50-meeting-recorder.rules").write_text(text.replace('"meeting-recorder"', f'"{USER}"'), encoding="utf-8")
    sockets.folder.chmod(0o755)
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": sockets.address}
    start = f"mount --bind {rules} /usr/share/polkit-1/rules.d && exec {POLKITD} --no-debug"
    polkitd = subprocess.Popen(["unshare", "--mount", "sh", "-c", start], env=environment, stderr=subprocess.DEVNULL)
    there: list[subprocess.Popen[bytes]] = []

    def ask(user: str, action: str, details: dict[str, str]) -> bool:
        who = subprocess.Popen(["setpriv", f"--reuid={pwd.getpwnam(user).pw_uid}", "sleep", "60"])
        there.append(who)
        while f"\nUid:\t{pwd.getpwnam(user).pw_uid}\t" not in Path(f"/proc/{who.pid}/status").read_text(encoding="utf-8"):
            time.sleep(0.01)
        asked = ["pkcheck", "--action-id", action, "--process", str(who.pid)]
        for key, value in details.items():
            asked += ["--detail", key, value]
        said = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
        assert said.returncode in {0, 1, 2}, said.stderr  # 1: no; 2: only after a password
        return said.returncode == 0

    deadline = time.monotonic() + 10
    probe = ["pkaction", "--action-id", f"{UDISKS}.filesystem-mount-other-seat"]
    while subprocess.run(probe, env=environment, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield ask
    for process in (*there, polkitd):
        process.terminate()
        process.wait()


def test_the_service_may_mount_a_stick_repair_it_and_power_it_off_and_nothing_else(may: May) -> None:
    assert may(USER, f"{UDISKS}.filesystem-mount-other-seat", A_STICK)
    assert may(USER, f"{UDISKS}.power-off-drive-other-seat", A_STICK)
    for does in ("check", "repair"):
        assert may(USER, f"{UDISKS}.modify-device-other-seat", {**A_STICK, "polkit.message": ASKED.format(does)}), does
    assert not may(USER, f"{UDISKS}.modify-device-other-seat", {**A_STICK, "polkit.message": FORMATS})
    for action in (
        "modify-device-other-seat",
        "open-device",
        "filesystem-mount-system",
        "filesystem-unmount-others",
        "filesystem-take-ownership",
        "encrypted-unlock-other-seat",
        "loop-setup",
    ):
        assert not may(USER, f"{UDISKS}.{action}", A_STICK), action
    for disk in ({**A_STICK, "drive.removable.bus": "sata"}, {**A_STICK, "drive.removable": "false"}, {}):
        assert not may(USER, f"{UDISKS}.filesystem-mount-other-seat", disk), disk
    assert not may("daemon", f"{UDISKS}.filesystem-mount-other-seat", A_STICK)


def test_what_udisks_asks_before_a_check_a_repair_and_a_format_are_sentences_that_the_rule_tells_apart() -> None:
    asked = UDISKSD.read_bytes()
    for sentence in (ASKED.format("check"), ASKED.format("repair"), FORMATS):
        assert sentence.encode() + b"\0" in asked, sentence


def test_the_rule_about_keyboards_is_read_without_a_complaint(sockets: Sockets) -> None:
    rules = sockets.folder / "rules.d"
    rules.mkdir()
    (rules / UDEV_RULE.name).write_bytes(UDEV_RULE.read_bytes())
    read = "mount --bind {rules} /lib/udev/rules.d && exec udevadm test --action=add /sys/class/mem/null"
    said = subprocess.run(
        ["unshare", "--mount", "sh", "-c", read.format(rules=rules)], capture_output=True, text=True, check=False
    ).stderr
    assert UDEV_RULE.name in said, said
    assert not [line for line in said.splitlines() if UDEV_RULE.name in line and "Reading rules file" not in line], said
