"""The table of what was tried: a row an instant, and one line at the end that says it all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.lab.outcome import LARGEST_LOSS_MS, Outcome, Told


class Row(msgspec.Struct, frozen=True):
    """`instant`: where it was cut, in words; `seconds`: into the meeting."""

    number: int
    instant: str
    seconds: float
    told: Told
    outcome: Outcome


HEAD = (
    f"{'cut':>4}  {'instant':<34} {'state':<10} {'s':>6}  {'told':>9}  {'found':>9}  {'lost ms':>7}  {'interrupted':<11}  corrupt"
)


def as_line(row: Row) -> str:
    outcome = row.outcome
    interrupted = "yes" if outcome.interrupted else "no"
    corrupt = "yes: " + " ".join(outcome.wrong) if outcome.wrong else "no"
    return (
        f"{row.number:>4}  {row.instant:<34} {row.told.state:<10} {row.seconds:>6.1f}  {row.told.frames:>9}  {outcome.frames:>9}"
        f"  {outcome.lost_ms:>7}  {interrupted:<11}  {corrupt}"
    )


def summary(rows: Sequence[Row]) -> str:
    worst = max((row.outcome.lost_ms for row in rows), default=0)
    corrupt = sum(bool(row.outcome.wrong) for row in rows)
    return f"instants tried: {len(rows)}, worst loss: {worst} ms, corrupt: {corrupt}"


def is_well(rows: Sequence[Row]) -> bool:
    return bool(rows) and all(not row.outcome.wrong and row.outcome.lost_ms <= LARGEST_LOSS_MS for row in rows)


def show(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def keep(rows: Sequence[Row], path: Path) -> None:
    """All of it as JSON, for a closer look."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(list(rows)), indent=1) + b"\n")
