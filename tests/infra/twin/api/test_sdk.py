"""Given Cloudflare's own Python SDK, unmodified, when it works on the twin, then resources live and die as there.

The API is served on a real port: what is tested is what any client of Cloudflare meets.
"""

import base64
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import cloudflare
import pytest
import uvicorn
from cloudflare import Cloudflare

from infra.twin.account import Account
from infra.twin.api import Fault, Faults, create_api

ACCOUNT_ID = "c" * 32
TOKEN = "sdk-token-of-forty-characters-0123456789_-"
ZONE = "sdk.example"
UNKNOWN = "0" * 32
UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"
SOURCE = base64.b64encode(b"application = None\n").decode()


class Service:
    """The API on a port of its own, in a thread."""

    def __init__(self, account: Account, faults: Faults | None = None) -> None:
        self.zone_id = account.ensure_zone(ZONE)
        app = create_api(account, token=TOKEN, account_id=ACCOUNT_ID, faults=faults)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/client/v4"
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def client(self, token: str = TOKEN, retries: int = 0) -> Cloudflare:
        return Cloudflare(api_token=token, base_url=self.url, max_retries=retries)


@pytest.fixture
def service(account: Account) -> Iterator[Service]:
    service = Service(account)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def client(service: Service) -> Iterator[Cloudflare]:
    with service.client() as client:
        yield client


def upload(client: Cloudflare, worker_id: str, **more: Any) -> Any:
    return client.workers.beta.workers.versions.create(
        worker_id,
        account_id=ACCOUNT_ID,
        main_module="cell.py",
        modules=[{"name": "cell.py", "content_type": "text/x-python", "content_base64": SOURCE}],
        compatibility_date="2026-09-08",
        compatibility_flags=["python_workers"],
        **more,
    )


def deploy(client: Cloudflare, script: str, version_id: str) -> Any:
    return client.workers.scripts.deployments.create(
        script,
        account_id=ACCOUNT_ID,
        strategy="percentage",
        versions=[{"percentage": 100, "version_id": version_id}],
    )


@pytest.fixture
def worker(client: Cloudflare) -> Any:
    """A Worker with a deployed version."""
    worker = client.workers.beta.workers.create(account_id=ACCOUNT_ID, name="cell-1")
    deploy(client, "cell-1", upload(client, worker.id).id)
    return worker


def test_zones_are_looked_up(client: Cloudflare, service: Service, account: Account) -> None:
    for number in range(3):
        account.ensure_zone(f"zone-{number}.example")
    assert [zone.name for zone in client.zones.list(name=ZONE)] == [ZONE]
    assert len(list(client.zones.list(per_page=2))) == 4
    found = client.zones.get(zone_id=service.zone_id)
    assert found is not None
    assert found.name == ZONE
    with pytest.raises(cloudflare.PermissionDeniedError):
        client.zones.get(zone_id=UNKNOWN)


def test_the_token_and_the_account_are_read(client: Cloudflare) -> None:
    verified = client.user.tokens.verify()
    assert verified is not None
    assert verified.status == "active"
    assert [account.id for account in client.accounts.list()] == [ACCOUNT_ID]
    found = client.accounts.get(account_id=ACCOUNT_ID)
    assert found is not None
    assert found.id == ACCOUNT_ID


def test_d1_databases_live_and_die(client: Cloudflare) -> None:
    databases = client.d1.database
    made = [databases.create(account_id=ACCOUNT_ID, name=f"tenant-{number}") for number in range(5)]
    assert {database.name for database in databases.list(account_id=ACCOUNT_ID, per_page=2)} == {
        f"tenant-{number}" for number in range(5)
    }
    identifier = made[0].uuid or ""
    found = databases.get(identifier, account_id=ACCOUNT_ID)
    assert (found.name, found.num_tables) == ("tenant-0", 0)
    changed = databases.update(identifier, account_id=ACCOUNT_ID, read_replication={"mode": "auto"})
    assert changed.read_replication is not None
    assert changed.read_replication.mode == "auto"
    edited = databases.edit(identifier, account_id=ACCOUNT_ID, read_replication={"mode": "disabled"})
    assert edited.read_replication is not None
    assert edited.read_replication.mode == "disabled"
    databases.delete(identifier, account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.NotFoundError):
        databases.get(identifier, account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.BadRequestError) as taken:
        databases.create(account_id=ACCOUNT_ID, name="tenant-1")
    assert [error.code for error in taken.value.errors] == [7502]


