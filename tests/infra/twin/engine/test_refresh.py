"""Drift: what changes in the account behind the engine's back."""

from collections.abc import Callable
from typing import Any

import httpx
import pulumi_cloudflare as cf
import pytest

from infra.twin.engine import PropertyChange


@pytest.fixture
def by_hand(project: Any) -> Callable[..., Any]:
    def call(method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {project.state.secrets.api_token}"}
        response = httpx.request(method, project.cloud.url + path, json=body, headers=headers, trust_env=False)
        assert response.status_code == 200, response.text
        return response.json()["result"]

    return call


def routed(project: Any) -> Callable[[], None]:
    def program() -> None:
        worker = cf.Worker("worker", account_id=project.account, name="serai-cell-1")
        cf.WorkersRoute("route", zone_id=project.zone, pattern="api.serai.example/acme/*", script=worker.name)

    return program


def test_nothing_has_changed(project: Any) -> None:
    project.up(project.serving())
    assert project.engine.refresh("base").steps == []


def test_what_is_gone_is_made_again(project: Any, by_hand: Any) -> None:
    project.up(routed(project))
    (route,) = project.cloud.all("route")
    by_hand("DELETE", f"/zones/{project.zone}/workers/routes/{route['id']}")
    assert project.ops(project.preview(routed(project))) == {}  # a plain preview does not look
    assert project.ops(project.preview(routed(project), refresh=True)) == {"route": "create"}
    (step,) = project.engine.refresh("base").steps
    assert (step.op, step.name, step.diff) == ("refresh", "route", [PropertyChange("", route["id"], None)])
    assert project.ops(project.up(routed(project))) == {"route": "create"}


def test_what_was_changed_is_set_back(project: Any, by_hand: Any) -> None:
    project.up(routed(project))
    (route,) = project.cloud.all("route")
    changed = {"pattern": "api.serai.example/other/*", "script": "serai-cell-1"}
    by_hand("PUT", f"/zones/{project.zone}/workers/routes/{route['id']}", changed)
    looked = project.engine.refresh("base", preview=True)
    assert [step.diff for step in looked.steps] == [
        [PropertyChange("pattern", "api.serai.example/acme/*", "api.serai.example/other/*")]
    ]
    project.up(routed(project), refresh=True)
    assert project.cloud.all("route")[0]["pattern"] == "api.serai.example/acme/*"


def test_a_lost_database_costs_one_create_and_two_replacements(project: Any, by_hand: Any) -> None:
    project.up(project.serving())
    (database,) = project.cloud.all("d1")
    by_hand("DELETE", f"/accounts/{project.account}/d1/database/{database['uuid']}")
    done = project.ops(project.up(project.serving(), refresh=True))
    assert {name: op for name, op in done.items() if op != "refresh"} == {
        "db": "create",
        "version": "replace",
        "deployment": "replace",
    }


def test_an_undeclared_default_shows_after_a_refresh(project: Any) -> None:
    """As with the real provider: what the API answers has to be declared."""

    def program() -> None:
        cf.D1Database("db", account_id=project.account, name="one")

    project.up(program)
    project.engine.refresh("base")
    (step,) = project.preview(program).changes
    assert (step.op, step.diff) == ("update", [PropertyChange("readReplication", {"mode": "disabled"}, None)])


def test_bindings_out_of_order_are_mixed_up_by_a_refresh(project: Any) -> None:
    def program() -> None:
        worker = cf.Worker("worker", account_id=project.account, name="serai-cell-1")
        cf.WorkerVersion(
            "version",
            account_id=project.account,
            worker_id=worker.id,
            main_module="cell.py",
            modules=[{"name": "cell.py", "content_type": "text/x-python", "content_file": "cell.py"}],
            bindings=[{"name": "B", "type": "ai"}, {"name": "A", "type": "plain_text", "text": "x"}],
            compatibility_flags=["python_workers"],
        )

    project.up(program)
    assert project.ops(project.up(program)) == {}
    project.engine.refresh("base")
    assert project.ops(project.preview(program)) == {"version": "replace"}


def test_an_update_in_every_kind_that_has_one(project: Any) -> None:
    def program(one: bool) -> Callable[[], None]:
        def main() -> None:
            account, zone = project.account, project.zone
            cf.WorkersKvNamespace("kv", account_id=account, title="a" if one else "b")
            queue = cf.Queue("queue", account_id=account, queue_name="a", settings={"delivery_delay": 1 if one else 2})
            worker = cf.Worker("worker", account_id=account, name="w", tags=["a" if one else "b"])
            cf.QueueConsumer(
                "consumer",
                account_id=account,
                queue_id=queue.queue_id,
                type="worker",
                script_name=worker.name,
                settings={"max_retries": 1 if one else 2},
            )
            cf.R2Bucket(
                "bucket", account_id=account, name="abc", storage_class="Standard" if one else "InfrequentAccess"
            )
            cf.DnsRecord(
                "record", zone_id=zone, name="a.serai.example", type="AAAA", content="100::" if one else "100::1", ttl=1
            )
            cf.CustomHostname(
                "hostname", zone_id=zone, hostname="x.example", custom_metadata={"aB": "1" if one else "2"}
            )
            cf.WorkersCronTrigger(
                "cron",
                account_id=account,
                script_name=worker.name,
                schedules=[{"cron": "*/5 * * * *" if one else "*/6 * * * *"}],
            )
            cf.AiGateway(
                "gateway",
                account_id=account,
                ai_gateway_id="g",
                cache_invalidate_on_update=False,
                cache_ttl=0 if one else 60,
                collect_logs=True,
                rate_limiting_interval=0,
                rate_limiting_limit=0,
            )
            other = cf.Worker("other", account_id=account, name="v")
            service = worker.name if one else other.name
            cf.WorkersCustomDomain(
                "domain", account_id=account, hostname="d.serai.example", service=service, zone_id=zone
            )
            cf.D1Database(
                "db", account_id=account, name="one", read_replication={"mode": "disabled" if one else "auto"}
            )

        return main

    project.up(program(one=True))
    before = project.ids()
    names = ("kv", "queue", "worker", "consumer", "bucket", "record", "hostname", "cron", "gateway", "domain", "db")
    assert project.ops(project.up(program(one=False))) == dict.fromkeys(names, "update")
    assert project.ids() == before
    assert project.ops(project.up(program(one=False))) == {}
    assert project.cloud.all("r2")[0]["storage_class"] == "InfrequentAccess"
    assert project.cloud.all("hostname")[0]["custom_metadata"] == {"aB": "2"}
    project.engine.destroy("base")
    assert project.cloud.counts() == {}
