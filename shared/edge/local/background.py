"""Work that goes on after the response: tasks of the running loop, which a draining process waits for."""

import asyncio
from collections.abc import Awaitable

from shared.edge.ports import Log


class TaskBackground:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - nobody awaits it, so it is reported here or nowhere
            self._log.event("background_failed", error=type(error).__name__, message=str(error)[:300])

    @property
    def pending(self) -> int:
        return len(self._tasks)

    async def finish(self, seconds: float) -> None:
        """Wait for what is under way, at most `seconds`."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
