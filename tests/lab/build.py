"""Builds the room's virtual machine, unless it is there already.

    python -m tests.lab.build DIR

Into DIR go base.img (4 GiB, mostly holes: 1.5 GB on disk), vmlinuz, initrd.img and the key to log in with. It is built again
when what it is made of has changed: image.sh, guest/, or the product's dependencies in pyproject.toml. Root, an x86-64 Debian, and
packages that `sh setup.sh lab` installs. The product itself is not in it: each run copies the working tree in.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from tests.lab.machine import REPOSITORY, LabError
from tests.lab.sticks import missing_programs

HERE = Path(__file__).parent
PROGRAMS = ("qemu-system-x86_64", "qemu-img", "debootstrap", "mkfs.ext4", "ssh", "ssh-keygen")


def default_folder() -> Path:
    """MEETING_RECORDER_LAB, or a folder in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("MEETING_RECORDER_LAB") or cache / "meeting-recorder-lab")


def build(folder: Path) -> Path:
    """The folder, with all in it that `machine.Machine` needs. LabError, with a sentence, if that cannot be."""
    lacking = [*(program for program in PROGRAMS if shutil.which(program) is None), *missing_programs()]
    if lacking:
        raise LabError(f"The lab needs {', '.join(lacking)}. `sh setup.sh lab` installs them.")
    stamp, made_of = folder / "made-of", _made_of()
    if stamp.exists() and stamp.read_text() == made_of:
        return folder
    if os.geteuid():
        raise LabError("The machine's disk is made by root (debootstrap); to run it afterwards, nobody needs to be.")
    folder.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    began = time.monotonic()
    with (folder / "build.log").open("wb") as log:
        done = subprocess.run(["bash", str(HERE / "image.sh"), str(folder), *_packages()], stdout=log, stderr=log, check=False)
    if done.returncode:
        raise LabError(f"The machine could not be built; see {folder}/build.log.")
    for old in folder.glob("*/disk.qcow2"):
        old.unlink()  # a layer over another base is rubbish
    stamp.write_text(made_of)
    sys.stderr.write(f"Built {folder} in {time.monotonic() - began:.0f} s.\n")
    return folder


def _packages() -> list[str]:
    """What the product and its pins depend on, but lgpio: it has no wheel for Debian 13's Python."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pins = [package for package in project["optional-dependencies"]["pins"] if not package.startswith("lgpio")]
    return [*project["dependencies"], *pins]


def _made_of() -> str:
    digest = hashlib.sha256("\n".join(_packages()).encode())
    for path in (HERE / "image.sh", *sorted((HERE / "guest").iterdir())):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", nargs="?", type=Path, default=default_folder(), help="default: %(default)s")
    try:
        build(asked.parse_args().folder)
    except LabError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
