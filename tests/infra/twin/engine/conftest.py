"""A Cloudflare account on this machine with its API, and an engine that works on it."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi_cloudflare as cf
import pytest
import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.twin.account import Account
from infra.twin.api import create_api
from infra.twin.api.faults import Fault, Faults
from infra.twin.engine import ApiEndpoint, Config, Engine, Result, warm
from infra.twin.state import State, open_state

BASE = "/client/v4"
ZONE = "serai.example"
KINDS = (
    "gateway",
    "consumer",
    "hostname",
    "d1",
    "deployment",
    "dns",
    "domain",
    "kv",
    "queue",
    "r2",
    "route",
    "version",
    "worker",
)


@dataclass
class Call:
    method: str
    path: str
    query: str
    body: Any


@dataclass
class Recorder:
    """In front of the API: keeps every call, and lets a test step in before it."""

    app: ASGIApp
    calls: list[Call] = field(default_factory=list[Call])
    before: Callable[[Call], None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        messages: list[Message] = []
        body = b""
        while True:
            message = await receive()
            messages.append(message)
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["path"].removeprefix(BASE)
        query = scope["query_string"].decode()
        call = Call(scope["method"], path, query, json.loads(body) if body else None)
        self.calls.append(call)
        if self.before:
            await run_in_threadpool(self.before, call)

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, replay, send)


@dataclass
class Cloud:
    account: Account
    recorder: Recorder
    faults: Faults
    zone_id: str
    url: str

    @property
    def calls(self) -> list[Call]:
        return self.recorder.calls

    def writes(self) -> list[tuple[str, str]]:
        return [(call.method, call.path) for call in self.calls if call.method != "GET"]

    def all(self, kind: str) -> list[dict[str, Any]]:
        with self.account.read() as tx:
            return tx.all(kind)

    def counts(self) -> dict[str, int]:
        found = Counter({kind: len(self.all(kind)) for kind in KINDS})
        return {kind: count for kind, count in sorted(found.items()) if count}

    def fail(self, method: str, path: str, kind: Any, nth: int = 1) -> None:
        self.faults.faults.append(Fault(method, path, kind, nth))


@dataclass
class Project:
    """An engine with a project folder; programs are functions of a test."""

    state: State
    engine: Engine
    cloud: Cloud
    root: Path

    @property
    def account(self) -> str:
        return self.state.secrets.account_id

    @property
    def zone(self) -> str:
        return self.cloud.zone_id

    def config(self, **values: str) -> Config:
        return Config({f"serai:{name}": value for name, value in values.items()}, {"serai:secret"})

    def up(self, program: Callable[[], Any], stack: str = "base", **options: Any) -> Result:
        return self.engine.up(stack, self.config(), program=program, **options)

    def preview(self, program: Callable[[], Any], stack: str = "base", **options: Any) -> Result:
        return self.engine.preview(stack, self.config(), program=program, **options)

    def file(self, name: str, content: str) -> str:
        (self.root / "infra" / name).write_text(content)
        return name

    def serving(self, *, text: str = "hush", database: str = "serai-acme-k3v9qd") -> Callable[[], None]:
        """A program of a Worker that serves `infra/cell.py` and has a database."""

        def program() -> None:
            db = cf.D1Database("db", account_id=self.account, name=database, read_replication={"mode": "disabled"})
            worker = cf.Worker("worker", account_id=self.account, name="serai-cell-1", tags=["serai"])
            version = cf.WorkerVersion(
                "version",
                account_id=self.account,
                worker_id=worker.id,
                main_module="cell.py",
                modules=[{"name": "cell.py", "content_type": "text/x-python", "content_file": "cell.py"}],
                bindings=[
                    {"name": "DB_ACME", "type": "d1", "database_id": db.uuid},
                    {"name": "PEPPER", "type": "secret_text", "text": text},
                ],
                compatibility_flags=["python_workers"],
            )
            cf.WorkersDeployment(
                "deployment",
                account_id=self.account,
                script_name=worker.name,
                strategy="percentage",
                versions=[{"percentage": 100, "version_id": version.id}],
            )
            pulumi.export("uuid", db.uuid)

        return program

    def ops(self, result: Result) -> dict[str, str]:
        """Name -> op, of what changes; the stack itself left out."""
        return {step.name: step.op for step in result.changes if step.type != "pulumi:pulumi:Stack"}

    def ids(self, stack: str = "base") -> dict[str, str]:
        return {resource.name: resource.id for resource in self.engine.resources(stack) if resource.id}


@pytest.fixture(scope="session", autouse=True)
def _warm() -> None:  # pyright: ignore[reportUnusedFunction]
    warm()


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "state")


@pytest.fixture
def cloud(state: State) -> Iterator[Cloud]:
    account = Account(state.account_path, state.d1_path, busy_seconds=5)
    faults = Faults()
    secrets = state.secrets
    app = create_api(account, token=secrets.api_token, account_id=secrets.account_id, faults=faults)
    recorder = Recorder(app)
    config = uvicorn.Config(recorder, port=0, log_level="critical", lifespan="off", ws="none", loop="asyncio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Cloud(account, recorder, faults, account.ensure_zone(ZONE), f"http://127.0.0.1:{port}{BASE}")
    server.should_exit = True
    thread.join()
    account.close()


@pytest.fixture
def project(state: State, cloud: Cloud, tmp_path: Path) -> Project:
    root = tmp_path / "project"
    (root / "infra").mkdir(parents=True)
    (root / "infra" / "cell.py").write_text("x = 1\n")
    endpoint = ApiEndpoint(cloud.url, state.secrets.api_token)
    return Project(state, Engine(state, endpoint, root, patience=3), cloud, root)
