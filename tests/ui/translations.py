"""The translations as gettext reads them. Installing compiles them; whoever edits a .po and runs the tests has them compiled here."""

from __future__ import annotations

import os
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from appliance import words


def compile_translations() -> None:
    """Bring every .mo up to date with its .po."""
    for po in words.LOCALE.glob(f"*/LC_MESSAGES/{words.DOMAIN}.po"):
        mo = po.with_suffix(".mo")
        if not mo.exists() or mo.stat().st_mtime_ns < po.stat().st_mtime_ns:
            _compile(po, mo)
    words.speak.cache_clear()
    words.languages.cache_clear()


def _compile(po: Path, mo: Path) -> None:
    fresh = mo.with_suffix(f".{os.getpid()}")
    with po.open("rb") as texts, fresh.open("wb") as compiled:
        write_mo(compiled, read_po(texts, locale=po.parts[-3]))
    fresh.replace(mo)
