"""What an administrator changes without an editor: one key of config.toml, and nothing else in the file.

The new text is judged as a whole, as the service would judge it, before a byte is written; it is written in one step, durable, with
the comments and the layout that were there. It counts from the service's next start: a meeting that goes on keeps the settings that
it began with, and a recording the days that both agreed to (they stand in the register).
"""

from __future__ import annotations

import difflib
from typing import Final

from appliance.config import ConfigError, Places, agreement_texts, load, parse
from appliance.disk import Disk, write_whole

TEXTS: Final = ("organisation.name", "organisation.contact", "organisation.timezone", "organisation.language")
NUMBERS: Final = ("retention.keep_days", "retention.keep_days_without_handover")
SETTABLE: Final = TEXTS + NUMBERS
MODE = 0o644


def change(disk: Disk, where: Places, key: str, value: str) -> None:
    """Set one key. ConfigError: what is wrong with the key, the value or the file; then nothing was written. OSError likewise."""
    path = where.config.resolve()
    try:
        old = path.read_bytes().decode("utf-8-sig")
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        old, mode = "", MODE
    except UnicodeDecodeError:
        load(path)  # says where
        raise
    new = changed(old, key, value)
    agreement_texts(where, parse(new).organisation.language)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(disk, path, new.encode(), mode=mode, owner_of=path if path.exists() else path.parent)


def changed(text: str, key: str, value: str) -> str:
    """The text of a configuration with one key set. ConfigError."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    if key not in SETTABLE:
        near = difflib.get_close_matches(key, SETTABLE, n=1) or [name for name in SETTABLE if name.partition(".")[2] == key]
        meant = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{key} is not set here; what can be is {', '.join(SETTABLE)}. The rest stands in config.toml.{meant}")
    parse(text)
    section, _, name = key.partition(".")
    try:
        document = tomlkit.parse(text)
        if section not in document:
            document.add(section, tomlkit.table())
        document[section][name] = _number(key, value) if key in NUMBERS else value
        new = tomlkit.dumps(document)
    except TOMLKitError as error:
        raise ConfigError(f"{key} cannot be put into this file by a program ({error}). Write it there yourself.") from error
    parse(new)
    return new


def _number(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ConfigError(f"{key} is {value!r}; it must be a whole number.") from None
