"""What is plugged in, and whether all is well."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from appliance.commands.common import DONE, NOT_DONE, everywhere, example, in_json, leave, text


@click.command(epilog=example("devices", "devices --json"))
@everywhere
def devices(root: Path | None, as_json: bool) -> None:
    """Show which microphones, sticks and pins this machine has. A part that is missing is said, and no failure."""
    from appliance.config import Config, ConfigError, load, places
    from appliance.plugged_in import look

    try:
        config = load(places(root).config)
    except ConfigError as error:
        click.echo(error, err=True)
        config = Config()
    lights = [pin for pin in (config.light.pin, config.light.trouble_pin) if pin is not None]
    found = look((*config.button.pins, *lights))
    if as_json:
        click.echo(in_json(found))
        return
    for microphone in found.microphones:
        default = " (default)" if microphone.is_default else ""
        click.echo(f"microphone  {microphone.name}{default}: {microphone.channels} channels, {microphone.rate} Hz")
    for stick in found.sticks:
        unfit = f", cannot be used: {stick.unfit}" if stick.unfit else ""
        click.echo(
            f"stick       {stick.label} ({stick.make or 'no make'}): {stick.size / 1e9:.1f} GB, {stick.file_system or '-'}{unfit}"
        )
    for chip in found.chips:
        click.echo(f"pins        {chip.device} ({chip.label}): {chip.lines} lines")
        for line in chip.asked:
            click.echo(f"              {line.number} {line.name}: {f'held by {line.used_by}' if line.used_by else 'free'}")
    for missing in found.missing:
        click.echo(f"missing     {missing}")


@click.command(epilog=example("doctor", "doctor --json", "doctor --report /tmp/report.json"))
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=text,
    help="Write a file for whoever helps you: no names, no sound, no agreement, no labels of sticks.",
)
@everywhere
def doctor(report: Path | None, root: Path | None, as_json: bool) -> None:
    """Look at every part, and say what to do about what is not well. Works beside the running service, and without it."""
    from appliance.config import places
    from appliance.doctor import examine, support_file

    where = places(root)
    findings = examine(where, installed=root is None)
    if report is not None:
        try:
            report.write_text(support_file(where, findings), encoding="utf-8")
        except OSError as error:
            leave(NOT_DONE, f"{report} could not be written: {error.strerror}.")
    if as_json:
        click.echo(in_json(findings))
    else:
        for finding in findings:
            click.echo(f"{finding.what:13}  {finding.state:7}  {finding.says}")
            if finding.next:
                click.echo(f"{'':13}  {'':7}  -> {finding.next}")
        if report is not None:
            click.echo(f"Written to {report}. Read it before you send it.")
    sys.exit(DONE if all(finding.state == "ok" for finding in findings) else NOT_DONE)
