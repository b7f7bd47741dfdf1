"""A recording is erased whole, once, by the register's leave, and never by a wrong clock; whatever kills it in between."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.clock import stamp
from appliance.config import Retention
from appliance.deletion import Eraser
from appliance.disk import Disk, RealDisk
from appliance.journal import Entry, check
from appliance.register import Register
from appliance.retention import Decision, Now, fates
from appliance.signing import SigningKey, load_or_make, signer_of
from appliance.store import Store
from appliance.trust import Trust
from tests.disks import SimulatedDisk, Step, luck

BEGAN = datetime(2026, 11, 23, 13, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS = Retention(keep_days=2, keep_days_without_handover=4, most_at_once_percent=50)


class Killed(BaseException):
    """What no code can catch by accident, as with SIGKILL."""


@dataclass
class Hands:
    """A clock whose hands the test turns: `true` is what really passed, `off` is how wrong the wall clock is."""

    true: timedelta = timedelta(0)
    off: timedelta = timedelta(0)
    trusted: Trust = Trust.NTP

    def monotonic_ns(self) -> int:
        return int(self.true.total_seconds() * 1e9)

    def wall(self) -> datetime:
        return BEGAN + self.true + self.off

    def boot(self) -> str:
        return "this boot"

    def trust(self) -> Trust:
        return self.trusted


@dataclass
class Appliance:
    """The part of it that keeps and erases, on a disk that may fail."""

    root: Path
    disk: Disk = field(default_factory=RealDisk)
    clock: Hands = field(default_factory=Hands)

    def __post_init__(self) -> None:
        (self.root / "recordings").mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        self.register = Register.open(self.disk, self.root / "register.jsonl")
        self.store = Store(self.disk, self.root / "recordings")
        key: SigningKey = load_or_make(RealDisk(), self.root)
        self.eraser = Eraser(self.disk, self.clock, self.store, self.register, self.root / "receipts", key.signature)
        self.eraser.finish()

    def record(self, which: str) -> None:
        folder = self.root / "recordings" / f"2026-11-23 14.00 gesprek {which}"
        (folder / "data").mkdir(parents=True)
        for name in ("data/gesprek.wav", "data/journal.jsonl", "bagit.txt"):
            (folder / name).write_bytes(b"what was said")
            (folder / name).chmod(0o444)
        self.enter("begun", id=which, folder=folder.name)
        self.enter(
            "sealed", id=which, folder=folder.name, sha256="f" * 64, milliseconds=60_000, interrupted=False, journal="e" * 64
        )

    def enter(self, event: str, **fields: str | int | bool | None) -> None:
        self.register.add(event, {**fields, **stamp(self.clock, self.clock.monotonic_ns()), "boot": "this boot"})

    def preview(self) -> dict[str, Decision]:
        there = {recording.id: self.register.of(recording.id) for recording in self.store.all()}
        now = Now(self.clock.wall(), self.clock.trust(), self.register.newest)
        return {fate.id: fate.decision for fate in fates(there, now, DAYS)}

    def run(self) -> set[str]:
        gone = set()
        for which, decision in self.preview().items():
            if decision is Decision.GOES:
                self.erase(which)
                gone.add(which)
        return gone

    def erase(self, which: str) -> None:
        recording = next(there for there in self.store.all() if there.id == which)
        self.eraser.erase(recording, "its days are over", "root")

    def there(self) -> set[str]:
        return {recording.id for recording in self.store.all()}

    def lines(self, event: str) -> list[Entry]:
        checked = check((self.root / "register.jsonl").read_bytes())
        assert checked.broken is None
        return [entry for entry in checked.entries if entry["event"] == event]


def traces(root: Path) -> list[Path]:
    """Whatever holds, or is called after, a recording."""
    return [path for path in (root / "recordings").rglob("*") if "set aside" not in path.parts]


def assert_erased_once(appliance: Appliance, which: str = "k7qm") -> None:
    assert traces(appliance.root) == []
    (deleted,) = appliance.lines("deleted")
    receipt = (appliance.root / "receipts" / f"{which}.json").read_bytes()
    assert deleted["receipt"] == hashlib.sha256(receipt).hexdigest()
    said = json.loads(receipt)
    assert (said["id"], said["sha256"], said["journal"], said["by"]) == (which, "f" * 64, "e" * 64, "root")
    signature = (appliance.root / "receipts" / f"{which}.json.sig").read_bytes()
    assert signer_of(signature, receipt) == load_or_make(RealDisk(), appliance.root).public


def test_rule_6_a_deletion_leaves_nothing_but_its_receipt_and_its_lines(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path)
    appliance.record("k7qm")
    appliance.erase("k7qm")
    assert_erased_once(appliance)
    assert b"what was said" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def steps_of_a_deletion(root: Path) -> tuple[SimulatedDisk, Appliance, int]:
    disk = SimulatedDisk(root)
    appliance = Appliance(root, disk)
    appliance.record("k7qm")
    return disk, appliance, len(disk.steps)


@contextlib.contextmanager
def killed_at(number: int) -> Iterator[Appliance | None]:
    """An appliance that was killed in the middle of a deletion, at the step of that number; None if it has not so many."""
    with tempfile.TemporaryDirectory() as folder:
        disk, appliance, before = steps_of_a_deletion(Path(folder))

        def fault(at: int, _: Step) -> None:
            if at >= before + number:
                raise Killed

        disk.fault = fault
        try:
            appliance.erase("k7qm")
        except Killed:
            yield Appliance(Path(folder))
        else:
            yield None


def test_a_deletion_that_is_killed_at_any_step_is_ended_by_the_next_start() -> None:
    for number in itertools.count():
        with killed_at(number) as appliance:
            if appliance is None:
                break
            if appliance.lines("deleting"):
                assert_erased_once(appliance)
            else:
                assert appliance.there() == {"k7qm"}
                assert len(traces(appliance.root)) == 5, "not a file is missing"
    assert number > 20


@pytest.mark.parametrize("seed", range(3))
def test_a_power_cut_at_any_instant_leaves_a_whole_recording_or_none(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        was = Path(folder) / "was"
        was.mkdir()
        disk, appliance, before = steps_of_a_deletion(was)
        appliance.erase("k7qm")
        for instant in range(before, len(disk.steps) + 1):
            found = Path(folder) / str(instant)
            found.mkdir()
            disk.after_power_cut(instant, found, luck(seed * 1000 + instant))
            (found / "recordings").mkdir(exist_ok=True)
            after = Appliance(found)
            if after.lines("deleting"):
                # of folders the simulated disk does not know that they went
                assert not [path for path in (found / "recordings").rglob("*") if path.is_file()]
                assert len(after.lines("deleted")) == 1
            else:
                assert after.there() <= {"k7qm"}


@dataclass(frozen=True)
class Turn:
    """Something that happens. `hours` pass first."""

    what: str
    hours: int = 0
    which: int = 0
    off: int = 0
    at: int = 0


TURNS = st.lists(
    st.one_of(
        st.builds(Turn, st.just("record"), hours=st.integers(0, 30)),
        st.builds(Turn, st.just("hold"), which=st.integers(0, 9)),
        st.builds(Turn, st.just("release"), which=st.integers(0, 9)),
        st.builds(Turn, st.just("hand over"), which=st.integers(0, 9)),
        st.builds(Turn, st.just("clock jumps"), off=st.integers(-4000, 4000)),
        st.builds(Turn, st.just("clock is right"), hours=st.integers(0, 50)),
        st.builds(Turn, st.just("run"), hours=st.integers(0, 80)),
        st.builds(Turn, st.just("killed run"), hours=st.integers(0, 80), at=st.integers(0, 60)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(TURNS)
def test_no_recording_goes_before_its_time_none_twice_none_unregistered(turns: list[Turn]) -> None:  # noqa: C901 - a row a turn
    """The clock may jump and is then not trusted, until it is right again; runs may be killed at any step."""
    with tempfile.TemporaryDirectory() as folder:
        appliance = Appliance(Path(folder))
        made: dict[str, timedelta] = {}
        handed: dict[str, timedelta] = {}
        held: set[str] = set()
        gone: set[str] = set()
        for turn in turns:
            clock = appliance.clock
            clock.true += timedelta(hours=turn.hours)
            which = sorted(made)[turn.which % len(made)] if made else None
            before = appliance.there()
            match turn.what:
                case "record":
                    new = f"r{len(made):03}"
                    made[new] = clock.true
                    appliance.record(new)
                case "hold" if which in before:
                    appliance.enter("held", id=which, reason="complaint", until=None, by="jo")
                    held.add(str(which))
                case "release" if which in held:
                    appliance.enter("released", id=which, by="jo")
                    held.discard(str(which))
                case "hand over" if which in before and which not in handed:
                    appliance.enter("handed-over", id=which)
                    handed[str(which)] = clock.true
                case "clock jumps":
                    clock.off, clock.trusted = timedelta(hours=turn.off), Trust.NONE
                case "clock is right":
                    clock.off, clock.trusted = timedelta(0), Trust.NTP
                    appliance.enter("clock", jumped_ms=None)
                case "run":
                    goes = {which for which, decision in appliance.preview().items() if decision is Decision.GOES}
                    assert appliance.run() == goes, "the preview and the run agree"
                    assert appliance.there() == before - goes
                case "killed run":
                    appliance = killed_in_a_run(appliance, turn.at)
            for which in before - appliance.there():
                assert which not in gone, "none twice"
                gone.add(which)
                assert which not in held
                waited = DAYS.keep_days if which in handed else DAYS.keep_days_without_handover
                since = handed.get(which, made[which])
                assert appliance.clock.true - since >= waited * DAY - timedelta(seconds=1) or (
                    appliance.clock.true - made[which] >= DAYS.keep_days_without_handover * DAY - timedelta(seconds=1)
                ), "none before its time"
            assert {line["id"] for line in appliance.lines("deleted")} == gone, "none unregistered"
            assert {recording.id for recording in appliance.store.all()} == set(made) - gone, "none lost"


def killed_in_a_run(appliance: Appliance, at: int) -> Appliance:
    disk = SimulatedDisk(appliance.root)
    again = Appliance(appliance.root, disk, appliance.clock)
    first = len(disk.steps)

    def fault(number: int, _: Step) -> None:
        if number >= first + at:
            raise Killed

    disk.fault = fault
    with contextlib.suppress(Killed):
        again.run()
    return Appliance(appliance.root, clock=appliance.clock)
