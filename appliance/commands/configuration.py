"""What the administrator said: is it right, and how it is changed."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.commands.common import ASKED_WRONGLY, NOT_DONE, everywhere, example, in_json, leave, text

COUNTS_FROM = (
    "It counts when the service next starts: systemctl restart meeting-recorder, when no meeting goes on. "
    "A meeting that goes on keeps what it began with, and each recording the days that were agreed to."
)


@click.group(epilog=example("config check", "config set organisation.name Buurtzorg"))
def config() -> None:
    """What the administrator said: is it right, and how it is changed."""


@config.command("check", epilog=example("config check --json"))
@everywhere
def check_config(root: Path | None, as_json: bool) -> None:
    """Read the configuration and the agreement's wording as the service would, and say all that is wrong with them."""
    from appliance.config import ConfigError, agreement_texts, languages, load, places

    where = places(root)
    problems: list[str] = []
    default = ""
    try:
        default = load(where.config).organisation.language
    except ConfigError as error:
        problems += error.problems
    for language in dict.fromkeys((*languages(where), *([default] if default else []))):
        try:
            agreement_texts(where, language)
        except ConfigError as error:
            problems += error.problems
    there = where.config.exists()
    if as_json:
        click.echo(in_json({"file": str(where.config), "there": there, "languages": languages(where), "problems": problems}))
    if problems:
        leave(ASKED_WRONGLY, "\n".join(problems))
    if not as_json:
        click.echo(f"{where.config} {'is right' if there else 'is not there: everything is as delivered'}.")
        click.echo(f"There is an agreement in {', '.join(languages(where))}.")


@config.command("set", epilog=example("config set organisation.timezone Europe/Brussels", "config set retention.keep_days 3"))
@click.argument("key", callback=text)
@click.argument("value", callback=text)
@everywhere
def set_config(key: str, value: str, root: Path | None, as_json: bool) -> None:
    """Set one KEY of the file: organisation.name, .contact, .timezone or .language; retention.keep_days or
    .keep_days_without_handover. Comments and layout stay."""
    from appliance.config import ConfigError, places
    from appliance.disk import RealDisk
    from appliance.settings import change

    where = places(root)
    try:
        change(RealDisk(), where, key, value)
    except ConfigError as error:
        leave(ASKED_WRONGLY, f"{error}\nNothing was changed.")
    except OSError as error:
        leave(NOT_DONE, f"{where.config} could not be written ({error.strerror}). It is as it was.")
    if as_json:
        click.echo(in_json({"file": str(where.config), "key": key, "value": value}))
    else:
        click.echo(f"{key} is {value} now, in {where.config}.\n{COUNTS_FROM}")
