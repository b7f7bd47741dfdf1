"""The Debian package, as far as it can be held against rules without installing it: docs/administration.md says how that was tried."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from appliance.config import load, parse

TOP = Path(__file__).parents[1]
DEBIAN = TOP / "systemd/debian"
SCRIPTS = ("config", "preinst", "postinst", "prerm", "postrm")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_package", DEBIAN / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def package(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpacked, and without its wheels, which come from a registry."""
    made = tmp_path_factory.mktemp("package")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "_wheels", lambda into, _: into.mkdir(parents=True))
        deb = build.build(made / "out", "arm64", "1.2.3")
    for word, folder in (("-x", made / "files"), ("-e", made / "control")):
        subprocess.run(["dpkg-deb", word, deb, folder], check=True)
    return made


def test_what_it_needs_is_what_the_product_says_for_each_python_but_the_systems_own(build: ModuleType) -> None:
    for python in build.PYTHONS:
        names = {re.split("[>=<]", package)[0] for package in build.needed(python)}
        assert ("audioop-lts" in names) is (python == "3.13")
        assert "lgpio" not in names
        assert {"msgspec", "textual", "gpiozero", "tomlkit"} <= names
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    assert len(build.needed("3.13")) == len(project["dependencies"]) + 1


def test_the_control_file_is_whole(package: Path) -> None:
    control = (package / "control/control").read_text()
    assert "@" not in control.replace("@localhost", "")
    for line in ("Package: meeting-recorder", "Version: 1.2.3", "Architecture: arm64"):
        assert line in control.splitlines()
    assert re.search(r"^Depends: .*\bpython3 \(>= 3\.11\)", control, re.MULTILINE)
    assert re.search(r"^Recommends: .*\bpython3-lgpio\b", control, re.MULTILINE)


def test_everything_lies_where_a_debian_looks_for_it_and_belongs_to_root(package: Path) -> None:
    there = {path.relative_to(package / "files").as_posix() for path in (package / "files").rglob("*") if path.is_file()}
    for path in (
        "usr/lib/systemd/system/meeting-recorder.service", "usr/lib/systemd/system/meeting-recorder-retention.timer",
        "usr/lib/systemd/system/meeting-recorder-screen.service", "usr/lib/sysusers.d/meeting-recorder.conf",
        "usr/lib/tmpfiles.d/meeting-recorder.conf", "usr/lib/udev/rules.d/70-meeting-recorder.rules",
        "usr/lib/udev/rules.d/71-meeting-recorder-pins.rules", "usr/share/polkit-1/rules.d/50-meeting-recorder.rules",
        "usr/share/polkit-1/rules.d/50-meeting-recorder-stay-on.rules", "usr/share/doc/meeting-recorder/copyright",
        "usr/share/doc/meeting-recorder/changelog.gz", "usr/share/doc/meeting-recorder/administration.md",
    ):  # fmt: skip
        assert path in there
    assert not any(path.startswith(("etc/", "var/", "opt/", "lib/")) for path in there)
    assert (package / "files/usr/bin/meeting-recorder").readlink() == Path("/opt/meeting-recorder/bin/meeting-recorder")
    listed = subprocess.run(
        ["dpkg-deb", "-c", *(package / "out").glob("*.deb")], capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in listed.splitlines()} == {"root/root"}
    assert not re.search(r"^-......w|^-........w", listed, re.MULTILINE)


def test_its_configuration_is_the_delivered_one_with_the_groups_that_it_makes(package: Path, build: ModuleType) -> None:
    delivered = load(TOP / "config/config.toml")
    text = (package / "files/usr/share/meeting-recorder/config.toml").read_text()
    assert 'room = "meeting-recorder-room"' in text
    assert 'administrators = "meeting-recorder-admin"' in text
    made = re.findall(r"^g\s+(\S+)", (TOP / "systemd/sysusers.d/meeting-recorder.conf").read_text(), re.MULTILINE)
    assert {"meeting-recorder-room", "meeting-recorder-admin"} <= set(made)
    assert parse(re.sub(r'"meeting-recorder-(room|admin)"', '""', text)) == delivered
    with pytest.raises(build.BuildError):
        build.installed_config("")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_maintainer_script_is_a_shell_script_that_stops_at_the_first_failure(package: Path, name: str) -> None:
    script = package / "control" / name
    assert script.stat().st_mode & 0o777 == 0o755
    text = script.read_text()
    assert text.startswith("#!/bin/sh\n")
    assert "set -e\n" in text
    assert "@VERSION@" not in text
    assert "#IN-THE-ROOM#" not in text
    subprocess.run(["sh", "-n", script], check=True)


def test_the_fingerprints_of_the_files_are_theirs(package: Path) -> None:
    assert (package / "control/md5sums").stat().st_size
    subprocess.run(["md5sum", "--quiet", "-c", package / "control/md5sums"], cwd=package / "files", check=True)


STATES = [("idle", 0), ("declined", 0), ("handover", 0), ("announcing", 1), ("recording", 1), ("paused", 1), ("sealing", 1)]


def may_change(
    package: Path, script: str, words: tuple[str, ...], said: str, status: int, tmp_path: Path
) -> subprocess.CompletedProcess[str]:
    """Run a maintainer script beside a service that says this."""
    program = tmp_path / "meeting-recorder"
    program.write_text(f"#!/bin/sh\ncat <<'EOF'\n{said}\nEOF\nexit {status}\n")
    program.chmod(0o755)
    text = (package / "control" / script).read_text().replace("/opt/meeting-recorder/bin/meeting-recorder", str(program))
    text = text.replace("/run/systemd/system", str(tmp_path / "no-systemd"))
    (tmp_path / script).write_text(text)
    return subprocess.run(["sh", tmp_path / script, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("script", "words"),
    [("preinst", ("upgrade", "0.1")), ("prerm", ("upgrade", "2")), ("prerm", ("remove",)), ("prerm", ("failed-upgrade", "1"))],
)
@pytest.mark.parametrize(("state", "status"), STATES)
def test_nobodys_meeting_is_ended_by_a_package(
    package: Path, tmp_path: Path, script: str, words: tuple[str, ...], state: str, status: int
) -> None:
    told = f'{state}\n{{"is":"snapshot","state":"{state}","confirmed":[],"copies":[{{"state":"verified"}}]}}'
    ran = may_change(package, script, words, told, 0, tmp_path)
    assert ran.returncode == status, ran.stderr
    assert ("Nothing was changed" in ran.stderr) is bool(status)


def test_without_a_service_a_package_may_come_and_go(package: Path, tmp_path: Path) -> None:
    assert may_change(package, "prerm", ("remove",), "", 3, tmp_path).returncode == 0
    assert may_change(package, "preinst", ("install",), '{"is":"snapshot","state":"recording"}', 0, tmp_path).returncode == 0


def test_only_a_yes_to_the_question_erases_recordings(package: Path) -> None:
    template = (package / "control/templates").read_text()
    assert "Default: false" in template
    assert "Description-nl.UTF-8: " in template
    purge = (package / "control/postrm").read_text()
    before, _, after = purge.partition('if [ "$erase" = true ]; then')
    assert 'rm -rf "$store"' not in before
    assert after.count('rm -rf "$store"') == 1
