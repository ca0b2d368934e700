"""The front: with more than one cell it owns the data port and passes each request on to its cell's unix socket.

A request is parsed, because the next one on the same connection may belong to another cell; the answer's bytes go back
as they are. Connections to cells are kept and used again.
"""

import asyncio
import socket
from collections import deque
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from infra.twin.edge.answers import refusal
from infra.twin.edge.channel import Message
from infra.twin.edge.connection import Connection, Exchange, Head
from infra.twin.edge.refused import NoRoute
from infra.twin.edge.serving import Serving

KEPT_CONNECTIONS = 128
KEPT_SECONDS = 30.0
"""Idle connections per cell. The cell would keep them longer (connection.SECONDS), so that none closes in use."""
AHEAD_BYTES = 1024 * 1024
"""How much of a body waits for the connection to its cell."""
HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"expect", b"transfer-encoding"}
)
"""Not passed on (RFC 9110, 7.6.1); `transfer-encoding` is written anew."""


class Front(Serving):
    def __init__(self, listener: socket.socket, control: socket.socket, idle_seconds: float) -> None:
        super().__init__(listener, control, idle_seconds)
        self._cells: dict[str, str] = {}
        self._idle: dict[str, deque[Upstream]] = {}

    def apply(self, message: Message) -> None:
        super().apply(message)
        self._cells = message["cells"]

    def open(self, connection: Connection, head: Head) -> Exchange:
        self.requests += 1
        path = self._cells.get(self.routes.find(head.host, head.path) or "")
        if path is None:
            return NoRoute(self, connection, head)
        return Forward(self, connection, head, path)

    async def connect(self, path: str) -> "Upstream":
        """A connection to the cell behind `path`: one that is idle, or a new one."""
        idle = self._idle.get(path)
        while idle:
            upstream = idle.pop()
            if not upstream.closed and self.now - upstream.idle_since < KEPT_SECONDS:
                return upstream
            upstream.close()
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, upstream = await loop.create_unix_connection(lambda: Upstream(self, path), path)
            except BlockingIOError:  # the backlog is full: the cell is starting, or behind
                await asyncio.sleep(0.01)
            else:
                return upstream

    def give_back(self, upstream: "Upstream") -> None:
        idle = self._idle.setdefault(upstream.path, deque())
        if len(idle) < KEPT_CONNECTIONS and not self.draining:
            upstream.idle_since = self.now
            idle.append(upstream)
        else:
            upstream.close()

    def forget(self, upstream: "Upstream") -> None:
        idle = self._idle.get(upstream.path)
        if idle and upstream in idle:
            idle.remove(upstream)


class Upstream(asyncio.Protocol):
    """A connection to a cell: one request at a time."""

    def __init__(self, front: Front, path: str) -> None:
        self.path = path
        self.closed = False
        self.congested = False
        self.idle_since = 0.0
        self.forward: Forward | None = None
        self._front = front
        self._transport: asyncio.Transport = cast("Any", None)
        self._parser: HttpResponseParser = cast("Any", None)
        self._complete = self._keep_alive = self._closing = False

    def begin(self, forward: "Forward") -> None:
        self.forward = forward
        # a parser that has seen an answer to HEAD would wait for its body
        self._parser = HttpResponseParser(self)
        self._complete = self._keep_alive = self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost changes nothing
        self.closed = True
        self._front.forget(self)
        forward, self.forward = self.forward, None
        if forward is not None:
            forward.broken()

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        if self.forward is not None:
            self.forward.passable()

    def data_received(self, data: bytes) -> None:
        forward = self.forward
        if forward is None:
            self.close()  # it speaks out of turn
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.close()
            return
        forward.answer(data)
        if self._complete:
            self._end(forward)

    def on_header(self, name: bytes, value: bytes) -> None:
        if value.lower() == b"close" and name.lower() == b"connection":
            self._closing = True

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            return
        self._keep_alive = self._parser.should_keep_alive()
        if self.forward is not None and self.forward.method == "HEAD":
            # no body follows whatever the head says (RFC 9112, 6.3), which a parser of answers alone cannot know
            self._complete = True
            self._keep_alive = not self._closing

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self._complete = True

    def _end(self, forward: "Forward") -> None:
        self.forward = None
        keep_alive = self._keep_alive
        if keep_alive and forward.sent:
            self._front.give_back(self)
        else:
            self.close()
        forward.complete(keep_alive=keep_alive)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def hold(self, *, full: bool) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading() if full else self._transport.resume_reading()

    def close(self) -> None:
        self.closed = True
        if not self._transport.is_closing():
            self._transport.close()


