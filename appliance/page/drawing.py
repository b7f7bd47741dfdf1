"""The recording as a picture: how loud each moment is, from left to right, and a line at each moment at which something happened.

SVG of 1000 by 100 units, drawn here and not in the browser: so it is there without a script, and on paper.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from appliance.page.account import Account, Happening

WIDTH, HEIGHT = 1000, 100
COLUMNS = 500
QUIETEST_DBFS = -60.0
_LINES = {
    Happening.PAUSE: "pause",
    Happening.JOIN: "join",
    Happening.MARK: "mark",
    Happening.GAP: "gap",
    Happening.SILENT: "gap",
    Happening.END: "end",
}


def peaks(levels: str) -> list[float | None]:
    """From `data/levels.csv`: the peak of each second in dBFS; None for digital silence."""
    rows = csv.DictReader(levels.splitlines())
    return [float(row["peak_dbfs"]) if row["peak_dbfs"] else None for row in rows]


def drawing(told: Account, loudness: Sequence[float | None]) -> str:
    """An `svg` element. Empty of bars if the levels are not there."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<path class="level" d="{"".join(_bars(loudness))}"/>'
        f"{''.join(_holes(told))}{''.join(_lines(told))}"
        f'<line class="now" id="now" x1="0" x2="0" y1="0" y2="{HEIGHT}"/></svg>'
    )


def _bars(loudness: Sequence[float | None]) -> Iterator[str]:
    """A bar for each second, or for as many seconds as make one bar of two units: as high as the loudest of them."""
    count = min(COLUMNS, len(loudness))
    width = WIDTH / count if count else 0
    for n in range(count):
        begin, end = n * len(loudness) // count, (n + 1) * len(loudness) // count
        heard = [peak for peak in loudness[begin:end] if peak is not None]
        height = HEIGHT * (1 - max(*heard, QUIETEST_DBFS) / QUIETEST_DBFS) if heard else 0
        if height >= 0.05:
            yield f"M{n * width:.1f} {HEIGHT - height:.1f}h{width:.1f}V{HEIGHT}h{-width:.1f}z"


def _holes(told: Account) -> Iterator[str]:
    for hole in told.of(Happening.GAP, Happening.SILENT):
        width = max(2.0, (hole.seconds or 0) * WIDTH / max(told.seconds, 0.001))
        yield f'<rect class="hole" x="{_x(told, hole.at):.1f}" y="0" width="{width:.1f}" height="{HEIGHT}"/>'


def _lines(told: Account) -> Iterator[str]:
    for moment in told.moments:
        if moment.what in _LINES and (moment.what is not Happening.END or moment.why == "interrupted"):
            x = _x(told, moment.at)
            yield f'<line class="at {_LINES[moment.what]}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}"/>'


def _x(told: Account, seconds: float) -> float:
    return seconds * WIDTH / max(told.seconds, 0.001)
