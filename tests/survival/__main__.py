"""What a recording survives: kinds of fault, instants tried, the worst loss, and how often it came out wrong.

    python -m tests.survival [--kills 180] [--cuts 1600] [--field 320] [--seed 1]

Kills are of the real service; cuts are power cuts, kills and failing syncs on the simulated disk; field faults are done to files.
The exit status is 0 if nothing came out wrong and no more than a second was lost.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.survival.cuts import try_cuts
from tests.survival.field import try_field
from tests.survival.kills import try_kills
from tests.survival.table import Table


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--kills", type=int, default=180, help="how often the real service is killed")
    asked.add_argument("--cuts", type=int, default=1_600, help="instants on the simulated disk")
    asked.add_argument("--field", type=int, default=320, help="faults of the field")
    asked.add_argument("--at-once", type=int, default=6, help="how many services are killed beside each other")
    asked.add_argument("--seed", type=int, default=1)
    given = asked.parse_args()
    logging.disable()  # what a start finds wrong it logs, and here everything it finds is
    table, began = Table(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="recorder-kills-") as folder:
        try_kills(table, given.kills, given.seed, folder=Path(folder), at_once=given.at_once)
    try_cuts(table, given.cuts, given.seed)
    try_field(table, given.field, given.seed)
    for wrong in table.corrupt:
        sys.stderr.write(f"{wrong}\n")
    sys.stderr.write(f"seed {given.seed}, {time.monotonic() - began:.0f} s\n")
    sys.stdout.write(f"{table}\n")
    return 0 if table.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
