#!/usr/bin/env python3
"""Builds the Debian package: one file that turns a Raspberry Pi OS Lite or a Debian into the appliance, without a network there.

    python systemd/debian/build.py OUT [--arch arm64] [--version 0.1.0+1]          (or: sh setup.sh package OUT)

The product's Python parts have a place of their own, /opt/meeting-recorder, because Debian's are too old for some of them. They travel
as wheels, for each Python that the package may meet, and are laid out on the machine itself (`postinst`): so a package for a Pi is
built on any machine, and a new Python there is no more than the same step again. Only this program needs a network: pip's.

What is written where follows the Filesystem Hierarchy Standard and systemd's file-hierarchy(7); the maintainer scripts keep Debian
Policy 6 (each may be called again after any failure).
"""

from __future__ import annotations

import argparse
import email.utils
import gzip
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
NAME = "meeting-recorder"
PYTHONS = ("3.11", "3.13")
"""Debian 12's and Debian 13's."""
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC_UP_TO = 36
"""Debian 12 has glibc 2.36: no wheel may ask for a newer one (PEP 600)."""
ONLY_SOURCE = ("bagit",)
"""Pure Python that its makers give away without a wheel."""
SCRIPTS = ("config", "preinst", "postinst", "prerm", "postrm")


class BuildError(Exception):
    """A sentence: why there is no package."""


def build(out: Path, arch: str, version: str) -> Path:
    """The package's file in `out`. BuildError."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        stage = Path(made) / "stage"
        _wheels(stage / "usr/lib" / NAME / "wheels", arch)
        _units(stage)
        _papers(stage, version)
        _control(stage, arch, version)
        for folder in (stage, *(path for path in stage.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        package = out / f"{NAME}_{version}_{arch}.deb"
        _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(stage), str(package))
    return package


def _wheels(into: Path, arch: str) -> None:
    """The product and all that it needs, for every Python, for one kind of machine."""
    into.mkdir(parents=True)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    sources = [package for package in needed(PYTHONS[-1]) if package.startswith(ONLY_SOURCE)]
    _run(*pip, "wheel", "--no-deps", "--wheel-dir", str(into), str(REPOSITORY), *sources)
    if fixed := [wheel.name for wheel in into.iterdir() if not wheel.name.endswith("-none-any.whl")]:
        raise BuildError(f"These would run on this kind of machine only: {', '.join(fixed)}.")
    platforms = [f"manylinux_2_{minor}_{MACHINES[arch]}" for minor in range(17, GLIBC_UP_TO + 1)]
    platforms.append(f"manylinux2014_{MACHINES[arch]}")
    for python in PYTHONS:
        abi = f"cp{python.replace('.', '')}"
        asked = ["--only-binary=:all:", "--python-version", python, "--implementation", "cp", "--dest", str(into)]
        asked += [word for platform in platforms for word in ("--platform", platform)]
        asked += [word for kind in (abi, "abi3", "none") for word in ("--abi", kind)]
        _run(*pip, "download", "--find-links", str(into), *asked, *needed(python))


def needed(python: str) -> list[str]:
    """What the product depends on under a Python. lgpio comes from the operating system, which is the one that knows its kernel."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    listed = map(Requirement, [*project["dependencies"], *project["optional-dependencies"]["pins"]])
    # pip would judge the conditions by the Python that it runs in
    there = {"python_version": python, "python_full_version": f"{python}.0"}
    wanted = [each for each in listed if each.name != "lgpio" and (each.marker is None or each.marker.evaluate(there))]
    return [f"{each.name}{each.specifier}" for each in wanted]


def _units(stage: Path) -> None:
    places = {
        "*.service": "usr/lib/systemd/system",
        "*.timer": "usr/lib/systemd/system",
        "sysusers.d/*.conf": "usr/lib/sysusers.d",
        "tmpfiles.d/*.conf": "usr/lib/tmpfiles.d",
        "udev/*.rules": "usr/lib/udev/rules.d",
        "polkit/*.rules": "usr/share/polkit-1/rules.d",
    }
    for pattern, place in places.items():
        folder = stage / place
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted((REPOSITORY / "systemd").glob(pattern))
        if not found:
            raise BuildError(f"There is nothing like systemd/{pattern}.")
        for path in found:
            name = f"50-{path.name}" if pattern.startswith("polkit") else path.name
            shutil.copyfile(path, folder / name)
            (folder / name).chmod(0o644)


