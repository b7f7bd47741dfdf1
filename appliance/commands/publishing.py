"""What the organisation tells beforehand."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.commands.common import ASKED_WRONGLY, NOT_DONE, everywhere, example, in_json, leave, text

PAGE = Path("geluidsopname.html")


@click.command(epilog=example("website", "website /tmp/geluidsopname.html --json"))
@click.argument("file", required=False, default=PAGE, callback=text, type=click.Path(dir_okay=False, path_type=Path))
@everywhere
def website(file: Path, root: Path | None, as_json: bool) -> None:
    """Write the organisation's page about recordings, Dutch and English, for its own site. [default: geluidsopname.html here]"""
    from appliance.config import ConfigError, agreement_texts, languages, load, places
    from appliance.signing import own_keys
    from appliance.website import LANGUAGES, Device, page

    where = places(root)
    try:
        config = load(where.config)
        own = config.organisation.language
        wanted = sorted((each for each in languages(where) if each in LANGUAGES), key=lambda each: each != own)
        texts = [agreement_texts(where, each) for each in wanted]
    except ConfigError as error:
        leave(ASKED_WRONGLY, str(error))
    fingerprints = [key.fingerprint for key in own_keys(where.register.parent)]
    try:
        file.write_text(page(config, texts, Device(fingerprints)), encoding="utf-8")
    except OSError as error:
        leave(NOT_DONE, f"{file} could not be written: {error.strerror}.")
    missing = [key for key in ("name", "contact") if not getattr(config.organisation, key)]
    if as_json:
        fingerprint = fingerprints[-1] if fingerprints else None
        click.echo(in_json({"file": str(file.absolute()), "languages": wanted, "fingerprint": fingerprint, "missing": missing}))
        return
    click.echo(f"Written to {file.absolute()}, in {', '.join(wanted)}.")
    for key in missing:
        click.echo(f"It would say more with organisation.{key}: meeting-recorder config set organisation.{key} ...")
    if not fingerprints:
        click.echo("It has no key's fingerprint: either the service never started here, or you may not look (use sudo).")
