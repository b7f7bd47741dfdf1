"""The command line: everything a person does in the room can be done from a shell.

Exit status: 0 done; 1 it did not succeed, or the meeting does not allow it now; 2 asked wrongly; 3 the service is not there.
With `--json` the last line of the output is one JSON object or list. Both are a contract.
"""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import msgspec

from appliance import __version__, protocol
from appliance.agreement import Party
from appliance.meeting import Alternative
from appliance.protocol import Mistaken, Recordings, Refused, Reply, Request, Snapshot

DONE, NOT_DONE, ASKED_WRONGLY, NO_SERVICE = 0, 1, 2, 3

Command = TypeVar("Command", bound=Callable[..., Any])


def _text(_: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """What goes into JSON and into other people's files must be text."""
    try:
        "".join(map(str, value if isinstance(value, tuple) else (value,))).encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("this is not UTF-8 text.", param=parameter) from error
    return value


def _a_number(_: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and math.isnan(value):
        raise click.BadParameter("this is not a number.", param=parameter)
    return value


root_option = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    callback=_text,
    help="Keep everything under one folder: its config.toml, recordings/ and sockets.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object or list as the last line.")


def everywhere(command: Command) -> Command:
    """The options that every command takes."""
    return root_option(json_option(command))


def example(*lines: str) -> str:
    """What stands below a command's help."""
    return "\b\n" + "\n".join(f"{'Example:' if not n else '':8}  meeting-recorder {line}" for n, line in enumerate(lines))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="meeting-recorder")
def main() -> None:
    """The recorder on the table: one open recording of a meeting, two equal copies.

    \b
    Try it without any hardware:    meeting-recorder demo
    Run it:                         meeting-recorder serve
    Look at it, in a terminal:      meeting-recorder ui
    Check a copy:                   meeting-recorder verify FOLDER
    """


# ── the service and its screen ──────────────────────────────────────────────────────────────────────


@main.command(epilog=example("serve --root /tmp/room --source wav:talk.wav --stick /tmp/a --stick /tmp/b"))
@click.option("--source", callback=_text, help="device, device:NAME, wav:FILE or synthetic. [default: the configured microphone]")
@click.option("--pace", default="real", show_default=True, help="real, fast, or how many times real time (files only).")
@click.option(
    "--stick", "sticks", multiple=True, callback=_text, type=click.Path(path_type=Path), help="A folder that stands for a stick."
)
@everywhere
def serve(source: str | None, pace: str, sticks: tuple[Path, ...], root: Path | None, as_json: bool) -> None:  # noqa: ARG001
    """Run the recorder's service, until it is told to stop."""
    from appliance import service
    from appliance.audio.microphone import can_be_played
    from appliance.audio.sources import SourceError, check_spec
    from appliance.config import ConfigError, load, places
    from appliance.doors import DoorError
    from appliance.room.pins import PinsError
    from appliance.store import StoreError

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    where = places(root)
    try:
        config = load(where.config)
        spec = service.source_spec(config, source, pace)
        check_spec(spec.spec, spec.pace)
        if spec.spec.startswith("wav:") and (says := can_be_played(spec.spec)) is not None:
            _leave(ASKED_WRONGLY, says)
    except (ConfigError, SourceError) as error:
        _leave(ASKED_WRONGLY, str(error))
    try:
        service.serve(where, config, spec, service.folder_sticks(sticks))
    except ConfigError as error:  # the organisation's wording is part of it
        _leave(ASKED_WRONGLY, str(error))
    except (DoorError, PinsError, StoreError, OSError) as error:
        _leave(NOT_DONE, str(error))


@main.command(epilog=example("ui --root /tmp/room"))
@everywhere
def ui(root: Path | None, as_json: bool) -> None:  # noqa: ARG001
    """Show the room's screen in this terminal."""
    from appliance.config import places
    from appliance.ui.app import run

    if not sys.stdin.isatty() or not sys.stdout.isatty():
        _leave(NOT_DONE, "There is no terminal here for the screen. Without one: meeting-recorder room status")
    sys.exit(run(places(root).control_socket))


@main.command(epilog=example("demo", "demo --headless --seconds 5"))
@click.option("--headless", is_flag=True, help="Without a screen: the whole job, then one line of JSON.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 24 * 3600),
    callback=_a_number,
    help="How long to record (with --headless). [default: 5]",
)
@everywhere
def demo(headless: bool, seconds: float | None, root: Path | None, as_json: bool) -> None:  # noqa: ARG001
    """The whole job without any hardware: a microphone if there is one, else a spoken sample; two folders as sticks."""
    from appliance import demo as the_demo

    if seconds is not None and not headless:
        raise click.UsageError("--seconds goes with --headless: with the screen, you say when it ends.")
    try:
        sys.exit(the_demo.without_screen(root, seconds or 5.0) if headless else the_demo.with_screen(root))
    except the_demo.DemoError as error:
        _leave(NOT_DONE, str(error))


