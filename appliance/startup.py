"""What a start finds on the disk, and mends: a service that was killed at any instant goes on where the disk says it was.

Every recording that lacks its seal is made ready for it. The newest one that was not handed over is the meeting that goes on, at
sealing, copying or handover; nobody is asked. A recording without a single whole frame is removed, and the register says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from appliance.clock import Clock, stamp
from appliance.disk import Disk
from appliance.journal import Value, of_kind
from appliance.meeting import State
from appliance.mending import mend
from appliance.papers import Papers
from appliance.register import Register
from appliance.sealing import Seal, seal
from appliance.store import Recording, Store, StoreError, entries_of, read_log
from appliance.take_in import forget_half_taken_in, is_taken_in

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """The meeting that goes on. `seal` is None while the recording still has to be sealed (state sealing)."""

    state: State
    recording: Recording
    seal: Seal | None
    earlier: tuple[str, ...]


def look_around(
    store: Store,
    register: Register,
    disk: Disk,
    clock: Clock,
    papers: Papers | None = None,
    left: Callable[[Recording], None] = lambda _: None,
) -> Found | None:
    """Mend what is there, and say which meeting goes on. What is damaged beyond that is left as it is, and `left` is told."""
    for half in forget_half_taken_in(store):
        log.warning("%s was being taken in when everything ended; it is still on the stick that it came on", half)
    there = [recording for recording in _in_order(store, register) if _can_be_looked_into(recording)]
    for recording in there:
        if recording.is_bagged and not register.knows(recording.id):
            _register_if_brought(register, clock, recording)
    standing = [recording for recording in there if _mend(store, register, disk, clock, recording)]
    for recording in store.all():
        if recording not in standing and recording.folder.exists():
            left(recording)
    waiting = [
        recording
        for recording in standing
        if not register.of(recording.id).handed_over and not register.of(recording.id).taken_in
    ]
    newest = next(
        (found for recording in reversed(waiting) if (found := _goes_on(register, disk, clock, recording, papers))), None
    )
    for recording in standing:
        if not recording.is_bagged and (newest is None or recording != newest.recording):
            _seal_an_older_one(register, disk, clock, recording, papers)
    return newest


def _goes_on(register: Register, disk: Disk, clock: Clock, recording: Recording, papers: Papers | None) -> Found | None:
    """None for one that was damaged since, or cannot be read: it must not keep the room from the others."""
    try:
        earlier = earlier_parts(recording)
        if not recording.is_bagged:
            return Found(State.SEALING, recording, None, earlier)
        sealed = seal(disk, clock, recording, papers)
    except (OSError, StoreError):
        log.exception("%s is left as it is", recording.folder)
        return None
    register_seal(register, clock, recording, sealed)
    return Found(State.COPYING, recording, sealed, earlier)


def register_seal(register: Register, clock: Clock, recording: Recording, sealed: Seal) -> None:
    """Write into the register that a recording was sealed, unless it knows."""
    if register.of(recording.id).sha256 is None:
        register.add(
            "sealed",
            {
                "id": recording.id,
                "folder": recording.folder.name,
                "sha256": sealed.sha256,
                "frames": sealed.frames,
                "milliseconds": int(sealed.seconds * 1000),
                "interrupted": sealed.interrupted,
                "journal": read_log(recording.journal)[1].head,
                "boot": clock.boot(),
                **stamp(clock, clock.monotonic_ns()),
            },
        )


def register_taken_in(register: Register, clock: Clock, recording: Recording) -> None:
    """Write into the register that a recording was brought, by what its own journal says of it."""
    entries, chain, _ = read_log(recording.journal)
    came = entries[0]
    now: dict[str, Value] = {**stamp(clock, clock.monotonic_ns()), "boot": clock.boot()}
    about: dict[str, Value] = {"id": recording.id, "folder": recording.folder.name}
    register.add("begun", {**about, "part_of": [], **now})
    register.add("taken-in", {"id": recording.id, "party": came["party"], "bytes": came["bytes"], **now})
    sealed: dict[str, Value] = {"frames": 0, "milliseconds": 0, "interrupted": False, "journal": chain.head}
    register.add("sealed", {**about, "sha256": came["sha256"], **sealed, **now})


def _register_if_brought(register: Register, clock: Clock, recording: Recording) -> None:
    """One that was taken in just before a kill."""
    try:
        if is_taken_in(recording):
            register_taken_in(register, clock, recording)
    except (OSError, StoreError):
        log.exception("%s is left as it is", recording.folder)


def _can_be_looked_into(recording: Recording) -> bool:
    """A folder that a dying card, or somebody else's mode, keeps from us must not keep the room from its next meeting."""
    try:
        for folder in (recording.folder, recording.journal.parent):
            if folder.is_dir():
                list(folder.iterdir())
    except OSError:
        log.exception("%s cannot be looked into", recording.folder)
        return False
    return True


def earlier_parts(recording: Recording) -> tuple[str, ...]:
    """The ids of the parts before this one, by its own journal."""
    started = of_kind(entries_of(recording), "started")
    parts = started[0].get("part_of") if started else None
    return tuple(str(part) for part in parts) if isinstance(parts, list | tuple) else ()


def _seal_an_older_one(register: Register, disk: Disk, clock: Clock, recording: Recording, papers: Papers | None) -> None:
    """One that cannot be sealed must not keep the room from its next meeting."""
    try:
        register_seal(register, clock, recording, seal(disk, clock, recording, papers))
    except (OSError, StoreError):
        log.exception("%s could not be sealed; the next start tries again", recording.folder)


def _in_order(store: Store, register: Register) -> list[Recording]:
    """Oldest first, by the register's lines and not by any clock.

    A recording is made before the register has its line: what the register does not know was begun when all ended.
    """
    rank = {recording_id: n for n, recording_id in enumerate(register.order)}
    return sorted(store.all(), key=lambda recording: rank.get(recording.id, len(rank)))


def _mend(store: Store, register: Register, disk: Disk, clock: Clock, recording: Recording) -> bool:
    """False for what there is nothing to go on with."""
    if recording.is_bagged:
        return True
    try:
        frames = mend(disk, clock, recording)
    except (OSError, StoreError):
        log.exception("%s is left as it is; the next start tries again", recording.folder)
        return False
    if not frames:
        try:
            store.discard(recording)
        except OSError:
            log.exception("%s has no sound and cannot be removed; the next start tries again", recording.folder)
            return False
        register.add("removed", {"id": recording.id, "why": "without a frame", **stamp(clock, clock.monotonic_ns())})
        return False
    return True
