"""The Http port on asyncio and httptools: pooled HTTP/1.1 on the loop's own thread.

The upstream call is most of what a gateway does; this client costs it a third of what the fastest library does
(docs/adr/0004-own-http-on-the-hot-path.md). What it leaves out, it refuses: redirects are answers, no HTTP/2, no
cookies.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping

from shared.edge.local.addresses import Address, origin_of, read_address
from shared.edge.local.exchange import Connection, head_bytes
from shared.edge.ports import HttpError, HttpRequest, HttpTimeoutError

IDLE_SECONDS = 30.0
"""Shorter than what common servers keep a silent connection open for, so that it is this side which closes it."""
MAX_IDLE = 256
"""Silent connections kept per origin."""

Origin = tuple[str, str, int]


class LocalHttp:
    """One pool of connections for a process. Belongs to one event loop."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[Connection]] = {}
        self._tls: ssl.SSLContext | None = None

    async def send(self, request: HttpRequest) -> "LocalResponse":
        try:
            address = read_address(request.url)
            head = head_bytes(request, address)
        except ValueError as error:
            raise HttpError(f"{request.method} {origin_of(request.url)}: {error}", sent=False) from error
        connection = self._take(address)
        if connection is not None:
            connection.write(head, request.body)
            if await self._head(connection, request, reused=True):
                return LocalResponse(self, address, request, connection)
        # The server closed the silent connection just as it was used, before it read a word of the request.
        connection = await self._connect(address, request)
        connection.write(head, request.body)
        await self._head(connection, request, reused=False)
        return LocalResponse(self, address, request, connection)

    async def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)

    async def _head(self, connection: Connection, request: HttpRequest, *, reused: bool) -> bool:
        """Wait for the head of the answer. False: nothing came, and on a fresh connection it may."""
        try:
            await connection.wait(request.timeout)
        except HttpTimeoutError:
            raise HttpTimeoutError(f"{_name(request)}: no answer in time") from None
        except BaseException:
            connection.abort()
            raise
        if connection.status:
            return True
        if reused and not connection.heard:
            return False
        raise HttpError(f"{_name(request)}: {connection.reason or 'the connection closed before an answer'}")

    def _take(self, address: Address) -> Connection | None:
        idle = self._idle.get(address[:3])
        while idle:
            connection = idle.pop()
            if connection.usable(IDLE_SECONDS):
                return connection
            connection.abort()
        return None

    def give_back(self, address: Address, connection: Connection) -> None:
        idle = self._idle.setdefault(address[:3], [])
        if len(idle) < MAX_IDLE:
            idle.append(connection)
        else:
            connection.abort()

    async def _connect(self, address: Address, request: HttpRequest) -> Connection:
        loop = asyncio.get_running_loop()
        tls = self._context() if address.scheme == "https" else None
        try:
            async with asyncio.timeout(request.connect_timeout):
                _, connection = await loop.create_connection(
                    Connection, address.host, address.port, ssl=tls, server_hostname=address.host if tls else None
                )
        except TimeoutError as error:
            raise HttpTimeoutError(f"{_name(request)}: no connection in time", sent=False) from error
        except (OSError, ssl.SSLError, UnicodeError) as error:
            raise HttpError(f"{_name(request)}: {error}", sent=False) from error
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if not self._tls.cert_store_stats()["x509_ca"] and not ssl.get_default_verify_paths().capath:
                import certifi  # noqa: PLC0415 - only where the system has no certificates of its own

                self._tls.load_verify_locations(certifi.where())
        return self._tls


class LocalResponse:
    """The HttpResponse port; see shared/edge/ports.py."""

    def __init__(self, http: LocalHttp, address: Address, request: HttpRequest, connection: Connection) -> None:
        self._http = http
        self._address = address
        self._request = request
        self._connection: Connection | None = connection
        self.status = connection.status
        self._headers = connection.headers

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers

    async def read(self, limit: int = 100 * 1024 * 1024) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            size += len(piece)
            if size > limit:
                await self.close()
                raise HttpError(f"the answer of {origin_of(self._request.url)} is longer than {limit} bytes")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        connection = self._connection
        if connection is None:
            raise StopAsyncIteration
        try:
            while not (connection.pieces or connection.ended):
                await connection.wait(self._request.timeout)
            piece = connection.take()
        except HttpTimeoutError:
            self._connection = None
            raise HttpTimeoutError(f"{_name(self._request)}: the answer stalled") from None
        except BaseException:
            await self.close()
            raise
        if piece:
            return piece
        self._connection = None
        if connection.reason is not None:
            raise HttpError(f"{_name(self._request)}: {connection.reason}")
        if connection.rewind():
            self._http.give_back(self._address, connection)
        raise StopAsyncIteration

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()


def _name(request: HttpRequest) -> str:
    return f"{request.method} {origin_of(request.url)}"
