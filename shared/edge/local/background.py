"""Work that goes on after the response: tasks of the running loop, which a draining process waits for."""

import asyncio
from collections.abc import Awaitable

from shared.edge.ports import Log

GATHER_SECONDS = 0.003
"""What was handed over within that time starts together, so that its writes share a transaction (database.py)."""


class TaskBackground:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: list[Awaitable[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Awaitable[None]) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._start)
        self._waiting.append(work)

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, []
        for work in waiting:
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
        return len(self._tasks) + len(self._waiting)

    async def finish(self, seconds: float) -> None:
        """Wait for what is under way, and what that begins, at most `seconds`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self.pending and loop.time() < end:
            self._start()
            await asyncio.wait(set(self._tasks), timeout=end - loop.time())
