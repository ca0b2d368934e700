"""The URL table: which tenant, which endpoint, which methods, whose key; and what is told when none fits."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

HELLO = {"model": "default", "messages": [{"role": "user", "content": "Hello"}]}


async def test_answers_at_the_prefix_and_at_the_own_hostname(house: Any) -> None:
    prefixed = await house.call("POST", "/globex/v1/chat/completions", HELLO, key="globex")
    hosted = await house.call(
        "POST", "/v1/chat/completions", HELLO, key="globex", headers={"host": "AI.globex.example:443"}
    )
    assert (prefixed.status, hosted.status) == (200, 200)


async def test_a_hostname_serves_its_tenant_only(house: Any) -> None:
    answer = await house.call("GET", "/acme/v1/models", headers={"host": "ai.globex.example"})
    assert answer.status == 404


@pytest.mark.parametrize(
    "path", ["/", "/acme", "/acme/", "/acme/v1", "/nobody/v1/models", "//v1/models", "/acme/v2/models"]
)
async def test_an_unknown_path_is_not_found_in_openais_shape(house: Any, path: str) -> None:
    answer = await house.call("GET", path)
    assert answer.status == 404
    assert answer.json()["error"]["code"] == "not_found"


async def test_an_unknown_path_below_messages_is_not_found_in_anthropics_shape(house: Any) -> None:
    answer = await house.call("POST", "/acme/v1/messages/batches", {})
    document = answer.json()
    assert answer.status == 404
    assert (document["type"], document["error"]["code"]) == ("error", "not_found")
    assert answer.headers["request-id"] == answer.headers["x-request-id"] == document["request_id"]


async def test_a_wrong_method_is_told_the_right_ones(house: Any) -> None:
    answer = await house.call("GET", "/acme/v1/chat/completions")
    assert answer.status == 405
    assert answer.headers["allow"] == "POST, OPTIONS"


async def test_options_tells_the_methods(house: Any) -> None:
    answer = await house.call("OPTIONS", "/acme/v1/keys", key=None)
    assert (answer.status, answer.headers["allow"]) == (204, "GET, POST, HEAD, OPTIONS")


async def test_head_is_get_without_the_body(house: Any) -> None:
    got, head = await house.call("GET", "/acme/v1/models"), await house.call("HEAD", "/acme/v1/models")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(got.body))


async def test_every_answer_carries_its_id(house: Any) -> None:
    ids: set[str] = set()
    for path in ("/acme/v1/models", "/nothing", "/acme/v1/keys"):
        answer = await house.call("GET", path)
        assert answer.headers["x-request-id"] == answer.headers["x-serai-request-id"]
        ids.add(answer.headers["x-request-id"])
    assert len(ids) == 3
    assert all(len(one) == 28 and one.startswith("req_") for one in ids)


GOOD = "sk-serai-acme-" + "01" * 32


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer sk-serai-acme-" + "02" * 32},
        {"authorization": "Bearer sk-serai-globex-" + "01" * 32},
        {"authorization": "Bearer sk-serai-nobody-" + "01" * 32},
        {"authorization": f"Bearer {GOOD}x"},
        {"authorization": "Bearer " + "sk-serai-acme-" + "0" * 100_000},
        {"x-api-key": "sk-serai-globex-" + "01" * 32},
        {"x-api-key": "sk-serai-acme-ünïcödé"},
    ],
)
@pytest.mark.parametrize("path", ["/acme/v1/models", "/acme/v1/chat/completions", "/acme/v1/messages"])
async def test_a_key_that_is_not_this_tenants_is_told_nothing(house: Any, path: str, headers: dict[str, str]) -> None:
    body = {**HELLO, "model": "no/such-model"}
    answer = await house.call("GET" if path.endswith("models") else "POST", path, body, key=None, headers=headers)
    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (401, "invalid_key")
    assert error["message"] == "The API key is not valid for this endpoint."


@pytest.mark.parametrize(
    "headers", [{"authorization": f"Bearer {GOOD}"}, {"authorization": f"bearer  {GOOD}"}, {"x-api-key": GOOD}]
)
async def test_takes_the_key_where_either_sdk_puts_it(house: Any, headers: dict[str, str]) -> None:
    answer = await house.call("GET", "/acme/v1/models", key=None, headers=headers)
    assert answer.status == 200


async def test_a_suspended_tenant_answers_403_to_its_keys_only(
    build: Callable[..., Any], tenant_of: Callable[..., Any]
) -> None:
    house = build(tenant_of("acme", state="suspended"))
    for method, path in (
        ("GET", "/acme/v1/models"),
        ("POST", "/acme/v1/chat/completions"),
        ("POST", "/acme/v1/messages"),
    ):
        assert (await house.call(method, path, HELLO | {"max_tokens": 5})).status == 403
        assert (await house.call(method, path, HELLO, key="sk-serai-acme-wrong")).status == 401


async def test_a_body_of_more_than_10_mb_is_refused(house: Any) -> None:
    for headers in ({}, {"content-length": "99000000000"}):
        body = b'{"x":"' + b"a" * (10_000_001 if not headers else 1) + b'"}'
        answer = await house.call("POST", "/acme/v1/chat/completions", body, headers=headers)
        assert (answer.status, answer.json()["error"]["code"]) == (413, "too_large")


async def test_a_body_without_length_is_counted_as_it_comes(house: Any) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"a" * 1_000_000, "more_body": True}

    headers = {"content-length": None, "transfer-encoding": "chunked"}
    answer = await house.call("POST", "/acme/v1/chat/completions", b"", receive=receive, headers=headers)
    assert answer.status == 413


@pytest.mark.parametrize(
    ("headers", "param"),
    [
        ({"content-type": "application/x-www-form-urlencoded"}, "content-type"),
        ({"content-type": "text/plain; charset=utf-8"}, "content-type"),
        ({"content-encoding": "gzip"}, "content-encoding"),
        ({"idempotency-key": "abc"}, "idempotency-key"),
    ],
)
@pytest.mark.parametrize("path", ["/acme/v1/chat/completions", "/acme/v1/messages", "/acme/v1/keys"])
async def test_a_head_that_does_not_fit_is_refused_by_name(
    house: Any, path: str, headers: dict[str, str], param: str
) -> None:
    answer = await house.call("POST", path, HELLO, headers=headers)
    assert answer.status == 400
    assert param in answer.json()["error"]["message"].lower()


async def test_a_body_that_does_not_come_is_408_and_holds_nothing(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.http.BODY_SECONDS", 0.05)
    pieces = [{"type": "http.request", "body": b'{"model":', "more_body": True}]

    async def receive() -> dict[str, Any]:
        if pieces:
            return pieces.pop()
        await asyncio.sleep(60)
        raise AssertionError

    answer = await house.call("POST", "/acme/v1/chat/completions", b"", receive=receive)
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert await _nothing_billed(house)


async def test_a_caller_who_leaves_while_sending_is_not_billed(house: Any) -> None:
    pieces = [{"type": "http.disconnect"}, {"type": "http.request", "body": b'{"model":', "more_body": True}]

    async def receive() -> dict[str, Any]:
        return pieces.pop()

    answer = await house.call("POST", "/acme/v1/chat/completions", b"", receive=receive)
    assert answer.status == 0
    assert await _nothing_billed(house)


async def _nothing_billed(house: Any) -> bool:
    await house.settled()
    usage = (await house.call("GET", "/acme/v1/usage")).json()
    config = (await house.call("GET", "/acme/v1/config")).json()
    return usage["total"]["requests"] == 0 and all(limit["held"] == 0 for limit in config["limits"])


async def test_keys_are_made_used_listed_and_revoked(house: Any) -> None:
    made = await house.call("POST", "/acme/v1/keys", {"name": "ci", "role": "inference"})
    assert made.status == 201
    key = made.json()["key"]
    answered = await house.call("POST", "/acme/v1/chat/completions", HELLO, key=key)
    assert answered.status == 200
    assert (await house.call("GET", "/acme/v1/keys", key=key)).status == 403
    assert (await house.call("GET", "/acme/v1/config", key=key)).status == 403
    assert (await house.call("GET", "/globex/v1/models", key=key)).status == 401
    listed = (await house.call("GET", "/acme/v1/keys")).json()["data"]
    assert "ci" in [one["name"] for one in listed]
    assert key not in json.dumps(listed)
    gone = await house.call("DELETE", f"/acme/v1/keys/{made.json()['id']}")
    assert (gone.status, gone.body) == (204, b"")
    assert "content-length" not in gone.headers
    assert (await house.call("POST", "/acme/v1/chat/completions", HELLO, key=key)).status == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"nul", b'{"name": 5}', b"[" * 100_000, b"\xff\xfe"])
async def test_a_key_cannot_be_made_of_nonsense(house: Any, body: bytes) -> None:
    answer = await house.call("POST", "/acme/v1/keys", body)
    assert answer.status == 400
    assert answer.json()["error"]["code"] == "invalid_request"


async def test_config_tells_plan_models_and_limits(house: Any) -> None:
    await house.call("POST", "/acme/v1/chat/completions", HELLO)
    await house.settled()
    config = (await house.call("GET", "/acme/v1/config")).json()
    assert (config["tenant"], config["plan"], config["state"]) == ("acme", "pro", "active")
    assert {"default", "fast", "workers_ai/gpt-oss-20b"} <= set(config["models"])
    messages = next(limit for limit in config["limits"] if limit["kind"] == "messages")
    assert (messages["spent"], messages["left"]) == (1, 9_999)


async def test_usage_adds_up_what_receipts_say(house: Any) -> None:
    answers = [await house.call("POST", "/acme/v1/chat/completions", HELLO) for _ in range(3)]
    costs = [(await house.receipt(answer))["cost"]["total_nano_usd"] for answer in answers]
    usage = (await house.call("GET", "/acme/v1/usage", query="group_by=model")).json()
    assert usage["total"]["requests"] == 3
    assert int(usage["total"]["cost_nano_usd"]) == sum(costs) > 0
    assert (await house.call("GET", "/acme/v1/usage", query="group_by=colour")).status == 400


async def test_a_receipt_of_another_tenant_does_not_exist(house: Any) -> None:
    answer = await house.call("POST", "/acme/v1/chat/completions", HELLO)
    other = await house.call("GET", f"/globex/v1/receipts/{answer.headers['x-request-id']}", key="globex")
    assert other.status == 404


async def test_a_fault_of_the_program_is_logged_without_what_it_quotes(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("sk-secret")

    monkeypatch.setattr("handlers.inference.pipeline.route", broken)
    answer = await house.call("POST", "/acme/v1/chat/completions", HELLO)
    assert (answer.status, answer.json()["error"]["code"]) == (500, "internal")
    (line,) = house.log.named("internal_error")
    assert line["error"] == "RuntimeError"
    assert "sk-secret" not in json.dumps(house.log.events) + answer.body.decode()


async def test_refusals_are_logged_from_the_allow_list_only(house: Any) -> None:
    await house.call("POST", "/acme/v1/chat/completions", {"model": "secret-model"}, query="token=secret")
    (line,) = house.log.named("request_failed")
    assert set(line) == {"request_id", "tenant", "method", "endpoint", "status", "code", "ms"}
    assert "secret" not in json.dumps(line)


async def test_lifespan_is_answered(house: Any) -> None:
    events = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return events.pop()

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await house.app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
