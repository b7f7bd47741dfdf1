"""Images of USB sticks, formatted as those from a shop: one partition, vfat or exfat."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal

PARTITION_AT = 1 << 20
FORMATS = {
    "vfat": (["mkfs.vfat", "-F", "32", "-n"], "c"),
    "exfat": (["mkfs.exfat", "-L"], "7"),
}


def make_stick(image: Path, kind: Literal["vfat", "exfat"], label: str, megabytes: int, *, partitioned: bool = True) -> Path:
    """A stick's image in place of whatever was there. Not `partitioned`: formatted as a whole, as some cameras do."""
    start = PARTITION_AT if partitioned else 0
    command, number = FORMATS[kind]
    part = image.with_suffix(".part")
    for path, size in ((image, megabytes << 20), (part, (megabytes << 20) - start)):
        path.unlink(missing_ok=True)
        path.touch()
        os.truncate(path, size)
    subprocess.run([*command, label, str(part)], check=True, stdout=subprocess.DEVNULL)
    if partitioned:
        table = f"{PARTITION_AT // 512},,{number}\n"
        subprocess.run(["sfdisk", "-q", str(image)], input=table.encode(), check=True)
    with part.open("rb") as content, image.open("r+b") as whole:
        whole.seek(start)
        while piece := content.read(1 << 20):
            if piece.strip(b"\0"):
                whole.write(piece)
            else:
                whole.seek(len(piece), os.SEEK_CUR)
    part.unlink()
    return image


def missing_programs() -> list[str]:
    return [name for name in ("mkfs.vfat", "mkfs.exfat", "sfdisk") if shutil.which(name) is None]
