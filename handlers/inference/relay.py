"""A stream from the provider to the caller. It runs to the upstream's end whether or not the caller still reads."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from handlers.errors import ApiError
from handlers.http import Request, Write
from handlers.inference import upstream
from handlers.inference.exchange import Exchange
from handlers.inference.upstream import FAILURES, Call
from shared.edge.ports import HttpResponse

AFTER_END = 2.0
"""Seconds an upstream has to close a stream that it has declared complete."""

FAREWELL = 5.0
"""Seconds a caller who reads too slowly has for the event that ends its stream."""


class Relay:
    def __init__(self, request: Request, call: Call, exchange: Exchange) -> None:
        self._request = request
        self._call = call
        self._exchange = exchange
        created = request.now_ms // 1000
        self._stream = upstream.translate(call, answer_id=request.request_id, created=created)
        self._pieces: AsyncIterator[bytes]
        self._response: HttpResponse | None = None
        self._first = b""

    async def open(self) -> None:
        """Up to the first bytes for the caller: until then a failure is an answer of its own. Raises FAILURES."""
        try:
            async with asyncio.timeout(self._exchange.seconds_left()):
                await self._read_first()
        except BaseException:
            self._close()
            raise
        self._exchange.first_token()

    async def _read_first(self) -> None:
        self._pieces, self._response = await upstream.open_stream(
            self._call, self._request.cell, self._request.headers, seconds=self._exchange.seconds_left()
        )
        async for piece in self._pieces:
            self._first = self._stream.feed(piece)
            if self._stream.error is not None:
                raise self._stream.error
            if self._first:
                return
        self._first = self._stream.finish()
        if not self._first or not self._complete:
            raise upstream.UpstreamShapeError("the stream ended before its first event")

    async def run(self, write: Write) -> None:
        """Everything, from the first bytes to the bill."""
        failure: ApiError | None = None
        cancelled = True
        try:
            failure = await self._forward(write)
            cancelled = False
        finally:
            error = "cancelled" if cancelled else failure.code if failure else None
            self._exchange.charge(
                self._stream.usage, self._stream.output_estimate, whole=self._complete and not error, error=error
            )
            self._close()

    def _close(self) -> None:
        if self._response is not None:
            self._request.platform.background.run(self._response.close())

    async def _forward(self, write: Write) -> ApiError | None:
        try:
            await self._pump(write)
        except FAILURES as error:
            failure = upstream.as_api_error(error, self._call.option)
        except Exception as error:  # noqa: BLE001 - the head is sent: the stream itself has to say that it failed
            self._request.platform.log.event(
                "stream_failed", request_id=self._request.request_id, error=repr(error)[:300]
            )
            failure = ApiError(500, "internal", "The stream failed inside this gateway.")
        else:
            if self._stream.error is not None:
                return upstream.as_api_error(self._stream.error, self._call.option)
            if self._complete:
                return None
            failure = upstream.as_api_error(upstream.HttpError("cut"), self._call.option)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await write(self._call.caller.format_stream_error(failure, self._request.request_id))
        return failure

    async def _pump(self, write: Write) -> None:
        stream = self._stream
        try:
            async with asyncio.timeout(self._exchange.seconds_left()) as limit:
                await write(self._first)
                async for piece in self._pieces:
                    out = stream.feed(piece)
                    if out:
                        await write(out)
                    if stream.ended:
                        limit.reschedule(asyncio.get_running_loop().time() + AFTER_END)
        except FAILURES:
            # A stream that said it is complete is, however its connection ends.
            if not stream.ended:
                raise
        out = stream.finish()
        if out:
            await write(out)

    @property
    def _complete(self) -> bool:
        return self._stream.ended or self._stream.stop_reason is not None
