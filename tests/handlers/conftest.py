"""A cell in this process: real SQLite, real HTTP client, simulated models, driven through raw ASGI."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from handlers.app import build_app
from shared.edge.local.background import TaskBackground
from shared.edge.local.clock import SystemClock
from shared.edge.local.crypto import SystemCrypto
from shared.edge.local.database import SqliteDatabase
from shared.edge.local.http import LocalHttp
from shared.edge.local.simulated import SimulatedAi
from shared.edge.ports import Ai, App, Message, Platform
from shared.keys import format_key, hash_key
from shared.spec.compiled import AdminKeyHash, CellConfig, Limits, Provider, Tenant

PEPPER = "pepper"


@dataclass
class Answer:
    """What came back through ASGI; `pieces` are the body as it was sent."""

    status: int
    headers: dict[str, str]
    pieces: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The decoded `data:` lines of a stream of Server-Sent Events, without `[DONE]`."""
        lines = [line for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


@dataclass
class Lines:
    """The Log port: what was reported."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])

    def event(self, name: str, **fields: Any) -> None:
        self.events.append((name, fields))

    def named(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.events if event == name]


@dataclass
class House:
    """A cell, its tenants' keys, and a caller without a client library."""

    config: CellConfig
    platform: Platform
    log: Lines
    background: TaskBackground
    app: App

    @staticmethod
    def key(tenant: str) -> str:
        return format_key(tenant, b"\x01" * 32)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "acme",
        headers: dict[str, str | None] | None = None,
        receive: Callable[[], Any] | None = None,
        send: Callable[[Message], Any] | None = None,
        query: str = "",
    ) -> Answer:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given: dict[str, str | None] = {"host": "127.0.0.1:8787"}
        if key is not None:
            given["authorization"] = f"Bearer {self.key(key) if '-' not in key else key}"
        if method == "POST":
            given |= {"content-type": "application/json", "content-length": str(len(raw))}
        given |= headers or {}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(errors="replace"),
            "query_string": query.encode(),
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in given.items() if v is not None],
        }
        answer = Answer(0, {}, [])

        async def read_whole() -> Message:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            elif message.get("body"):
                answer.pieces.append(message["body"])
            if send is not None:
                await send(message)

        await self.app(scope, receive or read_whole, note)
        return answer

    async def settled(self) -> None:
        await self.background.finish(5)

    async def receipt(self, answer: Answer, tenant: str = "acme") -> Any:
        await self.settled()
        path = f"/{tenant}/v1/receipts/{answer.headers['x-request-id']}"
        return (await self.call("GET", path, key=tenant)).json()


LIMITS = Limits(
    spend_nano_usd_per_month=200_000_000_000,
    requests_per_minute=10_000,
    tokens_per_minute=100_000_000,
    concurrent_streams=1_000,
    max_output_tokens=32_000,
    max_keys=20,
    included_messages=10_000,
    included_tokens=0,
    included_window="month",
    message_nano_usd=20_000_000,
    tokens_beyond_included=True,
    markup_percent=0,
    per_end_user=None,
)


def make_tenant(name: str, **changes: Any) -> Tenant:
    key = AdminKeyHash(1, hash_key(PEPPER, House.key(name)), None)
    tenant = Tenant(
        name=name,
        id="k3v9qd",
        plan="pro",
        display_name=name.title(),
        state="active",
        binding=f"DB_{name.upper()}",
        hostnames=(),
        trial_ends=None,
        admin_keys=(key,),
        default="workers_ai/gpt-oss-20b",
        allow=("workers_ai/*", "openai/gpt-5.4-mini", "anthropic/*"),
        aliases={"fast": "workers_ai/llama-3.2-3b"},
        limits=LIMITS,
        metadata_days=30,
    )
    return replace(tenant, **changes)


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Callable[..., House]]:
    """Makes a cell of these tenants; `upstream` is the address of the openai and anthropic providers."""
    log = Lines()
    background = TaskBackground(log)
    http = LocalHttp()
    databases: dict[str, SqliteDatabase] = {}

    def make(*tenants: Tenant, upstream: str | None = None, ai: Ai | None = None, without: str = "") -> House:
        config = CellConfig(
            cell="cell-1",
            api_host="api.serai.example",
            providers={
                "workers_ai": Provider("workers_ai", "workers_ai", None, True, None, key_required=False),
                "openai": Provider(
                    "openai", "openai", f"{upstream}/openai/v1", without != "openai", "set OPENAI_API_KEY"
                ),
                "anthropic": Provider("anthropic", "anthropic", f"{upstream}/anthropic", without != "anthropic", None),
            },
            tenants=tenants or (make_tenant("acme"), make_tenant("globex", hostnames=("ai.globex.example",))),
        )
        for tenant in config.tenants:
            databases[tenant.binding] = SqliteDatabase(tmp_path / f"{tenant.name}.sqlite")
        keys = json.dumps({"openai": "sk-openai-operator", "anthropic": "sk-ant-operator"})
        platform = Platform(
            databases=databases,
            text={"CELL": "cell-1", "KEY_PEPPER": PEPPER, "PROVIDER_KEYS": keys},
            modules=dict[str, bytes]().__getitem__,
            ai=ai or SimulatedAi(SystemClock(), pace=0),
            http=http,
            clock=SystemClock(),
            background=background,
            crypto=SystemCrypto(),
            log=log,
        )
        return House(config, platform, log, background, build_app(config, platform))

    yield make
    await background.finish(5)
    await http.close()
    for database in databases.values():
        database.close()


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    return build()


@pytest.fixture
def tenant_of() -> Callable[..., Tenant]:
    return make_tenant


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[App], Any]]:
    """Serves an ASGI application on a real port, as the edge does; gives its address."""
    import uvicorn  # noqa: PLC0415 - only some tests need a server

    running: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def start(app: App) -> str:
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off", ws="none")  # type: ignore[arg-type]
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        running.append((server, task))
        port = server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    yield start
    for server, task in running:
        server.should_exit = server.force_exit = True
        await asyncio.wait_for(task, 5)
