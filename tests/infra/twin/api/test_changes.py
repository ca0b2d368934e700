"""Given what the edge reads, when the API changes it, then the edge is told and finds what was uploaded."""

import base64
import re
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from infra.twin.account import Account, CustomDomain, RouteEntry
from infra.twin.api import Fault, Faults, create_api

ACCOUNT_ID = "e" * 32
TOKEN = "another-token-of-forty-characters-0123456789"


def upload(text: str) -> dict[str, Any]:
    content = base64.b64encode(b"application = None\n").decode()
    return {
        "main_module": "cell.py",
        "modules": [
            {"name": "cell.py", "content_type": "text/x-python", "content_base64": content},
            {"name": "empty.bin", "content_type": "application/octet-stream", "content_base64": ""},
        ],
        "compatibility_flags": ["python_workers"],
        "bindings": [{"name": "KEY", "type": "secret_text", "text": text}, {"name": "AI", "type": "ai"}],
    }


async def test_the_edge_reads_what_was_deployed(api: Any, account: Account) -> None:
    worker = await api.made("POST", "A/workers/workers", {"name": "cell-1"})
    version = await api.made("POST", f"A/workers/workers/{worker['id']}/versions", upload("hidden"))
    assert account.deployed_version("cell-1") is None
    await api.deploy("cell-1", version["id"])
    deployed = account.deployed_version("cell-1")
    assert deployed is not None
    assert (deployed.id, deployed.script, deployed.main_module) == (version["id"], "cell-1", "cell.py")
    assert account.deployed_version_id("cell-1") == version["id"]
    assert [(module.name, module.content_type, module.content) for module in deployed.modules] == [
        ("cell.py", "text/x-python", b"application = None\n"),
        ("empty.bin", "application/octet-stream", b""),
    ]
    assert deployed.bindings[0] == {"name": "KEY", "type": "secret_text", "text": "hidden"}
    assert account.scripts() == ["cell-1"]
    assert account.deployed_version("cell-2") is None


async def test_of_a_split_the_larger_share_counts(api: Any, account: Account) -> None:
    worker = await api.made("POST", "A/workers/workers", {"name": "cell-1"})
    path = f"A/workers/workers/{worker['id']}/versions"
    one, two = [(await api.made("POST", path, upload(text)))["id"] for text in ("one", "two")]
    shares = [{"percentage": 10, "version_id": one}, {"percentage": 90, "version_id": two}]
    await api.made("POST", "A/workers/scripts/cell-1/deployments", {"strategy": "percentage", "versions": shares})
    assert account.deployed_version_id("cell-1") == two


async def test_no_answer_tells_a_secret(api: Any) -> None:
    worker = await api.made("POST", "A/workers/workers", {"name": "cell-1"})
    path = f"A/workers/workers/{worker['id']}/versions"
    version = await api.made("POST", f"{path}?deploy=true", upload("hidden"))
    for read in (
        path,
        f"{path}/{version['id']}?include=modules",
        "A/workers/scripts",
        "A/workers/scripts/cell-1/versions",
        f"A/workers/scripts/cell-1/versions/{version['id']}",
        "A/workers/scripts/cell-1/deployments",
    ):
        response = await api("GET", read)
        assert response.status_code == 200
        assert "hidden" not in response.text
    assert version["bindings"] == [{"name": "KEY", "type": "secret_text"}, {"name": "AI", "type": "ai"}]


async def test_routes_and_domains_are_read(api: Any, account: Account) -> None:
    await api.worker()
    await api.made("POST", "Z/workers/routes", {"pattern": "api.serai.example/acme/*", "script": "cell-1"})
    await api.made("POST", "Z/workers/routes", {"pattern": "api.serai.example/static/*"})
    await api.made("PUT", "A/workers/domains", {"hostname": "AI.serai.example", "service": "cell-1"})
    assert account.route_table() == [
        RouteEntry("api.serai.example/acme/*", "cell-1"),
        RouteEntry("api.serai.example/static/*", None),
    ]
    assert account.custom_domains() == [CustomDomain("ai.serai.example", "cell-1")]


