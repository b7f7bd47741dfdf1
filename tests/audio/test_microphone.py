"""The service's hand on the capture child: opened, watched, ended, opened again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from appliance.audio import microphone as hand
from appliance.audio.microphone import Microphone, SourceSpec
from appliance.audio.pcm import PcmFormat
from appliance.audio.recorder import HearingIs, LevelIs, Recorder, Report
from appliance.clock import RealClock
from appliance.disk import RealDisk
from appliance.store import Store
from tests.room_parts import RoomMicrophone

SYNTHETIC = SourceSpec("synthetic", "real", PcmFormat(), 0.4)


@dataclass
class Seat:
    """A recorder and whatever listens for it, and what they said."""

    recorder: Recorder
    reports: list[Report] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    microphone: Microphone | None = None

    def hear(self, source: SourceSpec) -> Microphone:
        self.microphone = Microphone(source, self.recorder, self.says.append)
        self.microphone.open()
        return self.microphone

    def told(self, report: Report) -> None:
        self.reports.append(report)
        if isinstance(report, HearingIs) and report.hello is not None and self.microphone is not None:
            self.microphone.heard()

    @property
    def hearing(self) -> list[bool]:
        return [report.hello is not None for report in self.reports if isinstance(report, HearingIs)]


@pytest_asyncio.fixture
async def seat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seat]:
    monkeypatch.setattr(hand, "AGAIN_AFTER_SECONDS", 0.1)
    taken: list[Seat] = []
    recorder = Recorder(Store(RealDisk(), tmp_path), RealClock(), lambda report: taken[0].told(report))  # noqa: PLW0108
    taken.append(Seat(recorder))
    recorder.start()
    yield taken[0]
    if taken[0].microphone is not None:
        taken[0].microphone.close()
    await asyncio.to_thread(recorder.end)
    await until(lambda: not children())
    await asyncio.sleep(0.05)  # for the loop to see that they ended


async def until(holds: Callable[[], bool], seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended since
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def pid_of(microphone: Microphone) -> int:
    assert microphone._child is not None
    return microphone._child.pid


async def test_opened_it_is_heard_and_closed_its_process_is_gone_at_once(seat: Seat) -> None:
    microphone = seat.hear(SYNTHETIC)
    microphone.open()
    await until(lambda: any(isinstance(report, LevelIs) for report in seat.reports))
    pid = pid_of(microphone)
    assert is_running(pid)
    microphone.close()
    await until(lambda: not is_running(pid), 1)
    await asyncio.sleep(0.3)
    assert seat.says == [], "closing is no failure"
    microphone.open()
    await until(lambda: seat.hearing.count(True) == 2)
    assert pid_of(microphone) != pid


async def test_a_child_that_is_killed_is_told_and_replaced(seat: Seat) -> None:
    microphone = seat.hear(SYNTHETIC)
    await until(lambda: seat.hearing == [True])
    first = pid_of(microphone)
    os.kill(first, 9)
    await until(lambda: seat.hearing == [True, False, True])
    assert len(seat.says) == 1
    assert pid_of(microphone) != first


async def test_a_child_that_hangs_is_ended_by_a_restart(seat: Seat) -> None:
    microphone = seat.hear(SYNTHETIC)
    await until(lambda: seat.hearing == [True])
    hung = pid_of(microphone)
    os.kill(hung, 19)
    await until(lambda: seat.hearing[-1] is False, 4)
    microphone.restart()
    await until(lambda: seat.hearing[-1] is True)
    assert not is_running(hung)


async def test_what_does_not_open_is_told_in_its_own_sentence_and_tried_again(seat: Seat, tmp_path: Path) -> None:
    seat.hear(SourceSpec(f"wav:{tmp_path / 'a.wav'}", "real", PcmFormat(), 0.4))
    await until(lambda: len(seat.says) >= 2)
    assert all("a.wav cannot be played" in says and says.endswith(".") for says in seat.says)
    assert True not in seat.hearing


async def test_a_program_that_cannot_be_started_is_told_and_tried_again(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand, "dies_with_us", lambda: ("/nowhere/setpriv",))
    before = open_files()
    seat.hear(SYNTHETIC)
    await until(lambda: len(seat.says) >= 3)
    assert "cannot be started" in seat.says[0]
    assert open_files() <= before + 4
    monkeypatch.undo()
    await until(lambda: seat.hearing[-1:] == [True])


async def test_a_microphone_from_which_nothing_comes_is_opened_afresh(
    seat: Seat, microphone: RoomMicrophone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens and is silent: no sound is played, so no frames come."""
    monkeypatch.setattr(hand, "DEAF_AFTER_SECONDS", 0.8)
    for name, value in microphone.environment.items():
        monkeypatch.setenv(name, value)
    deaf = seat.hear(SourceSpec(RoomMicrophone.DEVICE, "real", PcmFormat(), 0.4))
    await until(lambda: deaf._child is not None)
    first = pid_of(deaf)
    await until(lambda: pid_of(deaf) != first)
    assert not is_running(first)


async def test_opened_and_closed_in_quick_succession_it_leaves_no_process_and_no_open_file(seat: Seat) -> None:
    microphone = seat.hear(SYNTHETIC)
    await until(lambda: seat.hearing == [True])
    microphone.close()
    await until(lambda: not children())
    await asyncio.sleep(0.1)
    before = open_files()
    for wait in (0.0, 0.0, 0.001, 0.003, 0.01, 0.03, 0.1):
        microphone.open()
        await asyncio.sleep(wait)
        microphone.close()
    await until(lambda: not children())
    await until(lambda: open_files() <= before, 2)


def test_it_dies_with_the_service_also_when_it_hangs(tmp_path: Path) -> None:
    """Stopped, so that it cannot see its input end; then the service is killed."""
    program = """
import asyncio, sys
from pathlib import Path
from appliance.audio.microphone import *
from appliance.audio.recorder import Recorder
from appliance.clock import RealClock
from appliance.disk import RealDisk
from appliance.store import Store

async def main():
    recorder = Recorder(Store(RealDisk(), Path(sys.argv[1])), RealClock(), lambda report: None)
    recorder.start()
    microphone = Microphone(SourceSpec("synthetic", "real", PcmFormat(), 0.4), recorder, print)
    microphone.open()
    while microphone._child is None:
        await asyncio.sleep(0.01)
    print(microphone._child.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        pid = int(service.stdout.readline())
        time.sleep(0.3)
        os.kill(pid, 19)
        service.kill()
    end = time.monotonic() + 3
    while is_running(pid):
        assert time.monotonic() < end
        time.sleep(0.02)
