"""A request of a cell as an ASGI 3 call (asgi.readthedocs.io/en/latest/specs/www.html), kept as short as it can be.

The head of an answer waits for the first piece of its body, so that both leave in one write; a stream's head waits no
longer than until the application pauses.
"""

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from infra.twin.edge.answers import refusal, status_line
from infra.twin.edge.connection import Connection, Head, Header

Scope = dict[str, Any]
Message = dict[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

ASGI = {"version": "3.0", "spec_version": "2.3"}
BODY_AHEAD_BYTES = 1024 * 1024
"""How much of a body is kept for an application that does not ask for it."""
JOIN_BYTES = 65536
"""Pieces longer than this are written as they are instead of being copied behind their head."""
BODYLESS = frozenset({204, 304})


class CellProcess(Protocol):
    """What a call needs of the process it runs in."""

    draining: bool
    app: App
    calls: "set[Call]"


class Call:
    """One ASGI call."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_body_complete",
        "_body_held",
        "_body_taken",
        "_chunked",
        "_complete",
        "_connection",
        "_head",
        "_keep_alive",
        "_left",
        "_method",
        "_pending",
        "_process",
        "_started",
        "_task",
        "_waiter",
        "_with_body",
    )

    def __init__(self, process: CellProcess, connection: Connection, head: Head) -> None:
        self._process = process
        self._connection: Connection | None = connection
        self._head = head
        self._method = head.method
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._body_complete = False
        self._body_taken = False
        self._body_held = False
        self._waiter: asyncio.Future[None] | None = None
        self._pending = b""
        self._started = False
        self._complete = False
        self._chunked = False
        self._with_body = True
        self._left = -1
        self._keep_alive = head.keep_alive

    # the connection's side

    def start(self) -> None:
        self._process.calls.add(self)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def feed(self, chunk: bytes) -> None:
        if self._complete:
            return
        self._body.append(chunk)
        self._body_bytes += len(chunk)
        if self._body_bytes > BODY_AHEAD_BYTES and self._connection is not None:
            self._body_held = True
            self._connection.hold_body(full=True)
        self._wake()

    def end(self) -> None:
        self._body_complete = True
        self._wake()

    def lost(self) -> None:
        self._connection = None
        self._wake()

    def answered(self) -> bool:
        return self._started

    def writable(self) -> None:
        self._wake()

    # the application's side

    async def receive(self) -> Message:
        while True:
            connection = self._connection
            if connection is None or self._complete:
                return {"type": "http.disconnect"}
            if not self._body_taken and (self._body or self._body_complete):
                return self._take_body()
            if self._head.expects_continue and not self._started and not self._body_complete:
                self._head.expects_continue = False
                connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self._wait()

    def _take_body(self) -> Message:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._body_bytes = 0
        self._body_taken = self._body_complete
        if self._body_held and self._connection is not None:
            self._body_held = False
            self._connection.hold_body(full=False)
        return {"type": "http.request", "body": body, "more_body": not self._body_complete}

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if self._connection is None:
            return  # the client is gone: the application finishes its work, nobody reads the answer
        if kind == "http.response.body" and self._started and not self._complete:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
            while self._congested:
                await self._wait()
        elif kind == "http.response.start" and not self._started:
            self._send_start(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"ASGI message {kind!r} does not fit here")

    @property
    def _congested(self) -> bool:
        return self._connection is not None and self._connection.congested and not self._complete

    def _send_start(self, status: int, headers: list[Header]) -> None:
        lines: list[bytes] = []
        for name, value in headers:  # their names are in lower case, as ASGI demands
            lines.append(name + b": " + value)
            if name == b"content-length":
                self._left = int(value)
        text = b"\r\n".join(lines)
        if lines and text.count(b"\n") != len(lines) - 1:
            raise ValueError("a response header contains a line break")
        self._started = True
        self._with_body = self._method != "HEAD" and status not in BODYLESS
        self._pending = status_line(status) + text + (b"\r\n" if lines else b"")
        if self._left < 0 and self._with_body:
            asyncio.get_running_loop().call_soon(self._flush_head)

    def _flush_head(self) -> None:
        """The application has not followed up with a body: let the client have the head."""
        if self._pending and self._connection is not None:
            self._frame_stream()
            pending, self._pending = self._pending, b""
            self._connection.write(pending + self._end_of_head())

    def _frame_stream(self) -> None:
        if self._head.version == "1.0":
            self._keep_alive = False  # the end of the connection is the end of the body
        else:
            self._chunked = True
            self._pending += b"transfer-encoding: chunked\r\n"

    def _end_of_head(self) -> bytes:
        if not self._keep_alive or self._process.draining:
            self._keep_alive = False
            return b"connection: close\r\n\r\n"
        return b"connection: keep-alive\r\n\r\n" if self._head.version == "1.0" else b"\r\n"

    def _send_body(self, body: bytes, *, more: bool) -> None:
        connection = self._connection
        if connection is None:
            return
        before = self._take_head(body, more=more) if self._pending else b""
        after = b""
        if not self._with_body:
            body = b""
        elif self._chunked:
            if body:
                before += b"%x\r\n" % len(body)
                after = b"\r\n"
            if not more:
                after += b"0\r\n\r\n"
        elif self._left >= 0:
            if len(body) > self._left:
                raise ValueError("the response is longer than its content-length")
            self._left -= len(body)
        if len(body) > JOIN_BYTES:
            connection.write_lines([before, body, after])
        elif before or body or after:
            connection.write(before + body + after)
        if not more:
            self._finish(connection)

    def _take_head(self, body: bytes, *, more: bool) -> bytes:
        """The head that waited for this piece of the body, which tells how the body is framed."""
        if self._left < 0 and self._with_body:
            if more:
                self._frame_stream()
            else:
                self._left = len(body)
                self._pending += b"content-length: %d\r\n" % self._left
        pending, self._pending = self._pending, b""
        return pending + self._end_of_head()

    def _finish(self, connection: Connection) -> None:
        self._complete = True
        self._wake()
        if self._left > 0 and self._with_body:
            connection.abort()  # shorter than announced
        else:
            connection.done(keep_alive=self._keep_alive)

    async def _run(self) -> None:
        try:
            await self._process.app(self._scope(), self.receive, self.send)
        except Exception as error:  # noqa: BLE001 - the application's defects end here, not in the server
            _report(error)
        finally:
            self._process.calls.discard(self)
            if not self._complete:
                self._break_off()

    def _break_off(self) -> None:
        """The application ended without an answer, or in the middle of one."""
        connection, self._complete = self._connection, True
        if connection is None:
            return
        if self._started and not self._pending:
            connection.abort()
            return
        self._started = True
        self._pending = b""
        message = "the Worker failed while answering; its log says why"
        connection.write(
            refusal(500, "internal_error", message, path=self._head.path, with_body=self._method != "HEAD")
        )
        connection.done(keep_alive=False)

    def _scope(self) -> Scope:
        head = self._head
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": head.version,
            "method": head.method,
            "scheme": "http",
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query,
            "root_path": "",
            "headers": head.headers,
            "client": None,
            "server": None,
        }

    async def _wait(self) -> None:
        """Until something changes. Two coroutines may wait, one for the client's end, one for room to write."""
        if self._waiter is None:
            self._waiter = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._waiter)  # one of them being cancelled must not cancel the other

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _report(error: Exception) -> None:
    """Where it failed and as what. Not the message: it may quote a body or a key."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    sys.stderr.write(f"unhandled {type(error).__name__}\n{frames}")
    sys.stderr.flush()
