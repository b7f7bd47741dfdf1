"""Switching off from the room: by anybody at the table, and without losing a copy that is nearly there.

Nothing that was recorded is ever at risk: it lies sealed on the appliance's disk, and the next start goes on with its copies. So whoever
cannot wait may leave at once; the screen says for which sticks the appliance still waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from appliance.room.power import SwitchOffError

LOOK_EVERY_SECONDS = 0.3

log = logging.getLogger(__name__)


class Farewell:
    """One for the service's life. All calls from the event loop."""

    def __init__(
        self, not_done: Callable[[], list[str]], switch_off: Callable[[], Awaitable[None]], changed: Callable[[], None]
    ) -> None:
        """not_done: the sticks whose copy is not through. switch_off: raises SwitchOffError. changed: the room is to be told."""
        self._not_done = not_done
        self._switch_off = switch_off
        self._changed = changed
        self._waiting: asyncio.Task[None] | None = None
        self.failed = False
        """The system would not: until somebody asks again."""

    @property
    def waits_for(self) -> list[str] | None:
        """None as long as nobody asked for it."""
        return self._not_done() if self._waiting is not None else None

    def begin(self) -> None:
        """As soon as nothing is being copied."""
        self.failed = False
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._wait(), name="switching off")
            self._changed()

    def take_back(self) -> bool:
        """Whether there was something to take back."""
        if self._waiting is None:
            return False
        self._waiting.cancel()
        self._waiting = None
        self._changed()
        return True

    def at_once(self) -> None:
        """Whatever is not done: it is done after the next start."""
        self.take_back()
        self._waiting = asyncio.create_task(self._leave(), name="switching off")
        self._changed()

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    async def _wait(self) -> None:
        while self._not_done():  # noqa: ASYNC110 - sticks tell of themselves in many ways, and this is for the end of a day
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        await self._leave()

    async def _leave(self) -> None:
        try:
            await self._switch_off()
        except SwitchOffError:
            log.exception("the appliance stays on")
            self.failed = True
            self._waiting = None
        self._changed()
