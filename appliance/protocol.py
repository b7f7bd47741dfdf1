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


class SumUpRequest(Request, frozen=True, tag="sum-up"):
    """Before the stop: the closing summary is spoken from now on. `resume` takes it back; `stop` never waits for it."""


class StopRequest(Request, frozen=True, tag="stop"):
    pass


class SwitchOffRequest(Request, frozen=True, tag="switch-off"):
    """Switch the appliance off when no copy is being made any more; `now`: whatever is not done. A `cancel` takes it back."""

    now: bool = False


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


class CopyRequest(Request, frozen=True, tag="copy"):
    """Copy a recording that the appliance still keeps to the sticks that are in, while no meeting goes on."""

    id: str


class TakeInRequest(Request, frozen=True, tag="take-in"):
    """Take in a recording that a party brought: `path` is a file on a stick that is in."""

    path: str
    party: Party = Party.CLIENT


class HoldRecordingRequest(Request, frozen=True, tag="hold"):
    """Keep a recording longer: a procedure is running. `until`: a day (2027-01-31) after which it goes; None without an end."""

    id: str
    reason: str
    until: str | None = None


class ReleaseRequest(Request, frozen=True, tag="release"):
    id: str


class DeleteRequest(Request, frozen=True, tag="delete"):
    """Erase a recording now: `both_agreed` says that both parties want it so."""

    id: str
    both_agreed: bool = False


class RetentionPreviewRequest(Request, frozen=True, tag="retention-preview"):
    pass


class RetentionRunRequest(Request, frozen=True, tag="retention-run"):
    """Erase what is due. `expected`: how many that are, by somebody who looked; needed when they are suddenly many."""

    expected: int | None = None


class ClockRequest(Request, frozen=True, tag="clock"):
    """What the clock says, and how far it is trusted. Only on the administrators' socket."""


class ClockConfirmRequest(Request, frozen=True, tag="clock-confirm"):
    """The clock is right. `after_setting`: it was set just now. Only on the administrators' socket."""

    after_setting: bool = False


class NewKeyRequest(Request, frozen=True, tag="new-key"):
    """Another key to sign with, from now on. Only on the administrators' socket."""


RoomRequest: TypeAlias = (
    AnnounceRequest
    | ConfirmRequest
    | StartRequest
    | PauseRequest
    | ResumeRequest
    | JoinRequest
    | MarkRequest
    | SumUpRequest
    | StopRequest
    | SwitchOffRequest
    | CancelRequest
    | DeclineRequest
    | ReceivedRequest
    | LaterRequest
    | PressRequest
    | HoldRequest
    | StatusRequest
    | WatchRequest
    | CopyRequest
    | TakeInRequest
)
AdminRequest: TypeAlias = (
    RecordingsRequest
    | HoldRecordingRequest
    | ReleaseRequest
    | DeleteRequest
    | RetentionPreviewRequest
    | RetentionRunRequest
    | CopyRequest
    | ClockRequest
    | ClockConfirmRequest
    | NewKeyRequest
)


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
    """dB below full scale (0 is the loudest that fits); None where nothing is heard. `clipped`: samples that did not fit, lately."""

    level: float | None = None
    peak: float | None = None
    clipped: int = 0


class CheckView(msgspec.Struct, frozen=True):
    """One thing that is looked at before the start. `what`: microphone, sticks, clock, power or room; `state`: good, waiting or bad."""

    what: str
    state: str


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
    clock: str | None = None
    """What the room's clock says (local, to the minute), and how far it is trusted: ntp, battery, confirmed or none."""
    clock_trust: str = "none"
    summing_up: bool = False
    held_since: int | None = None
    """Since when (as `at`) a finger has been on the button; None once it was let go, or held for all of `hold_seconds`."""
    hold_seconds: float = 1.5
    checks: list[CheckView] = []
    """Before the start: what was looked at, and whether it is good."""
    heard: list[Party] = []
    """Whose voice, or one at their turn, was loud enough."""
    twin_words: list[str] = []
    """The words by which both see that their copies are the same, when there are any."""
    fingerprint: str = ""
    """Of the appliance's key, as `ssh-keygen -l` prints it: what a copy's signature is compared with."""
    comparison: str | None = None
    """At rest, of two sticks that were put in: a sentence, whether the recordings on them are the same."""
    leaving: list[str] | None = None
    """While the appliance is being switched off: the sticks that it still waits for; else None."""


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
    hold_reason: str | None = None
    hold_until: str | None = None
    received: list[Party] = []
    begun: str | None = None
    journal: str | None = None
    """The journal's head: the digest of its last line."""


class Recordings(msgspec.Struct, frozen=True, tag_field="is", tag="recordings"):
    recordings: list[KeptRecording]


class FateView(msgspec.Struct, frozen=True):
    """What becomes of a recording now. `decision`: keep, goes, held or refused; `goes_at`: RFC 3339, UTC."""

    id: str
    decision: str
    goes_at: str | None
    why: str


class Fates(msgspec.Struct, frozen=True, tag_field="is", tag="fates"):
    """`erased`: the ids of what a run erased; none of a preview."""

    fates: list[FateView]
    erased: list[str] = []


class ClockView(msgspec.Struct, frozen=True, tag_field="is", tag="clock"):
    """`wall` in UTC and `local` in the room's zone (RFC 3339). `trust`: ntp, battery, confirmed or none; the rest is what it rests on."""

    wall: str
    local: str
    trust: str
    time_server: bool
    battery: str | None
    last_trusted: str | None


class KeyView(msgspec.Struct, frozen=True, tag_field="is", tag="key"):
    """`key` and `earlier`: fingerprints, as `ssh-keygen -l` prints them; `allowed_signer`: the line of a copy's allowed_signers."""

    key: str
    earlier: list[str]
    allowed_signer: str


Reply: TypeAlias = Snapshot | Refused | Mistaken | Recordings | ClockView | Fates | KeyView

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
