"""The requests of the real provider, recorded over the life of one stack of 18 resources: ours are the same."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pulumi_cloudflare as cf
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.twin.engine import ApiEndpoint, Config, Engine, Result
from infra.twin.state import State

DATA = Path(__file__).parent / "data" / "provider-exchanges.jsonl"
EXCHANGES: list[dict[str, Any]] = [json.loads(line) for line in DATA.read_text().splitlines()]
ACCOUNT = "a" * 32
ZONE = "serai.example"


def requests(phase: str) -> list[str]:
    return sorted(_text(item["method"], item["path"], item.get("query"), item.get("body")) for item in _of(phase))


def _of(phase: str) -> list[dict[str, Any]]:
    return [item for item in EXCHANGES if item["phase"] == phase]


def _text(method: str, path: str, query: Any, body: Any) -> str:
    return f"{method} {path} {json.dumps(query or {}, sort_keys=True)} {json.dumps(body, sort_keys=True)}"


class Replay:
    """Answers as recorded in the phase that the test has come to; what was not recorded gets a 400."""

    def __init__(self) -> None:
        self.phase = "up"
        self.seen: list[str] = []

    async def answer(self, request: Request) -> Response:
        path = request.url.path.removeprefix("/client/v4")
        text = await request.body()
        asked = _text(request.method, path, dict(request.query_params), json.loads(text) if text else None)
        self.seen.append(asked)
        for item in _of(self.phase):
            if _text(item["method"], item["path"], item.get("query"), item.get("body")) == asked:
                return JSONResponse(item["answer"], item["status"])
        return JSONResponse({"success": False, "errors": [{"code": 1, "message": f"not recorded: {asked}"}]}, 400)

    def enter(self, phase: str) -> None:
        self.phase = phase
        self.seen = []


@pytest.fixture
def replay() -> Replay:
    return Replay()


@pytest.fixture
def engine(replay: Replay, state: State, tmp_path: Path) -> Iterator[Engine]:
    app = Starlette(routes=[Route("/{path:path}", replay.answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    folder = tmp_path / "project" / "infra"
    folder.mkdir(parents=True)
    for name, module in _recorded_modules("up").items():
        (folder / name).write_bytes(base64.b64decode(module["content_base64"]))
    yield Engine(state, ApiEndpoint(f"http://127.0.0.1:{port}/client/v4", "t" * 40), tmp_path / "project", patience=1)
    server.should_exit = True
    thread.join()


def _recorded_modules(phase: str) -> dict[str, Any]:
    body = next(item["body"] for item in _of(phase) if item["path"].endswith("/versions"))
    return {module["name"]: module for module in body["modules"]}


def program(tenants: int = 2) -> Callable[[], None]:
    def main() -> None:
        zone = cf.get_zone_output(filter={"name": ZONE})  # pyright: ignore[reportArgumentType]
        kv = cf.WorkersKvNamespace("kv", account_id=ACCOUNT, title="serai-kv")
        bucket = cf.R2Bucket("blobs", account_id=ACCOUNT, name="serai-blobs", location="WEUR")
        jobs = cf.Queue("jobs", account_id=ACCOUNT, queue_name="serai-jobs")
        dead = cf.Queue("dead", account_id=ACCOUNT, queue_name="serai-dead")
        _gateway()
        databases = [_database(f"t{number:04d}") for number in range(tenants)]
        worker = cf.Worker(
            "worker",
            account_id=ACCOUNT,
            name="serai-full",
            logpush=False,
            observability={"enabled": True},
            subdomain={"enabled": False, "previews_enabled": False},
            tags=["serai"],
        )
        bindings: list[dict[str, Any]] = [
            {"name": "AI", "type": "ai"},
            {"name": "BLOBS", "type": "r2_bucket", "bucket_name": bucket.name},
            {"name": "CONFIG", "type": "json", "json": json.dumps({"cell": "cell-1"})},
            *(
                {"name": f"DB_t{number:04d}", "type": "d1", "database_id": database.uuid}
                for number, database in enumerate(databases)
            ),
            {"name": "EVENTS", "type": "analytics_engine", "dataset": "serai"},
            {"name": "JOBS", "type": "queue", "queue_name": jobs.queue_name},
            {"name": "KV", "type": "kv_namespace", "namespace_id": kv.id},
            {"name": "LIMIT", "type": "ratelimit", "namespace_id": "1001", "simple": {"limit": 100, "period": 60}},
            {"name": "MODE", "type": "plain_text", "text": "live"},
            {"name": "PLATFORM_SECRET", "type": "secret_text", "text": pulumi.Output.secret("s3cret-value")},
        ]
        version = cf.WorkerVersion(
            "version",
            account_id=ACCOUNT,
            worker_id=worker.id,
            main_module="entry.py",
            modules=[
                cf.WorkerVersionModuleArgs(name=name, content_type=kind, content_file=name)
                for name, kind in (
                    ("entry.py", "text/x-python"),
                    ("app.py", "text/x-python"),
                    ("tenants.json", "text/plain"),
                )
            ],
            bindings=[cf.WorkerVersionBindingArgs(**binding) for binding in bindings],
            compatibility_date="2026-09-08",
            compatibility_flags=["python_workers"],
            limits={"cpu_ms": 30000},
        )
        deployment = cf.WorkersDeployment(
            "deployment",
            account_id=ACCOUNT,
            script_name=worker.name,
            strategy="percentage",
            versions=[{"percentage": 100, "version_id": version.id}],
        )
        after = pulumi.ResourceOptions(depends_on=[deployment])
        _addresses(zone, worker, after, tenants)
        cf.QueueConsumer(
            "consumer",
            account_id=ACCOUNT,
            queue_id=jobs.queue_id,
            type="worker",
            script_name=worker.name,
            dead_letter_queue=dead.queue_name,
            settings={"batch_size": 10, "max_retries": 3, "max_wait_time_ms": 5000},
            opts=after,
        )
        cf.WorkersCronTrigger(
            "cron", account_id=ACCOUNT, script_name=worker.name, schedules=[{"cron": "*/5 * * * *"}], opts=after
        )

    return main


def _database(tenant: str) -> cf.D1Database:
    return cf.D1Database(
        f"{tenant}-db",
        account_id=ACCOUNT,
        name=f"serai-{tenant}",
        primary_location_hint="weur",
        read_replication={"mode": "disabled"},
    )


def _gateway() -> None:
    cf.AiGateway(
        "gateway",
        account_id=ACCOUNT,
        ai_gateway_id="serai",
        authentication=False,
        cache_invalidate_on_update=False,
        cache_ttl=0,
        collect_logs=True,
        log_management=10000000,
        log_management_strategy="DELETE_OLDEST",
        logpush=False,
        rate_limiting_interval=0,
        rate_limiting_limit=0,
        rate_limiting_technique="fixed",
        store_id="",
        zdr=False,
    )


def _addresses(zone: Any, worker: cf.Worker, after: pulumi.ResourceOptions, tenants: int) -> None:
    cf.DnsRecord("record", zone_id=zone.zone_id, name=f"api.{ZONE}", type="AAAA", content="100::", proxied=True, ttl=1)
    cf.CustomHostname(
        "hostname",
        zone_id=zone.zone_id,
        hostname="ai.customer.example",
        ssl={
            "method": "http",
            "type": "dv",
            "bundle_method": "ubiquitous",
            "certificate_authority": "google",
            "wildcard": False,
            "settings": {"min_tls_version": "1.0"},
        },
    )
    cf.WorkersCustomDomain(
        "domain",
        account_id=ACCOUNT,
        hostname=f"ai.{ZONE}",
        service=worker.name,
        zone_id=zone.zone_id,
        opts=after,
    )
    for number in range(tenants):
        cf.WorkersRoute(
            f"t{number:04d}-route",
            zone_id=zone.zone_id,
            pattern=f"api.{ZONE}/t{number:04d}/*",
            script=worker.name,
            opts=after,
        )


def test_whole_life(engine: Engine, replay: Replay) -> None:
    def up(tenants: int = 2) -> Result:
        return engine.up("cell-1", Config(), program=program(tenants))

    up()
    assert sorted(replay.seen) == requests("up")

    replay.enter("preview")
    assert engine.preview("cell-1", Config(), program=program()).changes == []
    assert sorted(replay.seen) == requests("preview")

    replay.enter("refresh")
    assert engine.refresh("cell-1").steps == []
    assert sorted(replay.seen) == sorted(set(requests("refresh")))  # it reads some twice

    replay.enter("preview")
    assert engine.preview("cell-1", Config(), program=program()).changes == []

    replay.enter("code-change")
    entry = _recorded_modules("code-change")["entry.py"]
    (engine.project_root / "infra" / "entry.py").write_bytes(base64.b64decode(entry["content_base64"]))
    changed = up().changes
    assert [(step.op, step.name) for step in changed] == [("replace", "version"), ("replace", "deployment")]
    assert sorted(replay.seen) == requests("code-change")

    replay.enter("add-tenant")
    up(3)
    assert sorted(replay.seen) == requests("add-tenant")

    replay.enter("remove-tenant")
    up(2)
    assert sorted(replay.seen) == requests("remove-tenant")

    replay.enter("drift-refresh")
    gone = engine.refresh("cell-1").steps
    assert sorted((step.op, step.name, step.diff[0].path) for step in gone) == [
        ("refresh", "t0000-route", ""),
        ("refresh", "t0001-route", ""),
    ]
    assert set(replay.seen) == set(requests("drift-refresh"))

    replay.enter("drift-repair")
    up()
    assert sorted(replay.seen) == requests("drift-repair")

    replay.enter("lost-d1-refresh")
    assert [step.name for step in engine.refresh("cell-1").steps] == ["t0001-db"]

    replay.enter("lost-d1-repair")
    up()
    assert sorted(replay.seen) == requests("lost-d1-repair")

    replay.enter("destroy")
    engine.destroy("cell-1")
    assert sorted(replay.seen) == requests("destroy")
    assert engine.resources("cell-1") == []
