"""Given a request that Cloudflare refuses, when the twin gets it, then it refuses with that status and code."""

import asyncio
import base64
import os
import sqlite3
from typing import Any

import pytest

from infra.twin.account import Account

UNKNOWN = "0" * 32
UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def module(**changes: Any) -> dict[str, Any]:
    return {"name": "cell.py", "content_type": "text/x-python", "content_base64": encoded(b"x = 1\n")} | changes


def version(**changes: Any) -> dict[str, Any]:
    body = {"main_module": "cell.py", "modules": [module()], "compatibility_flags": ["python_workers"]} | changes
    return {key: value for key, value in body.items() if value is not None}


def bound(*bindings: dict[str, Any]) -> dict[str, Any]:
    return version(bindings=list(bindings))


VERSIONS: dict[str, tuple[dict[str, Any], int, int]] = {
    "no main module": (version(main_module=None), 400, 10021),
    "main module not uploaded": (version(main_module="other.py"), 400, 10021),
    "main module not a string": (version(main_module=7), 400, 10021),
    "no modules": (version(modules=None), 400, 10021),
    "empty modules": (version(modules=[]), 400, 10021),
    "modules not a list": (version(modules={"cell.py": "x"}), 400, 10021),
    "module not an object": (version(modules=["cell.py"]), 400, 10021),
    "module without content": (version(modules=[{"name": "cell.py", "content_type": "text/x-python"}]), 400, 10021),
    "module not base64": (version(modules=[module(content_base64="%%%")]), 400, 10021),
    "module not ASCII": (version(modules=[module(content_base64="é")]), 400, 10021),
    "bad content type": (version(modules=[module(content_type="text/html")]), 400, 10021),
    "module outside the bundle": (version(modules=[module(), module(name="../x")]), 400, 10021),
    "module name twice": (version(modules=[module(), module()]), 400, 10021),
    "Python without its flag": (version(compatibility_flags=[]), 400, 10021),
    "date not a date": (version(compatibility_date="soon"), 400, 10021),
    "bindings not a list": (version(bindings={}), 400, 10021),
    "binding not an object": (version(bindings=["AI"]), 400, 10021),
    "unknown binding type": (bound({"name": "X", "type": "teleport"}), 400, 10021),
    "binding without a name": (bound({"type": "ai"}), 400, 10021),
    "binding without a type": (bound({"name": "AI"}), 400, 10021),
    "binding name twice": (bound({"name": "AI", "type": "ai"}, {"name": "AI", "type": "browser"}), 400, 10021),
    "d1 without an id": (bound({"name": "DB", "type": "d1"}), 400, 10021),
    "d1 that is not there": (bound({"name": "DB", "type": "d1", "database_id": UNKNOWN_UUID}), 400, 10181),
    "d1 with a strange id": (bound({"name": "DB", "type": "d1", "database_id": "../x"}), 400, 10181),
    "kv that is not there": (bound({"name": "KV", "type": "kv_namespace", "namespace_id": UNKNOWN}), 400, 10041),
    "r2 that is not there": (bound({"name": "B", "type": "r2_bucket", "bucket_name": "none"}), 400, 10085),
    "queue that is not there": (bound({"name": "Q", "type": "queue", "queue_name": "none"}), 400, 11000),
    "service that is not there": (bound({"name": "S", "type": "service", "service": "none"}), 400, 10144),
    "json without a value": (bound({"name": "J", "type": "json"}), 400, 10021),
    "rate limit period": (
        bound({"name": "L", "type": "ratelimit", "namespace_id": "1", "simple": {"limit": 1, "period": 30}}),
        400,
        10021,
    ),
    "text over 5 KB": (bound({"name": "T", "type": "plain_text", "text": "x" * 5121}), 400, 10054),
    "too many texts": (
        bound(*({"name": f"T{n}", "type": "plain_text", "text": "x"} for n in range(129))),
        400,
        10055,
    ),
}


@pytest.mark.parametrize("case", VERSIONS)
async def test_a_version(api: Any, case: str) -> None:
    body, status, code = VERSIONS[case]
    worker = await api.made("POST", "A/workers/workers", {"name": "cell-1"})
    assert await api.refused("POST", f"A/workers/workers/{worker['id']}/versions", body) == (status, code)
    assert await api.made("GET", f"A/workers/workers/{worker['id']}/versions") == []


