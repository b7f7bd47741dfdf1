"""A long meeting with faults of all kinds, in simulated time; the marked ones take minutes, or gigabytes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.survival.soak import Ending, Fault, soak
from tests.survival.table import Table
from tests.survival.thirteen_hours import FORMAT, LongRun, is_what_was_said


def is_well(table: Table) -> None:
    assert table.is_well, "\n".join([str(table), *table.corrupt])


def test_six_minutes_with_faults_at_random_moments_keep_every_sample_in_its_place() -> None:
    came = soak(0.1, seed=5)
    is_well(came.table)
    assert came.hours >= 0.1


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_eight_hours_with_faults_of_all_kinds_keep_every_sample_in_its_place() -> None:
    came = soak(8, seed=2)
    is_well(came.table)
    assert came.hours >= 8
    assert set(came.table.rows) == {*Fault, *Ending}
    assert set(came.gaps) == {"overrun", "overflow", "microphone"}


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_thirteen_hours_become_an_rf64_of_13_gigabytes_in_memory_that_does_not_grow() -> None:
    with tempfile.TemporaryDirectory(prefix="recorder-hours-", dir="/var/tmp") as folder:
        run = LongRun(Path(folder), 13, "150")
        frames = is_what_was_said(run.record())
        assert frames >= run.frames == 13 * 3_600 * FORMAT.rate
        assert run.mebibytes_at(0.95) < run.mebibytes_at(0.1) + 4, "while it records"
        assert run.most_mebibytes < 64, "at the seal, which reads the whole journal"
