"""For real, in the room's virtual machine: `python -m pytest -m lab tests/lab`. An hour, or more on a slow machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.build import build, default_folder
from tests.lab.every_flush import every_flush
from tests.lab.power_cuts import PowerCuts
from tests.lab.table import is_well, summary

pytestmark = [pytest.mark.lab, pytest.mark.timeout(4 * 3600)]
CUTS = 24


@pytest.fixture(scope="module")
def lab() -> Path:
    return build(default_folder())


def test_rule_5_a_machine_that_is_switched_off_in_the_midst_loses_a_second_at_most(lab: Path) -> None:
    cuts = PowerCuts(lab, seed=1)
    cuts.run(CUTS)
    assert len(cuts.rows) == CUTS
    assert is_well(cuts.rows), (summary(cuts.rows), [row for row in cuts.rows if row.outcome.wrong])
    assert {row.outcome.interrupted for row in cuts.rows} == {True, False}


def test_rule_5_a_disk_as_it_is_at_any_flush_gives_back_what_it_was_told(lab: Path) -> None:
    rows = every_flush(lab, luck=2, seed=1)
    assert len(rows) > 100
    assert is_well(rows), (summary(rows), [row for row in rows if row.outcome.wrong])
    assert {row.outcome.interrupted for row in rows} == {True, False}