async def test_a_bundle_over_the_size_limit(api: Any) -> None:
    worker = await api.made("POST", "A/workers/workers", {"name": "cell-1"})
    path = f"A/workers/workers/{worker['id']}/versions"
    noise = module(name="noise", content_type="application/octet-stream")
    noise["content_base64"] = encoded(os.urandom(10 * 1024 * 1024 + 2048))
    assert await api.refused("POST", path, version(modules=[module(), noise])) == (413, 10027)
    zeros = noise | {"content_base64": encoded(bytes(11 * 1024 * 1024))}
    await api.made("POST", path, version(modules=[module(), zeros]))


async def test_a_version_of_no_worker(api: Any) -> None:
    assert await api.refused("POST", f"A/workers/workers/{UNKNOWN}/versions", version()) == (404, 10007)


def shares(*percentages: float) -> list[dict[str, Any]]:
    return [{"percentage": percentage, "version_id": "LIVE"} for percentage in percentages]


DEPLOYMENTS: dict[str, tuple[Any, int, int]] = {
    "no versions": ({"strategy": "percentage", "versions": []}, 400, 10021),
    "versions missing": ({"strategy": "percentage"}, 400, 10021),
    "unknown strategy": ({"strategy": "canary", "versions": shares(100)}, 400, 10021),
    "not 100": ({"strategy": "percentage", "versions": shares(99)}, 400, 10021),
    "over 100": ({"strategy": "percentage", "versions": shares(101)}, 400, 10021),
    "not a number": ({"strategy": "percentage", "versions": [{"percentage": "all", "version_id": "LIVE"}]}, 400, 10021),
    "version twice": ({"strategy": "percentage", "versions": shares(50, 50)}, 400, 10021),
    "three versions": ({"strategy": "percentage", "versions": shares(40, 30, 30)}, 400, 10021),
    "unknown version": (
        {"strategy": "percentage", "versions": [{"percentage": 100, "version_id": UNKNOWN_UUID}]},
        400,
        100146,
    ),
    "version of another Worker": (
        {"strategy": "percentage", "versions": [{"percentage": 100, "version_id": "OTHER"}]},
        400,
        100146,
    ),
}


@pytest.mark.parametrize("case", DEPLOYMENTS)
async def test_a_deployment(api: Any, case: str) -> None:
    body, status, code = DEPLOYMENTS[case]
    ids: dict[str, str] = {}
    for name, key in (("cell-1", "LIVE"), ("cell-2", "OTHER")):
        worker = await api.made("POST", "A/workers/workers", {"name": name})
        ids[key] = (await api.made("POST", f"A/workers/workers/{worker['id']}/versions", version()))["id"]
    sent = {
        key: [share | {"version_id": ids.get(share["version_id"], share["version_id"])} for share in value]
        if key == "versions"
        else value
        for key, value in body.items()
    }
    assert await api.refused("POST", "A/workers/scripts/cell-1/deployments", sent) == (status, code)
    assert (await api.made("GET", "A/workers/scripts/cell-1/deployments"))["deployments"] == []


ROUTES: dict[str, tuple[dict[str, Any], int, int]] = {
    "no pattern": ({"script": "cell-1"}, 400, 10022),
    "outside the zone": ({"pattern": "other.example/*", "script": "cell-1"}, 400, 10022),
    "a zone that only ends alike": ({"pattern": "notserai.example/*", "script": "cell-1"}, 400, 10022),
    "star in the middle": ({"pattern": "serai.example/*/x", "script": "cell-1"}, 400, 10022),
    "query": ({"pattern": "serai.example/?x=1", "script": "cell-1"}, 400, 10022),
    "other scheme": ({"pattern": "ftp://serai.example/", "script": "cell-1"}, 400, 10022),
    "no such script": ({"pattern": "serai.example/*", "script": "cell-9"}, 400, 10019),
    "pattern twice": ({"pattern": "api.serai.example/acme/*", "script": "cell-1"}, 409, 10020),
}


@pytest.mark.parametrize("case", ROUTES)
async def test_a_route(api: Any, case: str) -> None:
    body, status, code = ROUTES[case]
    await api.worker()
    await api.made("POST", "Z/workers/routes", {"pattern": "api.serai.example/acme/*", "script": "cell-1"})
    assert await api.refused("POST", "Z/workers/routes", body) == (status, code)
    assert len(await api.made("GET", "Z/workers/routes")) == 1


