"""A recording at every flush: a disk's log of writes, replayed as a power cut would have left it.

    python -m tests.lab.every_flush [--luck 2] [--seed N] [--here] [DIR]

In the virtual machine the real service records a meeting on a disk behind dm-log-writes (`logged_meeting`). Then, for each flush
in the log, the disk is put together as it would be found after a power cut there: with only what was sure, and `--luck` times
with some of what was under way, torn; ext4 is mounted, the start-up mends, and what comes out is examined sample by sample
(`replays`): in the machine, or, as root and several times as fast, `--here`. It prints a row an instant, keeps everything below
DIR/every-flush, and ends with 1 if anything was corrupt or more than a second of sound was lost.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.lab.build import build, default_folder
from tests.lab.machine import BARE, PRODUCT, REPOSITORY, Disk, LabError, Machine
from tests.lab.table import HEAD, Row, as_line, is_well, keep, show, summary

DISK_BYTES = 192 << 20
LOG_BYTES = 1 << 30
PYTHON = f"cd {PRODUCT} && /opt/meeting-recorder/bin/python"


def every_flush(lab: Path, luck: int, seed: int, *, here: bool = False) -> list[Row]:
    """A row for each instant. `here`: mounted by this machine's kernel. LabError when the machine does not do what was asked."""
    folder = lab / "every-flush"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    disks = [Disk(name, folder / f"{name}.img") for name in ("logged", "log")]
    for disk, size in zip(disks, (DISK_BYTES, LOG_BYTES), strict=True):
        with disk.image.open("wb") as image:
            image.truncate(size)
    with Machine(lab, "every-flush", disks=disks, memory=1536, without=BARE) as machine:
        machine.as_built()
        machine.boot()
        machine.put_product_in()
        machine.run(f"{PYTHON} -m tests.lab.logged_meeting /dev/vdb /dev/vdc", seconds=600)
        tried = (str(DISK_BYTES), str(luck), str(seed))
        if here:
            machine.shut_down()
            rows = _shown(_replayed_here(str(folder / "log.img"), *tried))
        else:
            rows = _shown(machine.lines(f"{PYTHON} -m tests.lab.replays /dev/vdc {' '.join(tried)}"))
    keep(rows, folder / "results.json")
    return rows


def _replayed_here(*arguments: str) -> Iterator[str]:
    if os.geteuid():
        raise LabError("To mount the disk's states here, be root; in the machine (without --here) nobody needs to be.")
    command = [sys.executable, "-m", "tests.lab.replays", *arguments]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        yield from running.stdout
    if running.returncode:
        raise LabError(f"The replay ended with exit status {running.returncode}.")


def _shown(lines: Iterator[str]) -> list[Row]:
    rows = []
    show(HEAD)
    for line in lines:
        rows.append(msgspec.json.decode(line, type=Row))
        show(as_line(rows[-1]))
    return rows


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", nargs="?", type=Path, default=default_folder(), help="default: %(default)s")
    asked.add_argument("--luck", type=int, default=2, help="torn states a flush (default: %(default)s)")
    asked.add_argument("--seed", type=int, default=None, help="the same luck again, on another recording")
    asked.add_argument("--here", action="store_true", help="replay on this machine, as root: several times as fast")
    given = asked.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    show(f"seed {seed}")
    try:
        rows = every_flush(build(given.folder), given.luck, seed, here=given.here)
    except LabError as error:
        sys.exit(str(error))
    show(summary(rows))
    sys.exit(0 if is_well(rows) else 1)


if __name__ == "__main__":
    main()
