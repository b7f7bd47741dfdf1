"""The service itself, its screen in a terminal, and the whole job without hardware."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from appliance.commands.common import ASKED_WRONGLY, NOT_DONE, a_number, everywhere, example, leave, text


@click.command(epilog=example("serve --root /tmp/room --source wav:talk.wav --stick /tmp/a --stick /tmp/b"))
@click.option("--source", callback=text, help="device, device:NAME, wav:FILE or synthetic. [default: the configured microphone]")
@click.option("--pace", default="real", show_default=True, help="real, fast, or how many times real time (files only).")
@click.option(
    "--stick", "sticks", multiple=True, callback=text, type=click.Path(path_type=Path), help="A folder that stands for a stick."
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
            leave(ASKED_WRONGLY, says)
    except (ConfigError, SourceError) as error:
        leave(ASKED_WRONGLY, str(error))
    try:
        service.serve(where, config, spec, service.sticks_from(sticks))
    except ConfigError as error:  # the organisation's wording is part of it
        leave(ASKED_WRONGLY, str(error))
    except (DoorError, PinsError, StoreError, OSError) as error:
        leave(NOT_DONE, str(error))


@click.command(epilog=example("ui --root /tmp/room"))
@everywhere
def ui(root: Path | None, as_json: bool) -> None:  # noqa: ARG001
    """Show the room's screen in this terminal."""
    from appliance.config import places
    from appliance.ui.app import run

    if not sys.stdin.isatty() or not sys.stdout.isatty():
        leave(NOT_DONE, "There is no terminal here for the screen. Without one: meeting-recorder room status")
    sys.exit(run(places(root).control_socket))


@click.command(epilog=example("demo", "demo --headless --seconds 5"))
@click.option("--headless", is_flag=True, help="Without a screen: the whole job, then one line of JSON.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 24 * 3600),
    callback=a_number,
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
        leave(NOT_DONE, str(error))