async def test_a_route_changed_to_anothers_pattern(api: Any) -> None:
    await api.worker()
    await api.made("POST", "Z/workers/routes", {"pattern": "serai.example/a/*", "script": "cell-1"})
    route = await api.made("POST", "Z/workers/routes", {"pattern": "serai.example/b/*", "script": "cell-1"})
    body = {"pattern": "serai.example/a/*", "script": "cell-1"}
    assert await api.refused("PUT", f"Z/workers/routes/{route['id']}", body) == (409, 10020)


async def test_a_route_of_a_custom_hostname_is_in_the_zone(api: Any) -> None:
    await api.worker()
    body = {"pattern": "ai.customer.example/*", "script": "cell-1"}
    assert await api.refused("POST", "Z/workers/routes", body) == (400, 10022)
    await api.made("POST", "Z/custom_hostnames", {"hostname": "ai.customer.example"})
    await api.made("POST", "Z/workers/routes", body)


DOMAINS: dict[str, tuple[dict[str, Any], int, int]] = {
    "outside the account's zones": ({"hostname": "ai.other.example", "service": "cell-1"}, 400, 100115),
    "outside the zone named": ({"hostname": "ai.serai.example", "service": "cell-1", "zone_id": UNKNOWN}, 400, 100115),
    "no hostname": ({"service": "cell-1"}, 400, 100115),
    "not a hostname": ({"hostname": "ai_.serai.example", "service": "cell-1"}, 400, 100115),
    "no such Worker": ({"hostname": "ai.serai.example", "service": "cell-9"}, 404, 10007),
    "name with a record": ({"hostname": "api.serai.example", "service": "cell-1"}, 409, 100117),
}


@pytest.mark.parametrize("case", DOMAINS)
async def test_a_custom_domain(api: Any, case: str) -> None:
    body, status, code = DOMAINS[case]
    await api.worker()
    await api.made("POST", "Z/dns_records", {"name": "api", "type": "AAAA", "content": "100::", "proxied": True})
    assert await api.refused("PUT", "A/workers/domains", body) == (status, code)


