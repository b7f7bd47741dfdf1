"""A disk that is really full, end to end: the real service with its folder on a small file system in memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import protocol
from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import SyntheticTrack
from appliance.copies.verify import verify
from appliance.protocol import Snapshot
from tests.audio import readers
from tests.room_parts import RATE, Table, journal_of

MEGABYTE = 1_000_000
SIZE = 84 * MEGABYTE
START, STOP = protocol.StartRequest(), protocol.StopRequest()


@pytest.fixture
def small_disk(table: Table) -> Iterator[Path]:
    """The room's folder on a disk of 84 MB; the sticks lie elsewhere."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(table.root)], capture_output=True, text=True, check=False
    )
    assert mounted.returncode == 0, f"No small disk can be mounted here; these tests want to be root. {mounted.stderr}"
    (table.root / "config.toml").write_text("[meeting]\nminimum_free_hours = 0.1\n")
    yield table.root
    table.close()
    subprocess.run(["umount", "--lazy", str(table.root)], check=True)


class SomebodyElse:
    """Another program that needs room on the same disk."""

    def __init__(self, disk: Path) -> None:
        self._file = disk / "somebody-elses"

    def takes(self, size: int) -> None:
        with self._file.open("ab") as file:
            os.posix_fallocate(file.fileno(), file.tell(), size)

    def takes_all(self) -> None:
        """Down to the last byte, whatever else takes or frees some meanwhile."""
        for _ in range(100):
            free = os.statvfs(self._file.parent)
            if not free.f_bavail:
                return
            try:
                self.takes(free.f_bavail * free.f_frsize)
            except OSError:
                continue
        raise AssertionError("the disk does not get full")

    def goes(self) -> None:
        self._file.unlink()


def is_intact(table: Table, at_least: int) -> list[str]:
    """The one recording is sealed, copied twice, and holds what the voice said from its first word on; the events of its journal."""
    (folder,) = [found for found in table.recordings() if " gesprek " in found.name]
    assert len(table.copies()) == 2
    for copy in table.copies():
        assert verify(copy).verdict in {"intact", "unknown"}
        assert (copy / "data/gesprek.wav").read_bytes() == (folder / "data/gesprek.wav").read_bytes()
    heard = readers.heard(folder / "data/gesprek.wav")
    voice = SyntheticTrack(PcmFormat())
    begin = voice.at(0, 2 * voice.PERIOD).find(heard[:4_000]) // 2
    assert heard == voice.at(begin, len(heard) // 2)
    assert len(heard) // 2 >= at_least > 0
    return [str(entry["event"]) for entry in journal_of(folder)]


def frames_of(told: Snapshot) -> int:
    return told.recording.frames if told.recording else 0


def test_a_meeting_does_not_start_with_less_room_than_configured_and_says_so(table: Table, small_disk: Path) -> None:
    (small_disk / "config.toml").write_text("")
    table.serve("--source", "synthetic")
    table.agree()
    refused = table.refused(START)
    assert "too little room" in refused.says or "te weinig ruimte" in refused.says
    assert any("ruimte" in trouble or "room" in trouble for trouble in table.status().trouble)
    assert table.recordings() == []


def test_a_recording_on_a_disk_that_is_nearly_full_stops_by_itself_sealed_with_room_to_spare(
    table: Table, small_disk: Path
) -> None:
    SomebodyElse(small_disk).takes(13 * MEGABYTE)
    table.serve("--source", "synthetic", "--pace", "60")
    table.agree()
    table.do(START)
    table.until_state("handover")
    events = is_intact(table, at_least=30 * RATE)
    assert "disk-failed" not in events
    (folder,) = table.recordings()
    assert [entry["by"] for entry in journal_of(folder) if entry["event"] == "stopped"] == ["disk"]
    left = os.statvfs(small_disk)
    assert left.f_bavail * left.f_frsize > 32 * MEGABYTE, "it stopped before the end, not at it"


def test_a_disk_that_somebody_else_filled_takes_nothing_from_the_recording_which_goes_on_when_there_is_room_again(
    table: Table, small_disk: Path
) -> None:
    other = SomebodyElse(small_disk)
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    told = frames_of(table.until(lambda seen: frames_of(seen) > 1.2 * RATE))
    other.takes_all()
    table.until(lambda seen: not seen.storing)
    assert any("schijf" in trouble or "disk" in trouble or "opslag" in trouble for trouble in table.status().trouble)
    other.goes()
    table.until(lambda seen: seen.storing)
    table.do(STOP)
    table.until_state("handover")
    assert "disk-failed" in is_intact(table, at_least=told)


def test_killed_on_a_full_disk_it_starts_there_and_the_next_start_with_room_seals_what_was_stored(
    table: Table, small_disk: Path
) -> None:
    other = SomebodyElse(small_disk)
    table.serve("--source", "synthetic")
    table.agree()
    table.do(START)
    told = frames_of(table.until(lambda seen: frames_of(seen) > 1.2 * RATE))
    other.takes_all()
    time.sleep(1.0)
    table.kill()
    other.takes_all()
    (folder,) = table.recordings()
    stored = (folder / "data/gesprek.wav").read_bytes()
    table.serve("--source", "synthetic")
    assert table.status().state in {"idle", "sealing"}
    assert (folder / "data/gesprek.wav").read_bytes()[: len(stored)][1024:] == stored[1024:]
    table.stop()
    other.goes()
    table.serve("--source", "synthetic")
    table.until_state("handover")
    assert "interrupted" in is_intact(table, at_least=told)