def test_d1_statements_run(client: Cloudflare) -> None:
    uuid = client.d1.database.create(account_id=ACCOUNT_ID, name="queried").uuid or ""
    client.d1.database.query(uuid, account_id=ACCOUNT_ID, sql="create table t (a integer primary key, b text)")
    rows = client.d1.database.query(
        uuid, account_id=ACCOUNT_ID, sql="insert into t (b) values (?) returning a, b", params=["one"]
    )
    (result,) = rows.result
    assert (result.success, result.results) == (True, [{"a": 1, "b": "one"}])
    assert result.meta is not None
    assert (result.meta.changes, result.meta.last_row_id) == (1, 1)
    (raw,) = client.d1.database.raw(uuid, account_id=ACCOUNT_ID, sql="select a, b from t").result
    assert raw.results is not None
    assert (raw.results.columns, raw.results.rows) == (["a", "b"], [[1, "one"]])
    batch = client.d1.database.query(
        uuid, account_id=ACCOUNT_ID, batch=[{"sql": "select 1 as x"}, {"sql": "select ? as y", "params": ["z"]}]
    )
    assert [one.results for one in batch.result] == [[{"x": 1}], [{"y": "z"}]]
    with pytest.raises(cloudflare.BadRequestError) as failed:
        client.d1.database.query(uuid, account_id=ACCOUNT_ID, sql="selekt 1")
    assert [error.code for error in failed.value.errors] == [7500]


def test_workers_live_and_die(client: Cloudflare) -> None:
    workers = client.workers.beta.workers
    made = [workers.create(account_id=ACCOUNT_ID, name=f"cell-{number}", tags=["serai"]) for number in range(5)]
    assert [worker.name for worker in workers.list(account_id=ACCOUNT_ID, per_page=2)] == [one.name for one in made]
    assert workers.get(made[0].id, account_id=ACCOUNT_ID).tags == ["serai"]
    assert workers.get("cell-0", account_id=ACCOUNT_ID).id == made[0].id
    assert workers.update(made[0].id, account_id=ACCOUNT_ID, name="cell-0", tags=["other"]).tags == ["other"]
    edited = workers.edit(made[0].id, account_id=ACCOUNT_ID, **_worker_settings(made[0], logpush=True))
    assert (edited.logpush, edited.name) == (True, "cell-0")
    assert [script.id for script in client.workers.scripts.list(account_id=ACCOUNT_ID)] == [one.name for one in made]
    workers.delete(made[0].id, account_id=ACCOUNT_ID)
    client.workers.scripts.delete("cell-1", account_id=ACCOUNT_ID)
    for gone in (made[0].id, "cell-1"):
        with pytest.raises(cloudflare.NotFoundError):
            workers.get(gone, account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.BadRequestError):
        workers.create(account_id=ACCOUNT_ID, name="cell-2")


def _worker_settings(worker: Any, **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "name": worker.name,
        "logpush": worker.logpush,
        "observability": worker.observability.to_dict(),
        "subdomain": worker.subdomain.to_dict(),
        "tags": worker.tags,
        "tail_consumers": [],
    }
    return settings | changes


def test_versions_live_and_die(client: Cloudflare, worker: Any) -> None:
    versions = client.workers.beta.workers.versions
    bindings: list[Any] = [{"name": "KEY", "type": "secret_text", "text": "hidden"}]
    made = [upload(client, worker.id, bindings=bindings) for _ in range(4)]
    listed = list(versions.list(worker.id, account_id=ACCOUNT_ID, per_page=2))
    assert [version.id for version in listed][:4] == [version.id for version in made[::-1]]
    assert [version.number for version in listed] == [5, 4, 3, 2, 1]
    found = versions.get(made[0].id, account_id=ACCOUNT_ID, worker_id=worker.id, include="modules")
    assert found.modules is not None
    assert found.modules[0].content_base64 == SOURCE
    assert found.bindings is not None
    assert "hidden" not in found.to_json()
    assert versions.get(made[0].id, account_id=ACCOUNT_ID, worker_id=worker.id).modules is None
    by_script = client.workers.scripts.versions.list("cell-1", account_id=ACCOUNT_ID, per_page=2)
    assert len(list(by_script)) == 5
    versions.delete(made[0].id, account_id=ACCOUNT_ID, worker_id=worker.id)
    with pytest.raises(cloudflare.NotFoundError):
        versions.get(made[0].id, account_id=ACCOUNT_ID, worker_id=worker.id)
    with pytest.raises(cloudflare.BadRequestError) as missing:
        upload(client, worker.id, bindings=[{"name": "DB", "type": "d1", "database_id": UNKNOWN_UUID}])
    assert [error.code for error in missing.value.errors] == [10181]


