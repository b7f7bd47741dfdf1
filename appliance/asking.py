"""What somebody asked for over the socket, as the event that the meeting knows."""

from __future__ import annotations

from appliance import protocol
from appliance.meeting import (
    Announce,
    Cancel,
    Confirm,
    Decline,
    Hold,
    Join,
    Later,
    Mark,
    MeetingEvent,
    Pause,
    Press,
    Received,
    Resume,
    Start,
    Stop,
    StoppedBy,
    SumUp,
    SwitchOff,
)
from appliance.protocol import RoomRequest


def event_of(request: RoomRequest, at: int) -> MeetingEvent | None:  # noqa: C901, PLR0911, PLR0912 - a row a request
    """The event, with the moment (monotonic ns) at which it was asked for; None for one that is not about the meeting."""
    match request:
        case protocol.AnnounceRequest():
            return Announce(at)
        case protocol.ConfirmRequest(party):
            return Confirm(party, at)
        case protocol.StartRequest():
            return Start(at)
        case protocol.PauseRequest():
            return Pause(at)
        case protocol.ResumeRequest():
            return Resume(at)
        case protocol.JoinRequest():
            return Join(at)
        case protocol.MarkRequest(party):
            return Mark(party, at)
        case protocol.SumUpRequest():
            return SumUp(at)
        case protocol.SwitchOffRequest():
            return SwitchOff(at)
        case protocol.StopRequest():
            return Stop(StoppedBy.ROOM, at)
        case protocol.CancelRequest():
            return Cancel(at)
        case protocol.DeclineRequest(alternative, note):
            return Decline(alternative, note, at)
        case protocol.ReceivedRequest(party):
            return Received(party, at)
        case protocol.LaterRequest(party):
            return Later(party, at)
        case protocol.PressRequest(party):
            return Press(party, at)
        case protocol.HoldRequest():
            return Hold(at)
        case protocol.StatusRequest() | protocol.WatchRequest() | protocol.CopyRequest() | protocol.TakeInRequest():
            return None
