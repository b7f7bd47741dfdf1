"""What the capture child sends to the writer: a hello, then blocks of sound, over one pipe.

    hello   b"MRC1", length (u32), JSON {"rate","bits","channels","own_clock","device"}
    block   frame (u64), captured_ns (i64), frames (u32), flags (u32), then frames * frame_bytes of PCM

`frame` counts every frame that was captured since the child began, the ones it had to drop too: a block whose frame is not
the one that comes next says exactly how many are missing. `captured_ns` is the monotonic time of the block's first frame.
All numbers little endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import Annotated

import msgspec

from appliance.audio.pcm import PcmFormat

MAGIC = b"MRC1"
_HELLO = struct.Struct("<4sI")
_BLOCK = struct.Struct("<QqII")
BLOCK_HEADER_BYTES = _BLOCK.size
LONGEST_BLOCK_SECONDS = 0.5


class Flags(IntFlag):
    NONE = 0
    OVERFLOW = 1
    """PortAudio says that it dropped frames before this block: how many, only the clock can tell."""
    DEFICIT = 8
    """Fewer frames came than the clock says were captured: they are missing before this block."""
    END = 2
    """The source has ended; no frames in this block."""
    HALTED = 4
    """A source with its own clock has stopped as told; all before it was sent. No frames in this block."""


_KNOWN = sum(Flags)
_FLAGS = tuple(Flags(number) for number in range(_KNOWN + 1))


@dataclass(frozen=True, slots=True)
class Hello:
    """What the child captures, and whether the source keeps its own time (a file that is not played in real time)."""

    format: PcmFormat
    own_clock: bool
    device: str


@dataclass(frozen=True, slots=True)
class Block:
    frame: int
    captured_ns: int
    frames: int
    flags: Flags
    pcm: memoryview


class _Told(msgspec.Struct, frozen=True):
    """The hello's JSON."""

    rate: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    bits: Annotated[int, msgspec.Meta(ge=16, le=24, multiple_of=8)]
    channels: Annotated[int, msgspec.Meta(ge=1, le=2)]
    own_clock: bool
    device: str


class BlockError(Exception):
    """The pipe holds something that the child never sends."""


def pack_hello(hello: Hello) -> bytes:
    text = msgspec.json.encode(_Told(hello.format.rate, hello.format.bits, hello.format.channels, hello.own_clock, hello.device))
    return _HELLO.pack(MAGIC, len(text)) + text


def pack_header(frame: int, captured_ns: int, frames: int, flags: Flags = Flags.NONE) -> bytes:
    return _BLOCK.pack(frame, captured_ns, frames, flags)


class BlockReader:
    """Takes the pipe's bytes as they come and gives whole blocks. Holds at most one block that is not whole yet."""

    def __init__(self) -> None:
        self._rest = b""
        self.hello: Hello | None = None

    def feed(self, content: bytes | memoryview) -> Iterator[Block]:
        """The blocks that these bytes complete. They are copied once: what was fed, and a block's pcm, stay as they are."""
        whole = b"".join((self._rest, content))
        at = 0
        if self.hello is None:
            at = self._read_hello(whole)
            if self.hello is None:
                self._rest = whole
                return
        view = memoryview(whole)
        while (block := self._block(view, at, self.hello.format)) is not None:
            at += BLOCK_HEADER_BYTES + len(block.pcm)
            yield block
        self._rest = whole[at:]

    def _read_hello(self, whole: bytes) -> int:
        if len(whole) < _HELLO.size:
            return 0
        magic, length = _HELLO.unpack_from(whole)
        if magic != MAGIC or length > 4096:
            raise BlockError("The capture child did not introduce itself.")
        if len(whole) < _HELLO.size + length:
            return 0
        try:
            told = msgspec.json.decode(whole[_HELLO.size : _HELLO.size + length], type=_Told)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BlockError(f"The capture child introduced itself in words that nobody knows: {error}.") from error
        self.hello = Hello(PcmFormat(told.rate, told.bits, told.channels), told.own_clock, told.device)
        return _HELLO.size + int(length)

    def _block(self, view: memoryview, at: int, audio_format: PcmFormat) -> Block | None:
        if len(view) - at < BLOCK_HEADER_BYTES:
            return None
        frame, captured_ns, frames, flags = _BLOCK.unpack_from(view, at)
        if frames > audio_format.rate * LONGEST_BLOCK_SECONDS + 1:
            raise BlockError(f"A block of {frames} frames is longer than any that the capture child sends.")
        if flags > _KNOWN:
            raise BlockError(f"A block has flags that the capture child does not know ({flags}).")
        begin = at + BLOCK_HEADER_BYTES
        end = begin + frames * audio_format.frame_bytes
        if end > len(view):
            return None
        return Block(frame, captured_ns, frames, _FLAGS[flags], view[begin:end])
