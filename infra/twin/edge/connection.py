"""One HTTP/1.1 connection of a serving process: bytes to requests, their order, their time limits, its end.

What happens with a request is an Exchange (an ASGI call in a cell, a forwarded request in the front). No timer runs per
request: the serving process sweeps its connections once a second.
"""

import asyncio
import os
from collections import deque
from typing import Any, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from infra.twin.edge.answers import refusal

MAX_HEAD_BYTES = 64 * 1024
IDLE, HEAD, BODY, BUSY, LINGER = range(5)
SECONDS = {IDLE: 75.0, HEAD: 30.0, BODY: 30.0, LINGER: 10.0}
"""How long a connection may stay in a phase without a byte: silent, in a head, in a body, or after the last answer."""
LAST_SECONDS = 5.0
"""How long a process that ends waits for a connection that it accepted last to say something."""
MESSAGE_SECONDS = {HEAD: 30.0, BODY: 300.0}
"""How long a head or a body may take as a whole, however steadily it trickles."""
STALL_SECONDS = 120.0
"""How long a client may leave an answer unread."""

Header = tuple[bytes, bytes]


class Head:
    """The head of a request."""

    __slots__ = ("expects_continue", "headers", "host", "keep_alive", "method", "path", "query", "raw_path", "version")

    def __init__(self, method: str, version: str, headers: list[Header], host: bytes, *, keep_alive: bool) -> None:
        self.method = method
        self.version = version
        self.headers = headers
        self.host = host
        self.keep_alive = keep_alive
        self.expects_continue = False
        self.path = self.raw_path = cast("Any", None)
        self.query = b""


class Exchange(Protocol):
    """One request and its answer. It ends by `connection.done(...)`, unless `lost` was called first."""

    def start(self) -> None:
        """Its turn has come: it may write."""

    def feed(self, chunk: bytes) -> None: ...
    def end(self) -> None:
        """The body is complete."""

    def lost(self) -> None:
        """The client is gone."""

    def answered(self) -> bool:
        """Whether a part of the answer may have been written."""
        ...

    def writable(self) -> None:
        """The client has read what was in the way; `connection.congested` is False again."""


class Owner(Protocol):
    """What a connection needs of its process (serving.py)."""

    now: float
    draining: bool
    connections: "set[Connection]"

    @property
    def hands_over(self) -> bool: ...
    def open(self, connection: "Connection", head: Head) -> Exchange: ...
    def hand_over(self, fd: int) -> None: ...


