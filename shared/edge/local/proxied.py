"""The Http port on reqwest (pyreqwest), for machines that reach the world through a proxy (HTTPS_PROXY and the like).

Its own threads cost the request path three times what http.py does (docs/adr/0004-own-http-on-the-hot-path.md).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import cast

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError, PyreqwestError
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from shared.edge.local.addresses import origin_of
from shared.edge.ports import HttpError, HttpRequest, HttpTimeoutError

IDLE_SECONDS = 30
"""Shorter than what common servers keep a silent connection open for, so that it is this side which closes it."""


class ProxiedHttp:
    """One pool of connections for a process."""

    def __init__(self) -> None:
        self._clients: dict[float, Client] = {}

    def _client(self, connect_timeout: float) -> Client:
        client = self._clients.get(connect_timeout)
        if client is None:
            client = (
                ClientBuilder()
                .follow_redirects(enable=False)
                .user_agent("serai")
                .connect_timeout(timedelta(seconds=connect_timeout))
                .pool_idle_timeout(timedelta(seconds=IDLE_SECONDS))
                .referer(enable=False)
                .build()
            )
            self._clients[connect_timeout] = client
        return client

    async def send(self, request: HttpRequest) -> "ProxiedResponse":
        try:
            builder = self._client(request.connect_timeout).request(request.method, request.url)
            if request.headers:
                builder = builder.headers(list(request.headers))
            if request.body:
                builder = builder.body_bytes(request.body)
            # 0: chunks are handed on as they arrive instead of being gathered ahead of the reader
            exchange = builder.streamed_read_buffer_limit(0).build_streamed()
        except (BuilderError, ValueError) as error:
            raise HttpError(f"{request.method} {origin_of(request.url)}: {error}", sent=False) from error
        try:
            async with asyncio.timeout(request.timeout):
                response = await exchange.__aenter__()
        except (TimeoutError, PyreqwestError) as error:
            raise _failure(request, error) from error
        return ProxiedResponse(request, exchange, response)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()
        self._clients.clear()


class ProxiedResponse:
    """The HttpResponse port; see shared/edge/ports.py."""

    def __init__(self, request: HttpRequest, exchange: StreamRequest, response: Response) -> None:
        self._request = request
        self._exchange: StreamRequest | None = exchange
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        headers = self._response.headers
        return {name: ", ".join(headers.getall(name)) for name in headers}

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

    async def chunks(self) -> AsyncIterator[bytes]:
        reader = self._response.body_reader
        try:
            while True:
                async with asyncio.timeout(self._request.timeout):
                    chunk = await reader.read_chunk()
                if chunk is None:
                    break
                yield bytes(chunk)
        except (TimeoutError, PyreqwestError) as error:
            raise _failure(self._request, error) from error
        finally:
            await self.close()

    async def close(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.__aexit__(None, None, None)


def _failure(request: HttpRequest, error: BaseException) -> HttpError:
    where = f"{request.method} {origin_of(request.url)}"
    if isinstance(error, TimeoutError):
        return HttpTimeoutError(f"{where}: no answer in time")
    causes = cast("list[dict[str, str]]", getattr(error, "details", {}).get("causes") or [])
    reason = causes[-1]["message"] if causes else str(error)
    # A ConnectError is raised for a connection lost in mid-request too; only hyper's "(Connect)" names the other kind.
    unsent = isinstance(error, BuilderError) or any("(Connect)" in cause["message"] for cause in causes)
    return HttpError(f"{where}: {reason}", sent=not unsent)
