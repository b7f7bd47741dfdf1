"""Is all well, and if not, what to do: each part looked at, and a sentence for it.

The running service is asked for what it alone has its hands on (the microphone during a meeting, the sticks, the clock); without it,
or where it has its hands off, the doctor looks itself. Looking changes nothing. Sentences never hold the name of a person or an
organisation, a stick's label or a word of an agreement: they also go into the file for support.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import msgspec

from appliance import __version__, protocol
from appliance.audio.listing import HeardLevel, level_at
from appliance.audio.pcm import PcmFormat
from appliance.audio.sources import SourceError
from appliance.client import NoService, ask
from appliance.clock import RealClock, from_rfc3339
from appliance.config import Config, ConfigError, Places, agreement_texts, load
from appliance.disk import RealDisk
from appliance.journal import check
from appliance.plugged_in import look, sticks
from appliance.protocol import ClockView, Snapshot
from appliance.timekeeping import RealSigns, Timekeeper
from appliance.trust import Trust

LISTEN_SECONDS = 1.5
HEARD_BY_THE_SERVICE = frozenset({"announcing", "agreeing", "agreed", "recording", "paused"})
NEEDED_STICKS = 2
UNITS: Final = ("meeting-recorder.service", "meeting-recorder-retention.timer")
SCREENS: Final = ("meeting-recorder-screen.service", "meeting-recorder-console.service")
UNDER_VOLTAGE_NOW, UNDER_VOLTAGE_SINCE_START = 0x1, 0x10000
"""`vcgencmd get_throttled` (Raspberry Pi documentation)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`what`: the part. `next`: what to do, '' if nothing."""

    what: str
    state: Literal["ok", "trouble"]
    says: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the signs of the machine's health are, so that a test can show others."""

    sensors: Path = Path("/sys/class/hwmon")
    devices: Path = Path("/dev")
    booted: Path = Path("/run/systemd/system")
    bus: str | None = None
    throttled: Sequence[str] = field(default=("vcgencmd", "get_throttled"))


def examine(where: Places, *, installed: bool, machine: Machine = Machine()) -> list[Finding]:
    """Every part, in the order in which they matter. installed: the places are those of an installed appliance."""
    try:
        config = load(where.config)
        agreement_texts(where, config.organisation.language)
        first = Finding("configuration", "ok", "It is right.")
    except ConfigError as error:
        config = Config()
        first = Finding(
            "configuration", "trouble", f"{len(error.problems)} things are wrong with it.", "meeting-recorder config check"
        )
    now, why_not = _status(where)
    booted = installed and machine.booted.is_dir()
    return [
        first,
        _service(now, why_not, booted=booted),
        _microphone(now, config),
        _sticks(now, machine, booted=booted),
        _pins(config, machine),
        _store(where),
        _space(where, config),
        _clock(where, now, config),
        _power(machine),
        _units(booted=booted),
    ]


def _ok(what: str, says: str) -> Finding:
    return Finding(what, "ok", says)


# ── the service, and what it has its hands on


def _status(where: Places) -> tuple[Snapshot | None, str]:
    try:
        reply = ask(where.control_socket, protocol.StatusRequest(), patience=10)
    except NoService as error:
        return None, str(error)
    return (reply, "") if isinstance(reply, Snapshot) else (None, "It gave another answer than asked.")


def _service(now: Snapshot | None, why_not: str, *, booted: bool) -> Finding:
    if now is not None:
        return _ok("service", f"It answers (version {now.version}); the meeting is at '{now.state}'.")
    if "group" in why_not:
        return Finding("service", "trouble", "You may not ask it.", "Use sudo, or: adduser YOU meeting-recorder-room")
    if booted:
        return Finding(
            "service", "trouble", "It does not answer.", "journalctl -u meeting-recorder -e; systemctl restart meeting-recorder"
        )
    return _ok("service", "It does not run here; everything below was looked at without it.")


def _microphone(now: Snapshot | None, config: Config) -> Finding:
    if now is not None and now.state in HEARD_BY_THE_SERVICE:
        if now.microphone != "heard":
            return Finding("microphone", "trouble", "The service does not hear it.", "Plug it in again, or another one.")
        level = now.level.level if now.level else None
        return _ok("microphone", f"The service hears it now, at {_decibels(level)}.")
    audio = config.audio
    spec = f"device:{audio.device}" if audio.device else "device"
    try:
        heard = level_at(spec, PcmFormat(audio.rate, audio.bits, audio.channels), audio.latency_seconds, LISTEN_SECONDS)
    except SourceError as error:
        return Finding("microphone", "trouble", str(error), "Plug a microphone in; meeting-recorder devices shows what is seen.")
    return judged_level(heard)


