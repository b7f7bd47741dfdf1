"""The life of the appliance's key: made at the first start, replaced by a command, each time a line in the register.

The register's line says since when which key signs, and who replaced it; so a copy whose key is no longer the present one is still
known, by the list of keys beside the private one and by the register. It holds the fingerprint and never the key.
"""

from __future__ import annotations

from pathlib import Path

from appliance.clock import Clock, stamp
from appliance.disk import Disk
from appliance.register import Register
from appliance.signing import SigningKey, load_or_make, make_new


def first(disk: Disk, clock: Clock, state: Path, register: Register) -> SigningKey:
    """At each start: the key there is, or a new one; a key that the register does not know yet gets its line. KeyFileError, OSError."""
    key = load_or_make(disk, state)
    if key.public.fingerprint not in register.keys:
        _enter(clock, register, key, None)
    return key


def renew(disk: Disk, clock: Clock, state: Path, register: Register, by: str) -> SigningKey:
    """Another key from now on, also in place of one that is damaged. by: who asked for it. OSError: the old one is still in force."""
    key = make_new(disk, state)
    _enter(clock, register, key, by)
    return key


def _enter(clock: Clock, register: Register, key: SigningKey, by: str | None) -> None:
    before = register.keys[-1] if register.keys else None
    register.add(
        "key", {"fingerprint": key.public.fingerprint, "replaces": before, "by": by, **stamp(clock, clock.monotonic_ns())}
    )
