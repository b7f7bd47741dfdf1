"""The clock that the service goes by: the machine's, looked at every few seconds, so that what it says comes with its trust.

What is held of the clock lies in one small file, with the boot that it was held in. A service that is started again in the same
boot goes on where it was (an administrator need not confirm twice, and a clock that was turned in between is noticed); after another
start of the machine only the last trusted time counts, for a battery clock to be compared with.

Two signs can be read without any right: systemd-timesyncd's flag under /run, which is new with each boot, and the kernel's own
STA_UNSYNC (adjtimex(2)), which any time server's client clears. A hardened unit may not call adjtimex; then the flag alone speaks.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from appliance import trust as rules
from appliance.clock import Clock, from_rfc3339, rfc3339
from appliance.disk import Disk, write_whole
from appliance.trust import Judged, Observation, Trust

SYNCED_BY_TIMESYNCD = Path("/run/systemd/timesync/synchronized")
BATTERY_CLOCK = Path("/sys/class/rtc/rtc0/since_epoch")
STA_UNSYNC = 0x0040
"""include/uapi/linux/timex.h"""
REMEMBER_EVERY = timedelta(minutes=15)

log = logging.getLogger(__name__)


class Signs(Protocol):
    """What a machine shows of how right its wall clock is."""

    def by_time_server(self) -> bool:
        """Whether a time server set it in this boot."""

    def battery(self) -> datetime | None:
        """What the battery clock says; None where there is none."""


class RealSigns:
    def __init__(self, flag: Path = SYNCED_BY_TIMESYNCD, battery: Path = BATTERY_CLOCK) -> None:
        self._flag = flag
        self._battery = battery
        self._timex = ctypes.create_string_buffer(512)

    def by_time_server(self) -> bool:
        return self._flag.exists() or self._kernel_says_so()

    def battery(self) -> datetime | None:
        try:
            return datetime.fromtimestamp(int(self._battery.read_text(encoding="ascii")), UTC)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # one that lost its power says so in different ways
            log.warning("the battery clock cannot be read: %s", error)
            return None

    def _kernel_says_so(self) -> bool:
        """The status of adjtimex(2) with modes 0, which only reads. False also where a sandbox does not let us ask."""
        ctypes.memset(self._timex, 0, len(self._timex))
        if ctypes.CDLL(None, use_errno=True).adjtimex(self._timex) == -1:
            log.debug("adjtimex: %s", os.strerror(ctypes.get_errno()))
            return False
        status = struct.unpack_from("@Illlli", self._timex.raw)[5]
        return not status & STA_UNSYNC


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the clock found. `jumped`: how far it went against the monotonic one, if it did."""

    trust: Trust
    jumped: timedelta | None
    changed: bool
    """Whether the trust is another one than before."""


class Timekeeper:
    """A `Clock` that knows how far it is to be trusted. All calls from one thread, but the `Clock`'s own and `remember`."""

    def __init__(self, clock: Clock, signs: Signs, disk: Disk, memory: Path) -> None:
        """memory: the file in which the last trusted time lies."""
        self._clock = clock
        self._signs = signs
        self._disk = disk
        self._memory = memory
        self._without_trust = timedelta(0)
        self._judged = self._first_look()
        self._remembered: int | None = None

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()

    def wall(self) -> datetime:
        return self._clock.wall()

    def boot(self) -> str:
        return self._clock.boot()

    def trust(self) -> Trust:
        return self._judged.trust

    @property
    def judged(self) -> Judged:
        return self._judged

    @property
    def without_trust(self) -> timedelta:
        """For how long, switched on, there was no time that could be trusted; over all boots since there was one."""
        return self._without_trust

    def look(self) -> Look:
        """To be called every few seconds: a jump is noticed by the next look."""
        before = self._judged
        self._judged = rules.look_again(before, self._observe())
        passed = timedelta(microseconds=(self._judged.seen.monotonic_ns - before.seen.monotonic_ns) // 1000)
        self._without_trust = self._without_trust + passed if self._judged.trust is Trust.NONE else timedelta(0)
        return Look(self._judged.trust, self._judged.jumped, self._judged.trust is not before.trust)

    def confirm(self) -> None:
        """An administrator looked at the clock, as it stood at the last look, and says that it is right."""
        self._judged = rules.confirm(self._judged)
        self._without_trust = timedelta(0)
        self._remembered = None

    @property
    def must_remember(self) -> bool:
        now = self._judged.seen.monotonic_ns
        return self._remembered is None or now - self._remembered >= REMEMBER_EVERY // timedelta(microseconds=1) * 1000

    def remember(self) -> None:
        """Make durable what is held of the clock. OSError: it is not."""
        judged = self._judged
        held = {
            "boot": self.boot(),
            "last_trusted": rfc3339(judged.last_trusted) if judged.last_trusted else None,
            "mono_ns": judged.seen.monotonic_ns,
            "trust": judged.trust.value,
            "wall": rfc3339(judged.seen.wall),
            "without_trust_s": int(self._without_trust.total_seconds()),
        }
        write_whole(self._disk, self._memory, json.dumps(held, sort_keys=True).encode() + b"\n")
        self._remembered = judged.seen.monotonic_ns

    def _observe(self) -> Observation:
        return Observation(self.monotonic_ns(), self.wall(), self._signs.by_time_server(), self._signs.battery())

    def _first_look(self) -> Judged:
        held = self._recall()
        if held is None:
            return rules.first_look(self._observe(), None)
        self._without_trust = held.without_trust
        if held.boot == self.boot():
            return rules.look_again(held.judged, self._observe())
        return rules.first_look(self._observe(), held.judged.last_trusted)

    def _recall(self) -> _Held | None:
        """None when nothing was held yet, or what is there cannot be read: then nobody knows, and an administrator is asked."""
        try:
            held = json.loads(self._memory.read_text(encoding="utf-8"))
            seen = Observation(int(held["mono_ns"]), _in_utc(held["wall"]), ntp=False)
            last_trusted = _in_utc(held["last_trusted"]) if held["last_trusted"] else None
            without = timedelta(seconds=int(held["without_trust_s"]))
            rules.jump_between(seen, self._observe())  # what nobody can reckon with is not believed
            return _Held(str(held["boot"]), Judged(Trust(held["trust"]), seen, last_trusted), without)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            log.warning("%s says nothing that can be used: %s", self._memory, error)
            return None


def _in_utc(text: str) -> datetime:
    moment = from_rfc3339(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment


@dataclass(frozen=True, slots=True)
class _Held:
    boot: str
    judged: Judged
    without_trust: timedelta
