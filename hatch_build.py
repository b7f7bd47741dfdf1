"""Compiles the translations (.po) into what gettext reads (.mo) when the package is built or installed from a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Translations(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        for po in Path(self.root, "appliance", "locale").glob("*/LC_MESSAGES/*.po"):
            with po.open("rb") as texts, po.with_suffix(".mo").open("wb") as compiled:
                write_mo(compiled, read_po(texts, locale=po.parts[-3]))
