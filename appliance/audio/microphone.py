"""The service's hand on the capture child: opens it, watches over it, ends it, and opens it again when it died.

PortAudio's list of devices is fixed when it is initialised, and some drivers hang when a device vanishes. So a child that
ended, or from which nothing is heard, is killed and a fresh one started, every `AGAIN_AFTER_SECONDS`, for as long as the meeting
wants to hear.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from appliance.audio.pcm import PcmFormat
from appliance.audio.recorder import PIPE_BYTES, Recorder
from appliance.children import dies_with_us

AGAIN_AFTER_SECONDS = 1.0
GONE_WITHIN_SECONDS = 1.0
DEAF_AFTER_SECONDS, LONGEST_DEAF_SECONDS = 5.0, 40.0
"""A child from which nothing was heard for so long after it began is ended, too; the next one has twice as long, as a machine that is
busy may need."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """What to hear: `spec` and `pace` as in `sources.open_source`, the format asked of a device, its latency in seconds."""

    spec: str
    pace: str
    format: PcmFormat
    latency: float

    def arguments(self) -> tuple[str, ...]:
        wanted = self.format
        return (self.spec, self.pace, str(wanted.rate), str(wanted.bits), str(wanted.channels), str(self.latency))


def can_be_played(spec: str) -> str | None:
    """What is wrong with a file as a source, as a sentence; None if nothing is. In a child: the service itself needs no libsndfile."""
    checked = subprocess.run(
        [sys.executable, "-m", "appliance.audio.capture", "--check", spec], capture_output=True, text=True, check=False
    )
    return checked.stderr.strip().rpartition("\n")[2] if checked.returncode else None


class Microphone:
    """All calls from the event loop's thread. `failed` is called with a sentence when the child ended by itself."""

    def __init__(self, source: SourceSpec, recorder: Recorder, failed: Callable[[str], None]) -> None:
        self._source = source
        self._recorder = recorder
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self._child: asyncio.subprocess.Process | None = None
        self._heard = False
        self._deaf_after = DEAF_AFTER_SECONDS

    def heard(self) -> None:
        """Blocks arrive from the child that runs now."""
        self._heard = True
        self._deaf_after = DEAF_AFTER_SECONDS

    def open(self) -> None:
        """Begin to hear, and go on until `close`; opening an open one changes nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_open(), name="microphone")

    def close(self) -> None:
        """Stop hearing at once. A child that hangs in its device is killed."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._recorder.stop_listening()
        self.restart()

    async def gone(self) -> None:
        """After `close`: until the last child has ended, a moment at most. One that hangs in its device is left to the kernel."""
        if self._child is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GONE_WITHIN_SECONDS):
                    await self._child.wait()

    def restart(self) -> None:
        """End the child; while the microphone is open, a fresh one takes its place."""
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()

    async def _keep_open(self) -> None:
        while True:
            try:
                says = await self._hear()
            except (OSError, ValueError) as error:  # no process to be had, or a line on its stderr that is too long
                says = f"The microphone's program cannot be started or understood: {error}."
                self.restart()
            self._failed(says)
            await asyncio.sleep(AGAIN_AFTER_SECONDS)

    async def _hear(self) -> str:
        """One child from start to end; what it said last."""
        child_in, ours_in = os.pipe()
        ours_out, child_out = os.pipe()
        with contextlib.suppress(OSError):  # a smaller pipe only means that the child's ring is used sooner
            fcntl.fcntl(ours_out, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(ours_in, False)
        try:
            self._child = child = await asyncio.create_subprocess_exec(
                *dies_with_us(),
                sys.executable,
                "-m",
                "appliance.audio.capture",
                *self._source.arguments(),
                stdin=child_in,
                stdout=child_out,
                stderr=asyncio.subprocess.PIPE,
            )
        except BaseException:
            os.close(ours_in)
            os.close(ours_out)
            raise
        finally:
            os.close(child_in)
            os.close(child_out)
        self._heard = False
        self._recorder.listen(ours_out, ours_in)
        deaf = asyncio.get_running_loop().call_later(self._deaf_after, self._end_if_deaf, child)
        says = "The microphone's program ended."
        try:
            if child.stderr is not None:
                async for line in child.stderr:
                    says = line.decode(errors="replace").strip() or says
                    log.info("capture: %s", says)
            await child.wait()
        finally:
            deaf.cancel()
        return says

    def _end_if_deaf(self, child: asyncio.subprocess.Process) -> None:
        if child is self._child and not self._heard:
            self._deaf_after = min(2 * self._deaf_after, LONGEST_DEAF_SECONDS)
            self.restart()