OTHERS: dict[str, tuple[str, str, Any, int, int]] = {
    "worker name": ("POST", "A/workers/workers", {"name": "Not A Name"}, 400, 10016),
    "worker name missing": ("POST", "A/workers/workers", {}, 400, 10016),
    "worker name taken": ("POST", "A/workers/workers", {"name": "taken"}, 400, 10040),
    "worker tags": ("POST", "A/workers/workers", {"name": "x", "tags": [1]}, 400, 10016),
    "cron": ("PUT", "A/workers/scripts/taken/schedules", [{"cron": "* * *"}], 400, 10100),
    "cron twice": ("PUT", "A/workers/scripts/taken/schedules", [{"cron": "* * * * *"}] * 2, 400, 10100),
    "cron not a list": ("PUT", "A/workers/scripts/taken/schedules", {"cron": "* * * * *"}, 400, 10100),
    "cron of no Worker": ("PUT", "A/workers/scripts/none/schedules", [], 404, 10007),
    "d1 name": ("POST", "A/d1/database", {"name": "a/b"}, 400, 7400),
    "d1 name missing": ("POST", "A/d1/database", {}, 400, 7400),
    "d1 name a number": ("POST", "A/d1/database", {"name": 5}, 400, 7400),
    "d1 name taken": ("POST", "A/d1/database", {"name": "taken"}, 400, 7502),
    "d1 location": ("POST", "A/d1/database", {"name": "x", "primary_location_hint": "mars"}, 400, 7400),
    "d1 replication": ("POST", "A/d1/database", {"name": "x", "read_replication": {"mode": "on"}}, 400, 7400),
    "d1 unknown": ("GET", f"A/d1/database/{UNKNOWN_UUID}", None, 404, 7404),
    "d1 query unknown": ("POST", f"A/d1/database/{UNKNOWN_UUID}/query", {"sql": "select 1"}, 404, 7404),
    "kv title missing": ("POST", "A/storage/kv/namespaces", {}, 400, 10019),
    "kv title taken": ("POST", "A/storage/kv/namespaces", {"title": "taken"}, 400, 10014),
    "kv unknown": ("DELETE", f"A/storage/kv/namespaces/{UNKNOWN}", None, 404, 10013),
    "r2 name": ("POST", "A/r2/buckets", {"name": "X"}, 400, 10005),
    "r2 name taken": ("POST", "A/r2/buckets", {"name": "taken"}, 409, 10004),
    "r2 unknown": ("GET", "A/r2/buckets/none", None, 404, 10006),
    "queue name": ("POST", "A/queues", {"queue_name": "X Y"}, 400, 11003),
    "queue name taken": ("POST", "A/queues", {"queue_name": "taken"}, 409, 11009),
    "queue unknown": ("GET", f"A/queues/{UNKNOWN}", None, 404, 11000),
    "dns type": ("POST", "Z/dns_records", {"name": "x", "type": "AA", "content": "100::"}, 400, 1004),
    "dns address": ("POST", "Z/dns_records", {"name": "x", "type": "A", "content": "100::"}, 400, 9005),
    "dns cname beside": ("POST", "Z/dns_records", {"name": "taken", "type": "CNAME", "content": "x.y"}, 400, 81053),
    "dns proxied text": (
        "POST",
        "Z/dns_records",
        {"name": "x", "type": "TXT", "content": "x", "proxied": True},
        400,
        9004,
    ),
    "dns unknown": ("GET", f"Z/dns_records/{UNKNOWN}", None, 404, 81044),
    "hostname": ("POST", "Z/custom_hostnames", {"hostname": "nodots"}, 400, 1407),
    "hostname taken": ("POST", "Z/custom_hostnames", {"hostname": "taken.other.example"}, 409, 1406),
    "hostname unknown": ("GET", f"Z/custom_hostnames/{UNKNOWN}", None, 404, 1436),
    "gateway id missing": ("POST", "A/ai-gateway/gateways", {}, 400, 7001),
    "gateway settings missing": ("POST", "A/ai-gateway/gateways", {"id": "x"}, 400, 7001),
    "gateway unknown": ("GET", "A/ai-gateway/gateways/none", None, 404, 7002),
    "page": ("GET", "A/d1/database?page=0", None, 400, 7400),
    "per page": ("GET", "A/workers/workers?per_page=all", None, 400, 7400),
    "unknown path": ("GET", "A/nothing", None, 404, 7003),
    "unknown method": ("DELETE", "A/queues", None, 405, 7001),
}


@pytest.mark.parametrize("case", OTHERS)
async def test_another_request(api: Any, case: str) -> None:
    method, path, body, status, code = OTHERS[case]
    for made, with_body in (
        ("A/workers/workers", {"name": "taken"}),
        ("A/d1/database", {"name": "taken"}),
        ("A/storage/kv/namespaces", {"title": "taken"}),
        ("A/r2/buckets", {"name": "taken"}),
        ("A/queues", {"queue_name": "taken"}),
        ("Z/dns_records", {"name": "taken", "type": "AAAA", "content": "100::"}),
        ("Z/custom_hostnames", {"hostname": "taken.other.example"}),
    ):
        await api.made("POST", made, with_body)
    assert await api.refused(method, path, body) == (status, code)


async def test_deleting_a_worker_in_use(api: Any) -> None:
    """Consumers and callers stop it, unless forced; routes and domains go with it."""
    worker = await api.worker()
    queue = await api.made("POST", "A/queues", {"queue_name": "jobs"})
    await api.made("POST", f"A/queues/{queue['queue_id']}/consumers", {"type": "worker", "script_name": "cell-1"})
    assert await api.refused("DELETE", f"A/workers/workers/{worker['id']}") == (400, 10064)
    (consumer,) = await api.made("GET", f"A/queues/{queue['queue_id']}/consumers")
    await api.made("DELETE", f"A/queues/{queue['queue_id']}/consumers/{consumer['consumer_id']}")

    caller = await api.made("POST", "A/workers/workers", {"name": "caller"})
    body = bound({"name": "CELL", "type": "service", "service": "cell-1"})
    await api.made("POST", f"A/workers/workers/{caller['id']}/versions?deploy=true", body)
    assert await api.refused("DELETE", "A/workers/scripts/cell-1") == (400, 10142)

    await api.made("POST", "Z/workers/routes", {"pattern": "serai.example/*", "script": "cell-1"})
    await api.made("PUT", "A/workers/domains", {"hostname": "ai.serai.example", "service": "cell-1"})
    await api.made("DELETE", "A/workers/scripts/cell-1?force=true")
    assert await api.made("GET", "Z/workers/routes") == []
    assert await api.made("GET", "A/workers/domains") == []
    assert await api.refused("GET", "A/workers/scripts/cell-1/deployments") == (404, 10007)