def judged_level(heard: HeardLevel) -> Finding:
    """A room is never quite silent: digital silence is a switch or a dead microphone."""
    says = f"{heard.device}: {_decibels(heard.level)}, at most {_decibels(heard.peak)}."
    if heard.level is None:
        return Finding(
            "microphone", "trouble", f"{heard.device} gives digital silence.", "Is it muted? Unplug it and plug it in again."
        )
    if heard.clipped:
        return Finding("microphone", "trouble", f"{says} It is too loud.", "Turn its level down: alsamixer, then F4.")
    return _ok("microphone", says)


def _decibels(level: float | None) -> str:
    return "silence" if level is None else f"{level:.0f} dBFS"


def _sticks(now: Snapshot | None, machine: Machine, *, booted: bool) -> Finding:
    if now is not None and now.copies:
        bad = [copy for copy in now.copies if copy.state in {"failed", "unfinished"}]
        if bad:
            codes = ", ".join(sorted({copy.says or copy.state for copy in bad}))
            return Finding(
                "sticks", "trouble", f"{len(bad)} of {len(now.copies)} cannot be used ({codes}).", "Put in another stick."
            )
        return _ok("sticks", f"{len(now.copies)} are in, and can be used.")
    try:
        seen = asyncio.run(sticks(machine.bus))
    except OSError:
        if booted:
            return Finding("sticks", "trouble", "UDisks2 does not answer: no stick is seen.", "systemctl restart udisks2")
        return _ok("sticks", "UDisks2 does not answer here; folders can stand for sticks (serve --stick).")
    if unfit := [stick for stick in seen if stick.unfit]:
        why = ", ".join(sorted({str(stick.unfit) for stick in unfit}))
        return Finding(
            "sticks", "trouble", f"{len(unfit)} of {len(seen)} cannot be used: {why}.", "Format it as exFAT, or put in another."
        )
    return _ok("sticks", f"{len(seen)} are in, and can be used. A meeting needs {NEEDED_STICKS}.")


def _pins(config: Config, machine: Machine) -> Finding:
    lines = (*config.button.pins, config.light.pin)
    if config.pins.factory in {"none", "mock"}:
        return _ok("pins", f"Button and light are switched off in the configuration ({config.pins.factory}).")
    chips = sorted(machine.devices.glob("gpiochip*"))
    if not chips:
        if config.pins.factory == "lgpio":
            return Finding(
                "pins",
                "trouble",
                "There is no chip for the button and the light.",
                'On a machine without: [pins] factory = "none"',
            )
        return _ok("pins", "This machine has no chip for a button and a light; keys and screen stand in for them.")
    if not os.access(chips[0], os.R_OK | os.W_OK):
        return Finding("pins", "trouble", f"{chips[0]} is closed to you.", "Use sudo, or: adduser YOU gpio")
    return _ok("pins", f"{chips[0]} is there, for lines {', '.join(map(str, lines))}. Which are held: meeting-recorder devices")


# ── the disk


def _store(where: Places) -> Finding:
    try:
        if not where.recordings.exists():
            return _ok("store", "Nothing was recorded yet.")
        kept = sum(1 for folder in where.recordings.iterdir() if folder.is_dir())
        checked = check(where.register.read_bytes()) if where.register.exists() else None
    except PermissionError:
        return Finding("store", "trouble", "You may not look into it.", "Use sudo.")
    except OSError as error:
        return Finding(
            "store", "trouble", f"It cannot be read: {error.strerror}.", "Is its disk there? findmnt /var/lib/meeting-recorder"
        )
    if checked is not None and checked.broken is not None:
        return Finding(
            "store",
            "trouble",
            f"The register was changed, or is damaged, at line {checked.broken.n}.",
            "Keep it as it is, and ask for help.",
        )
    return _ok("store", f"{kept} recordings are kept; the register is whole.")


def _space(where: Places, config: Config) -> Finding:
    there = next(path for path in (where.recordings, *where.recordings.parents) if path.exists())
    audio = config.audio
    hours = shutil.disk_usage(there).free / (audio.rate * audio.channels * audio.bits / 8 * 3600)
    least = config.meeting.minimum_free_hours
    if hours < least:
        return Finding(
            "space",
            "trouble",
            f"There is room for {hours:.1f} hours; a meeting needs {least:g}.",
            "meeting-recorder retention preview",
        )
    return _ok("space", f"There is room for {hours:.0f} hours.")


# ── the clock


def _clock(where: Places, now: Snapshot | None, config: Config) -> Finding:
    trust, wall, last = _seen_clock(where, now)
    days = config.retention.keep_days_without_handover
    return judged_clock(trust, None if last is None else wall - last, days)


