"""The parent's side of the copies: one mirror child for each stick that is in, for one recording at a time.

What it promises:
- A stick may come and go at any moment, before, during or after the meeting; the same code serves them all.
- Sticks have nothing in common but the original: a slow, stuck, full or dying one changes nothing for another.
- Nothing here waits for a stick. A child that does not end is killed, and one that cannot be killed (it hangs in the
  kernel) is left behind: the lock that it holds makes the next one report 'busy' until it is free.

Theory. What a copy is worth is decided in `mirror`, by what was read back; here its reports become a `CopyState`, and
silence does too: a child that ends without a word has 'died', and one that gets no further after the seal for
`patience` seconds shows 'no progress' (it may still get there: then its state says so). There are no sentences here,
only codes.

    waiting      the stick is in; nothing of this recording is on it yet
    following    its child is at work
    verified     every byte was read back and is equal; stays so when the stick is taken out
    unfinished   it was taken out half-way, or is as good as out
    failed       `says` why
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from appliance.children import dies_with_us, environment_of_a_child
from appliance.copies.pace import Pace, seconds_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.copies.sticks import Stick

Progress: TypeAlias = Literal["waiting", "following", "verified", "unfinished", "failed"]
Method: TypeAlias = Literal["direct", "fadvise"]
Why: TypeAlias = Literal[
    "full",  # no room, or a file larger than its file system takes
    "foreign",  # something that is not ours bears the name of our folder, or lies in it
    "different",  # what was read back is not what was written
    "broken",  # the stick gives errors
    "busy",  # a child of before still holds it
    "readonly",
    "gone",
    "original",  # not the stick: the recording on the appliance cannot be read, or is not as it should be
    "died",  # its child ended without a word
    "no progress",
]

_ENDED: frozenset[Progress] = frozenset({"verified", "unfinished", "failed"})
_GRACE = 0.5
_AFTER_KILL = 0.3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CopyState:
    """How the copy on one stick stands.

    stick, label: the stick's key, and what people see of it.
    folder: the absolute path of the copy, as soon as there is one; its last name ends in ' (onvolledig)' until it is verified.
    bytes, verified_bytes: how much there is to copy as far as is known, and how much of it was read back and is equal
    (see `mirror`).
    bytes_a_second: what the stick does while it works.
    says: why it failed or is unfinished.  method: how a verified one was read back.
    known_by: all that people can tell the stick by, its make and size too.
    slow: it does not keep up with the meeting, and is finished after it.  seconds_left: how long what is missing now will take
    this stick; None while that is not known.
    """

    stick: str
    label: str
    folder: str | None = None
    state: Progress = "waiting"
    bytes: int = 0
    verified_bytes: int = 0
    bytes_a_second: int = 0
    says: Why | None = None
    method: Method | None = None
    known_by: str = ""
    slow: bool = False
    seconds_left: int | None = None


class _Copying(msgspec.Struct, frozen=True, tag_field="is", tag="copying"):
    folder: str
    bytes: int
    verified_bytes: int
    bytes_a_second: int


class _Verified(msgspec.Struct, frozen=True, tag_field="is", tag="verified"):
    folder: str
    method: Method
    bytes: int
    verified_bytes: int


class _Failed(msgspec.Struct, frozen=True, tag_field="is", tag="failed"):
    code: Why
    detail: str


_Report: TypeAlias = _Copying | _Verified | _Failed
_reports: msgspec.json.Decoder[_Report] = msgspec.json.Decoder(_Report)


@dataclass(frozen=True, slots=True)
class _Recording:
    folder: Path

    @property
    def arguments(self) -> tuple[str, str]:
        return "--original", str(self.folder)


@dataclass(frozen=True, slots=True)
class _Note:
    folder_name: str
    file_name: str
    text: str
    at: int

    @property
    def arguments(self) -> tuple[str, str]:
        return "--note", self.folder_name


class Copies:
    """The copies of one recording, or of one note, on every stick that is in. All calls from the event loop's thread."""

    def __init__(self, locks: Path, *, changed: Callable[[], None], patience: float = 30.0, try_again: float = 1.0) -> None:
        """locks: a folder for one lock file a stick; all that run on this machine must name the same.

        changed: called after each change of `states` or `settled`, from within the loop; it must not block.
        patience: seconds without progress after the seal. try_again: seconds until a stick that was busy is tried again.
        """
        self._locks = locks
        self._changed = changed
        self._patience = patience
        self._try_again = try_again
        self._sticks: dict[str, Stick] = {}
        self._followers: dict[str, _Follower] = {}
        self._left: set[_Follower] = set()
        self._what: _Recording | _Note | None = None
        self._durable = 0
        self._sealed = False
        self._impatience: asyncio.Task[None] | None = None

    @property
    def states(self) -> tuple[CopyState, ...]:
        """One for each stick that is in, or that has some of this recording; in the order in which they came."""
        waiting = [
            CopyState(key, stick.label, known_by=stick.known_by)
            for key, stick in self._sticks.items()
            if key not in self._followers
        ]
        return (*(follower.state for follower in self._followers.values()), *waiting)

    @property
    def settled(self) -> bool:
        """Whether nothing is to be waited for: the original is sealed, and every stick that is in is verified or failed.

        No progress is a failure too. With nothing to copy there is nothing to wait for.
        """
        if self._what is None:
            return True
        return self._sealed and all(follower.state.state in _ENDED for follower in self._followers.values() if follower.is_in)

    def start(self, recording: Path) -> None:
        """Begin to copy this folder to every stick that is in, and to those that come; RuntimeError if another is under way."""
        self._begin(_Recording(recording.absolute()))

    def start_note(self, folder_name: str, file_name: str, text: str, at: int) -> None:
        """Copy, in place of a recording, one small text file in a folder of its own; it is verified in the same way.

        Both names are plain ones. at: its modification time, seconds since 1970, even.
        """
        if "/" in folder_name + file_name or "\0" in folder_name + file_name:
            raise ValueError(f"{folder_name!r} and {file_name!r} must be plain names.")
        self._begin(_Note(folder_name, file_name, text, at))
        self.seal()

    def follow(self, durable_bytes: int) -> None:
        """So many bytes of the original's WAV, its header among them, are synced: copy up to there."""
        self._durable = durable_bytes
        for follower in self._followers.values():
            follower.follow(durable_bytes)

    def seal(self) -> None:
        """The original is a whole bag: come to an end. From now on a stick must make progress."""
        if self._what is None:
            raise RuntimeError("There is nothing to seal a copy of.")
        self._sealed = True
        for follower in self._followers.values():
            follower.seal()
        if self._impatience is None:
            self._impatience = asyncio.create_task(self._be_impatient(), name="copies: impatience")
        self._changed()

    def came(self, stick: Stick) -> None:
        """A stick is in. If it carries a verified copy of this recording already, it is left in peace."""
        self._sticks[stick.key] = stick
        if self._what is not None:
            self._set_to_work(stick, self._what)
        self._changed()

    def went(self, stick: Stick) -> None:
        """A stick is out, whatever it was doing."""
        self._sticks.pop(stick.key, None)
        follower = self._followers.get(stick.key)
        if follower is not None:
            follower.stick_went()
            if follower.state.folder is None:
                del self._followers[stick.key]
                self._left.add(follower)
        self._changed()

    async def stop(self) -> None:
        """End every child, within about a second whatever the sticks do, and forget the recording; the sticks stay known."""
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None
        leaving = {*self._followers.values(), *self._left}
        self._followers, self._left = {}, set()
        self._what, self._durable, self._sealed = None, 0, False
        await asyncio.gather(*(follower.end() for follower in leaving))
        self._changed()

    def _begin(self, what: _Recording | _Note) -> None:
        if self._what is not None:
            raise RuntimeError("Copies of another recording are still being made: stop them first.")
        self._locks.mkdir(parents=True, exist_ok=True)
        self._what = what
        for stick in self._sticks.values():
            self._set_to_work(stick, what)
        self._changed()

    def _set_to_work(self, stick: Stick, what: _Recording | _Note) -> None:
        before = self._followers.get(stick.key)
        if before is not None:
            if before.state.state == "verified":
                before.is_in = True
                return
            self._left.add(before)
        follower = _Follower(stick, what, self._locks / f"{stick.key}.lock", self._changed, self._try_again)
        self._followers[stick.key] = follower
        follower.follow(self._durable)
        if self._sealed:
            follower.seal()
        follower.begin()

    async def _be_impatient(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._patience / 4))
            for follower in self._followers.values():
                follower.lose_patience(self._patience)