def test_deployments_live_and_die(client: Cloudflare, worker: Any, account: Account) -> None:
    version = upload(client, worker.id)
    made = [deploy(client, "cell-1", version.id) for _ in range(3)]
    deployments = client.workers.scripts.deployments
    assert len(list(deployments.list("cell-1", account_id=ACCOUNT_ID, per_page=2))) == 4
    found = deployments.get(made[0].id, account_id=ACCOUNT_ID, script_name="cell-1")
    assert found.versions[0].version_id == version.id
    deployed = account.deployed_version("cell-1")
    assert deployed is not None
    assert deployed.id == version.id
    deployments.delete(made[0].id, account_id=ACCOUNT_ID, script_name="cell-1")
    with pytest.raises(cloudflare.NotFoundError):
        deployments.get(made[0].id, account_id=ACCOUNT_ID, script_name="cell-1")
    with pytest.raises(cloudflare.BadRequestError):
        deploy(client, "cell-1", UNKNOWN_UUID)
    with pytest.raises(cloudflare.NotFoundError):
        deploy(client, "cell-9", version.id)


def test_schedules_are_set(client: Cloudflare, worker: Any) -> None:
    schedules = client.workers.scripts.schedules
    schedules.update("cell-1", account_id=ACCOUNT_ID, body=[{"cron": "*/5 * * * *"}, {"cron": "0 3 * * MON-FRI"}])
    found = schedules.get("cell-1", account_id=ACCOUNT_ID)
    assert [schedule.cron for schedule in found.schedules] == ["*/5 * * * *", "0 3 * * MON-FRI"]
    assert schedules.update("cell-1", account_id=ACCOUNT_ID, body=[]).schedules == []
    with pytest.raises(cloudflare.BadRequestError):
        schedules.update("cell-1", account_id=ACCOUNT_ID, body=[{"cron": "sometimes"}])


def test_routes_live_and_die(client: Cloudflare, service: Service, worker: Any) -> None:
    routes = client.workers.routes
    zone = service.zone_id
    made = [routes.create(zone_id=zone, pattern=f"api.{ZONE}/t{n}/*", script="cell-1") for n in range(3)]
    assert [route.pattern for route in routes.list(zone_id=zone)] == [route.pattern for route in made]
    changed = routes.update(made[0].id, zone_id=zone, pattern=f"api.{ZONE}/other/*", script="cell-1")
    assert routes.get(made[0].id, zone_id=zone).pattern == changed.pattern == f"api.{ZONE}/other/*"
    routes.delete(made[0].id, zone_id=zone)
    with pytest.raises(cloudflare.NotFoundError):
        routes.get(made[0].id, zone_id=zone)
    with pytest.raises(cloudflare.ConflictError):
        routes.create(zone_id=zone, pattern=f"api.{ZONE}/t1/*", script="cell-1")
    with pytest.raises(cloudflare.BadRequestError):
        routes.create(zone_id=zone, pattern="elsewhere.example/*", script="cell-1")


def test_custom_domains_live_and_die(client: Cloudflare, service: Service, worker: Any) -> None:
    domains = client.workers.domains
    made = domains.update(account_id=ACCOUNT_ID, hostname=f"ai.{ZONE}", service="cell-1", zone_id=service.zone_id)
    client.workers.beta.workers.create(account_id=ACCOUNT_ID, name="cell-2")
    moved = domains.update(account_id=ACCOUNT_ID, hostname=f"ai.{ZONE}", service="cell-2", zone_id=service.zone_id)
    assert (moved.id, moved.service) == (made.id, "cell-2")
    assert [domain.hostname for domain in domains.list(account_id=ACCOUNT_ID)] == [f"ai.{ZONE}"]
    assert list(domains.list(account_id=ACCOUNT_ID, service="cell-1")) == []
    assert domains.get(made.id, account_id=ACCOUNT_ID).service == "cell-2"
    domains.delete(made.id, account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.NotFoundError):
        domains.get(made.id, account_id=ACCOUNT_ID)


