"""The capture child: a small process that hears, so that whatever happens to PortAudio happens to it alone.

    python -m appliance.audio.capture SOURCE PACE RATE BITS CHANNELS LATENCY
    python -m appliance.audio.capture --check SOURCE      says whether a file can be played at all

It writes blocks (`blocks.py`) to its standard output. On its standard input it is told `go` and `halt`, one a line, which matter
to sources with their own clock only; when the input ends, it ends. It sleeps, reads what there is, and writes it into the pipe. What
the pipe does not take waits in the ring, from which a second thread sends; until it is empty again, all goes through it, in order.
What does not fit into the ring is dropped and counted: the next block's number says how much.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time

from appliance.audio.blocks import Flags, Hello, pack_header, pack_hello
from appliance.audio.pcm import PcmFormat
from appliance.audio.ring import Ring
from appliance.audio.sources import TOLD_EVERY_SECONDS, EndOfSource, Heard, Source, SourceError, check_file, open_source

PATIENCE_SECONDS = 40
SLOT_SECONDS = 0.4
"""What a live source tells at once takes one slot, also on a busy machine, where a nap lasts twice as long."""


class Child:
    """One source, from open to end; what it gives goes to the descriptor `output`, which is made non-blocking."""

    def __init__(self, source: Source, output: int) -> None:
        self._source = source
        self._output = output
        os.set_blocking(output, False)
        frame_bytes, rate = source.format.frame_bytes, source.format.rate
        slot_frames = rate // 2 if source.own_clock else int(rate * SLOT_SECONDS)
        slots = 4 if source.own_clock else int(PATIENCE_SECONDS / TOLD_EVERY_SECONDS)
        self._slot_frames = slot_frames
        self._slot_bytes = slot_frames * frame_bytes
        self._ring = Ring(slots, 64 + self._slot_bytes)
        self._frame = 0
        self._untold = Flags.NONE
        self._going = threading.Event()
        self._halt_told = False
        if not source.own_clock:
            self._going.set()

    def run(self) -> None:
        """Until the source fails: SourceError, raised when all that was heard before is sent."""
        threading.Thread(target=self._obey, name="obey", daemon=True).start()
        sender = threading.Thread(target=self._send, name="send", daemon=True)
        self._write_all(memoryview(pack_hello(Hello(self._source.format, self._source.own_clock, self._source.name))))
        sender.start()
        try:
            self._hear()
        finally:
            self._ring.close()
            sender.join()

    def _hear(self) -> None:
        while True:
            self._going.wait()
            try:
                heard = self._source.read()
            except EndOfSource:
                self._going.clear()  # first: a halt from now on is answered by whoever takes it
                self._mark(Flags.END)
                continue
            if heard is not None:
                self._keep(heard)
            if not self._source.own_clock and (heard is None or len(heard.pcm) <= self._slot_bytes):
                time.sleep(self._source.nap_seconds)
            if self._halt_told:
                self._halt_told = False
                self._going.clear()
                self._mark(Flags.HALTED)

    def _keep(self, heard: Heard) -> None:
        """Cut what was heard into slots. A live source's block that finds no room is dropped, and missed by its number."""
        audio_format = self._source.format
        if heard.overflowed or heard.jumped:
            self._untold = Flags.OVERFLOW if heard.overflowed else self._untold or Flags.DEFICIT
        pcm = memoryview(heard.pcm)
        total = audio_format.frames(len(pcm))
        for begin in range(0, total, self._slot_frames):
            frames = min(self._slot_frames, total - begin)
            captured = heard.captured_ns + begin * 1_000_000_000 // audio_format.rate
            piece = pcm[begin * audio_format.frame_bytes : (begin + frames) * audio_format.frame_bytes]
            header = pack_header(self._frame, captured, frames, self._untold)
            if self._pass_on(header, piece):
                self._untold = Flags.NONE
            self._frame += frames

    def _pass_on(self, header: bytes, pcm: memoryview) -> bool:
        """In ordinary times straight into the pipe: to wake another thread for each block costs as much as to read it."""
        if self._source.own_clock or not self._ring.is_empty:
            return self._ring.put(header, pcm, wait=self._source.own_clock)
        try:
            written = os.writev(self._output, (header, pcm))
        except BlockingIOError:
            written = 0
        except BrokenPipeError:
            os._exit(0)
        if written == len(header) + len(pcm):
            return True
        return self._ring.put(header[written:], pcm[max(0, written - len(header)) :])

    def _mark(self, flag: Flags) -> None:
        self._ring.put(pack_header(self._frame, time.monotonic_ns(), 0, flag), wait=True)

    def _send(self) -> None:
        while self._ring.take(self._write_all):
            pass

    def _write_all(self, content: memoryview) -> None:
        while content:
            try:
                content = content[os.write(self._output, content) :]
            except BlockingIOError:
                select.select((), (self._output,), ())
            except BrokenPipeError:
                os._exit(0)

    def _obey(self) -> None:
        for order in sys.stdin.buffer:
            if order == b"go\n":
                self._halt_told = False
                self._going.set()
            elif order == b"halt\n":
                if self._source.own_clock and not self._going.is_set():
                    self._mark(Flags.HALTED)
                self._halt_told = self._going.is_set()
        os._exit(0)  # the parent is gone or has closed us: a device that hangs in close must not keep us here


def check(spec: str) -> int:
    try:
        check_file(spec)
    except SourceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def main() -> int:
    if sys.argv[1] == "--check":
        return check(sys.argv[2])
    spec, pace, rate, bits, channels, latency = sys.argv[1:7]
    try:
        source = open_source(spec, pace, PcmFormat(int(rate), int(bits), int(channels)), float(latency))
        Child(source, sys.stdout.fileno()).run()
    except SourceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # without PortAudio's own clean-up, which hangs on some devices that are gone
