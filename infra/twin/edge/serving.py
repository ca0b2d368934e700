"""What every process of the edge does: accept on the socket it was handed, obey the host, end without losing a request.

Three ways to end: the host says `drain` (another process takes over), nothing came for a while (`idle`), or the host is
gone (the end of the channel). In each the listening socket is given up first, then what is under way is finished.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from infra.twin.edge.channel import Channel, Message
from infra.twin.edge.connection import Connection, Exchange, Head
from infra.twin.edge.routes import Routes

BACKLOG = 4096
DRAIN_SECONDS = 15 * 60.0
"""The longest that a stream may keep a process from ending."""
SWEEP_SECONDS = 1.0


class Serving:
    """The connections of this process and its conversation with the host."""

    def __init__(self, listener: socket.socket, control: socket.socket, idle_seconds: float) -> None:
        self.routes = Routes((), ())
        self.connections: set[Connection] = set()
        self.calls: set[Any] = set()
        self.draining = False
        self.requests = 0
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time()
        self._active_at = self.now
        self._seen = 0
        self._idle_seconds = idle_seconds
        self._listener = listener
        self._server: asyncio.AbstractServer | None = None
        self._successor = False
        self._drained = asyncio.Event()
        self._channel = Channel(control, self._on_message, self._host_gone)

    @property
    def hands_over(self) -> bool:
        return self._successor and not self._channel.closed

    def open(self, connection: Connection, head: Head) -> Exchange:
        raise NotImplementedError

    def apply(self, message: Message) -> None:
        """A new route table."""
        self.routes = Routes(message["patterns"], message["domains"])

    async def finish(self, seconds: float) -> None:
        """Work that outlives its request. Called when the last connection is gone."""

    async def run(self) -> None:
        """Serve until told to end, then finish."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(sign, self._leave)
        create: Callable[..., Awaitable[asyncio.AbstractServer]] = (
            self._loop.create_unix_server if self._listener.family == socket.AF_UNIX else self._loop.create_server
        )
        self._server = await create(lambda: Connection(self), sock=self._listener, backlog=BACKLOG)
        if self.draining:
            self._server.close()
        sweeper = self._loop.create_task(self._sweep())
        self._channel.send({"type": "ready"})
        await self._drained.wait()
        await self._finish_all()
        sweeper.cancel()

    async def _finish_all(self) -> None:
        end = self._loop.time() + DRAIN_SECONDS
        while (self.connections or self.calls) and self._loop.time() < end:  # noqa: ASYNC110 - no event: each request would pay
            await asyncio.sleep(0.02)
        await self.finish(max(0.0, end - self._loop.time()))
        self._channel.send({"type": "bye"})

    async def _sweep(self) -> None:
        pause = min(SWEEP_SECONDS, self._idle_seconds / 4)
        while True:
            await asyncio.sleep(pause)
            self.now = self._loop.time()
            for connection in list(self.connections):
                connection.expire()
            if self.connections or self.calls or self.requests != self._seen:
                self._seen = self.requests
                self._active_at = self.now
            elif not self.draining and self.now - self._active_at >= self._idle_seconds:
                self._leave()

    def _on_message(self, message: Message, fd: int | None) -> None:
        kind = message["type"]
        if kind == "connection" and fd is not None:
            self._adopt(fd)
        elif kind == "routes":
            self.apply(message)
            self._channel.send({"type": "applied", "serial": message["serial"]})
        elif kind == "drain":
            self._successor = bool(message["successor"])
            self._drain()
            self._channel.send({"type": "draining"})
        elif kind == "log" and fd is not None:
            os.dup2(fd, 1)
            os.dup2(fd, 2)
            os.close(fd)
        elif kind == "ping":
            self._channel.send(
                {
                    "type": "stats",
                    "requests": self.requests,
                    "connections": len(self.connections),
                    "calls": len(self.calls),
                }
            )

    def _adopt(self, fd: int) -> None:
        """A kept-alive connection of the process that gave way; what its client sends meanwhile waits in the kernel."""
        if self.draining and self.hands_over:
            self.hand_over(fd)
            return
        connection = socket.socket(fileno=fd)
        connection.setblocking(False)
        adoption = self._loop.create_task(self._connect(connection))
        self.calls.add(adoption)
        adoption.add_done_callback(self.calls.discard)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: Connection(self), connection)
        except OSError:  # the client went away on the way
            connection.close()

    def hand_over(self, fd: int) -> None:
        self._channel.send({"type": "connection"}, fd)

    def _host_gone(self) -> None:
        self._drain()

    def _leave(self) -> None:
        """End of its own accord: the host starts another when it is needed."""
        if not self.draining:
            self._channel.send({"type": "idle"})
            self._drain()

    def _drain(self) -> None:
        if self.draining:
            return
        self.draining = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.retire()
        self._drained.set()
