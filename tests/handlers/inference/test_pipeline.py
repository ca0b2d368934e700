"""A request from the key to the bill, on both wires and all three kinds of provider, whole and streamed."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

CHAT, MESSAGES = "/acme/v1/chat/completions", "/acme/v1/messages"
WORKERS, OPENAI, ANTHROPIC = "workers_ai/gpt-oss-20b", "openai/gpt-5.4-mini", "anthropic/claude-haiku-5-5"


def hello(model: str = "default", **fields: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 200, "messages": [{"role": "user", "content": "Hello"}], **fields}


def text_of(path: str, answer: Any) -> str:
    document = answer.json()
    return document["choices"][0]["message"]["content"] if path == CHAT else document["content"][0]["text"]


def streamed_text(path: str, answer: Any) -> str:
    events = answer.events()
    if path == CHAT:
        return "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])
    return "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("model", [WORKERS, OPENAI, ANTHROPIC])
async def test_an_answer_has_its_headers_and_its_receipt(house: Any, path: str, model: str) -> None:
    answer = await house.call("POST", path, hello(model), headers={"x-serai-end-user": "u1"})
    assert answer.status == 200, answer.body
    assert "simulated" in text_of(path, answer)
    assert answer.headers["x-serai-model"] == model
    assert answer.headers["x-ratelimit-limit-requests"] == "10000"
    assert answer.headers["content-type"] == "application/json"
    receipt = await house.receipt(answer)
    assert (receipt["status"], receipt["usage_source"], receipt["end_user"]) == ("settled", "provider", "u1")
    assert receipt["wire"] == ("openai_chat" if path == CHAT else "anthropic_messages")
    assert receipt["route"]["candidates"] == [{"model": model, "why": "named"}]
    (attempt,) = receipt["attempts"]
    assert (attempt["model"], attempt["status"], attempt["billed"]) == (model, 200, True)
    assert receipt["usage"]["input"] > 0 < receipt["usage"]["output"]
    assert Decimal(answer.headers["x-serai-cost-usd"]) == Decimal(receipt["cost"]["total_usd"]) > 0


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("model", [WORKERS, OPENAI, ANTHROPIC])
async def test_a_stream_says_the_same_and_is_metered_the_same(house: Any, path: str, model: str) -> None:
    whole = await house.call("POST", path, hello(model))
    answer = await house.call("POST", path, hello(model, stream=True))
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-serai-model"] == model
    assert streamed_text(path, answer) == text_of(path, whole)
    assert len(answer.pieces) > 5
    end = b"data: [DONE]\n\n" if path == CHAT else b'"type":"message_stop"}\n\n'
    assert answer.body.replace(b": [", b": [").replace(b'"type": "', b'"type":"').endswith(end)
    receipt, other = await house.receipt(answer), await house.receipt(whole)
    assert receipt["status"] == "settled"
    assert receipt["usage_source"] == "provider"
    assert receipt["usage"]["output"] == other["usage"]["output"]
    assert receipt["attempts"][0]["first_token_ms"] <= receipt["attempts"][0]["total_ms"]


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
async def test_the_same_wire_passes_bytes_through_untouched(house: Any, vendor: Any, model: str) -> None:
    path = CHAT if model == OPENAI else MESSAGES
    answer = await house.call("POST", path, hello(model))
    assert answer.body == vendor.sent[-1]
    vendor.sent.clear()
    streamed = await house.call("POST", path, hello(model, stream=True))
    hidden = [piece for piece in vendor.sent if b'"choices":[]' in piece]
    assert len(hidden) == (1 if model == OPENAI else 0)
    assert streamed.body == b"".join(piece for piece in vendor.sent if piece not in hidden)


async def test_usage_is_asked_for_upstream_and_hidden_unless_the_caller_asked(house: Any, vendor: Any) -> None:
    hidden = await house.call("POST", CHAT, hello(OPENAI, stream=True))
    asked = await house.call("POST", CHAT, hello(OPENAI, stream=True, stream_options={"include_usage": True}))
    assert [request["stream_options"]["include_usage"] for request in vendor.seen] == [True, True]
    assert all("usage" not in event for event in hidden.events())
    assert asked.events()[-1]["usage"]["completion_tokens"] > 0


async def test_the_first_words_go_out_before_the_last_come_in(house: Any, vendor: Any) -> None:
    vendor.mode = "stall_later"
    seen = asyncio.Event()

    async def send(message: Any) -> None:
        if message.get("body"):
            seen.set()

    request = asyncio.create_task(house.call("POST", CHAT, hello(OPENAI, stream=True), send=send))
    await asyncio.wait_for(seen.wait(), 5)
    assert not vendor.drained.is_set()
    vendor.released.set()
    assert (await request).body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
async def test_a_caller_who_leaves_a_stream_is_billed_what_the_provider_reports(
    house: Any, vendor: Any, path: str, model: str
) -> None:
    async def send(message: Any) -> None:
        if message.get("body"):
            raise OSError("gone")

    answer = await house.call("POST", path, hello(model, stream=True), send=send)
    assert len(answer.pieces) == 1
    assert vendor.drained.is_set()
    receipt = await house.receipt(answer)
    assert (receipt["status"], receipt["usage_source"]) == ("settled", "provider")
    assert receipt["usage"]["output"] >= 7


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_that_is_cut_off_by_its_server_is_still_settled(house: Any, vendor: Any, stream: bool) -> None:
    vendor.mode = "stall_later" if stream else "stall"
    started: list[Any] = []

    async def send(message: Any) -> None:
        started.append(message)

    call = asyncio.create_task(house.call("POST", CHAT, hello(OPENAI, stream=stream), send=send))
    while not vendor.seen or (stream and len(started) < 3):  # noqa: ASYNC110 - either may come last
        await asyncio.sleep(0.005)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    vendor.released.set()
    await house.settled()
    usage = (await house.call("GET", "/acme/v1/usage")).json()["total"]
    assert usage["requests"] == 1
    assert int(usage["cost_nano_usd"]) > 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
async def test_without_usage_an_estimate_is_billed_never_nothing(
    house: Any, vendor: Any, path: str, model: str, stream: bool
) -> None:
    vendor.mode = "no_usage"
    answer = await house.call("POST", path, hello(model, stream=stream))
    if model == ANTHROPIC and (answer.status != 200 or b"error" in answer.body):
        pytest.skip("a message without usage or message_start is no message of Anthropic's")
    receipt = await house.receipt(answer)
    assert (receipt["status"], receipt["usage_source"]) == ("settled", "estimate")
    assert receipt["usage"]["input"] > 0 < receipt["usage"]["output"] <= 200


@pytest.mark.parametrize(("path", "stream"), [(CHAT, False), (CHAT, True), (MESSAGES, False), (MESSAGES, True)])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("400", (400, "invalid_request")),
        ("401", (502, "upstream_failed")),
        ("429", (503, "unavailable")),
        ("500", (502, "upstream_failed")),
        ("529", (503, "unavailable")),
        ("garbage", (502, "upstream_failed")),
    ],
)
async def test_an_upstream_that_fails_at_once_is_an_error_and_costs_nothing(  # noqa: PLR0917 - a matrix
    house: Any, vendor: Any, path: str, model: str, stream: bool, mode: str, told: tuple[int, str]
) -> None:
    vendor.mode = mode
    answer = await house.call("POST", path, hello(model, stream=stream))
    error = answer.json()["error"]
    assert (answer.status, error["code"]) == told
    assert "sk-openai-operator" not in answer.body.decode()
    receipt = await house.receipt(answer)
    assert (receipt["status"], receipt["cost"]["total_nano_usd"]) == ("refunded", 0)
    (attempt,) = receipt["attempts"]
    assert (attempt["status"], attempt["billed"]) == (int(mode) if mode.isdigit() else 0, False)
    await _nothing_is_held(house)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
async def test_an_error_before_the_first_word_of_a_stream_is_an_answer(
    house: Any, vendor: Any, path: str, model: str
) -> None:
    vendor.mode = "error_first"
    answer = await house.call("POST", path, hello(model, stream=True))
    assert answer.status in (502, 503)
    assert answer.headers["content-type"] == "application/json"
    assert (await house.receipt(answer))["status"] == "refunded"


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize("mode", ["cut", "short", "error_later"])
async def test_a_stream_that_breaks_ends_in_an_error_event_and_is_billed_for_what_it_brought(
    house: Any, vendor: Any, path: str, model: str, mode: str
) -> None:
    vendor.mode = mode
    answer = await house.call("POST", path, hello(model, stream=True))
    assert answer.status == 200
    last = answer.events()[-1]
    assert "error" in last, answer.body
    assert b"[DONE]" not in answer.body
    assert b"message_stop" not in answer.body
    receipt = await house.receipt(answer)
    assert receipt["status"] == "settled"
    assert receipt["cost"]["total_nano_usd"] > 0
    # Anthropic's first event counts one token of output: it is not what was produced.
    assert (receipt["usage_source"], receipt["usage"]["output"] > 1) == ("estimate", True)
    assert receipt["attempts"][0]["error"]
    await _nothing_is_held(house)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_upstream_that_says_nothing_is_given_up_at_the_deadline(
    house: Any, vendor: Any, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr("handlers.inference.pipeline.DEADLINE_MS", 300)
    vendor.mode = "stall"
    answer = await house.call("POST", CHAT, hello(OPENAI, stream=stream))
    assert (answer.status, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    vendor.mode = "stall_later"
    if stream:
        broken = await house.call("POST", CHAT, hello(OPENAI, stream=True))
        assert broken.events()[-1]["error"]["code"] == "upstream_timeout"
        assert (await house.receipt(broken))["attempts"][0]["error"] == "upstream_timeout"
    vendor.released.set()


async def test_a_reader_who_stops_reading_is_cut_at_the_deadline(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.inference.pipeline.DEADLINE_MS", 200)
    monkeypatch.setattr("handlers.inference.relay.FAREWELL", 0.05)
    monkeypatch.setattr("handlers.app.LAST_BYTE", 0.05)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    answer = await asyncio.wait_for(house.call("POST", CHAT, hello(stream=True), send=send), 5)
    assert (await house.receipt(answer))["status"] == "settled"


async def test_an_upstream_that_is_not_there_is_an_error_and_costs_nothing(build: Callable[..., Any]) -> None:
    house = build(upstream="http://127.0.0.1:9")
    for stream in (False, True):
        answer = await house.call("POST", CHAT, hello(OPENAI, stream=stream))
        assert (answer.status, answer.json()["error"]["code"]) == (502, "upstream_failed")
        assert (await house.receipt(answer))["status"] == "refunded"


async def _nothing_is_held(house: Any) -> None:
    config = (await house.call("GET", "/acme/v1/config")).json()
    assert all(limit["held"] == 0 for limit in config["limits"])


@pytest.mark.parametrize("model", [WORKERS, OPENAI, ANTHROPIC])
async def test_more_output_than_the_plan_has_is_clamped_and_said(house: Any, vendor: Any, model: str) -> None:
    answer = await house.call("POST", CHAT, hello(model, max_tokens=1_000_000))
    assert answer.headers["x-serai-max-tokens"] == "32000"
    for seen in vendor.seen:
        assert (seen.get("max_tokens") or seen.get("max_completion_tokens")) == 32_000
    unclamped = await house.call("POST", CHAT, hello(model))
    assert "x-serai-max-tokens" not in unclamped.headers


async def test_a_hold_that_does_not_fit_whole_is_clamped_when_nothing_was_asked(
    build: Callable[..., Any], vendor: Any, tenant_of: Callable[..., Any]
) -> None:
    tenant = tenant_of("acme")
    house = build(replace(tenant, limits=replace(tenant.limits, tokens_per_minute=2_000)), upstream=vendor.address)
    body = hello(OPENAI)
    del body["max_tokens"]
    answer = await house.call("POST", CHAT, body)
    assert answer.status == 200
    assert int(answer.headers["x-serai-max-tokens"]) == vendor.seen[0]["max_completion_tokens"] < 2_000
    refused = await house.call("POST", CHAT, hello(OPENAI, max_tokens=3_000))
    assert (refused.status, refused.json()["error"]["code"]) == (429, "rate_limit")
    assert "retry-after" in refused.headers


async def test_spend_is_never_retried(build: Callable[..., Any], tenant_of: Callable[..., Any]) -> None:
    tenant = tenant_of("acme")
    house = build(replace(tenant, limits=replace(tenant.limits, spend_nano_usd_per_month=0, included_messages=0)))
    for path in (CHAT, MESSAGES):
        answer = await house.call("POST", path, hello())
        assert (answer.status, answer.json()["error"]["code"]) == (402, "spend_limit")
        assert answer.headers["x-should-retry"] == "false"


async def test_a_message_beyond_the_included_ones_is_in_the_cost(
    build: Callable[..., Any], tenant_of: Callable[..., Any]
) -> None:
    tenant = tenant_of("acme")
    limits = replace(tenant.limits, included_messages=1, included_tokens=20)
    house = build(replace(tenant, limits=limits))
    costs: list[Decimal] = []
    for _ in range(3):
        answer = await house.call("POST", CHAT, hello())
        receipt = await house.receipt(answer)
        costs.append(Decimal(answer.headers["x-serai-cost-usd"]))
        assert costs[-1] == Decimal(receipt["cost"]["total_usd"])
    assert costs[0] == 0
    assert Decimal("0.02") < costs[1] == costs[2]


async def test_fifty_at_once_against_room_for_ten(build: Callable[..., Any], tenant_of: Callable[..., Any]) -> None:
    tenant = tenant_of("acme")
    house = build(replace(tenant, limits=replace(tenant.limits, requests_per_minute=10)))
    answers = await asyncio.gather(*(house.call("POST", CHAT, hello()) for _ in range(50)))
    assert sorted({answer.status for answer in answers}) == [200, 429]
    assert sum(answer.status == 200 for answer in answers) == 10
    await house.settled()
    assert (await house.call("GET", "/acme/v1/usage")).json()["total"]["requests"] == 10


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"model":"default"}',
        b'{"model":5,"messages":[]}',
        b'{"model":"default","max_tokens":5,"messages":"Hello"}',
        b'{"model":"default","max_tokens":5,"messages":[{"role":"wizard","content":"x"}]}',
        b'{"model":"default","max_tokens":-1,"messages":[{"role":"user","content":"x"}]}',
        b'{"model":"default","max_tokens":1e400,"messages":[{"role":"user","content":"x"}]}',
        b'{"model":"default","max_tokens":5,"temperature":NaN,"messages":[{"role":"user","content":"x"}]}',
        b'{"model":"default","max_tokens":' + b"9" * 5000 + b',"messages":[{"role":"user","content":"x"}]}',
        b'{"model":"default","max_tokens":5,"stream":"yes","messages":[{"role":"user","content":"x"}]}',
        b"[" * 200_000,
        b'{"model":"default","max_tokens":5,"messages":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    ],
)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_body_that_makes_no_sense_is_a_400(house: Any, path: str, body: bytes) -> None:
    answer = await house.call("POST", path, body)
    assert answer.status == 400, answer.body
    assert answer.json()["error"]["code"] in ("invalid_request", "unsupported_field")
    assert not house.log.named("internal_error")


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("model", [WORKERS, OPENAI, ANTHROPIC])
@pytest.mark.parametrize("stream", [False, True])
async def test_half_a_surrogate_is_a_character_like_any_other(house: Any, path: str, model: str, stream: bool) -> None:
    raw = json.dumps(hello(model, stream=stream)).replace("Hello", "Hello \\ud83d").encode()
    answer = await house.call("POST", path, raw, headers={"x-serai-end-user": "caf\xe9"})
    assert answer.status in (200, 400), answer.body
    assert not house.log.named("internal_error")
    await house.settled()
    assert not house.log.named("background_failed")


async def test_an_end_user_is_taken_from_the_header_first(house: Any) -> None:
    answer = await house.call("POST", CHAT, hello(user="from-body"), headers={"x-serai-end-user": "from-header"})
    assert (await house.receipt(answer))["end_user"] == "from-header"
    answer = await house.call("POST", CHAT, hello(user="from-body"))
    assert (await house.receipt(answer))["end_user"] == "from-body"
    refused: list[tuple[str, dict[str, Any]]] = [
        (CHAT, {"user": "u" * 1000}),
        (CHAT, {"user": "\ud800"}),
        (MESSAGES, {"metadata": {"user_id": "\ud800"}}),
    ]
    for path, fields in refused:
        answer = await house.call("POST", path, hello(**fields))
        assert answer.status == 400
