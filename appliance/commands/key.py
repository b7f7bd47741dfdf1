"""The key with which the appliance signs each copy: what to print on the room's card, and how to replace it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.commands.common import NOT_DONE, everywhere, example, in_json, leave
from appliance.protocol import KeyView, NewKeyRequest, Reply

if TYPE_CHECKING:
    from appliance.config import Places


@click.group(epilog=example("key show", "key new"))
def key() -> None:
    """The key with which the appliance signs each copy."""


@key.command("show", epilog=example("key show --json"))
@everywhere
def show(root: Path | None, as_json: bool) -> None:
    """The fingerprint of the key: print it on the room's card, and put it on the organisation's page."""
    from appliance.config import places
    from appliance.signing import own_keys

    keys = own_keys(places(root).register.parent)
    if not keys:
        leave(NOT_DONE, "There is no key here yet. The service makes one when it first starts.")
    _say(KeyView(keys[-1].fingerprint, [key.fingerprint for key in keys[:-1]], keys[-1].allowed_signer.strip()), as_json=as_json)


@key.command("new", epilog=example("key new"))
@everywhere
def new(root: Path | None, as_json: bool) -> None:
    """Make another key, which signs from now on. Copies made before stay good. Print a new card afterwards.

    The register keeps who did it, and when. With a running service it is asked; without one it is done here.
    """
    from appliance.client import NoService, ask
    from appliance.config import places

    where = places(root)
    try:
        reply: Reply = ask(where.admin_socket, NewKeyRequest())
    except NoService:
        reply = _new_without_a_service(where)
    if not isinstance(reply, KeyView):
        leave(NOT_DONE, getattr(reply, "says", "The service gave another answer than asked."))
    _say(reply, as_json=as_json)


def _new_without_a_service(where: Places) -> KeyView:
    """Also where the service does not start because the key is damaged. While it is made, no service can start."""
    from appliance.clock import RealClock
    from appliance.disk import RealDisk
    from appliance.doors import DoorError, hold_place
    from appliance.keys import renew
    from appliance.register import Register
    from appliance.signing import own_keys
    from appliance.store import StoreError

    state = where.register.parent
    try:
        hold_place(where.control_socket)
        register = Register.open(RealDisk(), where.register)
        made = renew(RealDisk(), RealClock(), state, register, pwd.getpwuid(os.getuid()).pw_name).public
    except (DoorError, StoreError, OSError) as error:
        leave(NOT_DONE, f"There is no new key: {error}")
    return KeyView(made.fingerprint, [key.fingerprint for key in own_keys(state)[:-1]], made.allowed_signer.strip())


def _say(view: KeyView, *, as_json: bool) -> None:
    if as_json:
        click.echo(in_json(view))
        return
    click.echo(view.key)
    for earlier in view.earlier:
        click.echo(f"  earlier: {earlier}")
