"""The table: what was done to a recording, at how many instants, what it lost at worst, and how often it came out wrong."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MEMORY = Path("/dev/shm")  # a file system in memory, where there is one
MOST_LOST_MS = 1_000.0
"""The sync interval: what a power cut may take."""

Trial = Callable[..., float]
"""Does one thing to a recording and checks all that came out; milliseconds of sound that were lost. AssertionError: it is wrong."""


@contextmanager
def empty_folder() -> Iterator[Path]:
    """Where a simulated disk lays out what is left: in memory if possible, for nothing there has to survive."""
    with tempfile.TemporaryDirectory(prefix="recorder-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@dataclass
class Row:
    """One kind of fault."""

    kind: str
    instants: int = 0
    worst_ms: float = 0.0
    corrupt: list[str] = field(default_factory=list)
    """For each trial that came out wrong: how."""


@dataclass
class Table:
    """Rows in the order in which their kinds were first tried."""

    rows: dict[str, Row] = field(default_factory=dict)

    def take(self, kind: str, trial: Trial, *which: object) -> None:
        """Run a trial and count it."""
        try:
            self.count(kind, trial(*which))
        except Exception:  # noqa: BLE001 - whatever it is: it is told below, and counted as corrupt
            self.count(kind, 0.0, wrong=f"{trial.__name__}{which}\n{traceback.format_exc()}")

    def count(self, kind: str, lost_ms: float, wrong: str | None = None) -> None:
        row = self.rows.setdefault(kind, Row(kind))
        row.instants += 1
        row.worst_ms = max(row.worst_ms, lost_ms)
        if wrong is not None:
            row.corrupt.append(wrong)

    @property
    def instants(self) -> int:
        return sum(row.instants for row in self.rows.values())

    @property
    def worst_ms(self) -> float:
        return max((row.worst_ms for row in self.rows.values()), default=0.0)

    @property
    def corrupt(self) -> list[str]:
        return [f"{row.kind}: {wrong}" for row in self.rows.values() for wrong in row.corrupt]

    @property
    def is_well(self) -> bool:
        return self.instants > 0 and not self.corrupt and self.worst_ms <= MOST_LOST_MS

    def __str__(self) -> str:
        width = max(map(len, self.rows), default=0)
        lines = [f"{'what was done':{width}}  instants  worst loss, ms  corrupt"]
        lines += [
            f"{row.kind:{width}}  {row.instants:8}  {row.worst_ms:14.0f}  {len(row.corrupt):7}" for row in self.rows.values()
        ]
        last = f"instants tried: {self.instants}, worst loss: {self.worst_ms:.0f} ms, corrupt: {len(self.corrupt)}"
        return "\n".join([*lines, "", last])
