"""What every command has in common: its options, its exit status, how it asks the service, and how it says what came of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import msgspec

from appliance.protocol import Reply, Request, Snapshot

DONE, NOT_DONE, ASKED_WRONGLY, NO_SERVICE = 0, 1, 2, 3

Command = TypeVar("Command", bound=Callable[..., Any])


def text(_: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """What goes into JSON and into other people's files must be text."""
    try:
        "".join(map(str, value if isinstance(value, tuple) else (value,))).encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("this is not UTF-8 text.", param=parameter) from error
    return value


def a_number(_: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and math.isnan(value):
        raise click.BadParameter("this is not a number.", param=parameter)
    return value


root_option = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    callback=text,
    help="Keep everything under one folder: its config.toml, recordings/ and sockets.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object or list as the last line.")


def everywhere(command: Command) -> Command:
    """The options that every command takes."""
    return root_option(json_option(command))


def example(*lines: str) -> str:
    """What stands below a command's help."""
    return "\b\n" + "\n".join(f"{'Example:' if not n else '':8}  meeting-recorder {line}" for n, line in enumerate(lines))


def ask_service(socket_path: Path, request: Request) -> Reply:
    """Leaves when there is no service."""
    from appliance.client import NoService, ask

    try:
        return ask(socket_path, request)
    except NoService as error:
        leave(NO_SERVICE, str(error))


def told(snapshot: Snapshot) -> str:
    """A snapshot in a few lines, for a person at a shell."""
    told = [f"{snapshot.state}{' · storing' if snapshot.storing else ''}"]
    if snapshot.confirmed:
        told.append(f"confirmed: {', '.join(snapshot.confirmed)}")
    if snapshot.recording is not None:
        told.append(f"{snapshot.recording.id}: {snapshot.recording.seconds:.1f} s in {snapshot.recording.folder}")
    told += [f"{copy.label or copy.stick}: {copy.state}, {copy.verified_bytes} of {copy.bytes} bytes" for copy in snapshot.copies]
    return "\n".join([*told, *(f"! {sentence}" for sentence in snapshot.trouble)])


def in_json(value: object) -> str:
    """On one line."""
    return msgspec.json.encode(value).decode()


def leave(status: int, says: str) -> NoReturn:
    click.echo(says, err=True)
    sys.exit(status)
