"""The capture child, a process of its own: what it hears it sends, what it cannot send it counts, and it ends when it should."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.audio.blocks import Block, BlockReader, Flags, Hello, pack_hello
from appliance.audio.capture import Child
from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import Heard, SyntheticTrack
from tests.room_parts import RATE, counting, write_wav

MS = 1_000_000


@dataclass
class Hearing:
    """A child that runs, and what it said so far."""

    child: subprocess.Popen[bytes]
    reader: BlockReader = field(default_factory=BlockReader)
    blocks: list[Block] = field(default_factory=list)
    pcm: bytes = b""

    def tell(self, order: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(f"{order}\n".encode())
        self.child.stdin.flush()

    def listen(self) -> bool:
        """Take what is in the pipe; False at its end."""
        assert self.child.stdout is not None
        content = os.read(self.child.stdout.fileno(), 1 << 20)
        for block in self.reader.feed(content):
            self.blocks.append(block)
            self.pcm += block.pcm
        return bool(content)

    def until_mark(self, mark: Flags) -> None:
        while not any(block.flags & mark for block in self.blocks):
            assert self.listen()

    def for_seconds(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.listen()


@contextmanager
def child(spec: str, pace: str, bits: int = 16, channels: int = 1, program: str | None = None) -> Iterator[Hearing]:
    what = (
        ["-c", program] if program else ["-m", "appliance.audio.capture", spec, pace, str(RATE), str(bits), str(channels), "0.4"]
    )
    with subprocess.Popen(
        [sys.executable, *what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        yield Hearing(process)
        process.kill()


def test_a_live_source_comes_without_being_asked_five_times_a_second_or_so() -> None:
    """Not more often: each block wakes up two processes, and takes a slot in the ring however short it is."""
    with child("synthetic", "real", 24, 2) as hearing:
        while not hearing.blocks:
            hearing.listen()
        hearing.for_seconds(1.0)
        now = time.monotonic_ns()
        assert hearing.reader.hello == Hello(PcmFormat(RATE, 24, 2), own_clock=False, device="synthetic")
        assert len(hearing.blocks) <= 8
        assert SyntheticTrack(PcmFormat(RATE, 24, 2)).at(0, len(hearing.pcm) // 6) == hearing.pcm
        for block, following in pairwise(hearing.blocks):
            assert following.frame == block.frame + block.frames
        last = hearing.blocks[-1]
        assert 0 <= now - last.captured_ns - last.frames * 1_000_000_000 // RATE <= 400 * MS


def test_a_source_with_its_own_clock_waits_for_go_stands_still_at_halt_and_says_when_it_ends(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", counting(10 * RATE))
    with child(f"wav:{tmp_path / 'a.wav'}", "20") as hearing:
        while hearing.reader.hello is None:
            hearing.listen()
        assert hearing.reader.hello.own_clock
        hearing.tell("go")
        while len(hearing.pcm) < RATE:
            hearing.listen()
        hearing.tell("halt")
        hearing.until_mark(Flags.HALTED)
        halted = len(hearing.pcm)
        assert halted < 20 * RATE
        hearing.blocks.clear()
        hearing.tell("halt")
        hearing.until_mark(Flags.HALTED)
        assert len(hearing.pcm) == halted, "told twice, it says so twice"
        hearing.tell("go")
        hearing.until_mark(Flags.END)
        assert hearing.pcm == counting(10 * RATE).tobytes()
        hearing.blocks.clear()
        hearing.tell("halt")
        hearing.until_mark(Flags.HALTED)


@pytest.mark.parametrize("pace", ["fast", "500"])
def test_nothing_of_a_source_with_its_own_clock_is_dropped_when_its_reader_sleeps(pace: str, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", counting(60 * RATE))
    with child(f"wav:{tmp_path / 'a.wav'}", pace) as hearing:
        hearing.tell("go")
        time.sleep(0.5)
        hearing.until_mark(Flags.END)
        assert hearing.pcm == counting(60 * RATE).tobytes()


def test_it_ends_when_its_input_does_even_if_nobody_reads_what_it_says() -> None:
    with child("synthetic", "fast") as hearing:
        hearing.tell("go")
        time.sleep(0.3)
        assert hearing.child.stdin is not None
        hearing.child.stdin.close()
        assert hearing.child.wait(3) == 0


def test_it_ends_when_nobody_takes_what_it_says() -> None:
    with child("synthetic", "real") as hearing:
        hearing.listen()
        assert hearing.child.stdout is not None
        hearing.child.stdout.close()
        assert hearing.child.wait(3) == 0


@pytest.mark.parametrize("spec", ["wav:/nowhere.wav", "device:no-such-microphone", "tape:deck"])
def test_a_source_that_does_not_open_is_told_in_one_sentence_and_by_the_exit_status(spec: str) -> None:
    with child(spec, "real") as hearing:
        said, errors = hearing.child.communicate(timeout=10)
        assert said == b""
        assert errors.decode().strip().splitlines()[-1].endswith(".")
        assert b"Traceback" not in errors
        assert hearing.child.returncode == 1


GONE = """
import sys, time
from appliance.audio import capture
from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import Heard, SourceError, SyntheticTrack

class Pulled:
    format, own_clock, name, nap_seconds = PcmFormat(), False, "pulled", 0.001
    def __init__(self):
        self.track, self.left = SyntheticTrack(self.format), 100
    def read(self):
        if not self.left:
            raise SourceError("The microphone went away: -5.")
        self.left -= 1
        return Heard(self.track.next(2400), time.monotonic_ns())

