"""The capture child's patience: a preallocated ring of blocks between the thread that hears and the thread that sends.

When the writer stalls, the pipe fills within seconds; from then on blocks wait here, for half a minute at least. Nothing is
allocated while it fills. An empty ring starts again at its first slot, so that in ordinary times only a few pages are touched.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable


class Ring:
    """`slots` blocks of at most `slot_bytes` each. One thread puts, another takes."""

    def __init__(self, slots: int, slot_bytes: int) -> None:
        # Not a bytearray, which is filled with zeros at once: a page of this is there when it is first used.
        self._memory = memoryview(mmap.mmap(-1, slots * slot_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        self._slot_bytes = slot_bytes
        self._lengths = [0] * slots
        self._first = 0
        self._held = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, *parts: bytes | memoryview, wait: bool = False) -> bool:
        """Add one block. False if the ring is full (or closed): the block is then not in it. `wait`: until there is room."""
        length = sum(len(part) for part in parts)
        if length > self._slot_bytes:
            raise ValueError(f"a block of {length} bytes does not fit in a slot of {self._slot_bytes}")
        with self._changed:
            while wait and self._held == len(self._lengths) and not self._closed:
                self._changed.wait()
            if self._held == len(self._lengths) or self._closed:
                return False
            slot = (self._first + self._held) % len(self._lengths)
            self._lengths[slot] = length
            at = slot * self._slot_bytes
            for part in parts:
                self._memory[at : at + len(part)] = part
                at += len(part)
            self._held += 1
            self._changed.notify_all()
            return True

    @property
    def is_empty(self) -> bool:
        """Nothing waits in it, and nothing that was in it is still being sent."""
        with self._changed:
            return not self._held

    def take(self, send: Callable[[memoryview], None]) -> bool:
        """Wait for a block, give it to `send`, and only then free its slot. False when the ring is closed and empty."""
        with self._changed:
            while not self._held:
                if self._closed:
                    return False
                self._changed.wait()
            slot = self._first
        at = slot * self._slot_bytes
        send(self._memory[at : at + self._lengths[slot]])
        with self._changed:
            self._held -= 1
            self._first = 0 if not self._held else (self._first + 1) % len(self._lengths)
            self._changed.notify_all()
        return True

    def close(self) -> None:
        """No more blocks; what is in the ring may still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