class _Follower:
    """One stick, the child that works for it, and what the child said last."""

    def __init__(self, stick: Stick, what: _Recording | _Note, lock: Path, changed: Callable[[], None], try_again: float) -> None:
        self.state = CopyState(stick.key, stick.label, known_by=stick.known_by)
        self._pace = Pace()
        self.is_in = True
        self._stick = stick
        self._what = what
        self._lock = lock
        self._changed = changed
        self._try_again = try_again
        self._durable = 0
        self._sealed = False
        self._moved_at = asyncio.get_running_loop().time()
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._work(), name=f"copy on {self._stick.key}")

    def follow(self, durable: int) -> None:
        """Only the newest counts: a child that does not listen just now is told the next time."""
        self._durable = durable
        self._pace.recorded(asyncio.get_running_loop().time(), durable)
        if self.state.state == "following" and self.state.slow is not self._pace.slow:
            self._become(replace(self.state, slow=self._pace.slow))
        stdin = self._process.stdin if self._process else None
        if stdin is not None and not stdin.transport.get_write_buffer_size():
            self._tell({"do": "follow", "durable": durable})

    def seal(self) -> None:
        self._sealed = True
        self._moved_at = asyncio.get_running_loop().time()
        self._tell(self._last_word())

    def stick_went(self) -> None:
        self.is_in = False
        self._kill()
        if self.state.state != "verified" and self.state.folder is not None:
            self.state = replace(self.state, state="unfinished", says=self.state.says or "gone", bytes_a_second=0, slow=False)

    def lose_patience(self, patience: float) -> None:
        """Its child is left at work: what only took long is verified in the end all the same."""
        waited = asyncio.get_running_loop().time() - self._moved_at
        if self.is_in and self.state.state not in _ENDED and waited > patience:
            self._become(replace(self.state, state="failed", says="no progress"))

    async def end(self) -> None:
        """Ask the child to end, then kill it, then leave it."""
        process = self._process
        if process is not None and process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            if not await _ends(process, _GRACE):
                self._kill()
                if not await _ends(process, _AFTER_KILL):
                    log.warning("the mirror of %s (process %d) cannot be ended and is left behind", self._stick.key, process.pid)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        try:
            await self._run_child()
            while self.is_in and self.state.says == "busy":
                await asyncio.sleep(self._try_again)
                await self._run_child()
        except (OSError, ValueError) as error:  # it could not be started, or does not speak as a mirror does
            log.warning("the mirror of %s is given up: %s", self._stick.key, error)
            self._kill()
            self._became_silent()

    async def _run_child(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *dies_with_us(),
            *(sys.executable, "-P", "-m", "appliance.copies.mirror", *self._what.arguments),
            *("--stick", str(self._stick.path.absolute()), "--lock", str(self._lock)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment_of_a_child(),
            start_new_session=True,  # a Ctrl-C at the terminal is for the service, which ends its children itself
        )
        self._process = process
        self._tell(self._last_word() if self._sealed else {"do": "follow", "durable": self._durable})
        last_word = await self._listen(process)
        await process.wait()
        if not last_word:
            log.warning("the mirror of %s ended by itself with status %s", self._stick.key, process.returncode)
            self._became_silent()

    async def _listen(self, process: asyncio.subprocess.Process) -> bool:
        """Up to the end of what it says; whether it said how it came out. Then it is let go, so that the stick can be taken."""
        last_word = False
        if process.stdout is not None and process.stdin is not None:
            async for line in process.stdout:
                report = _reports.decode(line)
                self._hear(report)
                if not isinstance(report, _Copying):
                    last_word = True
                    process.stdin.close()
        return last_word

    def _hear(self, report: _Report) -> None:
        if not self.is_in:
            return
        match report:
            case _Copying(folder, total, verified, speed):
                moved = (total, verified) != (self.state.bytes, self.state.verified_bytes)
                if moved or self.state.says != "no progress":
                    self._become(self._following(folder, total, verified, speed), moved=moved)
            case _Verified(folder, method, total, verified):
                done = CopyState(self._stick.key, self._stick.label, folder, "verified", total, verified, method=method)
                self._become(replace(done, known_by=self._stick.known_by))
            case _Failed(code, detail):
                log.warning("the copy on %s failed: %s: %s", self._stick.key, code, detail)
                half_way = code == "gone" and self.state.folder is not None
                self._become(replace(self.state, state="unfinished" if half_way else "failed", says=code, bytes_a_second=0))

    def _became_silent(self) -> None:
        if self.is_in:
            self._become(replace(self.state, state="failed", says="died", bytes_a_second=0))

    def _following(self, folder: str, total: int, verified: int, speed: int) -> CopyState:
        if self._sealed:
            missing = total - verified
        else:
            self._pace.copied(verified)
            missing = self._pace.missing
        return CopyState(
            self._stick.key,
            self._stick.label,
            folder,
            "following",
            total,
            verified,
            speed,
            known_by=self._stick.known_by,
            slow=self._pace.slow,
            seconds_left=seconds_left(missing, speed),
        )

    def _become(self, state: CopyState, *, moved: bool = False) -> None:
        if moved:
            self._moved_at = asyncio.get_running_loop().time()
        if state != self.state:
            self.state = state
            self._changed()

    def _last_word(self) -> dict[str, object]:
        match self._what:
            case _Recording():
                return {"do": "seal"}
            case _Note(_, file_name, text, at):
                return {"do": "note", "file": file_name, "text": text, "at": at}

    def _tell(self, message: dict[str, object]) -> None:
        """Never waits; a child that is no more is told nothing."""
        stdin = self._process.stdin if self._process and self._process.returncode is None else None
        if stdin is not None and not stdin.is_closing():
            stdin.write(json.dumps(message).encode() + b"\n")

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


async def _ends(process: asyncio.subprocess.Process, within: float) -> bool:
    try:
        await asyncio.wait_for(process.wait(), within)
    except TimeoutError:
        return False
    return True