def judged_clock(trust: str, since: timedelta | None, days: int) -> Finding:
    """since: how long ago, by itself, it was last trusted. A clock that nobody vouches for for longer than the retention erases nothing."""
    if trust != Trust.NONE.value:
        return _ok("clock", f"It is trusted ({trust}).")
    confirm = "Look whether it is right: meeting-recorder clock show; then: meeting-recorder clock confirm"
    if since is None:
        return Finding("clock", "ok", "Nobody vouches for it yet: recordings have no date, and none is erased.", confirm)
    if abs(since) > timedelta(days=days):
        return Finding(
            "clock",
            "trouble",
            f"Nobody has vouched for it for longer than recordings are kept ({days} days): none is erased.",
            confirm,
        )
    return Finding(
        "clock", "ok", "Nobody vouches for it in this start of the machine: recordings have no date until then.", confirm
    )


def _seen_clock(where: Places, now: Snapshot | None) -> tuple[str, datetime, datetime | None]:
    """Its trust, what it says, and when it was last trusted."""
    if now is not None:
        try:
            view = ask(where.admin_socket, protocol.ClockRequest(), patience=10)
        except NoService:
            return now.clock_trust, RealClock().wall(), None
        if isinstance(view, ClockView):
            last = from_rfc3339(view.last_trusted) if view.last_trusted else None
            return view.trust, from_rfc3339(view.wall), last
    judged = Timekeeper(RealClock(), RealSigns(), RealDisk(), where.clock).judged
    return judged.trust.value, judged.seen.wall, judged.last_trusted


# ── the machine


def _power(machine: Machine) -> Finding:
    weak = "Use the supply that belongs to this Pi, and a short cable."
    for sensor in sorted(machine.sensors.glob("*/in0_lcrit_alarm")):
        if sensor.read_text(encoding="ascii").strip() == "1":
            return Finding("power", "trouble", "The supply is too weak now: under-voltage.", weak)
        return _ok("power", "The supply is strong enough.")
    try:
        said = subprocess.run(machine.throttled, capture_output=True, text=True, timeout=5, check=True).stdout
        bits = int(said.strip().partition("=")[2], 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return _ok("power", "This machine does not tell how strong its supply is.")
    if bits & (UNDER_VOLTAGE_NOW | UNDER_VOLTAGE_SINCE_START):
        when = "now" if bits & UNDER_VOLTAGE_NOW else "since the machine started"
        return Finding("power", "trouble", f"The supply is too weak: under-voltage {when}.", weak)
    return _ok("power", "The supply is strong enough.")


def _units(*, booted: bool) -> Finding:
    if not booted:
        return _ok("units", "Not looked at: this is no installed appliance that systemd started.")
    down = [unit for unit in UNITS if not _is("active", unit)]
    down += [unit for unit in ("meeting-recorder-retention.service",) if _is("failed", unit)]
    if not any(_is("active", screen) for screen in SCREENS):
        down.append(SCREENS[0])
    if down:
        return Finding("units", "trouble", f"Not as they should be: {', '.join(down)}.", f"systemctl status {down[0]}")
    return _ok("units", "The service, its screen and the retention timer are active.")


def _is(state: Literal["active", "failed"], unit: str) -> bool:
    return subprocess.run(["systemctl", f"is-{state}", "--quiet", unit], check=False).returncode == 0


# ── for whoever helps


def support_file(where: Places, findings: Sequence[Finding]) -> str:
    """JSON text: what is needed to help, and nothing of anybody: no names, sound, agreement, stick labels, reasons or folders."""
    try:
        config = load(where.config)
        problems = 0
    except ConfigError as error:
        config, problems = Config(), len(error.problems)
    found = look((*config.button.pins, config.light.pin))
    told = {
        "product": {"version": __version__, "python": platform.python_version()},
        "machine": {
            "model": _model(),
            "kernel": platform.release(),
            "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        },
        "findings": findings,
        "configuration": {"problems": problems, **dict(_settings(config))},
        "microphones": found.microphones,
        "sticks": [{"bytes": stick.size, "file_system": stick.file_system, "unfit": stick.unfit} for stick in found.sticks],
        "chips": found.chips,
        "register": _counted(where),
    }
    return msgspec.json.format(msgspec.json.encode(told)).decode() + "\n"


def _settings(config: Config) -> Iterator[tuple[str, object]]:
    """Every key but those that say who the organisation is; of those only whether they are set."""
    whole = json.loads(msgspec.json.encode(config))
    organisation = whole["organisation"]
    for key in ("name", "contact"):
        organisation[key] = bool(organisation[key])
    yield from whole.items()


def _counted(where: Places) -> dict[str, int]:
    """How often each thing happened."""
    try:
        return dict(Counter(str(line["event"]) for line in check(where.register.read_bytes()).entries))
    except OSError:
        return {}


def _model() -> str:
    try:
        return Path("/proc/device-tree/model").read_text(encoding="ascii", errors="replace").rstrip("\0")
    except OSError:
        return platform.machine()
