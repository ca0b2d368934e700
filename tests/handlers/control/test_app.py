"""Given a directory of tenants, the control endpoint lists them to the operator and to nobody else."""

import json
from typing import Any

import httpx
import pytest

from handlers.control.app import build_control
from handlers.control.directory import read_directory
from shared.edge.local.crypto import SystemCrypto

TOKEN = "operator-token-0123456789"
NAMES = ["acme", "globex", "initech"]


def document(**changes: Any) -> bytes:
    tenants = [
        {
            "name": name,
            "id": f"id{name}",
            "plan": "pro",
            "cell": "cell-1",
            "state": "active",
            "endpoint": f"https://api.serai.example/{name}",
            "hostnames": [f"ai.{name}.example"],
            "domains": [{"name": f"ai.{name}.example", "status": "active"}],
        }
        for name in reversed(NAMES)
    ]
    return json.dumps(
        {"format": 1, "api_host": {"cell-1": "api.serai.example"}, "tenants": tenants, **changes}
    ).encode()


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = build_control(read_directory(document()), TOKEN, SystemCrypto())
    transport = httpx.ASGITransport(app=app)  # pyright: ignore[reportArgumentType]  # httpx names the types otherwise
    return httpx.AsyncClient(transport=transport, base_url="https://control.serai.example")


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_anyone_may_ask_whether_it_lives(client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_the_operator_sees_every_tenant(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/tenants", headers=bearer())
    assert answer.status_code == 200
    assert answer.json()["next"] is None
    assert answer.json()["data"][0] == {
        "name": "acme",
        "id": "idacme",
        "plan": "pro",
        "cell": "cell-1",
        "state": "active",
        "endpoint": "https://api.serai.example/acme",
        "domains": [{"name": "ai.acme.example", "status": "active"}],
    }
    assert [tenant["name"] for tenant in answer.json()["data"]] == NAMES


async def test_pages_follow_one_another_to_the_end(client: httpx.AsyncClient) -> None:
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        answer = await client.get("/v1/tenants", params={"limit": 2, "after": after}, headers=bearer())
        seen += [tenant["name"] for tenant in answer.json()["data"]]
        after = answer.json()["next"]
    assert seen == NAMES


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer(TOKEN + "x"),
        bearer(TOKEN[:-1]),
        {"authorization": TOKEN},
        {"authorization": f"bearer  {TOKEN}"},
        {"authorization": "Bearer \u00fc".encode()},
    ],
)
async def test_without_the_token_there_is_nothing_to_see(client: httpx.AsyncClient, headers: Any) -> None:
    for path in ("/v1/tenants", "/v1/unknown", "/"):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_key"
        assert answer.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "ten", "", "\u0663", "\u00b2", "1e2", "9" * 5000])
async def test_an_odd_limit_is_named(client: httpx.AsyncClient, limit: str) -> None:
    answer = await client.get("/v1/tenants", params={"limit": limit}, headers=bearer())
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "limit"
    assert answer.json()["error"]["code"] == "invalid_request"


async def test_other_urls_and_methods_are_refused(client: httpx.AsyncClient) -> None:
    unknown = await client.get("/v1/nothing", headers=bearer())
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    posted = await client.post("/v1/tenants", headers=bearer(), json={})
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")


async def test_every_answer_carries_a_request_id_of_its_own(client: httpx.AsyncClient) -> None:
    answers = [await client.get("/healthz"), await client.get("/v1/tenants"), await client.head("/healthz")]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 3
    assert all(answer.headers["x-serai-request-id"] in ids for answer in answers)
    assert answers[2].content == b""


def test_a_directory_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 2"):
        read_directory(document(format=2))
