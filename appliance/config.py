"""What the administrator said, where things lie, and the words that the organisation chose.

`load` reads one TOML file (config/config.toml documents every key) and promises: what it returns is whole and in range; what is
wrong is said at once, all of it, in sentences that name the key, what stands there, what may stand there, and what was meant.

The structs below are the only definition of a key: name, default and range. The checks walk over these types, so a new key is
one line here and a documented one in config.toml (a test holds the two together). Dotted names are kept once they were delivered.
"""

from __future__ import annotations

import difflib
import grp
import json
import math
import os
import pwd
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Meta
from msgspec import inspect as types

from appliance.agreement import PLACES, WordingError, fill, left_out_words

NAME: Final = "meeting-recorder"

Line = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$", max_length=200, description="one line of text in quotes")
]
Group = Annotated[str, Meta(pattern=r"^([a-z_][a-z0-9_-]{0,31})?$", description='the name of a group, or ""')]
Pin = Annotated[int, Meta(ge=2, le=27)]
Days = Annotated[int, Meta(ge=1, le=365)]


class ConfigError(Exception):
    """What is wrong with the configuration or the agreement's texts: `problems`, one sentence each; all of them when printed."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


# ── the keys


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Organisation(Section, frozen=True):
    name: Line = ""
    contact: Line = ""
    timezone: Annotated[str, Meta(description='a name such as "Europe/Amsterdam"')] = "Europe/Amsterdam"
    language: Annotated[str, Meta(pattern="^[a-z]{2,3}$", description='a language\'s letters, such as "nl" or "en"')] = "nl"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Audio(Section, frozen=True):
    device: Line = ""
    rate: Literal[8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000] = 48000
    bits: Literal[16, 24] = 16
    channels: Literal[1, 2] = 1
    latency_seconds: Annotated[float, Meta(ge=0.02, le=5)] = 0.4
    sync_seconds: Annotated[float, Meta(ge=0.2, le=10)] = 1.0


class Meeting(Section, frozen=True):
    longest_hours: Annotated[float, Meta(ge=0.25, le=24)] = 4.0
    minimum_free_hours: Annotated[float, Meta(ge=0.1, le=24)] = 2.0
    touch: bool = False


class Button(Section, frozen=True):
    """`pins`: BCM numbers; none, one for the table, or one for each party (professional, client)."""

    pins: Annotated[tuple[Pin, ...], Meta(max_length=2)] = (17,)
    hold_seconds: Annotated[float, Meta(ge=0.5, le=5)] = 1.5
    bounce_milliseconds: Annotated[int, Meta(ge=1, le=500)] = 50


class Light(Section, frozen=True):
    pin: Pin = 27
    trouble_pin: Pin | None = None


class Pins(Section, frozen=True):
    factory: Literal["auto", "lgpio", "mock", "none"] = "auto"


class Sound(Section, frozen=True):
    device: Line = ""
    tones: bool = True
    prompts: bool = False


class Copies(Section, frozen=True):
    no_progress_seconds: Annotated[float, Meta(ge=5, le=600)] = 30


class Retention(Section, frozen=True):
    keep_days: Days = 7
    keep_days_without_handover: Days = 14
    most_at_once_percent: Annotated[int, Meta(ge=1, le=100)] = 50


class Groups(Section, frozen=True):
    room: Group = ""
    administrators: Group = ""


class Config(Section, frozen=True):
    organisation: Organisation = Organisation()
    audio: Audio = Audio()
    meeting: Meeting = Meeting()
    button: Button = Button()
    light: Light = Light()
    pins: Pins = Pins()
    sound: Sound = Sound()
    copies: Copies = Copies()
    retention: Retention = Retention()
    groups: Groups = Groups()


# ── reading it


def load(path: Path | None) -> Config:
    """The configuration in a file; the defaults if there is none. ConfigError says everything that is wrong with it."""
    try:
        text = path.read_bytes().decode("utf-8-sig") if path else ""
    except FileNotFoundError:
        return Config()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: this is not UTF-8 text.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return parse(text)
    except ConfigError as error:
        raise ConfigError(*(f"{path}: {problem}" for problem in error.problems)) from error


def parse(text: str) -> Config:
    """The configuration that a TOML text says. ConfigError."""
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(_syntax(str(error), text)) from error
    problems = list(_unknown(found))
    good: dict[str, dict[str, object]] = {}
    for section in msgspec.structs.fields(Config):
        table = found.get(section.name, {})
        if not isinstance(table, dict):
            problems.append(f"{section.name} is {_shown(table)}; it must be a section, [{section.name}], with its keys below it.")
            continue
        good[section.name] = {}
        for key in msgspec.structs.fields(section.type):
            if key.name in table:
                try:
                    good[section.name][key.name] = _value(table[key.name], key.type)
                except msgspec.ValidationError:
                    where = f"{section.name}.{key.name}"
                    problems.append(f"{where} is {_shown(table[key.name])}; it must be {_allowed(types.type_info(key.type))}.")
    config = msgspec.convert(good, Config)
    problems += _what_does_not_go_together(config, skip=frozenset(_keys(found)) - _keys(good))
    if problems:
        raise ConfigError(*problems)
    return config


def _value(value: object, kind: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        raise msgspec.ValidationError("not a number")
    return msgspec.convert(value, kind)


def _syntax(error: str, text: str) -> str:
    """tomllib names the place as '(at line 3, column 5)' or '(at end of document)'."""
    what = re.sub(r" \(at .*\)$", "", error)
    place = re.search(r"at line (\d+), column (\d+)", error)
    line, column = place.groups() if place else (str(text.count("\n") + 1), "1")
    shown = text.splitlines()[int(line) - 1].strip() if int(line) <= len(text.splitlines()) else ""
    return f"line {line}, column {column}: this is not TOML ({what})" + (f": {shown[:80]}" if shown else ".")


# ── what is wrong, in words


@cache
def _sections() -> dict[str, tuple[str, ...]]:
    return {
        section.name: tuple(key.name for key in msgspec.structs.fields(section.type))
        for section in msgspec.structs.fields(Config)
    }


def _keys(tables: Mapping[str, object]) -> set[str]:
    return {f"{section}.{key}" for section, table in tables.items() if isinstance(table, Mapping) for key in table}


def _unknown(found: Mapping[str, object]) -> Iterator[str]:
    for section, table in found.items():
        if section not in _sections():
            what, meant = (
                ("a section", _section_meant(section)) if isinstance(table, dict) else ("a key", _key_meant("", section))
            )
            yield f"{section} is not {what} of this file; the sections are {', '.join(_sections())}{meant}"
        elif isinstance(table, dict):
            for key in table.keys() - set(_sections()[section]):
                allowed = f"the keys of [{section}] are {', '.join(_sections()[section])}"
                yield f"{section}.{key} is not known; {allowed}{_key_meant(section, key)}"


def _section_meant(section: str) -> str:
    near = difflib.get_close_matches(section, _sections(), n=1)
    return f"; did you mean [{near[0]}]?" if near else "."


def _key_meant(section: str, key: str) -> str:
    """The nearest key that exists: in the same section first, then of the same name elsewhere, then whatever looks like it."""
    names = {f"{name}.{inside}": inside for name, keys in _sections().items() for inside in keys}
    alike = difflib.get_close_matches(key, dict.fromkeys(names.values()), n=1)
    candidates = [
        *(f"{section}.{inside}" for inside in difflib.get_close_matches(key, _sections().get(section, ()), n=1)),
        *(name for name, inside in names.items() if inside == key),
        *difflib.get_close_matches(f"{section}.{key}", names, n=1, cutoff=0.75),
        *(name for name, inside in names.items() if inside in alike),
    ]
    return f"; did you mean {candidates[0]}?" if candidates else "."


def _shown(value: object) -> str:
    if isinstance(value, str | bool | int | float | list):
        text = json.dumps(value, ensure_ascii=False, default=str)
        return text if len(text) <= 60 else f"{text[:57]}..."
    return "a section" if isinstance(value, dict) else str(value)


def _allowed(kind: types.Type) -> str:
    """What may stand there, in words, from the type that decides it."""
    match kind:
        case types.Metadata(extra_json_schema={"description": str(described)}):
            words = described
        case types.Metadata(type=inner):
            words = _allowed(inner)
        case types.UnionType(types=kinds):
            words = " or ".join(_allowed(inner) for inner in kinds if not isinstance(inner, types.NoneType))
        case types.LiteralType(values=values):
            words = f"one of {', '.join(json.dumps(value) for value in values)}"
        case types.IntType(ge=low, le=high):
            words = f"a whole number from {low} to {high}"
        case types.FloatType(ge=low, le=high):
            words = f"a number from {low:g} to {high:g}"
        case types.BoolType():
            words = "true or false"
        case types.VarTupleType(item_type=inner, max_length=most):
            words = f"a list of at most {most}, each {_allowed(inner)}"
        case _:
            raise TypeError(f"a key of the type {kind} has no words yet")
    return words


def _what_does_not_go_together(config: Config, skip: frozenset[str]) -> Iterator[str]:
    """What no single type can say. `skip`: keys about which something was said already."""
    if "organisation.timezone" not in skip:
        yield from _timezone(config.organisation.timezone)
    if not skip & {"button.pins", "light.pin", "light.trouble_pin"}:
        yield from _pins(config)
    for key, group in (("groups.room", config.groups.room), ("groups.administrators", config.groups.administrators)):
        if key not in skip:
            yield from _group(key, group)
    longer, shorter = config.retention.keep_days_without_handover, config.retention.keep_days
    if longer < shorter and not skip & {"retention.keep_days", "retention.keep_days_without_handover"}:
        yield (
            f"retention.keep_days_without_handover is {longer}; it must be at least retention.keep_days, which is {shorter}: "
            "who has no copy yet must not find it gone first."
        )


def _timezone(name: str) -> Iterator[str]:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        yield (
            f'organisation.timezone is {_shown(name)}; it must be a name such as "Europe/Amsterdam"'
            + (f'; did you mean "{near[0]}"?' if near else ".")
        )


def _group(key: str, name: str) -> Iterator[str]:
    there = [group.gr_name for group in grp.getgrall()]
    if name and name not in there:
        near = difflib.get_close_matches(name, there, n=1)
        meant = f' Did you mean "{near[0]}"?' if near else ""
        yield f"{key} is {_shown(name)}; it must be a group of this machine, or empty.{meant}"


def _pins(config: Config) -> Iterator[str]:
    taken: dict[int, str] = {}
    lights = [("light.pin", config.light.pin), ("light.trouble_pin", config.light.trouble_pin)]
    for key, pin in [*(("button.pins", pin) for pin in config.button.pins), *lights]:
        if pin in taken:
            yield f"{key} is {pin}; that line is taken by {taken[pin]} already, and each needs one of its own."
        elif pin is not None:
            taken[pin] = key


# ── where things are


@dataclass(frozen=True, slots=True)
class Places:
    """Where this appliance's things are. Nothing is made by asking; `agreement` need not exist."""

    config: Path
    recordings: Path
    control_socket: Path
    admin_socket: Path
    register: Path
    agreement: Path
    clock: Path
    """What is held of the clock, from one start to the next."""


