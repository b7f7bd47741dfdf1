"""The whole job without any hardware, by the same service, sockets and screen as in the room.

A microphone if there is one that hears anything, else a spoken sample; two folders as sticks; keys as the button.
Everything is kept, under one folder, so that afterwards the two copies can be looked at."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
import msgspec

from appliance import protocol
from appliance.agreement import PARTIES
from appliance.audio.blocks import BlockError, BlockReader
from appliance.audio.level import Meter
from appliance.audio.pcm import PcmFormat
from appliance.children import told_to_end_with_us
from appliance.client import NoService, ask
from appliance.config import Places, places
from appliance.protocol import Refused, Reply, Request, Snapshot

SAMPLE = Path(__file__).parent / "audio" / "spoken-sample.flac"
STICKS = ("stick-1", "stick-2")
READY_WITHIN_SECONDS = 20.0
COPIED_WITHIN_SECONDS = 120.0
MICROPHONE_WITHIN_SECONDS = 3.0


class DemoError(Exception):
    """The demonstration could not do the whole job; the sentence says how far it came."""


class Shown(msgspec.Struct, frozen=True):
    """What `demo --headless` prints. `copies`: the two folders with a bagit.txt; `sha256`, `frames`, `seconds`: of the WAV."""

    copies: list[str]
    sha256: str
    frames: int
    seconds: float
    verified: bool
    source: str
    folder: str


def without_screen(root: Path | None, seconds: float) -> int:
    """The meeting, walked from a script; one line of JSON at the end. Returns the exit status."""
    top = _top(root)
    source = _source()
    where = places(top)
    click.echo(f"Recording {seconds:g} s from {_what(source)}; everything stays in {top}", err=True)
    with _service(top, source):
        for request in (protocol.AnnounceRequest(), *(protocol.ConfirmRequest(party) for party in PARTIES)):
            _do(where, request)
        pressed = time.monotonic()
        _do(where, protocol.StartRequest())
        time.sleep(max(0.0, pressed + seconds - time.monotonic()))
        _do(where, protocol.StopRequest())
        snapshot = _until_handover(where)
        shown = _shown(snapshot, source, top)
        for party in PARTIES[: snapshot.verified]:
            _do(where, protocol.ReceivedRequest(party))
    click.echo(msgspec.json.encode(shown).decode())
    return 0 if shown.verified else 1


def with_screen(root: Path | None) -> int:
    """The real screen in this terminal; the service ends when it does, and seals what is being recorded."""
    from appliance.ui.app import run

    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise DemoError("There is no terminal here for the screen. Without one: meeting-recorder demo --headless --seconds 5")
    top = _top(root)
    source = _source()
    with _service(top, source):
        status = run(places(top).control_socket)
    click.echo(f"Heard: {_what(source)}. The recordings and both sticks are in {top}")
    return status


def _top(root: Path | None) -> Path:
    home = places(None).recordings.parent
    top = (root or home / f"demo-{datetime.now().astimezone():%Y-%m-%d-%H.%M.%S}").absolute()
    try:
        for stick in STICKS:
            (top / stick).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"{top} cannot be written ({error.strerror}). Name another folder with --root.") from error
    return top


def _source() -> str:
    return "device" if _hears() else f"again:{SAMPLE}"


def _what(source: str) -> str:
    return "the microphone" if source == "device" else "a spoken sample (no microphone is heard here)"


def _hears() -> bool:
    """Whether the system's microphone gives sound, and not just zeros, within a few seconds."""
    wanted = PcmFormat()
    arguments = ("device", "real", str(wanted.rate), str(wanted.bits), str(wanted.channels), "0.4")
    with subprocess.Popen(
        [sys.executable, "-m", "appliance.audio.capture", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            return child.stdout is not None and _gives_sound(child.stdout.fileno())
        finally:
            child.kill()


def _gives_sound(output: int) -> bool:
    reader, meter = BlockReader(), Meter()
    until = time.monotonic() + MICROPHONE_WITHIN_SECONDS
    while (left := until - time.monotonic()) > 0:
        if not select.select([output], [], [], left)[0]:
            return False
        content = os.read(output, 1 << 16)
        if not content:
            return False
        try:
            for block in reader.feed(content):
                if reader.hello is not None:
                    meter.add(reader.hello.format, block.pcm)
        except BlockError:
            return False
        if meter.take().peak is not None:
            return True
    return False


@contextmanager
def _service(top: Path, source: str) -> Iterator[None]:
    """The service, as a process of its own, from the moment it answers until it was told to stop and has sealed."""
    sticks = [argument for stick in STICKS for argument in ("--stick", str(top / stick))]
    log = top / "service.log"
    with log.open("ab") as output:
        service = subprocess.Popen(
            [*told_to_end_with_us(), sys.executable, "-m", "appliance", "serve", "--root", str(top), "--source", source, *sticks],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        with _ended_by_signals():
            _until_ready(places(top), service, log)
            yield
    finally:
        service.terminate()
        service.wait()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A demonstration that is told to end takes its recorder along: nothing may go on recording that nobody sees."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _until_ready(where: Places, service: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < until:
        try:
            ask(where.control_socket, protocol.StatusRequest())
        except NoService:
            if service.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    says = log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
    raise DemoError(f"The service did not begin: {says or 'it said nothing'} (see {log})")


def _do(where: Places, request: Request) -> Snapshot:
    try:
        return _must(ask(where.control_socket, request))
    except NoService as error:
        raise DemoError(str(error)) from error


def _must(reply: Reply) -> Snapshot:
    match reply:
        case Snapshot():
            return reply
        case Refused(_, says, snapshot):
            trouble = " ".join(snapshot.trouble) if snapshot else ""
            raise DemoError(f"{says} {trouble}".strip())
        case _:
            raise DemoError("The service gave another answer than asked.")


def _until_handover(where: Places) -> Snapshot:
    until = time.monotonic() + COPIED_WITHIN_SECONDS
    while True:
        snapshot = _do(where, protocol.StatusRequest())
        if snapshot.state == "handover":
            return snapshot
        if snapshot.state == "idle" or time.monotonic() > until:
            raise DemoError(f"The copies were not made: {' '.join(snapshot.trouble) or 'nothing was heard'}")
        time.sleep(0.05)


def _shown(snapshot: Snapshot, source: str, top: Path) -> Shown:
    recording = snapshot.recording
    if recording is None or recording.sha256 is None:
        raise DemoError("The recording was not sealed.")
    verified = [copy for copy in snapshot.copies if copy.state == "verified" and copy.folder]
    return Shown(
        copies=[copy.folder for copy in verified if copy.folder],
        sha256=recording.sha256,
        frames=recording.frames,
        seconds=recording.seconds,
        verified=len(verified) == len(STICKS),
        source="microphone" if source == "device" else "sample",
        folder=str(top),
    )
