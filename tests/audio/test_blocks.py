"""What goes through the pipe between the capture child and the writer."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.audio.blocks import MAGIC, BlockError, BlockReader, Flags, Hello, pack_header, pack_hello
from appliance.audio.pcm import PcmFormat
from tests.disks import luck

FORMATS = [PcmFormat(rate, bits, channels) for rate in (8_000, 48_000) for bits in (16, 24) for channels in (1, 2)]
HELLO = Hello(PcmFormat(), own_clock=False, device="roommic")
Told = tuple[int, int, Flags, bytes]

told_blocks = st.lists(
    st.tuples(
        st.integers(0, 2**63),
        st.integers(-(2**62), 2**62),
        st.sampled_from([Flags.NONE, Flags.OVERFLOW, Flags.DEFICIT, Flags.END, Flags.HALTED, Flags.OVERFLOW | Flags.DEFICIT]),
        st.integers(0, 60),
    ),
    max_size=8,
)


def stream_of(audio_format: PcmFormat, blocks: list[tuple[int, int, Flags, int]]) -> tuple[bytes, list[Told]]:
    """The bytes of these blocks behind a hello, and what must come out of them."""
    told = [
        (frame, at, flags, luck(n).randbytes(frames * audio_format.frame_bytes))
        for n, (frame, at, flags, frames) in enumerate(blocks)
    ]
    packed = b"".join(pack_header(frame, at, audio_format.frames(len(pcm)), flags) + pcm for frame, at, flags, pcm in told)
    return pack_hello(Hello(audio_format, own_clock=True, device="een microfoon")) + packed, told


@settings(max_examples=150, deadline=None)
@given(audio_format=st.sampled_from(FORMATS), blocks=told_blocks, cuts=st.lists(st.integers(0, 3_000), max_size=30))
def test_however_the_bytes_are_chopped_the_same_blocks_come_out(
    audio_format: PcmFormat, blocks: list[tuple[int, int, Flags, int]], cuts: list[int]
) -> None:
    stream, told = stream_of(audio_format, blocks)
    reader, heard = BlockReader(), list[Told]()
    ends = [*sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for begin, end in zip([0, *ends], ends, strict=False):
        for block in reader.feed(stream[begin:end]):
            assert block.frames * audio_format.frame_bytes == len(block.pcm)
            heard.append((block.frame, block.captured_ns, block.flags, bytes(block.pcm)))
    assert heard == told
    assert reader.hello == Hello(audio_format, own_clock=True, device="een microfoon")


def test_byte_by_byte_a_block_comes_out_with_its_last_byte_and_not_before() -> None:
    stream, told = stream_of(PcmFormat(), [(7, 99, Flags.NONE, 3)])
    reader = BlockReader()
    for at in range(len(stream) - 1):
        assert list(reader.feed(stream[at : at + 1])) == []
    (block,) = reader.feed(stream[-1:])
    assert bytes(block.pcm) == told[0][3]


@pytest.mark.parametrize(
    "garbage",
    [
        b"RIFF\x24\0\0\0WAVE",
        MAGIC + struct.pack("<I", 4097),
        MAGIC + struct.pack("<I", 3) + b"{}}",
        MAGIC + struct.pack("<I", 2) + b"{}",
        MAGIC + struct.pack("<I", 4) + b"\xff\xfe\xfd\xfc",
        *(
            MAGIC + struct.pack("<I", len(text)) + text
            for text in (
                b'{"rate":0,"bits":16,"channels":1,"own_clock":false,"device":"x"}',
                b'{"rate":48000,"bits":12,"channels":1,"own_clock":false,"device":"x"}',
                b'{"rate":48000,"bits":16,"channels":0,"own_clock":false,"device":"x"}',
                b'{"rate":"48000","bits":16,"channels":1,"own_clock":false,"device":"x"}',
            )
        ),
        pack_hello(HELLO) + pack_header(0, 0, 24_002),
        pack_hello(HELLO) + pack_header(0, 0, 0xFFFF_FFFF),
        pack_hello(HELLO) + pack_header(0, 0, 10, Flags(64)),
        pack_hello(HELLO) + b"PortAudio says: underrun, and a lot more of it",
    ],
    ids=lambda garbage: repr(garbage[:90])[2:-1],
)
def test_what_the_child_never_sends_is_an_error_with_a_sentence(garbage: bytes) -> None:
    with pytest.raises(BlockError, match=r"^[A-Z].*\.$"):
        list(BlockReader().feed(garbage))


def test_a_huge_length_is_refused_before_anything_is_kept_for_it() -> None:
    reader = BlockReader()
    list(reader.feed(pack_hello(HELLO)))
    with pytest.raises(BlockError, match="4294967295 frames is longer than any"):
        list(reader.feed(pack_header(0, 0, 0xFFFF_FFFF)))


@settings(max_examples=150, deadline=None)
@given(garbage=st.binary(max_size=200), with_hello=st.booleans())
def test_random_bytes_give_blocks_or_an_error_and_never_anything_else(garbage: bytes, with_hello: bool) -> None:
    try:
        blocks = list(BlockReader().feed((pack_hello(HELLO) if with_hello else MAGIC) + garbage))
    except BlockError:
        return
    assert all(block.frames <= 24_001 for block in blocks)


def test_the_longest_block_that_the_child_sends_comes_through() -> None:
    pcm = luck(1).randbytes(24_000 * 2)
    (block,) = BlockReader().feed(pack_hello(HELLO) + pack_header(0, 0, 24_000) + pcm)
    assert bytes(block.pcm) == pcm
