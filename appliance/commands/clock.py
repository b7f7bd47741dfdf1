"""Whether the appliance's clock is right."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from appliance import protocol
from appliance.commands.common import ASKED_WRONGLY, NOT_DONE, ask_service, everywhere, example, in_json, leave
from appliance.protocol import ClockView, Request

CLOCK_TRUST = {
    "ntp": "trusted: a time server set it",
    "battery": "trusted: the battery clock agrees with the last trusted time",
    "confirmed": "trusted: an administrator confirmed it since the machine was switched on",
    "none": "not trusted: look whether it is right, then: meeting-recorder clock confirm",
}


@click.group(epilog=example("clock show", "clock confirm"))
def clock() -> None:
    """Whether the appliance's clock is right (administrators)."""


@clock.command("show", epilog=example("clock show --json"))
@everywhere
def show_clock(root: Path | None, as_json: bool) -> None:
    """What the clock says, and how far it is trusted."""
    _ask_clock(protocol.ClockRequest(), root, as_json=as_json)


@clock.command("confirm", epilog=example("clock confirm"))
@everywhere
def confirm_clock(root: Path | None, as_json: bool) -> None:
    """You looked at the clock, and it is right: say so, until the appliance is switched off. The register keeps who did."""
    _ask_clock(protocol.ClockConfirmRequest(), root, as_json=as_json)


@clock.command("set", epilog=example('clock set "2026-11-24 14:03"'))
@click.argument("moment", type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]))
@everywhere
def set_clock(moment: datetime, root: Path | None, as_json: bool) -> None:
    """Set the machine's clock to this local time, and confirm it. Only root may set a clock."""
    import time
    from zoneinfo import ZoneInfo

    from appliance.config import ConfigError, load, places

    try:
        zone = ZoneInfo(load(places(root).config).organisation.timezone)
    except ConfigError as error:
        leave(ASKED_WRONGLY, str(error))
    ask_service(places(root).admin_socket, protocol.ClockRequest())  # nothing is set when nobody would know of it
    try:
        time.clock_settime(time.CLOCK_REALTIME, moment.replace(tzinfo=zone).timestamp())
    except OSError as error:
        leave(NOT_DONE, f"The clock was not set ({error.strerror}), and is as it was. Only root may set it: use sudo.")
    _ask_clock(protocol.ClockConfirmRequest(after_setting=True), root, as_json=as_json)


def _ask_clock(request: Request, root: Path | None, *, as_json: bool) -> None:
    from appliance.config import places

    reply = ask_service(places(root).admin_socket, request)
    if not isinstance(reply, ClockView):
        leave(NOT_DONE, getattr(reply, "says", "The service gave another answer than asked."))
    if as_json:
        click.echo(in_json(reply))
        return
    click.echo(f"{reply.local}  ({CLOCK_TRUST[reply.trust]})")
