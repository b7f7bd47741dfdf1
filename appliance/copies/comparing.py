"""The parent's side of `compare`: two sticks checked against each other, in a child that can be left behind, and told in words."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

import msgspec

from appliance.children import dies_with_us, environment_of_a_child
from appliance.copies.sticks import Stick, what_people_see
from appliance.words import N_, Say, span

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 30.0
"""A stick from which nothing is read for so long has failed."""

_AFTER_KILL = 0.3

_SAME = N_("On both sticks is the same recording.")
_DIFFERENT = N_("The recordings on the two sticks are not the same. The first difference is at {time}.")
_DIFFERENT_BESIDE = N_("The recordings on the two sticks are not the same: they differ in {file}.")
_NOTHING = N_("There is no recording that is on both sticks.")
_UNREADABLE = N_("The stick {stick} cannot be read. Nothing on it has changed.")


class OneRecording(msgspec.Struct, frozen=True):
    """A recording that is on both. file: the first that differs; seconds: how far into the sound, where it is the sound."""

    name: str
    equal: bool
    file: str | None = None
    seconds: float | None = None


class Compared(msgspec.Struct, frozen=True, tag_field="is", tag="compared"):
    """`only`: names of recordings that are on the one stick alone, and on the other."""

    recordings: tuple[OneRecording, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def equal(self) -> bool:
        """Whether there is something on both, and all of it is the same."""
        return bool(self.recordings) and all(one.equal for one in self.recordings)

    @property
    def first_difference_seconds(self) -> float | None:
        return next((one.seconds for one in self.recordings if not one.equal), None)


class _Comparing(msgspec.Struct, frozen=True, tag_field="is", tag="comparing"):
    bytes: int
    done: int


class _Failed(msgspec.Struct, frozen=True, tag_field="is", tag="failed"):
    which: int
    detail: str


_reports: msgspec.json.Decoder[_Comparing | Compared | _Failed] = msgspec.json.Decoder(_Comparing | Compared | _Failed)


class StickUnreadableError(Exception):
    """One of the two cannot be read. The sentence is technical; `unreadable_in_words` is for the room."""

    def __init__(self, stick: Stick, detail: str) -> None:
        super().__init__(f"{stick.label} cannot be read: {detail}")
        self.stick = stick


async def compare_sticks(
    one: Stick, other: Stick, *, told: Callable[[int, int], None] | None = None, patience: float = PATIENCE_SECONDS
) -> Compared:
    """Whether the recordings on two sticks are the same. StickUnreadableError.

    told: called with how many bytes were compared, and how many there are. Cancelled, it ends at once, and nothing is left of it.
    """
    child = await asyncio.create_subprocess_exec(
        *dies_with_us(),
        *(sys.executable, "-P", "-m", "appliance.copies.compare", str(one.path.absolute()), str(other.path.absolute())),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment_of_a_child(),
        start_new_session=True,
        limit=1 << 20,
    )
    try:
        return await _listen(child, (one, other), told, patience)
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        if child.stdin is not None:
            child.stdin.close()
        with contextlib.suppress(TimeoutError):  # one that hangs in a dying stick is left behind
            await asyncio.wait_for(child.wait(), _AFTER_KILL)


async def _listen(
    child: asyncio.subprocess.Process, sticks: tuple[Stick, Stick], told: Callable[[int, int], None] | None, patience: float
) -> Compared:
    if child.stdout is None:
        raise StickUnreadableError(sticks[0], "nobody looks")
    while True:
        try:
            async with asyncio.timeout(patience):
                line = await child.stdout.readline()
        except TimeoutError:
            raise StickUnreadableError(sticks[0], "nothing was read for too long") from None
        if not line:
            raise StickUnreadableError(sticks[0], "the comparison ended without a word")
        match _reports.decode(line):
            case _Comparing(total, done):
                if told is not None:
                    told(done, total)
            case _Failed(which, detail):
                raise StickUnreadableError(sticks[which], detail)
            case Compared() as compared:
                return compared


def compared_in_words(compared: Compared, say: Say) -> str:
    """What the room reads: one sentence, of the first recording that differs, or of all."""
    different = next((one for one in compared.recordings if not one.equal), None)
    if not compared.recordings:
        return say(_NOTHING)
    if different is None:
        return say(_SAME)
    if different.seconds is None:
        return say(_DIFFERENT_BESIDE).format(file=_plain(different.file or ""))
    return say(_DIFFERENT).format(time=span(different.seconds))


def unreadable_in_words(error: StickUnreadableError, say: Say) -> str:
    return say(_UNREADABLE).format(stick=error.stick.known_by)


def _plain(name: str) -> str:
    """A file's name comes from a stick."""
    return what_people_see(name, longest=120)
