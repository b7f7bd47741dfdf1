"""Check a copy with nothing but the copy."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from appliance.commands.common import ASKED_WRONGLY, DONE, NOT_DONE, everywhere, example, in_json, leave, text


@click.command(epilog=example('verify "/media/stick/2026-11-23 14.00 gesprek k7qm"', "verify COPY-ONE COPY-TWO --json"))
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--key",
    "keys",
    multiple=True,
    callback=text,
    metavar="FINGERPRINT",
    help="The key on the room's card: SHA256:... [default: the own one]",
)
@everywhere
def verify(paths: tuple[Path, ...], keys: tuple[str, ...], root: Path | None, as_json: bool) -> None:
    """Check a copy, a WAV alone, or two copies against each other."""
    from appliance.config import Config, ConfigError, load, places
    from appliance.copies import verify as checking
    from appliance.signing import is_fingerprint, own_keys
    from appliance.words import speak

    if wrong := [key for key in keys if not is_fingerprint(key)]:
        raise click.UsageError(f"{wrong[0]!r} is no fingerprint. It begins with SHA256: and stands on the room's card.")
    if len(paths) > 2:
        raise click.UsageError("Give one copy to check, or two to compare.")
    try:
        config = load(places(root).config)
    except ConfigError as error:  # a copy can be checked all the same
        click.echo(error, err=True)
        config = Config()
    say = speak(config.organisation.language)
    expected = keys or tuple(key.fingerprint for key in own_keys(places(root).register.parent)) or None
    try:
        if len(paths) == 2:
            verdict: checking.Verdict = checking.compare(paths[0], paths[1], say, expected)
        else:
            verdict = checking.verify(paths[0], say, expected)
    except checking.NothingThereError as error:
        leave(ASKED_WRONGLY, str(error))
    click.echo(in_json(verdict) if as_json else checking.in_words(verdict, say))
    equal = verdict.equal if isinstance(verdict, checking.Comparison) else True
    sys.exit(DONE if verdict.verdict == "intact" and equal else NOT_DONE)
