"""What the service has done for it: tasks that nobody waits for, and one thread for the disk's small things, in order.

The event loop never waits for a disk. What takes time is an errand; what it comes to returns as a result or as the next event, and
an errand that fails without anybody waiting for it is in the log, with its name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Errands:
    """Made in the event loop that they belong to."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._disk_thread = ThreadPoolExecutor(1, "disk")
        self._tasks: set[asyncio.Task[Any]] = set()

    async def on_disk(self, work: Callable[[], Result]) -> Result:
        """In the one thread for the disk's small things, in order. What `work` raises is raised here."""
        return await self._loop.run_in_executor(self._disk_thread, work)

    def run(self, work: Coroutine[Any, Any, Result], name: str) -> asyncio.Task[Result]:
        """Go on with it beside everything else."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def from_thread(self, call: Callable[[], object]) -> None:
        """In the loop, soon; from any thread, and after the loop's end not at all."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    async def cancel(self) -> None:
        """End what still runs as a task; what was given to the disk is done to its end."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """When nothing more is asked: waits for the disk's thread."""
        self._disk_thread.shutdown()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