@dataclass(frozen=True, slots=True)
class System:
    """The folders of an installed appliance (FHS 3.0); systemd makes the last two."""

    config: Path = Path("/etc") / NAME
    state: Path = Path("/var/lib") / NAME
    runtime: Path = Path("/run") / NAME


def places(root: Path | None, environment: Mapping[str, str] = os.environ, system: System = System()) -> Places:
    """Everything under `root` if there is one; else the installed appliance's places, if one is installed; else the user's own.

    Installed is what has its state folder or its run-time folder (so the room's commands find a running service), or runs as a
    systemd unit with both (STATE_DIRECTORY and RUNTIME_DIRECTORY, systemd.exec(5)). The user's own are those of the XDG Base
    Directory Specification.
    """
    if root is not None:
        top = root.absolute()
        return _in(top, top, top)
    state, runtime = environment.get("STATE_DIRECTORY"), environment.get("RUNTIME_DIRECTORY")
    if state and runtime:
        return _in(system.config, Path(state.split(":")[0]), Path(runtime.split(":")[0]))
    if system.state.is_dir() or system.runtime.is_dir():
        return _in(system.config, system.state, system.runtime)
    data = _xdg(environment, "XDG_DATA_HOME", ".local/share")
    sockets = environment.get("XDG_RUNTIME_DIR", "")
    runtime_home = Path(sockets) / NAME if Path(sockets).is_absolute() else data / "run"
    return _in(_xdg(environment, "XDG_CONFIG_HOME", ".config"), data, runtime_home)


