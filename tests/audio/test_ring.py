"""The capture child's patience: what is put into the ring comes out of it, in order, or is refused aloud."""

from __future__ import annotations

import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.audio.ring import Ring

blocks = st.lists(st.binary(max_size=16), max_size=80)


def taken_by_another_thread(ring: Ring, nap: float = 0.0) -> tuple[threading.Thread, list[bytes]]:
    """A thread that takes until the ring is closed and empty, and what it took."""
    taken: list[bytes] = []

    def send(block: memoryview) -> None:
        if nap:
            time.sleep(nap)
        taken.append(bytes(block))

    def take_all() -> None:
        while ring.take(send):
            pass

    thread = threading.Thread(target=take_all, name="taker")
    thread.start()
    return thread, taken


@settings(max_examples=60, deadline=None)
@given(given_blocks=blocks, slots=st.integers(1, 5))
def test_between_two_threads_nothing_is_lost_changed_or_reordered(given_blocks: list[bytes], slots: int) -> None:
    ring = Ring(slots, 16)
    thread, taken = taken_by_another_thread(ring)
    for block in given_blocks:
        assert ring.put(block[:5], memoryview(block)[5:], wait=True)
    ring.close()
    thread.join(5)
    assert taken == given_blocks


@settings(max_examples=60, deadline=None)
@given(given_blocks=blocks, slots=st.integers(1, 5))
def test_between_two_threads_what_was_accepted_comes_out_and_what_was_refused_does_not(
    given_blocks: list[bytes], slots: int
) -> None:
    ring = Ring(slots, 16)
    thread, taken = taken_by_another_thread(ring)
    accepted = [block for block in given_blocks if ring.put(block)]
    ring.close()
    thread.join(5)
    assert taken == accepted


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.one_of(st.binary(max_size=8), st.none()), max_size=60), slots=st.integers(1, 4))
def test_it_is_a_queue_of_so_many_blocks_and_no_more(steps: list[bytes | None], slots: int) -> None:
    """A block is put, None takes one."""
    ring, model, taken, expected = Ring(slots, 8), list[bytes](), list[bytes](), list[bytes]()
    for step in steps:
        if step is not None:
            assert ring.put(step) is (len(model) < slots)
            model += [step] if len(model) < slots else []
        elif model:
            assert ring.take(lambda block: taken.append(bytes(block)))
            expected.append(model.pop(0))
    assert taken == expected


def test_a_full_ring_refuses_a_live_block_at_once_and_keeps_what_it_has() -> None:
    ring = Ring(2, 4)
    assert ring.put(b"one")
    assert ring.put(b"two")
    began = time.monotonic()
    assert not ring.put(b"more")
    assert time.monotonic() - began < 0.1
    ring.close()
    _, taken = taken_by_another_thread(ring)
    _.join(5)
    assert taken == [b"one", b"two"]


def test_a_full_ring_makes_a_source_with_its_own_clock_wait_until_there_is_room() -> None:
    ring = Ring(1, 4)
    assert ring.put(b"one")
    waited = threading.Event()

    def put() -> None:
        ring.put(b"two", wait=True)
        waited.set()

    thread = threading.Thread(target=put, name="putter")
    thread.start()
    assert not waited.wait(0.05)
    got: list[bytes] = []
    assert ring.take(lambda block: got.append(bytes(block)))
    assert waited.wait(5)
    assert ring.take(lambda block: got.append(bytes(block)))
    assert got == [b"one", b"two"]


def test_a_block_that_is_being_sent_keeps_its_slot_until_it_is_sent() -> None:
    ring = Ring(1, 4)
    ring.put(b"one")

    def send(block: memoryview) -> None:
        assert not ring.put(b"two"), "its slot was given away while it was being read"
        assert bytes(block) == b"one"

    assert ring.take(send)
    assert ring.put(b"two")


def test_when_it_is_empty_it_begins_again_at_its_first_slot() -> None:
    """In ordinary times only a few pages of its memory are ever touched."""
    ring = Ring(10, 4)
    for number in range(100):
        ring.put(b"%3d" % number)
        assert ring.take(lambda _: None)
    assert bytes(ring._memory[4:]) == bytes(36)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_what_was_never_needed_takes_no_memory() -> None:
    before = resident()
    ring = Ring(1_000, 100_000)
    for _ in range(1_000):
        ring.put(bytes(100_000))
        ring.take(lambda _: None)
    assert resident() - before < 10_000_000, "of a hundred million"
    assert ring.put(b"x")


def test_it_allocates_nothing_while_it_fills_and_is_emptied() -> None:
    ring = Ring(600, 5_000)
    block = bytes(4_800)
    ring.put(block)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2_000):
            ring.put(block)
        for _ in range(600):
            ring.take(lambda _: None)
        most = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert most < 50_000


def test_closing_wakes_who_waits_on_either_side_and_takes_no_more() -> None:
    full, empty = Ring(1, 4), Ring(1, 4)
    full.put(b"one")
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(full.put(b"two", wait=True)), name="putter"),
        threading.Thread(target=lambda: answers.append(empty.take(lambda _: None)), name="taker"),
    ]
    for thread in threads:
        thread.start()
    full.close()
    empty.close()
    for thread in threads:
        thread.join(5)
    assert answers == [False, False]
    assert not empty.put(b"more")


def test_a_block_larger_than_a_slot_is_a_mistake_and_says_so() -> None:
    with pytest.raises(ValueError, match="5 bytes does not fit in a slot of 4"):
        Ring(2, 4).put(b"abc", b"de")