# ── the room ────────────────────────────────────────────────────────────────────────────────────────

party_argument = click.argument("party", type=click.Choice([party.value for party in Party]))


@main.group(epilog=example("room confirm client --root /tmp/room --json"))
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
_simple("stop", protocol.StopRequest(), "Stop; the recording is sealed and copied.")
_simple("cancel", protocol.CancelRequest(), "Leave the meeting before the start; nothing was stored.")
_simple("status", protocol.StatusRequest(), "Where things stand.")


@room.command(epilog=example("room announce --language nl"))
@click.option("--language", callback=_text, help="The language of this meeting, such as nl or en.")
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
@click.option("--note", callback=_text, help="What you agreed instead, if you both want it written down.")
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
            click.echo(_json(snapshot) if as_json else _told(snapshot))

    try:
        asyncio.run(show())
    except NoService as error:
        _leave(NO_SERVICE, str(error))
    except KeyboardInterrupt:
        sys.exit(DONE)
    except BrokenPipeError:
        # What is still in the buffer would fail once more when Python ends, and that would be the exit status.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)


# ── copies and recordings ───────────────────────────────────────────────────────────────────────────


@main.command(epilog=example('verify "/media/stick/2026-11-23 14.00 gesprek k7qm"', "verify COPY-ONE COPY-TWO --json"))
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@everywhere
def verify(paths: tuple[Path, ...], root: Path | None, as_json: bool) -> None:
    """Check a copy, a WAV alone, or two copies against each other."""
    from appliance.config import Config, ConfigError, load, places
    from appliance.copies import verify as checking
    from appliance.words import speak

    if len(paths) > 2:
        raise click.UsageError("Give one copy to check, or two to compare.")
    try:
        config = load(places(root).config)
    except ConfigError as error:  # a copy can be checked all the same
        click.echo(error, err=True)
        config = Config()
    say = speak(config.organisation.language)
    try:
        verdict = checking.compare(paths[0], paths[1], say) if len(paths) == 2 else checking.verify(paths[0], say)
    except checking.NothingThereError as error:
        _leave(ASKED_WRONGLY, str(error))
    click.echo(_json(verdict) if as_json else checking.in_words(verdict, say))
    equal = verdict.equal if isinstance(verdict, checking.Comparison) else True
    sys.exit(DONE if verdict.verdict == "intact" and equal else NOT_DONE)


@main.group(epilog=example("recordings list --json"))
def recordings() -> None:
    """What the appliance keeps (administrators)."""


@recordings.command("list", epilog=example("recordings list --json"))
@everywhere
def list_recordings(root: Path | None, as_json: bool) -> None:
    """The recordings that the appliance keeps, and what became of their copies."""
    from appliance.config import places

    reply = _ask(places(root).admin_socket, protocol.RecordingsRequest())
    if not isinstance(reply, Recordings):
        _leave(NOT_DONE, getattr(reply, "says", "The service gave another answer than asked."))
    if as_json:
        click.echo(_json(reply.recordings))
        return
    for kept in reply.recordings:
        cut = ", interrupted" if kept.interrupted else ""
        click.echo(f"{kept.id}  {kept.seconds:9.1f} s  {len(kept.copies)} verified copies{cut}  {kept.folder}")


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────


def _ask(socket_path: Path, request: Request) -> Reply:
    from appliance.client import NoService, ask

    try:
        return ask(socket_path, request)
    except NoService as error:
        _leave(NO_SERVICE, str(error))


def _ask_room(request: Request, root: Path | None, *, as_json: bool) -> None:
    from appliance.config import places

    reply = _ask(places(root).control_socket, request)
    match reply:
        case Snapshot():
            click.echo(_json(reply) if as_json else _told(reply))
        case Refused(_, says, snapshot):
            click.echo(says, err=True)
            if as_json and snapshot is not None:
                click.echo(_json(snapshot))
            sys.exit(NOT_DONE)
        case Mistaken(says):
            _leave(ASKED_WRONGLY, says)
        case _:
            _leave(NOT_DONE, "The service gave another answer than asked.")


def _told(snapshot: Snapshot) -> str:
    """A snapshot in a few lines, for a person at a shell."""
    told = [f"{snapshot.state}{' · storing' if snapshot.storing else ''}"]
    if snapshot.confirmed:
        told.append(f"confirmed: {', '.join(snapshot.confirmed)}")
    if snapshot.recording is not None:
        told.append(f"{snapshot.recording.id}: {snapshot.recording.seconds:.1f} s in {snapshot.recording.folder}")
    told += [f"{copy.label or copy.stick}: {copy.state}, {copy.verified_bytes} of {copy.bytes} bytes" for copy in snapshot.copies]
    return "\n".join([*told, *(f"! {sentence}" for sentence in snapshot.trouble)])


def _json(value: object) -> str:
    """On one line."""
    return msgspec.json.encode(value).decode()


def _leave(status: int, says: str) -> NoReturn:
    click.echo(says, err=True)
    sys.exit(status)
