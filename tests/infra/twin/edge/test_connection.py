"""Given clients that speak HTTP well, badly, slowly or not at all, each gets an answer and none holds the server."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from infra.twin.edge import connection as connection_module
from infra.twin.edge.asgi import App, Call
from infra.twin.edge.connection import Connection, Exchange, Head


class Process:
    """A serving process in this one, with a clock that a test moves."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.now = 1000.0
        self.draining = False
        self.hands_over = False
        self.connections: set[Connection] = set()
        self.calls: set[Call] = set()
        self.port = 0
        self.handed: list[socket.socket] = []

    def open(self, connection: Connection, head: Head) -> Exchange:
        return Call(self, connection, head)

    def hand_over(self, fd: int) -> None:
        self.handed.append(socket.socket(fileno=fd))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for connection in list(self.connections):
            connection.expire()

    async def talk(self, data: bytes, *, end: bool = False) -> bytes:
        """What comes back on a connection until it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        if end:
            writer.write_eof()
        try:
            async with asyncio.timeout(30):
                return await reader.read()
        finally:
            writer.close()


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    else:
        return
    headers = [(b"x-path", scope["raw_path"]), (b"x-query", scope["query_string"])]
    headers += [(b"x-" + name, value) for name, value in scope["headers"] if name.startswith(b"in-")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def process() -> AsyncGenerator[Process]:
    process = Process(echo)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(process), "127.0.0.1", 0)
    process.port = server.sockets[0].getsockname()[1]
    yield process
    server.close()
    for connection in list(process.connections):
        connection.abort()
    await asyncio.sleep(0)


HOST = b"Host: a\r\n"
CLOSE = HOST + b"Connection: close\r\n"


async def test_requests_in_one_segment_are_answered_in_order(process: Process) -> None:
    requests = b"".join(b"POST /%d HTTP/1.1\r\n%bContent-Length: 3\r\n\r\nabc" % (n, HOST) for n in range(300))
    answers = (await process.talk(requests + b"GET /last HTTP/1.1\r\n" + CLOSE + b"\r\n")).split(b"HTTP/1.1 200 OK\r\n")
    paths = [answer.split(b"\r\n")[0] for answer in answers[1:]]
    assert paths == [*(b"x-path: /%d" % n for n in range(300)), b"x-path: /last"]


async def test_bytes_that_come_one_by_one(process: Process) -> None:
    request = b"POST /a?b=c HTTP/1.1\r\nIn-Empty:\r\nIn-Name: v\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    for byte in request + b"2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    answer = await reader.read()
    writer.close()
    assert answer == (
        b"HTTP/1.1 200 OK\r\nx-path: /a\r\nx-query: b=c\r\nx-in-empty: \r\nx-in-name: v\r\n"
        b"content-length: 3\r\nconnection: close\r\n\r\nhi!"
    )


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000, 431),
        (b"GET /" + b"x" * 70_000, 431),
    ],
)
async def test_what_is_not_http_is_refused(process: Process, request_bytes: bytes, status: int) -> None:
    answer = await process.talk(request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b'"code": "invalid_request"' in answer
    assert b"connection: close" in answer


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (b"GET /acme/v1/messages HTTP/1.1\r\nHost:", b"/acme/v1/messages"),
        (b"POST /acme/v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345", b"/acme/v1/messages"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", b"/v1/chat/completions"),
        (b"\r\n", b""),
    ],
)
async def test_half_a_request_is_given_up(process: Process, sent: bytes, path: bytes) -> None:
    answer = asyncio.create_task(process.talk(sent))
    await asyncio.sleep(0.05)
    process.pass_time(29)
    await asyncio.sleep(0.05)
    assert not answer.done()
    process.pass_time(2)
    text = await answer
    assert text.startswith(b"HTTP/1.1 408 ")
    assert (b'"type": "error"' in text) == path.endswith(b"messages")  # the error shape of the wire


async def test_a_body_that_trickles_is_given_up_after_all(process: Process) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n")
    for _ in range(16):
        writer.write(b"x")
        await asyncio.sleep(0.005)
        process.pass_time(20)
    assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_silent_connection_is_closed(process: Process) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    await asyncio.sleep(0.02)
    process.pass_time(74)
    assert process.connections
    process.pass_time(2)
    assert await reader.read() == b""
    writer.close()


async def test_a_connection_accepted_last_is_handed_over_with_what_it_sent(process: Process) -> None:
    process.draining = process.hands_over = True
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    await asyncio.sleep(0.05)
    writer.write(b"GET /late HTTP/1.1\r\n" + HOST + b"\r\n")
    await asyncio.sleep(0.05)
    (handed,) = process.handed
    assert not process.connections
    with handed:
        assert handed.recv(100).startswith(b"GET /late")
        handed.send(b"from the successor")
    assert await reader.read() == b"from the successor"
    writer.close()


async def test_an_idle_connection_that_was_overlooked_is_handed_over_by_the_next_sweep(process: Process) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    await asyncio.sleep(0.05)
    process.draining = process.hands_over = True
    process.pass_time(1)
    (handed,) = process.handed
    with handed:
        handed.send(b"from the successor")
    assert await reader.read() == b"from the successor"
    writer.close()


async def test_a_process_without_a_successor_serves_what_it_accepted_last(process: Process) -> None:
    process.draining = True
    assert b"connection: close\r\n" in await process.talk(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    silent = asyncio.create_task(process.talk(b""))
    await asyncio.sleep(0.05)
    process.pass_time(4)
    await asyncio.sleep(0.02)
    assert not silent.done()
    process.pass_time(2)
    assert await silent == b""


async def test_an_early_answer_reaches_a_client_that_is_still_sending(process: Process) -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b"too large"})

    process.app = refuse
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 20000000\r\n\r\n")
    for _ in range(200):
        writer.write(b"x" * 100_000)
        await writer.drain()
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"too large")


async def test_a_large_body_waits_for_the_application(process: Process) -> None:
    go = asyncio.Event()
    held: list[bool] = []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        held.append(writer.transport.get_write_buffer_size() > 10_000_000)
        await echo(scope, receive, send)

    process.app = slow
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    writer.write(b"POST / HTTP/1.1\r\n" + CLOSE + b"Content-Length: 30000000\r\n\r\n" + b"x" * 30_000_000)
    await asyncio.sleep(0.2)
    go.set()
    assert len(await reader.read()) > 30_000_000
    assert held == [True]
    writer.close()


async def test_expect_continue_is_answered_when_the_body_is_asked_for(process: Process) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    writer.write(b"POST / HTTP/1.1\r\n" + CLOSE + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hi")
    assert (await reader.read()).endswith(b"\r\n\r\nhi")
    writer.close()


async def test_other_protocols_are_answered_in_http_1_1(process: Process) -> None:
    upgrade = b"GET /up HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert b"x-path: /up\r\n" in await process.talk(upgrade)
    old = await process.talk(b"GET /old HTTP/1.0\r\n\r\n")
    assert b"x-path: /old\r\n" in old
    assert b"x-path: /proxy\r\n" in await process.talk(b"GET http://a.example/proxy HTTP/1.1\r\n" + CLOSE + b"\r\n")


async def test_a_client_that_does_not_read_is_given_up(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        ended.append("all taken")  # after the client is gone, nothing waits any more

    process.app = endless
    _, writer = await asyncio.open_connection("127.0.0.1", process.port, limit=1000)
    writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    await asyncio.sleep(0.2)
    process.pass_time(connection_module.STALL_SECONDS - 1)
    await asyncio.sleep(0.02)
    assert not ended
    assert process.connections
    process.pass_time(2)
    await asyncio.sleep(0.1)
    assert ended
    assert not process.connections
    writer.close()


async def test_the_application_learns_that_the_client_is_gone(process: Process) -> None:
    seen = asyncio.Queue[str]()

    async def watch(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        seen.put_nowait((await receive())["type"])
        await send({"type": "http.response.body", "body": b"to nobody"})
        seen.put_nowait("finished its work")

    process.app = watch
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    # the head of a stream does not wait for its first piece
    assert b"transfer-encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
    writer.close()
    async with asyncio.timeout(30):
        assert [await seen.get(), await seen.get()] == ["http.disconnect", "finished its work"]


START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
DEFECTS: list[list[dict[str, Any]]] = [
    [],
    [START],
    [{**START, "headers": [(b"x", b"a\r\nset-cookie: b")]}],
    [{"type": "http.response.body", "body": b""}],
]


@pytest.mark.parametrize("messages", DEFECTS, ids=["nothing", "no body", "line break in a header", "no head"])
async def test_a_defect_of_the_application_is_a_500(process: Process, messages: list[dict[str, Any]]) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    process.app = broken
    answer = await process.talk(b"GET /acme/v1/messages HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b'"type": "api_error"' in answer


async def test_an_answer_that_ends_early_is_cut_off(process: Process) -> None:
    async def short(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"12345"})

    process.app = short
    # closed, so that the client cannot take what comes next for the rest of it
    answer = await process.talk(b"GET / HTTP/1.1\r\n" + HOST + b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.count(b"HTTP/1.1") <= 1
