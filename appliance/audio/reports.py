"""What the writer reports: each thing that happened to the sound, as a value, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from appliance.audio.blocks import Hello
from appliance.audio.level import Level


@dataclass(frozen=True, slots=True)
class StoringIs:
    on: bool


@dataclass(frozen=True, slots=True)
class Durable:
    """So many frames and bytes of the WAV are on the disk."""

    frames: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class LevelIs:
    level: Level


@dataclass(frozen=True, slots=True)
class SoundIs:
    """False when a microphone gives one and the same value for seconds: it is there, and dead."""

    alive: bool


@dataclass(frozen=True, slots=True)
class HearingIs:
    """`hello` when blocks arrive; None when they no longer do."""

    hello: Hello | None


@dataclass(frozen=True, slots=True)
class GapFilled:
    frame: int
    frames: int
    uncertainty_ns: int
    why: str


@dataclass(frozen=True, slots=True)
class SourceEnded:
    pass


@dataclass(frozen=True, slots=True)
class DiskIs:
    """False when the disk refuses what is stored, and `given_up` when it has refused for too long."""

    well: bool
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Died:
    """The writer came upon something it does not know. What is on the disk is as safe as after a kill."""


Report: TypeAlias = StoringIs | Durable | LevelIs | SoundIs | HearingIs | GapFilled | SourceEnded | DiskIs | Died
