"""Any WAV, whoever wrote it: where its audio lies, and where two of them first differ."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PIECE = 1 << 20


def pieces(file: io.FileIO, count: int) -> Iterator[bytes]:
    """Up to `count` bytes from here on; fewer where the file ends."""
    while count > 0 and (piece := file.read(min(count, PIECE))):
        count -= len(piece)
        yield piece


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a WAV's audio lies and how it counts: bytes a frame, frames a second."""

    at: int
    data_bytes: int
    frame_bytes: int
    rate: int


def layout_of(wav: io.FileIO) -> Layout | None:
    """By walking its chunks (RIFF, or RF64 as in EBU 3306); None if that leads to no audio."""
    size = wav.seek(0, 2)
    wav.seek(0)
    if wav.read(12)[:4] not in {b"RIFF", b"RF64"}:
        return None
    at, long_size, frame_bytes, rate = 12, 0, 0, 0
    for _ in range(100):
        wav.seek(at)
        head = wav.read(32)
        name, length = head[:4], int.from_bytes(head[4:8], "little")
        if len(head) < 8:
            return None
        if name == b"ds64":
            long_size = int.from_bytes(head[16:24], "little")
        elif name == b"fmt ":
            rate, frame_bytes = int.from_bytes(head[12:16], "little"), int.from_bytes(head[20:22], "little")
        elif name == b"data":
            data_bytes = min(long_size if length == 0xFFFF_FFFF else length, size - at - 8)
            return Layout(at + 8, data_bytes, frame_bytes, rate) if frame_bytes and rate else None
        at += 8 + length + length % 2
    return None


def first_difference(one: Path | None, other: Path | None) -> float | None:
    """Seconds into the audio of two WAVs; the end of the shorter one if it is the beginning of the other."""
    if one is None or other is None:
        return None
    try:
        with one.open("rb", buffering=0) as first, other.open("rb", buffering=0) as second:
            a, b = layout_of(first), layout_of(second)
            if a is None or b is None:
                return None
            same = _same_bytes(first, second, a, b)
    except OSError:
        return None  # that it cannot be read is a finding of its own
    if same == a.data_bytes == b.data_bytes:
        return None
    return round(same // a.frame_bytes / a.rate, 3)


def _same_bytes(first: io.FileIO, second: io.FileIO, a: Layout, b: Layout) -> int:
    """How many bytes of audio are the same from the start on."""
    first.seek(a.at)
    second.seek(b.at)
    same, rest = 0, min(a.data_bytes, b.data_bytes)
    while same < rest:
        asked = min(PIECE, rest - same)
        one, other = b"".join(pieces(first, asked)), b"".join(pieces(second, asked))
        if one != other or len(one) < asked:
            return same + next((n for n, (x, y) in enumerate(zip(one, other, strict=False)) if x != y), min(len(one), len(other)))
        same += asked
    return same
