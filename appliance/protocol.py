"""What is said on the sockets: newline-delimited JSON, one object a line, typed here once for service, screen and command line.

    socat - UNIX-CONNECT:control.sock
    {"do":"status"}                            -> {"is":"snapshot","state":"idle",...}
    {"do":"confirm","party":"client"}          -> a snapshot after it, or {"is":"refused","why":"no-meeting","says":"..."}
    {"do":"watch"}                             -> a snapshot now and after each change, until the socket is closed

A `room` request is answered when it was handled and is on the disk. Requests on one connection are answered in order. Names and
fields are a contract: fields may be added, none is renamed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec

from appliance.agreement import Party
from appliance.meeting import Alternative

LONGEST_MESSAGE = 64 * 1024
"""Bytes. A longer line is not one of ours."""


# ── requests ────────────────────────────────────────────────────────────────────────────────────────


class Request(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    pass


class AnnounceRequest(Request, frozen=True, tag="announce"):
    """`language` is the one chosen on the invitation screen; None keeps the configured one."""

    language: str | None = None


class ConfirmRequest(Request, frozen=True, tag="confirm"):
    party: Party


class StartRequest(Request, frozen=True, tag="start"):
    pass


class PauseRequest(Request, frozen=True, tag="pause"):
    pass


class ResumeRequest(Request, frozen=True, tag="resume"):
    pass


class JoinRequest(Request, frozen=True, tag="join"):
    pass


class MarkRequest(Request, frozen=True, tag="mark"):
    party: Party


class StopRequest(Request, frozen=True, tag="stop"):
    pass


class CancelRequest(Request, frozen=True, tag="cancel"):
    pass


class DeclineRequest(Request, frozen=True, tag="decline"):
    alternative: Alternative = Alternative.OTHER
    note: str | None = None


class ReceivedRequest(Request, frozen=True, tag="received"):
    party: Party


class LaterRequest(Request, frozen=True, tag="later"):
    party: Party


class PressRequest(Request, frozen=True, tag="press"):
    """A key that stands for the button; `party` where each party has one."""

    party: Party | None = None


class HoldRequest(Request, frozen=True, tag="hold"):
    """The button was held to the end."""


class StatusRequest(Request, frozen=True, tag="status"):
    pass


class WatchRequest(Request, frozen=True, tag="watch"):
    pass


class RecordingsRequest(Request, frozen=True, tag="recordings"):
    """Only on the administrators' socket."""


RoomRequest: TypeAlias = (
    AnnounceRequest
    | ConfirmRequest
    | StartRequest
    | PauseRequest
    | ResumeRequest
    | JoinRequest
    | MarkRequest
    | StopRequest
    | CancelRequest
    | DeclineRequest
    | ReceivedRequest
    | LaterRequest
    | PressRequest
    | HoldRequest
    | StatusRequest
    | WatchRequest
)
AdminRequest: TypeAlias = RecordingsRequest


# ── replies ─────────────────────────────────────────────────────────────────────────────────────────


class GapView(msgspec.Struct, frozen=True):
    """`at`: seconds into the WAV; `seconds`: how long, give or take `uncertainty`."""

    at: float
    seconds: float
    uncertainty: float
    why: str


class RecordingView(msgspec.Struct, frozen=True):
    id: str
    folder: str
    frames: int
    seconds: float
    gaps: list[GapView]
    interrupted: bool
    sha256: str | None


class CopyView(msgspec.Struct, frozen=True):
    """`state`: waiting, following, verified, unfinished or failed. `label`: what people see of the stick; `says`: why, as a code."""

    stick: str
    folder: str | None
    state: str
    bytes: int
    verified_bytes: int
    label: str = ""
    bytes_a_second: int = 0
    says: str | None = None


class LevelView(msgspec.Struct, frozen=True):
    """dB below full scale (0 is the loudest that fits); None where nothing is heard."""

    level: float | None = None
    peak: float | None = None


class Snapshot(msgspec.Struct, frozen=True, tag_field="is", tag="snapshot"):
    """All that a screen needs, at one instant. `at` is the service's monotonic clock in milliseconds."""

    state: str
    confirmed: list[Party]
    storing: bool
    light: bool
    trouble: list[str]
    recording: RecordingView | None
    copies: list[CopyView]
    at: int = 0
    asked: Party | None = None
    guest: bool = False
    started: bool = False
    joining: bool = False
    received: list[Party] = []
    later: list[Party] = []
    verified: int = 0
    level: LevelView | None = None
    microphone: str = "unknown"
    language: str = "nl"
    languages: list[str] = []
    announcement: str = ""
    agreement: str = ""
    kept_until: str | None = None
    seconds_left: int | None = None
    touch: bool = False
    buttons: int = 1
    part: int = 1
    version: str = ""


class Refused(msgspec.Struct, frozen=True, tag_field="is", tag="refused"):
    """The meeting does not allow it now; `says` is for the person, `why` for a program."""

    why: str
    says: str
    snapshot: Snapshot | None = None


class Mistaken(msgspec.Struct, frozen=True, tag_field="is", tag="mistaken"):
    """The line was not a request that this socket knows."""

    says: str


class KeptRecording(msgspec.Struct, frozen=True):
    id: str
    folder: str
    seconds: float
    sha256: str | None
    interrupted: bool
    copies: list[CopyView]
    goes_at: str | None
    hold: bool


class Recordings(msgspec.Struct, frozen=True, tag_field="is", tag="recordings"):
    recordings: list[KeptRecording]


Reply: TypeAlias = Snapshot | Refused | Mistaken | Recordings

room_requests: msgspec.json.Decoder[RoomRequest] = msgspec.json.Decoder(RoomRequest)
admin_requests: msgspec.json.Decoder[AdminRequest] = msgspec.json.Decoder(AdminRequest)
replies: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


@contextmanager
def address(path: Path) -> Iterator[str]:
    """What to bind or connect to for a socket at `path`: the kernel takes 107 bytes, and folders may be deeper than that."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def line(message: Request | Reply) -> bytes:
    """One message as it goes over the socket."""
    return msgspec.json.encode(message) + b"\n"