async def test_a_deployed_version_stays(api: Any) -> None:
    worker = await api.worker()
    path = f"A/workers/workers/{worker['id']}/versions"
    (deployed,) = await api.made("GET", path)
    assert await api.refused("DELETE", f"{path}/{deployed['id']}") == (400, 10021)
    deployment = (await api.made("GET", "A/workers/scripts/cell-1/deployments"))["deployments"][0]
    assert await api.refused("DELETE", f"A/workers/scripts/cell-1/deployments/{deployment['id']}") == (400, 10021)


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, 6007),
        (b"", "application/json", 400, 6007),
        (b"\xff\xfe{", "application/json", 400, 6007),
        (b"[" * 100_000, "application/json", 400, 6007),
        (b'{"name": NaN}', "application/json", 400, 6007),
        (b'{"name": 1' + b"0" * 5000 + b"}", "application/json", 400, 6007),
        (b"[]", "application/json", 400, 6007),
        (b'"name"', "application/json", 400, 6007),
        (b"name=x", "application/x-www-form-urlencoded", 415, 10001),
    ],
)
async def test_a_body_that_is_no_json_object(
    api: Any, content: bytes, content_type: str, status: int, code: int
) -> None:
    answer = await api.refused("POST", "A/d1/database", content=content, headers={"content-type": content_type})
    assert answer == (status, code)


@pytest.mark.parametrize(
    ("path", "authorization", "status", "code"),
    [
        ("A/queues", "", 400, 6003),
        ("A/queues", "Basic abc", 400, 6003),
        ("A/queues", "Bearer", 400, 6003),
        ("A/queues", "Bearer wrong", 401, 10000),
        ("A/nothing", "Bearer wrong", 401, 10000),
        ("/zones", "Bearer wrong", 403, 9109),
        ("/user/tokens/verify", "Bearer wrong", 401, 1000),
    ],
)
async def test_a_token(api: Any, path: str, authorization: str, status: int, code: int) -> None:
    assert await api.refused("GET", path, headers={"authorization": authorization}) == (status, code)


async def test_no_token_at_all(api: Any) -> None:
    del api.client.headers["authorization"]
    assert await api.refused("GET", "A/queues") == (400, 9106)
    assert await api.refused("GET", "/nothing") == (400, 9106)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/accounts/{'d' * 32}/queues", 403, 10000),
        ("/accounts/not-an-id/queues", 404, 7003),
        (f"/zones/{'d' * 32}", 403, 9109),
        (f"/zones/{'d' * 32}/dns_records", 403, 9109),
        ("/zones/not-an-id/dns_records", 404, 7003),
    ],
)
async def test_an_account_or_zone_that_is_not_ours(api: Any, path: str, status: int, code: int) -> None:
    assert await api.refused("GET", path) == (status, code)


async def test_half_a_surrogate_pair(api: Any) -> None:
    body = b'{"title": "\\ud800"}'
    headers = {"content-type": "application/json"}
    assert await api.refused("POST", "A/storage/kv/namespaces", content=body, headers=headers) == (400, 6007)


async def test_an_account_that_another_process_keeps_locked(api: Any, account: Account) -> None:
    with sqlite3.connect(account.path, isolation_level=None) as other:
        other.execute("begin immediate")
        assert await api.refused("POST", "A/queues", {"queue_name": "jobs"}) == (500, 10013)
        other.execute("rollback")
    other.close()
    await api.made("POST", "A/queues", {"queue_name": "jobs"})


async def test_a_name_wanted_twice_at_once_is_given_once(api: Any) -> None:
    answers = await asyncio.gather(*(api("POST", "A/d1/database", {"name": "acme"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert len(await api.made("GET", "A/d1/database")) == 1
