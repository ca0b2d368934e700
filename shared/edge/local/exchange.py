"""One HTTP/1.1 connection as a client sees it: a request goes out, an answer is parsed as it comes."""

import asyncio
import zlib
from typing import Protocol, cast

import httptools

from shared.edge.local.addresses import Address
from shared.edge.ports import HttpRequest, HttpTimeoutError

HIGH_WATER = 1024 * 1024
"""Bytes of a body that are kept before its reader has taken them; then the peer has to wait."""
MAX_HEAD = 64 * 1024
LATIN = "latin-1"


class Decoder(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def head_bytes(request: HttpRequest, address: Address) -> bytes:
    """The request's head. Raises ValueError for what cannot stand in one."""
    lines = [f"{request.method} {address.target} HTTP/1.1", f"host: {address.authority}", "user-agent: serai"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    # What is not compressed can be looked at, and passed on, as it comes.
    lines.append("accept-encoding: identity")
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"content-length: {len(request.body)}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
        raise ValueError("a header has a line break in it")
    return f"{head}\r\n\r\n".encode(LATIN)


class Connection(asyncio.Protocol):
    """Written to once per exchange; `wait` returns whenever there is something new to look at."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._silent_since = 0.0
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        """0 until the head of the answer is complete."""
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.ended = False
        self.reason: str | None = None
        """Why the answer is not whole."""
        self.heard = False
        self._head_size = 0
        self._buffered = 0
        self._paused = False
        self._keep = False
        self._decoder: Decoder | None = None
        self._until_close = False

    # what the client does

    def write(self, head: bytes, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(head + body if len(body) < 65536 else head)
            if len(body) >= 65536:
                self._transport.write(body)

    async def wait(self, seconds: float) -> None:
        """Until the head, a piece or the end has come. Raises HttpTimeoutError; the connection is of no use then."""
        if self._closed or self.ended:
            self._finish_unless_ended()
            return
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._expire)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def take(self) -> bytes:
        """What has come of the body; empty at its end."""
        pieces = self.pieces
        if not pieces:
            return b""
        self.pieces = []
        self._buffered = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def rewind(self) -> bool:
        """Ready for another exchange? Then everything of the last one is forgotten."""
        if self._closed or not self._keep:
            self.abort()
            return False
        self._silent_since = self._loop.time()
        self._begin()
        return True

    def usable(self, idle_seconds: float) -> bool:
        return not self._closed and not self.heard and self._loop.time() - self._silent_since < idle_seconds

    def abort(self) -> None:
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.heard = True
        if not self.status:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"the answer is not HTTP: {error}")
            return
        except zlib.error as error:
            self._fail(f"the answer cannot be decompressed: {error}")
            return
        if not self.status and self._head_size > MAX_HEAD:
            self._fail("the head of the answer is too large")
        elif self._buffered > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if self.status or self.reason:
            self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._finish_unless_ended(exc)
        self._wake()

    # what the parser tells

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode(LATIN).lower(), value.decode(LATIN)
        before = self.headers.get(key)
        self.headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self.headers = {}
            return
        encoding = self.headers.get("content-encoding", "identity").lower()
        if encoding in ("gzip", "x-gzip", "deflate"):
            # 32: either a gzip or a zlib header is taken (zlib.h)
            self._decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        elif encoding != "identity":
            self._fail(f"the answer came with content-encoding {encoding}, which was not asked for")
        self._until_close = "content-length" not in self.headers and "transfer-encoding" not in self.headers
        self.status = status

    def on_body(self, body: bytes) -> None:
        if self._decoder is not None:
            body = self._decoder.decompress(body)
        if body:
            self.pieces.append(body)
            self._buffered += len(body)

    def on_message_complete(self) -> None:
        if not self.status:
            return  # the end of a 100 Continue
        if self._decoder is not None and (rest := self._decoder.flush()):
            self.pieces.append(rest)
        self.ended = True
        self._keep = self._parser.should_keep_alive() and not self._until_close

    def _finish_unless_ended(self, exc: Exception | None = None) -> None:
        if self.ended:
            return
        self.ended = True
        if self.status and self._until_close and exc is None:
            return  # such a body ends with its connection
        if self.reason is None:
            self.reason = str(exc) if exc else "the connection closed before the answer was whole"

    def _fail(self, reason: str) -> None:
        self.reason = reason
        self.ended = True
        self.abort()

    def _expire(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(HttpTimeoutError("timed out"))
        self.abort()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
