"""Given Workers uploaded to an account, an edge that serves them with real processes and sockets."""

import asyncio
import io
import itertools
import json
import zipfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.twin.account.account import CustomDomain, Module, RouteEntry, Version
from infra.twin.edge.host import EdgeHost

HANGS_AFTER = 30.0
"""Seconds. No expectation: a guard against waiting for ever, however busy the machine."""

MAIN = """
import asyncio, json, os, sys
import handlers.greeting

def application(platform):
    async def app(scope, receive, send):
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        path, query = scope["path"], scope["query_string"].decode()
        if path.endswith("/crash"):
            os._exit(3)
        if path.endswith("/fail"):
            raise ValueError(query)
        if path.endswith("/slow"):
            await asyncio.sleep(float(query))
        if path.endswith("/stream"):
            count, pause = query.split(",")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for number in range(int(count)):
                await send({"type": "http.response.body", "body": b"%d\\n" % number, "more_body": True})
                await asyncio.sleep(float(pause))
            await send({"type": "http.response.body", "body": handlers.greeting.TEXT.encode()})
            return
        if path.endswith("/large"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(int(query)):
                await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        answer = json.dumps({
            "greeting": handlers.greeting.TEXT, "pid": os.getpid(), "path": path, "body": len(body),
            "text": dict(platform.text), "environ": sorted(os.environ), "argv": sys.argv, "sys_path": sys.path,
            "infra": sorted(name for name in sys.modules if name.startswith("infra")),
            "shared": sys.modules["shared"].__file__,
        }).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": answer})
    return app
"""
SHARED = {
    "shared/__init__.py": "",
    "shared/edge/__init__.py": "",
    "shared/edge/local/__init__.py": "",
    "shared/edge/local/log.py": "class LineLog:\n    def __init__(self, stream): pass\n",
    "shared/edge/local/platform.py": """
class Platform:
    def __init__(self, text):
        self.text = text

class LocalPlatform:
    def __init__(self, platform):
        self.platform = platform

    async def close(self, seconds):
        pass

def build_platform(bindings, modules, d1_path, *, log, environ, durability):
    return LocalPlatform(Platform({one["name"]: one["text"] for one in bindings}))
""",
}
"""The least that a serving process wants of an upload: it starts in a third of the time of the real one."""