capture.open_source = lambda *_: Pulled()
sys.argv = ["capture", "device", "real", "48000", "16", "1", "0.4"]
code = capture.main()
sys.stderr.flush()
capture.os._exit(code)
"""


def test_what_was_heard_before_the_microphone_was_pulled_is_sent_before_the_child_ends() -> None:
    """The writer is busy when it happens: five seconds of sound lie in the ring."""
    with child("", "", program=GONE) as hearing:
        time.sleep(0.7)
        while hearing.listen():
            pass
        assert hearing.pcm == SyntheticTrack(PcmFormat()).at(0, 240_000)
        assert hearing.child.wait(3) == 1
        assert hearing.child.stderr is not None
        assert hearing.child.stderr.read() == b"The microphone went away: -5.\n"


@dataclass
class Live:
    """A live source, in name: its blocks are given by hand."""

    format: PcmFormat = field(default_factory=PcmFormat)
    own_clock: bool = False
    name: str = "by hand"
    nap_seconds: float = 0.1

    def read(self) -> Heard | None:
        return None

    def close(self) -> None: ...


def child_that_nobody_reads(source: Live | None = None) -> Child:
    """Its pipe is full, so that all it hears goes into the ring."""
    _, output = os.pipe()
    made = Child(source or Live(), output)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(output, bytes(1 << 12))
    return made


def sent_by(made: Child, most: int) -> list[Block]:
    """Take so many blocks out of the child's ring, or all."""
    reader, sent = BlockReader(), list[Block]()
    list(reader.feed(pack_hello(Hello(made._source.format, own_clock=False, device=""))))
    while made._ring._held and len(sent) < most:
        made._ring.take(lambda block: sent.extend(reader.feed(bytes(block))))
    return sent


@pytest.mark.parametrize("audio_format", [PcmFormat(), PcmFormat(48_000, 24, 2), PcmFormat(44_100, 16, 2)])
@pytest.mark.parametrize("block_ms", [170, 233, 310, 400])
def test_its_ring_holds_half_a_minute_of_blocks_and_what_was_dropped_is_told_by_the_next_number(
    audio_format: PcmFormat, block_ms: int
) -> None:
    """On a busy machine a nap lasts longer."""
    made = child_that_nobody_reads(Live(audio_format))
    frames = audio_format.rate * block_ms // 1_000
    nap = bytes(frames * audio_format.frame_bytes)
    for number in range(1_000):
        made._keep(Heard(nap, number * 50 * MS))
    kept = sent_by(made, 10_000)
    assert len(kept) * frames >= 30 * audio_format.rate
    made._keep(Heard(nap, 1_000 * 50 * MS))
    (after,) = sent_by(made, 1)
    assert after.frame == 1_000 * frames
    assert kept[-1].frame == (len(kept) - 1) * frames


@pytest.mark.parametrize(
    ("overflowed", "jumped", "told"),
    [(True, False, Flags.OVERFLOW), (False, True, Flags.DEFICIT), (True, True, Flags.OVERFLOW)],
)
def test_frames_that_the_driver_lost_are_told_also_when_the_block_behind_them_finds_no_room(
    overflowed: bool, jumped: bool, told: Flags
) -> None:
    made = child_that_nobody_reads()
    nap = bytes(4_800)
    while made._ring._held < len(made._ring._lengths):
        made._keep(Heard(nap, 0))
    made._keep(Heard(nap, 0, overflowed, jumped))
    made._keep(Heard(nap, 0))
    assert not any(block.flags for block in sent_by(made, 10_000))
    made._keep(Heard(nap, 0))
    made._keep(Heard(nap, 0))
    assert [block.flags for block in sent_by(made, 10)] == [told, Flags.NONE]


def test_what_comes_while_something_waits_in_the_ring_waits_behind_it_also_when_the_pipe_has_room_again() -> None:
    output, into = os.pipe()
    os.set_blocking(output, False)
    made = Child(Live(), into)
    nap = bytes(1 << 14)
    for _ in range(10):
        made._keep(Heard(nap, 0))
    assert not made._ring.is_empty
    in_the_pipe = os.read(output, 1 << 20)
    made._keep(Heard(nap, 0))
    with pytest.raises(BlockingIOError):
        os.read(output, 1)
    rest = bytearray()
    while made._ring._held:
        made._ring.take(rest.extend)
    reader = BlockReader()
    list(reader.feed(pack_hello(Hello(PcmFormat(), own_clock=False, device=""))))
    blocks = list(reader.feed(in_the_pipe + bytes(rest)))
    assert [block.frame for block in blocks] == [number * (1 << 13) for number in range(11)]


def test_a_long_read_is_cut_into_blocks_that_say_each_when_they_were_captured() -> None:
    made = child_that_nobody_reads()
    made._keep(Heard(counting(19_200).tobytes(), 7 * MS, overflowed=True))
    blocks = sent_by(made, 100)
    assert b"".join(block.pcm for block in blocks) == counting(19_200).tobytes()
    assert [block.flags for block in blocks] == [Flags.OVERFLOW] + [Flags.NONE] * (len(blocks) - 1)
    for block in blocks:
        assert block.captured_ns == 7 * MS + block.frame * 1_000_000_000 // RATE