def _papers(stage: Path, version: str) -> None:
    share, doc, programs = (stage / "usr" / place for place in (f"share/{NAME}", f"share/doc/{NAME}", "bin"))
    for folder in (share, doc, programs):
        folder.mkdir(parents=True)
    (share / "config.toml").write_text(
        installed_config((REPOSITORY / "config/config.toml").read_text(encoding="utf-8")), encoding="utf-8"
    )
    for name in ("administration.md", "formats.md"):
        shutil.copyfile(REPOSITORY / "docs" / name, doc / name)
    shutil.copyfile(HERE / "copyright", doc / "copyright")
    signed = f" -- {_maintainer()}  {email.utils.formatdate(time.time())}"
    changelog = f"{NAME} ({version}) stable; urgency=medium\n\n  * See CHANGELOG.md in the source.\n\n{signed}\n"
    (doc / "changelog.gz").write_bytes(gzip.compress(changelog.encode(), mtime=0))
    (programs / NAME).symlink_to(f"/opt/{NAME}/bin/{NAME}")
    for path in (path for folder in (share, doc) for path in folder.iterdir()):
        path.chmod(0o644)


def installed_config(shipped: str) -> str:
    """As delivered, with the groups that the package makes."""
    for key, group in (("room", f"{NAME}-room"), ("administrators", f"{NAME}-admin")):
        shipped, done = re.subn(rf'^{key} = ""$', f'{key} = "{group}"', shipped, flags=re.MULTILINE)
        if done != 1:
            raise BuildError(f"config/config.toml has no line for groups.{key} as it was expected.")
    return shipped


def _control(stage: Path, arch: str, version: str) -> None:
    debian = stage / "DEBIAN"
    debian.mkdir()
    files = sorted(path for path in stage.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files) // 1024 + 1
    text = (HERE / "control.in").read_text(encoding="utf-8")
    for mark, value in (("@VERSION@", version), ("@ARCH@", arch), ("@SIZE@", str(size))):
        text = text.replace(mark, value)
    (debian / "control").write_text(text, encoding="utf-8")
    sums = (f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(stage)}\n" for path in files)
    (debian / "md5sums").write_text("".join(sums), encoding="utf-8")
    for name in ("templates", "triggers"):
        shutil.copyfile(HERE / name, debian / name)
    for name in SCRIPTS:
        script = (HERE / name).read_text(encoding="utf-8")
        script = script.replace("#IN-THE-ROOM#\n", (HERE / "in-the-room.sh").read_text(encoding="utf-8"))
        (debian / name).write_text(script.replace("@VERSION@", version), encoding="utf-8")
    for path in debian.iterdir():
        path.chmod(0o755 if path.name in SCRIPTS else 0o644)


def _maintainer() -> str:
    found = re.search(r"^Maintainer: (.+)$", (HERE / "control.in").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise BuildError("control.in names no maintainer.")
    return found[1]


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, stdout=sys.stderr)
    if done.returncode:
        raise BuildError(f"This failed: {' '.join(command[:6])} ...")


def _own_arch() -> str:
    return subprocess.run(("dpkg", "--print-architecture"), check=True, capture_output=True, text=True).stdout.strip()


def own_version() -> str:
    found = re.search(r'__version__ = "(.+)"', (REPOSITORY / "appliance/__init__.py").read_text(encoding="utf-8"))
    if found is None:
        raise BuildError("appliance/__init__.py names no version.")
    return found[1]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("out", nargs="?", type=Path, default=REPOSITORY / "dist", help="the folder to put it in; default: dist/")
    asked.add_argument("--arch", choices=sorted(MACHINES), help="default: this machine's")
    asked.add_argument("--version", help="default: the product's")
    words = asked.parse_args()
    try:
        sys.stdout.write(f"{build(words.out, words.arch or _own_arch(), words.version or own_version())}\n")
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