class Forward:
    """One request on its way through. See connection.Exchange."""

    def __init__(self, front: Front, connection: Connection, head: Head, path: str) -> None:
        self.method = head.method
        self.sent = False
        self._front = front
        self._connection: Connection | None = connection
        self._head = head
        self._path = path
        self._chunked = any(name == b"transfer-encoding" for name, _ in head.headers)
        self._upstream: Upstream | None = None
        self._ahead: list[bytes] = []
        self._ahead_bytes = 0
        self._held = self._answered = self._stalled = False

    def start(self) -> None:
        self._ahead.insert(0, self._request_head())
        self._front.calls.add(self)
        self._task = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        try:
            upstream = await self._front.connect(self._path)
        except OSError:
            self.broken()
            return
        if self._connection is None:  # the client is gone already
            self._front.give_back(upstream)
            self._front.calls.discard(self)
            return
        if upstream.closed:  # the cell ended between the connection and this moment, and told nobody but `upstream`
            self.broken()
            return
        self._upstream = upstream
        upstream.begin(self)
        upstream.write(b"".join(self._ahead))
        self._ahead.clear()
        self.passable()

    def _request_head(self) -> bytes:
        head = self._head
        target = head.raw_path + (b"?" + head.query if head.query else b"")
        lines = [b"%b %b HTTP/%b" % (head.method.encode(), target, head.version.encode())]
        lines += [name + b": " + value for name, value in head.headers if name not in HOP_BY_HOP]
        if self._chunked:
            lines.append(b"transfer-encoding: chunked")
        if head.expects_continue and self._connection is not None:
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def feed(self, chunk: bytes) -> None:
        self._pass(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk)

    def end(self) -> None:
        self.sent = True
        if self._chunked:
            self._pass(b"0\r\n\r\n")

    def _pass(self, data: bytes) -> None:
        upstream, connection = self._upstream, self._connection
        if upstream is not None:
            if not upstream.closed:
                upstream.write(data)
            full = upstream.congested
        else:
            self._ahead.append(data)
            self._ahead_bytes += len(data)
            full = self._ahead_bytes > AHEAD_BYTES
        if full and not self._held and connection is not None:
            self._held = True
            connection.hold_body(full=True)

    def passable(self) -> None:
        """The cell has taken what was in the way."""
        if self._held and self._connection is not None and not (self._upstream and self._upstream.congested):
            self._held = False
            self._connection.hold_body(full=False)

    def answer(self, data: bytes) -> None:
        connection = self._connection
        if connection is None:
            return
        self._answered = True
        connection.write(data)
        if connection.congested and self._upstream is not None and not self._stalled:
            self._stalled = True
            self._upstream.hold(full=True)

    def writable(self) -> None:
        if self._stalled and self._upstream is not None:
            self._stalled = False
            self._upstream.hold(full=False)

    def complete(self, *, keep_alive: bool) -> None:
        self._front.calls.discard(self)
        upstream, self._upstream = self._upstream, None
        if self._stalled and upstream is not None:
            upstream.hold(full=False)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.done(keep_alive=keep_alive and self._head.keep_alive)

    def answered(self) -> bool:
        return self._answered

    def lost(self) -> None:
        """The client is gone: closing the connection to the cell tells it so."""
        self._connection = None
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.forward = None
            upstream.close()
            self._front.calls.discard(self)

    def broken(self) -> None:
        """The cell's process ended before its answer did."""
        self._front.calls.discard(self)
        self._upstream = None
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._answered:
            # to HTTP/1.0 the end of the connection is the end of an answer
            connection.done(keep_alive=False) if self._head.version == "1.0" else connection.abort()
            return
        message = "the Worker ended before it answered; the request may be sent again"
        connection.write(
            refusal(502, "upstream_failed", message, path=self._head.path, with_body=self.method != "HEAD")
        )
        connection.done(keep_alive=False)