def test_kv_namespaces_live_and_die(client: Cloudflare) -> None:
    namespaces: Any = client.kv.namespaces
    made = [namespaces.create(account_id=ACCOUNT_ID, title=f"kv-{number}") for number in range(5)]
    listed = list(namespaces.list(account_id=ACCOUNT_ID, per_page=2))
    assert [namespace.title for namespace in listed] == [f"kv-{number}" for number in range(5)]
    namespaces.update(made[0].id, account_id=ACCOUNT_ID, title="renamed")
    assert namespaces.get(made[0].id, account_id=ACCOUNT_ID).title == "renamed"
    namespaces.delete(made[0].id, account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.NotFoundError):
        namespaces.get(made[0].id, account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.BadRequestError):
        namespaces.create(account_id=ACCOUNT_ID, title="kv-1")


def test_r2_buckets_live_and_die(client: Cloudflare) -> None:
    buckets = client.r2.buckets
    for number in range(3):
        buckets.create(account_id=ACCOUNT_ID, name=f"bucket-{number}", location_hint="weur")
    listed = buckets.list(account_id=ACCOUNT_ID, per_page=2)
    assert [bucket.name for bucket in listed.buckets or []] == ["bucket-0", "bucket-1"]
    rest = buckets.list(account_id=ACCOUNT_ID, per_page=2, start_after="bucket-1")
    assert [bucket.name for bucket in rest.buckets or []] == ["bucket-2"]
    assert buckets.get("bucket-0", account_id=ACCOUNT_ID).storage_class == "Standard"
    assert (
        buckets.edit("bucket-0", account_id=ACCOUNT_ID, storage_class="InfrequentAccess").storage_class
        == "InfrequentAccess"
    )
    buckets.delete("bucket-0", account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.NotFoundError):
        buckets.get("bucket-0", account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.ConflictError):
        buckets.create(account_id=ACCOUNT_ID, name="bucket-1")


def test_queues_and_consumers_live_and_die(client: Cloudflare, worker: Any) -> None:
    queues: Any = client.queues
    made = [queues.create(account_id=ACCOUNT_ID, queue_name=f"jobs-{number}") for number in range(3)]
    identifier = made[0].queue_id or ""
    assert len(list(queues.list(account_id=ACCOUNT_ID))) == 3
    queues.update(identifier, account_id=ACCOUNT_ID, queue_name="renamed", settings={"delivery_delay": 5})
    queues.edit(identifier, account_id=ACCOUNT_ID, settings={"message_retention_period": 600})
    found = queues.get(identifier, account_id=ACCOUNT_ID)
    assert found.settings is not None
    assert (found.queue_name, found.settings.delivery_delay) == ("renamed", 5)
    consumers = queues.consumers
    consumer = consumers.create(identifier, account_id=ACCOUNT_ID, type="worker", script_name="cell-1")
    assert len(list(consumers.list(identifier, account_id=ACCOUNT_ID))) == 1
    settings = {"batch_size": 5}
    consumers.update(
        consumer.consumer_id,
        account_id=ACCOUNT_ID,
        queue_id=identifier,
        type="worker",
        script_name="cell-1",
        settings=settings,
    )
    one = consumers.get(consumer.consumer_id, account_id=ACCOUNT_ID, queue_id=identifier)
    assert one.settings.batch_size == 5
    consumers.delete(consumer.consumer_id, account_id=ACCOUNT_ID, queue_id=identifier)
    with pytest.raises(cloudflare.NotFoundError):
        consumers.get(consumer.consumer_id, account_id=ACCOUNT_ID, queue_id=identifier)
    queues.delete(identifier, account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.NotFoundError):
        queues.get(identifier, account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.ConflictError):
        queues.create(account_id=ACCOUNT_ID, queue_name="jobs-1")


