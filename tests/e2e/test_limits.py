"""Given a limit with room for 10, when 50 requests come at once, then 10 are answered and the rest told which limit."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import openai
import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import TenantAt, Twin, Upstream

MESSAGE = "Hello"


def ask_at_once(
    tenant: "TenantAt", count: int, *, when_refused: int = 0, then: Callable[[], None] = lambda: None, **fields: Any
) -> tuple[list[str], list[openai.APIStatusError]]:
    """Request ids of the answers, and the refusals; `then` is called once `when_refused` were refused."""

    async def one(client: openai.AsyncOpenAI, refused: list[openai.APIStatusError]) -> str | None:
        messages: list[Any] = [{"role": "user", "content": MESSAGE}]
        try:
            create: Any = client.chat.completions.create
            answer = await create(model="default", messages=messages, **fields)
        except openai.APIStatusError as error:
            refused.append(error)
            if len(refused) == when_refused:
                then()
            return None
        return answer._request_id

    async def run() -> tuple[list[str], list[openai.APIStatusError]]:
        refused: list[openai.APIStatusError] = []
        async with openai.AsyncOpenAI(base_url=f"{tenant.url}/v1", api_key=tenant.key, max_retries=0) as client:
            ids = await asyncio.gather(*(one(client, refused) for _ in range(count)))
        return [request_id for request_id in ids if request_id], refused

    return asyncio.run(run())


def limit(tenant: "TenantAt", kind: str) -> dict[str, Any]:
    return next(one for one in tenant.get("/v1/config")["limits"] if one["kind"] == kind)


@pytest.fixture
def gate(upstream: "Upstream") -> Generator["Upstream"]:
    upstream.gate.clear()
    yield upstream
    upstream.gate.set()


def test_fifty_requests_against_ten_a_minute(twin: "Twin"):
    few = twin.tenant("few")
    few.get("/v1/models")
    if (second := time.time() % 60) > 52:  # the window is the clock's minute: all fifty have to fall into one
        time.sleep(60.1 - second)
    answered, refused = ask_at_once(few, 50)

    assert (len(answered), len(refused)) == (10, 40)
    for error in refused:
        assert isinstance(error, openai.RateLimitError)
        assert error.code == "rate_limit"
        assert "requests a minute" in error.message
        assert 1 <= int(error.response.headers["retry-after"]) <= 60
        assert error.response.headers["x-ratelimit-limit-requests"] == "10"
        assert error.response.headers["x-ratelimit-remaining-requests"] == "0"
    statuses = Counter(few.get(f"/v1/receipts/{request_id}")["status"] for request_id in answered)
    assert statuses == {"settled": 10}
    assert twin.reconcile()["clean"] is True


def test_fifty_requests_against_money_for_ten(twin: "Twin", gate: "Upstream"):
    """1,000 tokens of output at 4,500 nano-dollars, 530 of input at 750: ten worst cases fit 0.05 USD, not eleven."""
    thrifty = twin.tenant("thrifty")
    answered, refused = ask_at_once(thrifty, 50, max_tokens=1000, when_refused=40, then=gate.gate.set)

    assert (len(answered), len(refused)) == (10, 40)
    for error in refused:
        assert type(error) is openai.APIStatusError
        assert (error.status_code, error.code) == (402, "spend_limit")
        assert "spend a month" in error.message
        assert error.response.headers["x-should-retry"] == "false"
    receipts = [thrifty.get(f"/v1/receipts/{request_id}") for request_id in answered]
    assert {receipt["status"] for receipt in receipts} == {"settled"}
    # 20 tokens in, 30 out, as the upstream said
    assert {receipt["cost"]["total_nano_usd"] for receipt in receipts} == {20 * 750 + 30 * 4500}
    spend = limit(thrifty, "spend")
    assert (spend["cap"], spend["held"], spend["spent"]) == (50_000_000, 0, 10 * (20 * 750 + 30 * 4500))
    assert twin.reconcile()["clean"] is True

    again, none = ask_at_once(thrifty, 1, max_tokens=1000)
    assert (len(again), none) == (1, [])  # what was held and not needed is free again