def zipped(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@dataclass
class MemoryAccount:
    """An account without its API: what is deployed, as infra.twin.account tells it."""

    versions: dict[str, Version] = field(default_factory=dict[str, Version])
    routes: dict[str, str] = field(default_factory=dict[str, str])
    domains: dict[str, str] = field(default_factory=dict[str, str])
    changes: int = 0
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def generation(self) -> int:
        return self.changes

    def route_table(self) -> list[RouteEntry]:
        return [RouteEntry(pattern, script) for pattern, script in self.routes.items()]

    def custom_domains(self) -> list[CustomDomain]:
        return [CustomDomain(hostname, script) for hostname, script in self.domains.items()]

    def deployed_version_id(self, script: str) -> str | None:
        return self.versions[script].id if script in self.versions else None

    def deployed_version(self, script: str) -> Version | None:
        return self.versions.get(script)

    def deploy(
        self,
        script: str,
        greeting: str,
        *,
        main: str = MAIN,
        text: dict[str, str] | None = None,
        shared: dict[str, str] = SHARED,
        more_bindings: Sequence[dict[str, str]] = (),
    ) -> str:
        """Upload and deploy a Worker that greets so, at `/<last part of the script's name>/`. Its version id."""
        packages = {"handlers/__init__.py": "", "handlers/greeting.py": f"TEXT = {greeting!r}\n", **shared}
        bindings = [{"name": name, "type": "plain_text", "text": value} for name, value in (text or {}).items()]
        version = f"v{next(self.numbers)}"
        self.versions[script] = Version(
            version,
            script,
            "cell.py",
            [
                Module("cell.py", "text/x-python", main.encode()),
                Module("serai.zip", "application/octet-stream", zipped(packages)),
            ],
            [*bindings, *more_bindings],
        )
        self.routes.setdefault(f"api.serai.example/{script.removeprefix('serai-')}/*", script)
        self.changes += 1
        return version

    def change(self) -> None:
        self.changes += 1

    def remove(self, script: str) -> None:
        del self.versions[script]
        self.routes = {pattern: name for pattern, name in self.routes.items() if name != script}
        self.changes += 1


@dataclass
class FolderState:
    path: Path

    def d1_path(self, uuid: str) -> Path:
        return self.path / "d1" / f"{uuid}.sqlite"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One kept-alive connection. A plain client: it shows what a library would repair by itself."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.port = port
        self.host = host
        self.reader: Any = None
        self.writer: Any = None

    async def send(self, path: str, *, method: str = "GET", body: bytes = b"", headers: str = "") -> None:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        length = f"content-length: {len(body)}\r\n" if body else ""
        self.writer.write(f"{method} {path} HTTP/1.1\r\nhost: {self.host}\r\n{length}{headers}\r\n".encode() + body)
        await self.writer.drain()

    async def head(self) -> Answer:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return Answer(int(lines[0].split(" ")[1]), fields, b"")

    async def piece(self) -> bytes:
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def receive(self, *, method: str = "GET") -> Answer:
        answer = await self.head()
        if method == "HEAD":
            return answer
        if answer.headers.get("transfer-encoding") == "chunked":
            while piece := await self.piece():
                answer.body += piece
        elif "content-length" in answer.headers:
            answer.body = await self.reader.readexactly(int(answer.headers["content-length"]))
        else:
            answer.body = await self.reader.read()
        if answer.headers.get("connection") == "close":
            assert await self.reader.read() == b""
            await self.close()
        return answer

    async def ask(self, path: str, *, method: str = "GET", body: bytes = b"", headers: str = "") -> Answer:
        async with asyncio.timeout(HANGS_AFTER):
            await self.send(path, method=method, body=body, headers=headers)
            return await self.receive(method=method)

    async def close(self) -> None:
        if self.writer is not None:
            writer, self.writer = self.writer, None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@dataclass
class Edge:
    host: EdgeHost
    account: MemoryAccount
    state: FolderState
    events: list[dict[str, Any]]
    clients: list[Client] = field(default_factory=list[Client])

    def client(self, host: str = "127.0.0.1", port: int = 0) -> Client:
        client = Client(port or self.host.port, host)
        self.clients.append(client)
        return client

    async def ask(self, path: str, host: str = "127.0.0.1", **more: Any) -> Answer:
        client = self.client(host)
        try:
            return await client.ask(path, **more)
        finally:
            await client.close()

    def seen(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event]

    async def until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(HANGS_AFTER):
                while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
                    await asyncio.sleep(0.02)
        except TimeoutError:
            told = [(one.program.script, one.pid, one.state, await one.stats()) for one in self.host.processes()]
            pytest.fail(f"what was waited for did not happen; processes: {told}; events: {self.events}")

    def pid(self, script: str) -> int:
        return next(one.pid for one in self.host.processes() if one.program.script == script)

    async def connections(self, script: str) -> int:
        return next(one["connections"] for one in await self.host.status() if one["script"] == script)


StartEdge = Callable[..., AbstractAsyncContextManager[Edge]]


@pytest.fixture
def account() -> MemoryAccount:
    return MemoryAccount()


@pytest.fixture
def start_edge(tmp_path: Path, account: MemoryAccount) -> StartEdge:
    @asynccontextmanager
    async def start(port: int = 0, **options: Any) -> AsyncGenerator[Edge]:
        events: list[dict[str, Any]] = []
        state = FolderState(tmp_path / "state")
        host = EdgeHost(state, account, port=port, on_event=events.append, **options)
        await host.start()
        edge = Edge(host, account, state, events)
        try:
            yield edge
        finally:
            for client in edge.clients:
                await client.close()
            await host.stop(2)

    return start


@pytest.fixture
def edge_client() -> type[Client]:
    return Client