def test_dns_records_live_and_die(client: Cloudflare, service: Service) -> None:
    records: Any = client.dns.records
    zone = service.zone_id
    made = [
        records.create(zone_id=zone, name=f"h{number}", type="AAAA", content="100::", ttl=1, proxied=True)
        for number in range(5)
    ]
    assert made[0].name == f"h0.{ZONE}"
    assert len(list(records.list(zone_id=zone, per_page=2))) == 5
    records.update(made[0].id, zone_id=zone, name="h0", type="A", content="192.0.2.1", ttl=300)
    records.edit(made[0].id, zone_id=zone, name="h0", type="A", ttl=600, content="192.0.2.1")
    found = records.get(made[0].id, zone_id=zone)
    assert (found.type, found.content, found.ttl, found.proxied) == ("A", "192.0.2.1", 600, False)
    records.delete(made[0].id, zone_id=zone)
    with pytest.raises(cloudflare.NotFoundError):
        records.get(made[0].id, zone_id=zone)
    with pytest.raises(cloudflare.BadRequestError) as identical:
        records.create(zone_id=zone, name="h1", type="AAAA", content="100::", ttl=1)
    assert [error.code for error in identical.value.errors] == [81058]


def test_custom_hostnames_live_and_die(client: Cloudflare, service: Service) -> None:
    hostnames: Any = client.custom_hostnames
    zone = service.zone_id
    made = [
        hostnames.create(zone_id=zone, hostname=f"ai{n}.customer.example", ssl={"method": "http", "type": "dv"})
        for n in range(5)
    ]
    assert len(list(hostnames.list(zone_id=zone, per_page=2))) == 5
    hostnames.edit(made[0].id, zone_id=zone, ssl={"settings": {"min_tls_version": "1.2"}})
    found = hostnames.get(made[0].id, zone_id=zone)
    assert (found.ssl.settings.min_tls_version, found.ssl.method) == ("1.2", "http")
    hostnames.delete(made[0].id, zone_id=zone)
    with pytest.raises(cloudflare.NotFoundError):
        hostnames.get(made[0].id, zone_id=zone)
    with pytest.raises(cloudflare.ConflictError):
        hostnames.create(zone_id=zone, hostname="ai1.customer.example")


def test_ai_gateways_live_and_die(client: Cloudflare) -> None:
    gateways: Any = client.ai_gateway
    settings: dict[str, Any] = {
        "account_id": ACCOUNT_ID,
        "cache_invalidate_on_update": False,
        "cache_ttl": 0,
        "collect_logs": True,
        "rate_limiting_interval": 0,
        "rate_limiting_limit": 0,
    }
    for number in range(5):
        gateways.create(id=f"gateway-{number}", **settings)
    assert len(list(gateways.list(account_id=ACCOUNT_ID, per_page=2))) == 5
    gateways.update("gateway-0", **settings | {"cache_ttl": 60})
    assert gateways.get("gateway-0", account_id=ACCOUNT_ID).cache_ttl == 60
    gateways.delete("gateway-0", account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.NotFoundError):
        gateways.get("gateway-0", account_id=ACCOUNT_ID)
    with pytest.raises(cloudflare.BadRequestError):
        gateways.create(id="gateway-1", **settings)


def test_a_wrong_token_is_an_authentication_error(service: Service) -> None:
    with service.client("another-token-of-forty-characters-01234567") as stranger:
        with pytest.raises(cloudflare.AuthenticationError):
            stranger.d1.database.create(account_id=ACCOUNT_ID, name="x")
        with pytest.raises(cloudflare.AuthenticationError):
            stranger.user.tokens.verify()
        with pytest.raises(cloudflare.PermissionDeniedError):
            list(stranger.zones.list())


def test_another_account_is_forbidden(client: Cloudflare) -> None:
    with pytest.raises(cloudflare.PermissionDeniedError):
        client.d1.database.create(account_id=UNKNOWN, name="x")


def test_faults_look_like_cloudflares_to_a_client(account: Account) -> None:
    """A lost answer breaks the connection after the work; a 429 is waited out and tried again."""
    faults = Faults(Fault("POST", "/d1/database$", "drop"), Fault("POST", "/queues$", "rate_limit"))
    service = Service(account, faults)
    service.start()
    try:
        with service.client() as impatient, pytest.raises(cloudflare.APIConnectionError):
            impatient.d1.database.create(account_id=ACCOUNT_ID, name="lost")
        with service.client(retries=1) as client:
            assert [one.name for one in client.d1.database.list(account_id=ACCOUNT_ID)] == ["lost"]
            queue = client.queues.create(account_id=ACCOUNT_ID, queue_name="jobs")
            assert queue is not None
            assert queue.queue_name == "jobs"
    finally:
        service.stop()
    assert [fault.seen for fault in faults.faults] == [1, 2]