def _in(config: Path, state: Path, runtime: Path) -> Places:
    return Places(
        config=config / "config.toml",
        recordings=state / "recordings",
        control_socket=runtime / "control.sock",
        admin_socket=runtime / "admin.sock",
        register=state / "register.jsonl",
        agreement=config / "agreement",
        clock=state / "clock.json",
    )


def _xdg(environment: Mapping[str, str], variable: str, below_home: str) -> Path:
    """A relative path counts as not set (the specification says so), and so does a HOME that is empty."""
    said = Path(environment.get(variable, ""))
    if said.is_absolute():
        return said / NAME
    home = Path(environment.get("HOME", ""))
    return (home if home.is_absolute() else Path(pwd.getpwuid(os.getuid()).pw_dir)) / below_home / NAME


# ── the organisation's words


@dataclass(frozen=True, slots=True)
class Texts:
    """What is said aloud and what is confirmed; {date}, {contact} and {organisation} are still open (`agreement.fill`)."""

    language: str
    announcement: str
    agreement: str


def shipped() -> Path:
    """The folder with the configuration as delivered: in an installed package its own, in a checkout config/."""
    here = Path(__file__).parent
    packed = here / "defaults"
    return packed if packed.is_dir() else here.parent / "config"


def agreement_texts(places: Places, language: str) -> Texts:
    """The organisation's own wording in a language, file by file; what it did not write is as delivered.

    ConfigError if there is no wording in that language, or one that cannot be filled in: found at the start, not at the table.
    """
    folders = (places.agreement, shipped() / "agreement")
    if language not in (there := languages(places)):
        raise ConfigError(f"There is no agreement in the language {_shown(language)}; there is one in {', '.join(there)}.")
    return Texts(language, _text(folders, language, "announcement.txt"), _text(folders, language, "agreement.txt"))


