"""The real service is killed at any moment of a recording's life, and the next start brings it back.

More of them: `python -m tests.survival`.
"""

from __future__ import annotations

from pathlib import Path

from tests.survival.kills import try_kills
from tests.survival.table import Table


def test_killed_at_any_moment_of_its_life_a_recording_is_sealed_and_copied_by_the_next_start_and_loses_a_second_at_most(
    tmp_path: Path,
) -> None:
    table = Table()
    try_kills(table, 12, seed=4, folder=tmp_path, at_once=6)
    assert table.instants == 12
    assert table.is_well, "\n".join([str(table), *table.corrupt])
