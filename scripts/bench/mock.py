"""A model provider for measurements: answers Chat Completions at once, with as little work as Python allows.

Raw asyncio protocol, no framework: it shares a core with the load generator and must not be what is measured.
Run as `python -m scripts.bench.mock`; prints its port.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop

TEXT = "The quick brown fox jumps over the lazy dog. " * 14
USAGE = {"prompt_tokens": 180, "completion_tokens": 160, "total_tokens": 340}
CHUNKS = 100
PACE = 0.01
"""Seconds between two chunks when the request's `user` is `paced`."""


def _answer() -> bytes:
    body = json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": "bench",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
            "usage": USAGE,
        }
    ).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _event(document: dict[str, object]) -> bytes:
    data = b"data: " + json.dumps(document).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def _chunk(choices: list[dict[str, object]], usage: dict[str, int] | None = None) -> bytes:
    document: dict[str, object] = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "bench",
        "choices": choices,
    }
    return _event(document | ({"usage": usage} if usage else {}))


ANSWER = _answer()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE = _chunk([{"index": 0, "delta": {"content": "word "}, "finish_reason": None}])
STOP = _chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
COUNT = _chunk([], USAGE)
DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Mock(asyncio.Protocol):
    """One connection: finds the end of a request by its content-length and answers by what the body says."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 : (head + b"\r\n").find(b"\r\n", at)]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._reply(body)

    def _reply(self, body: bytes) -> None:
        if b'"stream":true' not in body and b'"stream": true' not in body:
            self._transport.write(ANSWER)
        elif b"paced" in body:
            task = asyncio.get_running_loop().create_task(self._paced(COUNT if b"include_usage" in body else b""))
            task.add_done_callback(lambda _: None)
        else:
            count = COUNT if b"include_usage" in body else b""
            self._transport.write(HEAD + PIECE * CHUNKS + STOP + count + DONE)

    async def _paced(self, count: bytes) -> None:
        self._transport.write(HEAD)
        for _ in range(CHUNKS):
            self._transport.write(PIECE)
            await asyncio.sleep(PACE)
        self._transport.write(STOP + count + DONE)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
