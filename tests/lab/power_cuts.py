"""Real power cuts: a whole machine is switched off in the middle of meetings, and started again.

    python -m tests.lab.power_cuts [--cuts 24] [--seed N] [DIR]

In the virtual machine the real service records a meeting, follows it onto a vfat and an exfat stick, and QEMU is killed (-9) at a
random instant: while the recording is made, in its midst, at a pause or a resumption, in sealing, in copying. Then the machine is
switched on, and nothing is asked of it: the service starts, mends, seals and copies. What comes out is examined sample by
sample (`outcome`), and the same machine goes on with the next meeting. It prints a row a cut, keeps everything below DIR/power-cuts,
and ends with 1 if anything was corrupt or more than a second of sound was lost. A cut takes a minute or two.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance import protocol
from appliance.agreement import PARTIES
from appliance.client import NoService, ask
from appliance.protocol import Request, Snapshot
from appliance.sealing import file_sha256
from tests.lab.build import build, default_folder
from tests.lab.machine import BARE, Disk, LabError, Machine
from tests.lab.outcome import Outcome, Told, examine, nothing_left
from tests.lab.sticks import make_stick
from tests.lab.table import HEAD, Row, as_line, is_well, keep, show, summary
from tests.lab.witness import Witness, until

ROOT = "/var/lib/room"
STICKS = ("/media/a", "/media/b")
READY_SECONDS = 120.0
WELL_AGAIN_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Instant:
    """Somewhere within `seconds` after something was asked for, or a state was shown."""

    words: str
    after: str
    seconds: float


INSTANTS = (
    Instant("while the recording is made", "start", 0.4),
    Instant("in the first seconds", "start", 3.0),
    Instant("in its midst", "start", 9.0),
    Instant("at a pause", "pause", 0.4),
    Instant("in a pause", "pause", 2.0),
    Instant("at a resumption", "resume", 0.4),
    Instant("after a resumption", "resume", 5.0),
    Instant("at the stop", "stop", 0.4),
    Instant("in sealing", "sealing", 0.6),
    Instant("in copying", "copying", 1.0),
    Instant("in copying, towards its end", "copying", 3.0),
    Instant("in the handover", "handover", 1.0),
)


def meeting(chance: random.Random) -> Iterator[tuple[Request, float]]:
    """What is asked, and how many seconds pass before the next."""
    yield protocol.AnnounceRequest(), 0.2
    for party in PARTIES:
        yield protocol.ConfirmRequest(party), 0.1
    yield protocol.StartRequest(), chance.uniform(9, 12)
    yield protocol.PauseRequest(), chance.uniform(2, 3)
    yield protocol.ResumeRequest(), chance.uniform(5, 7)
    yield protocol.StopRequest(), 20


class Cutter(threading.Thread):
    """Waits for its instant, and cuts the power: at the latest when it is told that nothing more comes."""

    def __init__(self, machine: Machine, instant: Instant, delay: float) -> None:
        super().__init__(name="cutter", daemon=True)
        self._machine = machine
        self._instant = instant
        self._delay = delay
        self._due = threading.Event()
        self.done = threading.Event()
        self.at = 0.0

    def saw(self, what: str) -> None:
        if what == self._instant.after:
            self._due.set()

    def now(self) -> None:
        self._due.set()

    def run(self) -> None:
        self._due.wait()
        time.sleep(self._delay)
        self.at = time.monotonic()
        self._machine.power_cut()
        self.done.set()


class PowerCuts:
    """The machine, its two sticks, and what came of each cut."""

    def __init__(self, lab: Path, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - instants, not secrets
        self.folder = lab / "power-cuts"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        sticks = (
            Disk("stick-a", make_stick(self.folder / "a.img", "vfat", "STICKA", 512), usb=True),
            Disk("stick-b", make_stick(self.folder / "b.img", "exfat", "STICKB", 512), usb=True),
        )
        self.machine = Machine(lab, "power-cuts", disks=sticks, without=BARE)
        self.control = self.machine.forward("control.sock", f"{ROOT}/control.sock")
        self.rows: list[Row] = []
        self._given: dict[str, str] = {}
        """The digest of each file of each copy that was told to be verified, by its path on its stick."""

    def run(self, cuts: int) -> None:
        """A meeting and a recovery for each cut. LabError when the machine does not do what was asked."""
        with self.machine:
            self.machine.as_built()
            self.machine.boot()
            self.machine.put_product_in()
            self.machine.run("systemctl enable --now room && sync")
            show(HEAD)
            for number in range(1, cuts + 1):
                instant = INSTANTS[(number - 1) % len(INSTANTS)]
                told, seconds = self._meeting_until(instant)
                self.machine.boot()
                outcome = self._what_came_out(number, told)
                row = Row(number, instant.words, seconds, told, _and_also(outcome, self._lost_from_sticks()))
                self._remember_copies(number)
                self.rows.append(row)
                show(as_line(row))
                keep(self.rows, self.folder / "results.json")
            self._untouched_since()

    def _meeting_until(self, instant: Instant) -> tuple[Told, float]:
        """One meeting, up to its power cut: what had been told, and how many seconds after its start that was."""
        ready = until(self.control, lambda snapshot: snapshot.state in {"idle", "handover"}, READY_SECONDS)
        if ready is None:
            raise LabError("The room is not ready for a meeting.")
        if ready.state == "handover":
            self._end_with(protocol.LaterRequest)  # what did not come to its end stands in the table already
        cutter = Cutter(self.machine, instant, self.chance.uniform(0, instant.seconds))
        witness = Witness(self.control, cutter.saw)
        witness.start()
        cutter.start()
        started = time.monotonic()
        try:
            for request, pause in meeting(self.chance):
                if isinstance(request, protocol.StartRequest):
                    until(self.control, lambda snapshot: snapshot.microphone == "heard", READY_SECONDS)
                    started = time.monotonic()
                reply = witness.ask(request)
                if not isinstance(reply, Snapshot):
                    raise LabError(f"{request} was answered with {reply}.")
                if cutter.done.wait(pause):
                    break
        except NoService:
            cutter.done.wait(30)
        cutter.now()
        cutter.join()
        witness.join()
        return witness.told(cutter.at), cutter.at - started

    def _what_came_out(self, number: int, told: Told) -> Outcome:
        """After the machine was switched on again, and was left alone until it has done what it does by itself."""
        place = self.folder / f"{number:03}"
        ready = until(self.control, _is_done, WELL_AGAIN_SECONDS)
        if ready is None:
            place.mkdir()
            (place / "service.log").write_text(self.machine.run("journalctl -u room --no-pager"))
            return Outcome(0, 0, interrupted=False, wrong=(f"No handover within {WELL_AGAIN_SECONDS:.0f} s of the start.",))
        if ready.state == "idle":
            left = self.machine.run(f"ls -A {ROOT}/recordings").splitlines()
            known = {path.name for path in self.folder.glob(f"*{ROOT}/recordings/*")}
            return _and_also(nothing_left(told), [f"{name} is left over." for name in left if name not in known])
        assert ready.recording is not None
        name = Path(ready.recording.folder).name
        self.machine.fetch([ready.recording.folder, *(f"{stick}/{name}" for stick in STICKS), f"{ROOT}/register.jsonl"], place)
        copies = [place / stick.lstrip("/") / name for stick in STICKS]
        outcome = examine(place / ready.recording.folder.lstrip("/"), copies, told)
        wrong = [] if told.recording in {None, ready.recording.id} else [f"{told.recording} was told, and this is another one."]
        if ready.recording.interrupted is not outcome.interrupted:
            wrong.append("What is shown and what the journal says differ: interrupted.")
        self._end_with(protocol.ReceivedRequest)
        return _and_also(outcome, wrong)

    def _remember_copies(self, number: int) -> None:
        place = self.folder / f"{number:03}"
        for stick in STICKS:
            for file in (place / stick.lstrip("/")).rglob("*"):
                if file.is_file():
                    self._given[f"/{file.relative_to(place)}"] = file_sha256(file)

    def _lost_from_sticks(self) -> list[str]:
        """Copies of earlier meetings, which the room was told were verified, and which are not there as they were any more."""
        listed = self.machine.run(f"find {' '.join(STICKS)} -type f -exec sha256sum {{}} +", check=False, seconds=300)
        there = {path: digest for digest, _, path in (line.partition("  ") for line in listed.splitlines())}
        lost = {path for path, digest in self._given.items() if there.get(path) != digest}
        for path in lost:
            del self._given[path]
        return [f"The verified copy {copy} is gone." for copy in sorted({"/".join(path.split("/")[:4]) for path in lost})]

    def _end_with(self, each: type[protocol.ReceivedRequest | protocol.LaterRequest]) -> None:
        for party in PARTIES:
            ask(self.control, each(party))

    def _untouched_since(self) -> None:
        """No later start has touched an earlier recording."""
        self.machine.fetch([f"{ROOT}/recordings"], self.folder / "end")
        recordings = self.folder / f"end{ROOT}/recordings"
        for earlier in self.folder.glob(f"[0-9]*{ROOT}/recordings/*/**/*"):
            later = recordings / earlier.relative_to(next(above for above in earlier.parents if above.name == "recordings"))
            if earlier.is_file() and (
                not later.is_file()
                or later.read_bytes() != earlier.read_bytes()
                or later.stat().st_mtime_ns != earlier.stat().st_mtime_ns
            ):
                raise LabError(f"{later} is not as it was right after its own power cut.")


def _is_done(snapshot: Snapshot) -> bool:
    return snapshot.state == "idle" or (snapshot.state == "handover" and snapshot.verified == len(STICKS))


def _and_also(outcome: Outcome, wrong: list[str]) -> Outcome:
    return Outcome(outcome.frames, outcome.lost_ms, outcome.interrupted, outcome.gaps, (*outcome.wrong, *wrong))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", nargs="?", type=Path, default=default_folder(), help="default: %(default)s")
    asked.add_argument("--cuts", type=int, default=24)
    asked.add_argument("--seed", type=int, default=None, help="the same instants again; default: other ones each time")
    given = asked.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    try:
        tried = PowerCuts(build(given.folder), seed)
        show(f"seed {seed}")
        tried.run(given.cuts)
    except LabError as error:
        sys.exit(str(error))
    show(summary(tried.rows))
    sys.exit(0 if is_well(tried.rows) else 1)


if __name__ == "__main__":
    main()
