"""A listening socket and the process that answers on it: started by the first connection, replaced without a gap.

The host holds the socket open whatever happens to the processes, so that connections wait in its backlog while there is
none. At most one process accepts, but for the moment in which a new one takes over; those that gave way finish.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable

from infra.twin.edge.channel import Message
from infra.twin.edge.logs import ProcessLog
from infra.twin.edge.process import Program, ServingProcess
from infra.twin.edge.source import OnEvent

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0
SERVED_DELAY = 2.0
"""The longest after a process that did serve: whatever killed it, its tenants' requests wait meanwhile."""
PROVEN_SECONDS = 30.0
"""A process that lived this long is restarted without the patience that earlier crashes have built up."""


class Slot:
    """`routes` gives the route table in force; `log` the log of a script."""

    def __init__(
        self,
        listener: socket.socket,
        routes: Callable[[], Message],
        log: Callable[[str], ProcessLog],
        on_event: OnEvent,
    ) -> None:
        self.listener = listener
        self.name = str(listener.getsockname())
        """The path of a unix socket."""
        self.program: Program | None = None
        self.process: ServingProcess | None = None
        self.draining: set[ServingProcess] = set()
        self._routes = routes
        self._log = log
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._proven: Program | None = None
        self._parked: list[int] = []
        self._watching = False
        self._closed = False
        self._delay = 0.0
        self._retry: asyncio.TimerHandle | None = None
        self._work: set[asyncio.Task[None]] = set()

    @property
    def processes(self) -> list[ServingProcess]:
        return [*([self.process] if self.process else []), *self.draining]

    async def deploy(self, program: Program) -> str | None:
        """Serve `program` from now on. The reason when it does not start: then what ran goes on running."""
        async with self._lock:
            before, current = self.program, self.process
            if before == program and (current is None or current.program == program):
                return None
            self.program = program
            if current is None:
                self._delay = 0.0
                self._watch()
                return None
            process = self._new(program)
            if not await process.start(self.listener, self._routes()):
                self.program = current.program
                return self._report_failure(process, serving=current.program)
            current = self.process  # it may have ended meanwhile
            self.process = self._take_over(process)
            if current is not None and current is not process:
                self.draining.add(current)
                await current.drain(successor=True)
            self._event("deployed", process)
            return None

    async def route(self, routes: Message) -> None:
        """A new table for all processes. Returns when they go by it."""
        async with self._lock:  # one that is being started was given the table before
            await asyncio.gather(*(process.route(routes) for process in self.processes))

    async def close(self, seconds: float) -> None:
        """End all processes, leaving them `seconds` for what is under way; then give the socket up."""
        self._closed = True
        self._unwatch()
        if self._retry is not None:
            self._retry.cancel()
        for work in list(self._work):
            work.cancel()
        async with self._lock:
            await asyncio.gather(*(process.stop(seconds) for process in self.processes))
        for fd in self._parked:
            os.close(fd)
        self._parked.clear()
        self.listener.close()

    async def drained(self) -> None:
        """Returns when no process that gave way is left."""
        while self.draining:
            await asyncio.gather(*(process.ended.wait() for process in list(self.draining)))

    # activation

    def _watch(self) -> None:
        """Wait for a connection without accepting it."""
        if self._parked:
            self._demanded()
        elif not (self._watching or self._closed or self.process or self.program is None or self._retry):
            self._watching = True
            self._loop.add_reader(self.listener.fileno(), self._demanded)

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self.listener.fileno())

    def _demanded(self) -> None:
        self._unwatch()
        if self._closed or self._retry is not None:
            return
        task = self._loop.create_task(self._activate())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _activate(self) -> None:
        async with self._lock:
            if self.process is not None or self.program is None or self._closed:
                return
            program = self.program
            process = self.process = self._new(program)
            started = await self._started(process)
            if not started and self._proven not in (None, program):
                # the deployed version is broken, and there is one that worked
                self._report_failure(process, serving=self._proven)
                self.program = program = self._proven or program
                process = self.process = self._new(program)
                started = await self._started(process)
            if started:
                self._take_over(process)
                self._event("started", process)
            else:
                self.process = None
                self._crashed(process)

    async def _started(self, process: ServingProcess) -> bool:
        with contextlib.suppress(OSError):
            return await process.start(self.listener, self._routes())
        return False

    def _new(self, program: Program) -> ServingProcess:
        return ServingProcess(program, self._log(program.script), self._message, self._exited)

    def _take_over(self, process: ServingProcess) -> ServingProcess:
        self._unwatch()
        self._proven = process.program
        for fd in self._parked:
            process.hand(fd)
        self._parked.clear()
        return process

    # what processes report

    def _message(self, process: ServingProcess, message: Message, fd: int | None) -> None:
        if message["type"] == "connection" and fd is not None:
            self._adopt(fd)
        elif message["type"] == "idle" and self.process is process:
            # it has stopped accepting: the next connection starts another
            process.state = "draining"
            self.process = None
            self.draining.add(process)
            self._event("idle", process)
            self._watch()

    def _adopt(self, fd: int) -> None:
        """An open connection that a process gave up goes to the one that took over."""
        if self.process is not None:
            self.process.hand(fd)
        elif self._closed:
            os.close(fd)
        else:
            self._parked.append(fd)
            self._demanded()

    def _exited(self, process: ServingProcess) -> None:
        self.draining.discard(process)
        if process is self.process and process.served:  # one that never served is `_activate`'s to report
            self.process = None
            self._crashed(process)

    def _crashed(self, process: ServingProcess) -> None:
        """Try again, later each time: at once if it had been serving, at the next connection if it never began to."""
        if self._closed:
            return
        if time.monotonic() - process.started_at >= PROVEN_SECONDS:
            self._delay = 0.0
        longest = SERVED_DELAY if process.served else LONGEST_DELAY
        self._delay = min(max(FIRST_DELAY, self._delay * 2), longest)
        self._event("crashed", process, exit=process.end, log=process.tail(), restart_in=self._delay)
        self._retry = self._loop.call_later(self._delay, self._try_again, process.served)

    def _try_again(self, served: bool) -> None:
        self._retry = None
        if served:
            self._demanded()
        else:
            self._watch()

    def _report_failure(self, process: ServingProcess, serving: Program | None) -> str:
        reason = process.tail() or process.end
        self._event("start_failed", process, reason=reason, serving=serving.version if serving else None)
        return reason

    def _event(self, event: str, process: ServingProcess, **more: object) -> None:
        program = process.program
        self._on_event(
            {"event": event, "script": program.script, "version": program.version, "pid": process.pid, **more}
        )
