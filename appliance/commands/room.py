"""What people do in the room, from a shell."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from appliance import protocol
from appliance.agreement import Party
from appliance.commands.common import (
    ASKED_WRONGLY,
    DONE,
    NO_SERVICE,
    NOT_DONE,
    ask_service,
    everywhere,
    example,
    in_json,
    leave,
    text,
    told,
)
from appliance.meeting import Alternative
from appliance.protocol import Mistaken, Refused, Request, Snapshot

party_argument = click.argument("party", type=click.Choice([party.value for party in Party]))


@click.group(epilog=example("room confirm client --root /tmp/room --json"))
def room() -> None:
    """What people do in the room: announce, confirm, start, pause, stop, receive."""


def _simple(name: str, request: Request, says: str) -> None:
    @room.command(name, help=says, epilog=example(f"room {name} --json"))
    @everywhere
    def command(root: Path | None, as_json: bool) -> None:
        _ask_room(request, root, as_json=as_json)


_simple("start", protocol.StartRequest(), "Start the recording; everybody has confirmed.")
_simple("pause", protocol.PauseRequest(), "Pause: nothing is recorded until it is resumed.")
_simple("resume", protocol.ResumeRequest(), "Go on after a pause.")
_simple("join", protocol.JoinRequest(), "Somebody joins: they confirm too.")
_simple("sum-up", protocol.SumUpRequest(), "The closing summary begins; the recording goes on until it is stopped.")
_simple("switch-off", protocol.SwitchOffRequest(), "Switch the appliance off, when no copy is being made any more.")
_simple("stop", protocol.StopRequest(), "Stop; the recording is sealed and copied.")
_simple("cancel", protocol.CancelRequest(), "Leave the meeting before the start; nothing was stored.")
_simple("status", protocol.StatusRequest(), "Where things stand.")


@room.command(epilog=example("room announce --language nl"))
@click.option("--language", callback=text, help="The language of this meeting, such as nl or en.")
@everywhere
def announce(language: str | None, root: Path | None, as_json: bool) -> None:
    """Begin a meeting: the announcement is on the screen, to say aloud."""
    _ask_room(protocol.AnnounceRequest(language), root, as_json=as_json)


@room.command(epilog=example("room confirm client"))
@party_argument
@everywhere
def confirm(party: str, root: Path | None, as_json: bool) -> None:
    """One party confirms the agreement, for themselves only."""
    _ask_room(protocol.ConfirmRequest(Party(party)), root, as_json=as_json)


@room.command(epilog=example("room mark professional"))
@party_argument
@everywhere
def mark(party: str, root: Path | None, as_json: bool) -> None:
    """Mark this moment in the recording."""
    _ask_room(protocol.MarkRequest(Party(party)), root, as_json=as_json)


@room.command(epilog=example("room received client"))
@party_argument
@everywhere
def received(party: str, root: Path | None, as_json: bool) -> None:
    """A party has taken their stick."""
    _ask_room(protocol.ReceivedRequest(Party(party)), root, as_json=as_json)


@room.command(epilog=example("room later client"))
@party_argument
@everywhere
def later(party: str, root: Path | None, as_json: bool) -> None:
    """A party leaves without a stick, and gets their copy later."""
    _ask_room(protocol.LaterRequest(Party(party)), root, as_json=as_json)


@room.command(epilog=example("room decline --alternative follow-up"))
@click.option("--alternative", required=True, type=click.Choice([alternative.value for alternative in Alternative]))
@click.option("--note", callback=text, help="What you agreed instead, if you both want it written down.")
@everywhere
def decline(alternative: str, note: str | None, root: Path | None, as_json: bool) -> None:
    """Rather not: no recording, and something else that you choose together."""
    _ask_room(protocol.DeclineRequest(Alternative(alternative), note), root, as_json=as_json)


@room.command(epilog=example("room watch --json"))
@everywhere
def watch(root: Path | None, as_json: bool) -> None:
    """Print a line at each change, until interrupted."""
    import asyncio

    from appliance.client import NoService
    from appliance.client import watch as snapshots
    from appliance.config import places

    async def show() -> None:
        async for snapshot in snapshots(places(root).control_socket):
            click.echo(in_json(snapshot) if as_json else told(snapshot))

    try:
        asyncio.run(show())
    except NoService as error:
        leave(NO_SERVICE, str(error))
    except KeyboardInterrupt:
        sys.exit(DONE)
    except BrokenPipeError:
        # What is still in the buffer would fail once more when Python ends, and that would be the exit status.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)


def _ask_room(request: Request, root: Path | None, *, as_json: bool) -> None:
    from appliance.config import places

    reply = ask_service(places(root).control_socket, request)
    match reply:
        case Snapshot():
            click.echo(in_json(reply) if as_json else told(reply))
        case Refused(_, says, snapshot):
            click.echo(says, err=True)
            if as_json and snapshot is not None:
                click.echo(in_json(snapshot))
            sys.exit(NOT_DONE)
        case Mistaken(says):
            leave(ASKED_WRONGLY, says)
        case _:
            leave(NOT_DONE, "The service gave another answer than asked.")