async def test_a_renamed_worker_keeps_its_routes_and_domains(api: Any, account: Account) -> None:
    worker = await api.worker()
    await api.made("POST", "Z/workers/routes", {"pattern": "serai.example/*", "script": "cell-1"})
    await api.made("PUT", "A/workers/domains", {"hostname": "ai.serai.example", "service": "cell-1"})
    await api.made("PATCH", f"A/workers/workers/{worker['id']}", {"name": "cell-2"})
    assert account.route_table() == [RouteEntry("serai.example/*", "cell-2")]
    assert account.custom_domains() == [CustomDomain("ai.serai.example", "cell-2")]
    assert account.deployed_version_id("cell-2")


async def test_changes_are_reported_after_the_commit(api: Any, account: Account, changes: list[str]) -> None:
    generation = account.generation()
    worker = await api.worker()
    assert changes == ["worker", "version", "deployment"]
    assert account.generation() == generation + 3
    changes.clear()
    route = await api.made("POST", "Z/workers/routes", {"pattern": "serai.example/*", "script": "cell-1"})
    await api.made("DELETE", f"Z/workers/routes/{route['id']}")
    await api.made("PUT", "A/workers/domains", {"hostname": "ai.serai.example", "service": "cell-1"})
    await api.made("DELETE", f"A/workers/workers/{worker['id']}")
    assert changes == ["route", "route", "domain", "deployment", "domain", "schedules", "version", "worker"]
    assert account.generation() == generation + 7


async def test_reads_refusals_and_data_raise_no_generation(api: Any, account: Account, changes: list[str]) -> None:
    await api.worker()
    generation = account.generation()
    changes.clear()
    await api.made("GET", "A/workers/workers")
    await api.refused("POST", "Z/workers/routes", {"pattern": "serai.example/*", "script": "none"})
    await api.refused("POST", "A/workers/workers", {"name": "cell-1"})
    assert changes == []
    await api.made("POST", "A/d1/database", {"name": "acme"})
    assert changes == ["d1"]
    assert account.generation() == generation


@pytest.fixture
async def faulty(account: Account) -> AsyncIterator[tuple[httpx.AsyncClient, Faults]]:
    faults = Faults()
    app = create_api(account, token=TOKEN, account_id=ACCOUNT_ID, faults=faults)
    headers = {"authorization": f"Bearer {TOKEN}"}
    base = f"http://twin/client/v4/accounts/{ACCOUNT_ID}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base, headers=headers) as client:
        yield client, faults


async def test_faults_strike_the_nth_matching_request(faulty: tuple[httpx.AsyncClient, Faults]) -> None:
    client, faults = faulty
    faults.faults += [
        Fault("POST", r"/queues$", "rate_limit", nth=2),
        Fault("POST", r"/queues$", "error", nth=3),
    ]
    answers = [await client.post("/queues", json={"queue_name": f"q{number}"}) for number in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 500, 200]
    assert answers[1].headers["retry-after"] == "1"
    assert [queue["queue_name"] for queue in (await client.get("/queues")).json()["result"]] == ["q0", "q3"]


async def test_a_dropped_answer_leaves_the_work_done(faulty: tuple[httpx.AsyncClient, Faults]) -> None:
    client, faults = faulty
    faults.faults.append(Fault("POST", r"/d1/database$", "drop"))
    with pytest.raises(AssertionError):  # httpx's in-process transport: the application never completed its answer
        await client.post("/d1/database", json={"name": "lost"})
    (database,) = (await client.get("/d1/database")).json()["result"]
    assert database["name"] == "lost"
    assert re.fullmatch(r"[0-9a-f-]{36}", database["uuid"])


async def test_a_module_that_versions_share_is_stored_once(api: Any, account: Account) -> None:
    worker = await api.made("POST", "A/workers/workers", {"name": "cell-1"})
    path = f"A/workers/workers/{worker['id']}/versions"
    versions = [await api.made("POST", path, upload(text)) for text in ("one", "two")]
    with sqlite3.connect(account.path) as reader:
        assert reader.execute("select count(*) from contents").fetchone() == (2,)
    reader.close()
    await api.made("DELETE", f"{path}/{versions[0]['id']}")
    with account.read() as tx:
        assert [name for name, _, _ in tx.modules(versions[1]["id"])] == ["cell.py", "empty.bin"]
    await api.made("DELETE", f"A/workers/workers/{worker['id']}")
    with sqlite3.connect(account.path) as reader:
        assert reader.execute("select count(*) from contents").fetchone() == (0,)
    reader.close()
