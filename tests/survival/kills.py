"""The real service, killed with SIGKILL at random instants over the whole life of a recording; the next start mends it.

A table stands in a room of its own: a service, two sticks, one meeting after the other. Each life ends in a kill, of the service
alone or of it and all its children at once. Then it is started again, and what it makes of the disk is compared with what
the synthetic voice said, sample by sample.

The loss is what was captured to be stored and is not in the sealed recording. Captured is counted by the monotonic clock from the press
on that the journal tells, up to the kill (or up to the pause or stop before it). Whatever the service had called durable must be there.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random

import soundfile

from appliance import protocol
from appliance.agreement import PARTIES
from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import SyntheticTrack
from appliance.client import NoService
from appliance.copies.verify import verify
from appliance.journal import Entry, of_kind, whole
from appliance.protocol import Request, Snapshot
from tests.audio import readers
from tests.benchmarks.recording import children_of
from tests.disks import luck
from tests.room_parts import RATE, Table, journal_of, register_of
from tests.survival import table as tables

START, PAUSE, RESUME, STOP = protocol.StartRequest(), protocol.PauseRequest(), protocol.ResumeRequest(), protocol.StopRequest()
AT_REST = frozenset({"idle", "handover"})


class Moment(StrEnum):
    """When the service is killed."""

    AGREEING = "killed before the start"
    FIRST_BLOCK = "killed around the first block"
    RECORDING = "killed while recording"
    SYNC = "killed around a sync: sound, header, journal"
    PAUSING = "killed at a pause or in it"
    RESUMING = "killed at a resumption"
    SEALING = "killed from the stop to the seal"
    COPYING = "killed while copying, or in the handover"
    MENDING = "killed while the next start mends"


@dataclass
class Life:
    """One meeting, from the announcement to the kill."""

    moment: Moment
    told: int = 0
    """Frames that the service called durable."""
    started: int = 0
    """Monotonic ns at which the start was asked for; 0: it was not."""
    closed: int = 0
    """Monotonic ns at which a pause or stop had been carried out; 0 while the gate is open."""
    stopped: bool = False
    killed: int = 0


@dataclass
class KillingTable:
    """A room for one life after the other. `pace`: real, or how many times real time."""

    folder: Path
    chance: Random
    pace: str = "real"
    table: Table = field(init=False)
    known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        root, sticks = self.folder / "room", (self.folder / "stick-a", self.folder / "stick-b")
        for place in (root, *sticks):
            place.mkdir(parents=True)
        self.table = Table(root, sticks)

    def serve(self) -> None:
        self.table.serve("--source", "synthetic", "--pace", self.pace)

    def live(self, moment: Moment) -> float:
        """One life, its kill, and what became of it; milliseconds that were lost."""
        if self.table.service is None or self.table.service.poll() is not None:
            self.serve()
        self._to_idle()
        life = Life(moment)
        self._lead_up_to(life)
        self._kill(life)
        if moment is Moment.MENDING:
            for _ in range(self.chance.randint(1, 3)):
                self._start_and_kill()
        self.serve()
        self.table.until(lambda snapshot: snapshot.state in AT_REST, seconds=30)
        return self._judge(life)

    def close(self) -> None:
        self.table.close()

    # ── up to the kill ──

    def _to_idle(self) -> None:
        if self.table.status().state != "idle":
            self.table.until_state("handover")
            if all(copy.state == "verified" for copy in self.table.status().copies):
                self.table.take_home()
            else:
                self.table.do(*(protocol.LaterRequest(party) for party in PARTIES))

    def _lead_up_to(self, life: Life) -> None:
        self.table.agree()
        if life.moment is Moment.AGREEING:
            self._nap(0.05)
            return
        if life.moment is Moment.FIRST_BLOCK:
            life.started = time.monotonic_ns()
            self._ask_behind(START)
            self._nap(0.25)
            return
        life.started = time.monotonic_ns()
        self._hear(life, self.table.do(START))
        self._nap(1.6)
        match life.moment:
            case Moment.SYNC:
                self._until_next_sync(life)
            case Moment.PAUSING:
                self._ask_behind(PAUSE) if self.chance.random() < 0.5 else self._close_gate(life, PAUSE)
                self._nap(0.3)
            case Moment.RESUMING:
                self._close_gate(life, PAUSE)
                self._nap(0.3)
                life.closed = 0
                self._ask_behind(RESUME)
                self._nap(0.4)
            case Moment.SEALING:
                self._ask_behind(STOP)
                self._nap(0.5)
            case Moment.COPYING:
                self._close_gate(life, STOP)
                self._nap(0.8)
            case _:
                self._hear(life, self.table.status())

    def _nap(self, most: float) -> None:
        time.sleep(self.chance.uniform(0, most))

    def _hear(self, life: Life, told: Snapshot) -> None:
        if told.recording is not None:
            life.told = max(life.told, told.recording.frames)

    def _until_next_sync(self, life: Life) -> None:
        """Sound becomes durable about once a second: watch one, and be at the next one's place."""
        self._hear(life, self.table.status())
        before, until = life.told, time.monotonic() + 2
        while life.told == before and time.monotonic() < until:
            self._hear(life, self.table.status())
            time.sleep(0.004)
        time.sleep(max(0.0, self.chance.choice((0.0, 0.85)) + self.chance.uniform(0, 0.12)))

    def _close_gate(self, life: Life, request: Request) -> None:
        self._hear(life, self.table.do(request))
        life.closed = time.monotonic_ns()
        life.stopped = request is STOP

    def _ask_behind(self, request: Request) -> None:
        """Ask, and do not wait for the answer: the kill may come before it."""

        def ask() -> None:
            with contextlib.suppress(NoService):
                self.table.ask(request)

        threading.Thread(target=ask, name="asks", daemon=True).start()

    def _kill(self, life: Life) -> None:
        """The service alone, or it and its capture child and mirrors, in any order."""
        service = self.table.service
        assert service is not None
        doomed = [service.pid]
        if self.chance.random() < 0.5:
            doomed += children_of(service.pid)
            self.chance.shuffle(doomed)
        life.killed = time.monotonic_ns()
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        service.wait()

    def _start_and_kill(self) -> None:
        """Anywhere from the first import to the handover."""
        starting = threading.Thread(target=self._serve_until_killed, name="starts")
        before = self.table.service
        starting.start()
        while self.table.service is before:
            time.sleep(0.002)
        self._nap(1.2)
        self._kill(Life(Moment.MENDING))
        starting.join()

    def _serve_until_killed(self) -> None:
        with contextlib.suppress(AssertionError, NoService):
            self.serve()

    # ── what became of it ──

    def _judge(self, life: Life) -> float:
        came = [folder for folder in self.table.recordings() if folder.name not in self.known and " gesprek " in folder.name]
        assert len(came) <= 1, came
        if not came:
            assert life.told == 0, f"{life.told} frames were called durable, and there is no recording"
            return (life.killed - life.started) / 1e6 if life.started else 0.0
        self.known.add(came[0].name)
        journal = journal_of(came[0])
        frames = whole(journal[-1], "frames")
        assert journal[-1]["event"] == "sealed"
        assert frames >= life.told, f"{life.told} frames were called durable, and {frames} are there"
        stopped = bool(of_kind(journal, "stopped"))
        assert stopped is not bool(of_kind(journal, "interrupted"))
        assert stopped or not life.stopped, "it was stopped, and is called interrupted"
        self._is_what_was_said(came[0], journal, frames)
        self._copies_are_equal(came[0])
        return 0.0 if self.pace != "real" else self._lost_ms(life, journal, frames)

    def _is_what_was_said(self, folder: Path, journal: list[Entry], frames: int) -> None:
        wav = folder / "data/gesprek.wav"
        heard = readers.heard(wav)
        assert soundfile.info(str(wav)).frames == frames == len(heard) // 2
        assert not of_kind(journal, "gap")
        voice = SyntheticTrack(PcmFormat())
        if self.pace != "real":
            assert heard == voice.at(0, frames)
            return
        cuts = [*(whole(entry, "frame") for entry in of_kind(journal, "resumed")), frames]
        moments = [whole(entry, "mono_us") for entry in journal if entry["event"] in {"started", "resumed"}]
        begin, first = 0, None
        for end, moment in zip(cuts, moments, strict=True):
            if end > begin:
                place = _place_of(heard[2 * begin : 2 * end], voice)
                assert heard[2 * begin : 2 * end] == voice.at(place, end - begin)
                first = first or (place, moment)
                later = (moment - first[1]) * RATE // 1_000_000 + first[0] - place
                assert (later + 2) % voice.PERIOD <= 4, "what follows a pause is not what was said then"
            begin = end

    def _copies_are_equal(self, folder: Path) -> None:
        bags = [bag.parent for bag in (stick / folder.name / "bagit.txt" for stick in self.table.sticks) if bag.exists()]
        registered = [
            entry for entry in register_of(self.table) if entry["event"] == "verified" and entry["id"] == folder.name[-4:]
        ]
        assert len(bags) == len(self.table.sticks) == len({str(entry["stick"]) for entry in registered}), (bags, registered)
        for bag in bags:
            names = sorted(path.relative_to(folder) for path in folder.rglob("*"))
            assert names == sorted(path.relative_to(bag) for path in bag.rglob("*"))
            assert all(filecmp.cmp(folder / name, bag / name, shallow=False) for name in names if (folder / name).is_file())
            verdict = verify(bag)
            assert verdict.verdict in {"intact", "unknown"}, verdict

    def _lost_ms(self, life: Life, journal: list[Entry], frames: int) -> float:
        """Up to the kill; what a journaled pause or stop had closed counts up to that."""
        captured = 0.0
        opened: int | None = None
        for entry in journal:
            if entry["event"] in {"started", "resumed"}:
                opened = whole(entry, "mono_us") * 1_000
            elif entry["event"] in {"paused", "stopped"} and opened is not None:
                captured += whole(entry, "mono_us") * 1_000 - opened
                opened = None
        if opened is not None:
            captured += max(0, (life.closed or life.killed) - opened)
        return max(0.0, captured / 1e6 - frames * 1_000 / RATE)


