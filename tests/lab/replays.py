"""Inside the machine: the logged disk as a power cut would have left it, at every flush and between; and what a start makes of it.

    python -m tests.lab.replays LOG BYTES LUCK SEED     (as root; called by every_flush)

For each flush and each write with FUA in the log (`log_writes`) from the service's start on: with only what was sure before it;
and for each flush LUCK times with some of the rest, torn at random. Each state is mounted (ext4 replays its own journal),
`startup.look_around` mends what it finds, as in another boot, what it says goes on is sealed, and that is examined. Prints the
rows of the table, as JSON.
"""

from __future__ import annotations

import logging
import random
import subprocess
import sys
import tempfile
import traceback
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from appliance.clock import RealClock
from appliance.disk import RealDisk
from appliance.meeting import State
from appliance.papers import Papers
from appliance.register import Register
from appliance.sealing import seal
from appliance.signing import load_or_make
from appliance.startup import look_around, register_seal
from appliance.store import Store
from tests.lab.log_writes import Replay, Write, epochs, read_log
from tests.lab.outcome import Outcome, Told, examine, nothing_left
from tests.lab.table import Row


class AnotherBoot(RealClock):
    """The machine that found the disk is not the one that was switched off."""

    def boot(self) -> str:
        return "another-boot"


class Marks:
    """What had been told, and what time it was, at each place in the log."""

    def __init__(self, writes: Sequence[Write]) -> None:
        ours = [write for write in writes if write.text.startswith("{")]  # the kernel ends the log with one of its own
        self._numbers = [write.number for write in ours]
        self._told = [msgspec.json.decode(write.text, type=Told) for write in ours]

    def first(self) -> int:
        return self._numbers[0]

    def at(self, number: int) -> Told:
        """What had been told before this write, if the power went at the mark behind it: no later, and perhaps some ms sooner."""
        place = bisect_right(self._numbers, number)
        before = self._told[max(place - 1, 0)]
        after = self._told[min(place, len(self._told) - 1)]
        asked = after.asked or before.asked
        if asked is not None and asked != before.asked:
            asked = msgspec.structs.replace(asked, answered=False)  # the answer came behind the write
        return msgspec.structs.replace(before, at_us=after.at_us, asked=asked)

    def since_start(self, told: Told) -> float:
        starts = [each.asked.at_us for each in self._told if each.asked and each.asked.what == "start"]
        return max(0.0, (told.at_us - starts[0]) / 1_000_000) if starts else 0.0


def replays(log: Path, size: int, luck_each: int, chance: random.Random) -> Iterator[Row]:
    """A row for each state that is tried."""
    writes = read_log(log)
    marks = Marks(writes)
    with tempfile.TemporaryDirectory() as folder:
        disk, onto = Path(folder, "disk.img"), Path(folder, "state.img")
        disk.touch()
        _resize(disk, size)
        replay = Replay(log, disk)
        number = 0
        for epoch in epochs(writes):
            end = epoch.writes[-1].number
            if end > marks.first():
                for place in epoch.promises:
                    _copy(disk, onto)
                    replay.sure(epoch, place, onto)
                    told = marks.at(epoch.writes[place].number - 1)
                    number += 1
                    words = f"before write {epoch.writes[place].number}"
                    yield Row(number, words, marks.since_start(told), told, what_a_start_makes_of_it(onto, told))
                for _ in range(luck_each):
                    _copy(disk, onto)
                    answered = replay.by_luck(epoch, onto, chance)
                    told = marks.at(answered)
                    number += 1
                    words = f"torn, behind write {answered}"
                    yield Row(number, words, marks.since_start(told), told, what_a_start_makes_of_it(onto, told))
            replay.whole(epoch)
        told = marks.at(writes[-1].number)
        yield Row(number + 1, "at the end", marks.since_start(told), told, what_a_start_makes_of_it(disk, told))
        replay.close()


def what_a_start_makes_of_it(image: Path, told: Told) -> Outcome:
    """Mount, mend, seal, examine."""
    try:
        with _mounted(image) as root:
            return _started(root, told)
    except Exception:  # noqa: BLE001 - whatever it is, it is what the table is to show
        return Outcome(0, 0, interrupted=False, wrong=(traceback.format_exc(limit=-3),))


def _started(root: Path, told: Told) -> Outcome:
    disk, clock = RealDisk(), AnotherBoot()
    papers = Papers(load_or_make(disk, root))
    store, register = Store(disk, root / "recordings"), Register.open(disk, root / "register.jsonl")
    try:
        found = look_around(store, register, disk, clock, papers)
        if found is not None and found.state is State.SEALING:
            register_seal(register, clock, found.recording, seal(disk, clock, found.recording, papers))
    finally:
        register.close()
    if found is None:
        left = tuple(f"{recording.folder.name} is left over." for recording in store.all())
        outcome = nothing_left(told)
        return Outcome(0, outcome.lost_ms, interrupted=False, wrong=(*outcome.wrong, *left))
    return examine(found.recording.folder, (), told)


@contextmanager
def _mounted(image: Path) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp())
    _run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        _run("umount", str(place))
        place.rmdir()


def _copy(disk: Path, onto: Path) -> None:
    onto.unlink(missing_ok=True)
    _run("cp", "--sparse=always", str(disk), str(onto))


def _resize(path: Path, size: int) -> None:
    with path.open("r+b") as disk:
        disk.truncate(size)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def main() -> None:
    log, size, luck_each, seed = Path(sys.argv[1]), *map(int, sys.argv[2:])
    logging.disable(logging.CRITICAL)
    for row in replays(log, size, luck_each, random.Random(seed)):  # noqa: S311 - instants, not secrets
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
