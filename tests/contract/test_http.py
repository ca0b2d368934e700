"""The Http port: what every adapter must do, against a server that behaves and misbehaves byte by byte."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator

import pytest

from shared.edge.ports import Http, HttpError, HttpRequest, HttpTimeoutError

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ZIPPED = gzip.compress(b"unpacked")
ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Twice: a\r\nx-twice: b\r\n\r\nok",
    "/error": b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\nretry-after: 7\r\n\r\nbusy",
    "/elsewhere": b"HTTP/1.1 302 Found\r\nlocation: /ok\r\ncontent-length: 0\r\n\r\n",
    "/half": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
    "/zipped": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(ZIPPED), ZIPPED),
    "/nonsense": b"SMTP ready\r\n\r\n",
    "/gone": b"",
}


class Upstream:
    """Answers by path; keeps what it was sent."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.url = ""
        self.left = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0)
        self.seen.append(head + await reader.readexactly(length))
        path = head.split(b" ")[1].decode()
        try:
            if path == "/silent":
                await asyncio.sleep(5)
            elif path in ("/stream", "/stall"):
                await self._stream(writer, endless=path == "/stall")
            else:
                writer.write(ANSWERS[path])
                await writer.drain()
        except ConnectionError:
            self.left.set()
        finally:
            writer.close()

    async def _stream(self, writer: asyncio.StreamWriter, *, endless: bool) -> None:
        writer.write(STREAM)
        for piece in (b"one", b"two", b"three"):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0.1)
        while endless:
            await asyncio.sleep(0.1 if self.left.is_set() else 1)
            writer.write(b"4\r\nmore\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.handle, "127.0.0.1", 0)
    upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield upstream
    server.close()


async def test_a_request_arrives_whole(http: Http, upstream: Upstream) -> None:
    body = bytes(range(256)) * 10
    response = await http.send(HttpRequest("POST", f"{upstream.url}/ok", [("x-one", "1"), ("x-two", "zwei")], body))
    assert await response.read() == b"ok"
    (seen,) = upstream.seen
    assert seen.startswith(b"POST /ok HTTP/1.1\r\n")
    assert b"x-one: 1" in seen.lower()
    assert seen.endswith(b"\r\n\r\n" + body)


async def test_status_and_headers(http: Http, upstream: Upstream) -> None:
    response = await http.send(HttpRequest("GET", f"{upstream.url}/ok"))
    assert response.status == 200
    assert response.headers["x-twice"] == "a, b"
    await response.close()
    response = await http.send(HttpRequest("GET", f"{upstream.url}/error"))
    assert (response.status, response.headers["retry-after"], await response.read()) == (503, "7", b"busy")


async def test_chunks_come_as_they_are_sent(http: Http, upstream: Upstream) -> None:
    response = await http.send(HttpRequest("GET", f"{upstream.url}/stream"))
    started = time.monotonic()
    arrived = [(chunk, time.monotonic() - started) async for chunk in response.chunks()]
    assert [chunk for chunk, _ in arrived] == [b"one", b"two", b"three"]
    assert arrived[0][1] < 0.09
    assert arrived[2][1] > 0.15


async def test_a_redirect_is_an_answer(http: Http, upstream: Upstream) -> None:
    response = await http.send(HttpRequest("GET", f"{upstream.url}/elsewhere"))
    assert (response.status, response.headers["location"]) == (302, "/ok")
    await response.close()
    assert len(upstream.seen) == 1


async def test_a_compressed_answer_is_unpacked(http: Http, upstream: Upstream) -> None:
    response = await http.send(HttpRequest("GET", f"{upstream.url}/zipped"))
    assert await response.read() == b"unpacked"


@pytest.mark.parametrize("path", ["/half", "/nonsense", "/gone"])
async def test_a_broken_answer_was_sent(http: Http, upstream: Upstream, path: str) -> None:
    with pytest.raises(HttpError) as caught:
        await (await http.send(HttpRequest("GET", upstream.url + path))).read()
    assert caught.value.sent
    assert not isinstance(caught.value, HttpTimeoutError)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://no-such-host.invalid/x", "ftp://x/y", "nonsense"])
async def test_what_cannot_be_reached_was_not_sent(http: Http, url: str) -> None:
    with pytest.raises(HttpError) as caught:
        await http.send(HttpRequest("GET", url, connect_timeout=2))
    assert not caught.value.sent


async def test_an_error_names_the_origin_and_no_more(http: Http) -> None:
    with pytest.raises(HttpError) as caught:
        await http.send(HttpRequest("GET", "http://127.0.0.1:1/path?token=secret"))
    assert "http://127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_silent_server_is_a_timeout(http: Http, upstream: Upstream) -> None:
    with pytest.raises(HttpTimeoutError):
        await http.send(HttpRequest("GET", f"{upstream.url}/silent", timeout=0.2))


async def test_a_stream_that_stalls_is_a_timeout(http: Http, upstream: Upstream) -> None:
    response = await http.send(HttpRequest("GET", f"{upstream.url}/stall", timeout=0.3))
    seen: list[bytes] = []
    with pytest.raises(HttpTimeoutError):
        async for chunk in response.chunks():
            seen.append(chunk)  # noqa: PERF401 - what came before the error is what is looked at
    assert seen == [b"one", b"two", b"three"]


async def test_closing_lets_go_of_the_server(http: Http, upstream: Upstream) -> None:
    response = await http.send(HttpRequest("GET", f"{upstream.url}/stall"))
    async for _ in response.chunks():
        break
    await response.close()
    await asyncio.wait_for(upstream.left.wait(), 5)


async def test_a_longer_answer_than_allowed_is_an_error(http: Http, upstream: Upstream) -> None:
    response = await http.send(HttpRequest("GET", f"{upstream.url}/stream"))
    with pytest.raises(HttpError, match="longer than 5 bytes"):
        await response.read(limit=5)