class Connection(asyncio.Protocol):
    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.congested = False
        self.phase = IDLE
        self._transport: asyncio.Transport = cast("Any", None)
        self._parser = HttpRequestParser(self)
        self._current: Exchange | None = None
        self._reading: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._full = False
        self._paused = False
        self._parsing_head = False
        self._head_bytes = 0
        self._since = self._began = owner.now
        self._stalled_at = 0.0
        self._target = b""
        self._headers: list[Header] = []
        self._hosts: list[bytes] = []
        self._expects_continue = False

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.owner.connections.add(self)
        if self.owner.hands_over:  # accepted or adopted at the moment in which the process began to give way
            asyncio.get_running_loop().call_soon(self.retire)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost changes nothing
        self.owner.connections.discard(self)
        for exchange in (self._current, *self._waiting):
            if exchange is not None:
                exchange.lost()
        self._current = self._reading = None
        self._waiting.clear()

    def pause_writing(self) -> None:
        self.congested = True
        self._stalled_at = self.owner.now

    def resume_writing(self) -> None:
        self.congested = False
        if self._current is not None:
            self._current.writable()

    def data_received(self, data: bytes) -> None:
        phase = self.phase
        if phase == LINGER:
            return
        self._since = self.owner.now
        if phase == IDLE:
            self.phase = HEAD
            self._began = self._since
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            # asked for another protocol: answered in HTTP/1.1 (RFC 9110, 7.8), and what follows is not looked at
            self._pause(full=True)
        except HttpParserError as error:
            cause = error.__context__
            if cause is not None and not isinstance(cause, HttpParserError):
                raise  # a defect of this module, not of the request
            self._refuse(400, f"this is not a valid HTTP/1.1 request: {cause or error}")
            return
        if self._parsing_head or self.phase == HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, f"the head of the request is longer than {MAX_HEAD_BYTES} bytes")

    # what the parser calls

    def on_message_begin(self) -> None:
        self._parsing_head = True
        self._head_bytes = 0
        self._target = b""
        self._headers = []
        self._hosts = []
        self._expects_continue = False

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes | None) -> None:
        name = name.lower()
        value = value or b""
        self._headers.append((name, value))
        if name == b"host":
            self._hosts.append(value)
        elif name == b"expect":
            self._expects_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        parser = self._parser
        self._parsing_head = False
        version = parser.get_http_version()
        hosts = self._hosts
        if len(hosts) != 1 and (hosts or version != "1.0"):
            raise HttpParserError("it needs exactly one Host header")
        keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        host = hosts[0] if hosts else b""
        head = Head(parser.get_method().decode("latin-1"), version, self._headers, host, keep_alive=keep_alive)
        head.expects_continue = self._expects_continue
        _split_target(head, self._target)
        exchange = self._reading = self.owner.open(self, head)
        if self._current is None:
            self._current = exchange
            self.phase = BODY
            self._began = self._since
            exchange.start()
        else:
            self._waiting.append(exchange)
            self._pause(full=self._full)

    def on_body(self, body: bytes) -> None:
        if self._reading is not None:
            self._reading.feed(body)

    def on_message_complete(self) -> None:
        exchange, self._reading = self._reading, None
        if exchange is None:
            return
        if exchange is self._current and self.phase == BODY:
            self.phase = BUSY
        exchange.end()

    # what an exchange calls

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def write_lines(self, lines: list[bytes]) -> None:
        self._transport.writelines(lines)

    def hold_body(self, *, full: bool) -> None:
        """Stop (or go on) reading: the exchange has as much of the body as it wants to keep."""
        if full != self._full:
            self._pause(full=full)

    def done(self, *, keep_alive: bool) -> None:
        """The current exchange has written its answer."""
        current, self._current = self._current, None
        self._since = self._began = self.owner.now
        if self._reading is current and current is not None:
            self._linger()
        elif not keep_alive:
            self.close()
        elif self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        else:
            self.phase = HEAD if self._parsing_head else IDLE
            if self.owner.draining:
                self.retire()

    def abort(self) -> None:
        """An answer cannot be completed: the client must see that it is broken."""
        self._transport.abort()

    # its end

    def retire(self) -> None:
        """The process gives way to another. An idle connection goes to it, whole; a busy one ends with its answer."""
        if self.phase != IDLE or self._transport.is_closing() or self._current is not None or self._waiting:
            return
        if not self.owner.hands_over:
            self.close()
        elif self._transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(0.01, self.retire)
        else:
            self._transport.pause_reading()
            try:
                # the duplicate keeps the connection open when this process closes its own descriptor
                duplicate = os.dup(self._transport.get_extra_info("socket").fileno())
            except OSError:  # no descriptor is left: better one connection less than a process that does not end
                self.close()
                return
            self.owner.hand_over(duplicate)
            self._transport.abort()

    def close(self) -> None:
        self.phase = LINGER
        self._transport.close()

    def expire(self) -> None:
        """Called about once a second: end what takes too long."""
        now = self.owner.now
        if self.phase == IDLE and self.owner.hands_over:
            self.retire()  # whatever kept it from going at once
            return
        if self.congested:
            if now - self._stalled_at > STALL_SECONDS:
                self.abort()
            return
        phase = self.phase
        if phase == BUSY or (phase == BODY and self._full):
            return
        patience = LAST_SECONDS if phase == IDLE and self.owner.draining else SECONDS[phase]
        late = now - self._since > patience
        if not late and now - self._began <= MESSAGE_SECONDS.get(phase, SECONDS[phase]):
            return
        if phase in (HEAD, BODY):
            self._refuse(408, f"the {'head' if phase == HEAD else 'body'} of the request did not arrive in time")
        else:
            self.abort() if phase == LINGER else self.close()

    def _refuse(self, status: int, message: str) -> None:
        """Answer for the exchange that cannot go on, if it has not begun to, and close."""
        current, self._current = self._current, None
        target = self._target.partition(b"?")[0].decode("latin-1")
        if current is None or not current.answered():
            self._transport.write(refusal(status, "invalid_request", message, path=target))
        if current is not None:
            current.lost()
        for exchange in self._waiting:
            exchange.lost()
        self._waiting.clear()
        self._reading = None
        self._linger()

    def _linger(self) -> None:
        """Close without destroying the answer: bytes that arrive on a closed socket reset the connection."""
        if self.phase == LINGER or self._transport.is_closing():
            return
        self.phase = LINGER
        self._since = self._began = self.owner.now
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _next(self) -> None:
        if self._transport.is_closing() or not self._waiting:
            return
        exchange = self._current = self._waiting.popleft()
        self.phase = BODY if self._reading is exchange else BUSY
        self._since = self._began = self.owner.now
        self._pause(full=self._full)
        exchange.start()

    def _pause(self, *, full: bool) -> None:
        self._full = full
        pause = full or bool(self._waiting)
        if pause != self._paused and not self._transport.is_closing():
            self._paused = pause
            self._transport.pause_reading() if pause else self._transport.resume_reading()


def _split_target(head: Head, target: bytes) -> None:
    if not target.startswith(b"/"):  # absolute form (RFC 9112, 3.2.2), `*`, or the authority of CONNECT
        _, _, rest = target.partition(b"://")
        target = rest[rest.find(b"/") :] if b"/" in rest else b"/"
    raw_path, _, head.query = target.partition(b"?")
    head.raw_path = raw_path
    head.path = _unquoted(raw_path) if b"%" in raw_path else raw_path.decode("latin-1")


def _unquoted(raw_path: bytes) -> str:
    from urllib.parse import unquote_to_bytes  # noqa: PLC0415 - rarely needed

    return unquote_to_bytes(raw_path).decode("utf-8", "replace")
