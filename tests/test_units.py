"""What systemd is given: units that it reads without a complaint, hardened, and files that fit what the product needs."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from appliance.config import System

UNITS = Path(__file__).parents[1] / "systemd"
LOCKED_IN = ("meeting-recorder.service", "meeting-recorder-retention.service")


def unit(name: str) -> dict[str, dict[str, str]]:
    """Of a key that stands there more than once, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",), delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / name, encoding="utf-8")
    return {section: dict(parser[section]) for section in parser.sections()}


def test_systemd_reads_every_unit_without_a_complaint(tmp_path: Path) -> None:
    """In a root of their own, in which the programs that they start are there."""
    there = tmp_path / "usr/lib/systemd/system"
    there.mkdir(parents=True)
    names = [path.name for path in (*UNITS.glob("*.service"), *UNITS.glob("*.timer"))]
    for name in names:
        text = (UNITS / name).read_text(encoding="utf-8")
        for program in re.findall(r"^Exec\w+=[-+]*(\S+)", text, re.MULTILINE):
            (tmp_path / program.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / program.lstrip("/")).write_text("#!/bin/sh\n")
            (tmp_path / program.lstrip("/")).chmod(0o755)
        (there / name).write_text(text)
    for target in ("multi-user", "basic", "sysinit", "shutdown", "timers", "local-fs", "sound", "network"):
        (there / f"{target}.target").write_text(f"[Unit]\nDescription={target}\nDefaultDependencies=no\n")
    verify = ["systemd-analyze", "verify", f"--root={tmp_path}", "--man=no", *sorted(names)]
    said = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert [line for line in said.stderr.splitlines() if "meeting-recorder" in line] == []
    assert said.returncode == 0, said.stderr


def test_a_line_that_systemd_does_not_know_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "wrong.service").write_text("[Service]\nExecStart=/bin/true\nProtectEverything=yes\n")
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "wrong.service"], capture_output=True, text=True, check=False
    )
    assert "ProtectEverything" in said.stderr


@pytest.mark.parametrize("name", LOCKED_IN)
def test_a_service_is_locked_in_to_an_exposure_of_half_a_point_or_less(name: str) -> None:
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", UNITS / name], capture_output=True, text=True, check=False
    ).stdout
    exposure = re.search(r"Overall exposure level .*: ([0-9.]+)", said)
    assert exposure is not None, said
    assert float(exposure[1]) <= 0.5, said


def test_rule_6_neither_service_nor_screen_has_a_network() -> None:
    for path in UNITS.glob("*.service"):
        service = unit(path.name)["Service"]
        assert service["PrivateNetwork"] == "yes", path.name
        assert service["IPAddressDeny"] == "any", path.name
    for name in LOCKED_IN:
        assert unit(name)["Service"]["RestrictAddressFamilies"] == "AF_UNIX"


def test_who_speaks_to_the_service_can_be_seen_by_it() -> None:
    assert "PrivateUsers" not in unit("meeting-recorder.service")["Service"]


def test_the_service_may_give_its_sockets_to_their_groups_and_start_its_children() -> None:
    """chown(2) and capset(2) are @privileged calls. Seen in the virtual machine: without the one the service cannot open its doors,
    without the other no child starts, and so no microphone is heard."""
    filters = re.findall(r"^SystemCallFilter=(.+)$", (UNITS / "meeting-recorder.service").read_text(), re.MULTILINE)
    assert filters.index("@chown") > filters.index("~@privileged @resources")
    assert filters.index("capset") > filters.index("~@privileged @resources")
    groups = unit("meeting-recorder.service")["Service"]["SupplementaryGroups"].split()
    assert {"meeting-recorder-room", "meeting-recorder-admin"} <= set(groups)


def test_the_folders_are_those_that_the_product_looks_for() -> None:
    service, system = unit("meeting-recorder.service")["Service"], System()
    assert Path("/var/lib", service["StateDirectory"]) == system.state
    assert Path("/run", service["RuntimeDirectory"]) == system.runtime
    assert Path("/etc", service["ConfigurationDirectory"]) == system.config
    assert unit("meeting-recorder.service")["Unit"]["RequiresMountsFor"] == str(system.state)


def test_it_is_watched_and_started_again_but_not_with_a_configuration_that_is_wrong() -> None:
    service = unit("meeting-recorder.service")["Service"]
    assert (service["Type"], service["Restart"], service["RestartPreventExitStatus"]) == ("notify", "always", "2")
    assert service["WatchdogSec"] == "30s"
    assert service["KillMode"] == "process", "a mirror in a dying stick holds up no start"


def test_every_user_and_group_that_a_unit_names_is_made() -> None:
    made = set(re.findall(r"^[ug]\s+(\S+)", (UNITS / "sysusers.d/meeting-recorder.conf").read_text(), re.MULTILINE))
    known = {"audio", "video", "render", "input", "root"}
    for path in UNITS.glob("*.service"):
        service = unit(path.name)["Service"]
        for key in ("User", "Group", "SupplementaryGroups"):
            assert set(service.get(key, "").split()) <= made | known, (path.name, key)


def test_users_and_folders_are_made_as_systemd_understands_them(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).write_text(
            "root:x:0:0:root:/root:/bin/sh\n" if name == "passwd" else "root:x:0:\nvideo:x:44:\nrender:x:105:\ninput:x:106:\n"
        )
    made = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", UNITS / "sysusers.d/meeting-recorder.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    groups = {line.split(":")[0]: line.split(":")[3] for line in (tmp_path / "etc/group").read_text().splitlines()}
    assert groups["meeting-recorder-room"] == "meeting-recorder-screen", "the screen runs meetings, and administers nothing"
    assert groups["meeting-recorder-admin"] == ""
    laid = subprocess.run(
        ["systemd-tmpfiles", f"--root={tmp_path}", "--create", UNITS / "tmpfiles.d/meeting-recorder.conf"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert laid.returncode == 0, laid.stderr
    assert (tmp_path / "var/lib/meeting-recorder").stat().st_mode & 0o777 == 0o750


def test_the_retention_goes_by_the_time_since_the_start_and_not_by_the_clock_that_it_must_judge() -> None:
    timer = unit("meeting-recorder-retention.timer")["Timer"]
    assert "OnCalendar" not in timer
    assert {"OnBootSec", "OnUnitInactiveSec"} <= timer.keys()