def _place_of(heard: bytes, voice: SyntheticTrack) -> int:
    """Where in the voice's period a stretch begins."""
    turn = voice.at(0, voice.PERIOD + 2_000)
    at = turn.find(heard[:4_000])
    while at % 2:
        at = turn.find(heard[:4_000], at + 1)
    assert at >= 0, "this was never said"
    return at // 2


# ── all of them ─────────────────────────────────────────────────────────────────────────────────────


def try_kills(into: tables.Table, count: int, seed: int, *, folder: Path, at_once: int = 4) -> None:
    """`count` lives, each of them ended by a kill, at several tables at once: they mostly wait."""
    moments = list(Moment)
    luck(seed).shuffle(moments)
    plans = [[moments[number % len(moments)] for number in range(table, count, at_once)] for table in range(at_once)]
    lock = threading.Lock()

    def one_table(number: int) -> None:
        for turn, plan in enumerate(_in_parts(plans[number], 8)):
            pace = "real" if (number + turn) % 4 else "20"
            room = KillingTable(folder / f"{number}-{turn}", luck(seed * 1_000 + number * 100 + turn), pace)
            try:
                for moment in plan:
                    _count(into, lock, moment, room.live)
            finally:
                room.close()

    with ThreadPoolExecutor(at_once, "table") as workers:
        for done in [workers.submit(one_table, number) for number in range(at_once)]:
            done.result()


def _count(into: tables.Table, lock: threading.Lock, moment: Moment, live: Callable[[Moment], float]) -> None:
    own = tables.Table()
    own.take(moment.value, live, moment)
    (row,) = own.rows.values()
    with lock:
        into.count(row.kind, row.worst_ms, wrong=row.corrupt[0] if row.corrupt else None)


def _in_parts(plan: list[Moment], most: int) -> Iterator[list[Moment]]:
    for begin in range(0, len(plan), most):
        yield plan[begin : begin + most]
