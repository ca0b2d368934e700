"""The load generator: keep-alive connections that send one prepared request after another, and clocks.

Run as `python -m scripts.bench.load URL --key KEY --model M --connections N --seconds S [--stream]`; prints JSON.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

PROMPT = "Say something about the quick brown fox, at some length and with care. " * 13


@dataclass
class Tally:
    """Latencies in seconds; `first` until the first byte of a body."""

    total: list[float] = field(default_factory=list[float])
    first: list[float] = field(default_factory=list[float])
    errors: int = 0
    sample: str = ""


class Caller(asyncio.Protocol):
    """One connection. An answer's end is its content-length, or the last chunk's terminator."""

    def __init__(self, request: bytes, tally: Tally, until: float) -> None:
        self._request, self._tally, self._until = request, tally, until
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._buffer = bytearray()
        self._head_end = -1
        self._length = -1
        self._first = 0.0
        self._started = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._head_end < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head_end = end + 4
            head = bytes(self._buffer[:end]).lower()
            at = head.find(b"content-length:")
            self._length = int(head[at + 15 : (head + b"\r\n").find(b"\r\n", at)]) if at >= 0 else -1
        if not self._first and len(self._buffer) > self._head_end:
            self._first = time.perf_counter() - self._started
        whole = (
            len(self._buffer) >= self._head_end + self._length
            if self._length >= 0
            else self._buffer.endswith(b"\r\n0\r\n\r\n")
        )
        if whole:
            self._finish()

    def _finish(self) -> None:
        now = time.perf_counter()
        if self._buffer.startswith(b"HTTP/1.1 200"):
            self._tally.total.append(now - self._started)
            self._tally.first.append(self._first)
        else:
            self._tally.errors += 1
            self._tally.sample = bytes(self._buffer[:600]).decode(errors="replace")
        if now < self._until:
            self._send()
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._tally.errors += 1
            self._tally.sample = self._tally.sample or f"connection lost: {exc}"
            self._end()

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


def request(url: str, key: str, model: str, *, stream: bool, paced: bool) -> bytes:
    """About 1 KB of Chat Completions."""
    document: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 200}
    if stream:
        document["stream"] = True
    if paced:
        document["user"] = "paced"
    body = json.dumps(document).encode()
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def measure(url: str, raw: bytes, connections: int, seconds: float) -> tuple[Tally, float]:
    tally = Tally()
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    callers: list[Caller] = []
    for _ in range(connections):
        caller = Caller(raw, tally, started + seconds)
        await loop.create_connection(lambda caller=caller: caller, parts.hostname or "127.0.0.1", parts.port or 80)
        callers.append(caller)
    await asyncio.wait([caller.done for caller in callers], timeout=seconds + 60)
    return tally, time.perf_counter() - started


def report(tally: Tally, seconds: float) -> dict[str, object]:
    def quantile(values: list[float], part: float) -> float:
        ordered = sorted(values)
        return round(1000 * ordered[min(int(len(ordered) * part), len(ordered) - 1)], 3) if ordered else 0.0

    return {
        "answers": len(tally.total),
        "errors": tally.errors,
        "sample": tally.sample,
        "per_second": round(len(tally.total) / seconds, 1),
        "p50_ms": quantile(tally.total, 0.5),
        "p99_ms": quantile(tally.total, 0.99),
        "mean_ms": round(1000 * statistics.fmean(tally.total), 3) if tally.total else 0.0,
        "first_byte_p50_ms": quantile(tally.first, 0.5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--key", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--paced", action="store_true")
    given = parser.parse_args()
    raw = request(given.url, given.key, given.model, stream=given.stream, paced=given.paced)
    tally, seconds = uvloop.run(measure(given.url, raw, given.connections, given.seconds))
    sys.stdout.write(json.dumps(report(tally, seconds)) + "\n")


if __name__ == "__main__":
    main()
