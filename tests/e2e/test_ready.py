"""Given `serai dev --json`, when it is ready, then one line tells all that is needed to use it."""

import re
from typing import TYPE_CHECKING

import httpx
from cloudflare import Cloudflare

if TYPE_CHECKING:
    from tests.e2e.conftest import Twin

LOCAL = r"http://127\.0\.0\.1:\d+"


def test_the_first_line_is_the_ready_line(twin: "Twin"):
    ready = twin.ready
    assert list(ready) == [
        "ready",
        "url",
        "control",
        "operator_token",
        "api",
        "api_token",
        "account_id",
        "zones",
        "tenants",
    ]
    assert ready["ready"] is True
    assert re.fullmatch(LOCAL, ready["url"])
    assert re.fullmatch(LOCAL, ready["control"])
    assert re.fullmatch(LOCAL + "/client/v4", ready["api"])
    assert re.fullmatch(r"[0-9a-f]{32}", ready["account_id"])
    assert [zone["name"] for zone in ready["zones"]] == ["serai.example"]
    assert re.fullmatch(r"[0-9a-f]{32}", ready["zones"][0]["id"])
    assert [one["name"] for one in ready["tenants"]] == ["acme", "few", "globex", "laboratory", "thrifty"]
    for one in ready["tenants"]:
        assert set(one) == {"name", "endpoint", "key"}
        assert one["endpoint"] == f"{ready['url']}/{one['name']}"
        assert re.fullmatch(rf"sk-serai-{one['name']}-[0-9a-f]{{64}}", one["key"])


def test_the_control_endpoint_lists_tenants_for_the_operator_only(twin: "Twin"):
    url = f"{twin.ready['control']}/v1/tenants"
    assert httpx.get(f"{twin.ready['control']}/healthz").json() == {"status": "ok"}
    refused = httpx.get(url, headers={"authorization": f"Bearer {twin.tenant('acme').key}"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_key")

    answer = httpx.get(url, headers={"authorization": f"Bearer {twin.ready['operator_token']}"})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == answer.headers["x-serai-request-id"]
    assert [one["name"] for one in answer.json()["data"]] == ["acme", "few", "globex", "laboratory", "thrifty"]
    acme = answer.json()["data"][0]
    assert (acme["plan"], acme["cell"], acme["state"]) == ("starter", "cell-1", "active")
    assert set(acme) == {"name", "id", "plan", "cell", "state", "endpoint", "domains"}


def test_the_account_is_there_for_the_official_sdk(twin: "Twin"):
    ready = twin.ready
    with Cloudflare(base_url=ready["api"], api_token=ready["api_token"], max_retries=0) as account:
        databases = {one.name for one in account.d1.database.list(account_id=ready["account_id"])}
        routes = {(one.pattern, one.script) for one in account.workers.routes.list(zone_id=ready["zones"][0]["id"])}
    names = [one["name"] for one in ready["tenants"]]
    assert {re.sub(r"-[^-]+$", "", name or "") for name in databases} == {"serai", *(f"serai-{name}" for name in names)}
    assert routes == {(f"api.serai.example/{name}/*", "serai-cell-1") for name in names}