def languages(places: Places) -> tuple[str, ...]:
    """The languages that have both texts, the organisation's or those delivered; Dutch first."""
    folders = (places.agreement, shipped() / "agreement")
    there = {
        folder.name for top in folders if top.is_dir() for folder in top.iterdir() if re.fullmatch("[a-z]{2,3}", folder.name)
    }
    both = ("announcement.txt", "agreement.txt")
    whole = {name for name in there if all(any((top / name / file).is_file() for top in folders) for file in both)}
    return tuple(sorted(whole, key=lambda name: (name != "nl", name)))


def _text(folders: tuple[Path, ...], language: str, file: str) -> str:
    path = next(path for folder in folders if (path := folder / language / file).is_file())
    try:
        text = path.read_text("utf-8-sig").strip()
        fill(text, dict.fromkeys(PLACES, ""))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except WordingError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not text:
        raise ConfigError(f"{path} is empty; both parties need words to agree on.")
    if left_out := left_out_words(text):
        raise ConfigError(
            f"{path} says {_shown(left_out[0])}. Neither party asks the other for leave: they agree with each other, as equals (T2). "
            "Say what both of you agree on and confirm ('wij spreken af', 'we agree')."
        )
    if any(unicodedata.category(letter) == "Cc" and letter not in "\n\t\r" for letter in text):
        raise ConfigError(f"{path} has control characters in it; it must be plain text.")
    return text
