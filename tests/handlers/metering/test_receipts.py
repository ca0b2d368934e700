"""`GET /v1/receipts/{id}`: the public shape, its waiting, and who may read it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from handlers.errors import ApiError
from handlers.metering import retention
from handlers.metering.admission import Principal
from handlers.metering.receipts import read
from handlers.metering.reconcile import reconcile

ADMIN = Principal("key_admin_1", "admin", "admin")


class Hands:
    """A clock whose sleep passes at once, and does something in the meantime."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.meanwhile: Any = None

    def now_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.meanwhile and self.seconds > 0.3:
            await self.meanwhile()


async def receipt(till: Any, principal: Principal = ADMIN, clock: Hands | None = None) -> Any:
    request_id = till.holds[-1].admission.request_id
    return await read(till.database, till.tenant, request_id, principal, clock or Hands())


async def test_settled(till: Any) -> None:
    till.limit(included_messages=1, included_tokens=10)
    await till.settle(await till.hold(end_user="ann", stream=True))
    assert await receipt(till) == {
        "id": "req_000001",
        "status": "settled",
        "created_at": "2026-11-24T10:00:00Z",
        "tenant": "acme",
        "key": "key_admin_1",
        "end_user": "ann",
        "wire": "openai_chat",
        "model": "default",
        "stream": True,
        "replayed": False,
        "route": {"candidates": [{"model": "workers_ai/gpt-oss-20b", "why": "default"}]},
        "attempts": [
            {
                "model": "workers_ai/gpt-oss-20b",
                "status": 200,
                "first_token_ms": 40,
                "total_ms": 200,
                "billed": True,
            }
        ],
        "usage": {
            "input": 10,
            "cached_read": 0,
            "cache_write_5m": 0,
            "cache_write_1h": 0,
            "output": 20,
            "reasoning": 0,
        },
        "usage_source": "provider",
        "prices": {"version": "2026-11-01", "entry": "workers_ai/gpt-oss-20b"},
        "hold_nano_usd": 570_000,
        "cost": {
            "model_nano_usd": 73_334,
            "included_tokens": 10,
            "messages": 1,
            "included_messages": 1,
            "message_nano_usd": 0,
            "total_nano_usd": 73_334,
            "total_usd": "0.000073334",
        },
    }


async def test_refunded(till: Any) -> None:
    await till.settle(await till.hold(), till.failure())
    found = await receipt(till)
    assert (found["status"], found["usage_source"]) == ("refunded", None)
    assert found["cost"]["total_usd"] == "0"
    assert found["cost"]["messages"] == 0
    assert found["attempts"][0]["error"] == "upstream said 500"


async def test_pending_is_waited_for_a_second(till: Any) -> None:
    await till.hold()
    clock = Hands()
    found = await receipt(till, clock=clock)
    assert found["status"] == "pending"
    assert (found["usage"], found["usage_source"], found["cost"], found["attempts"]) == (None, None, None, [])
    assert clock.seconds == pytest.approx(1.0)  # pyright: ignore[reportUnknownMemberType]


async def test_what_settles_meanwhile_is_seen(till: Any) -> None:
    held = await till.hold()
    clock = Hands()

    async def settle() -> None:
        await till.settle(held)

    clock.meanwhile = settle
    assert (await receipt(till, clock=clock))["status"] == "settled"
    assert clock.seconds < 1


async def test_inference_keys_read_their_own_only(till: Any) -> None:
    own = await till.key("own")
    other = await till.key("other")
    await till.settle(await till.hold(key_hash="own"))
    assert (await receipt(till, own))["key"] == own.key_id
    assert (await receipt(till, ADMIN))["key"] == own.key_id
    with pytest.raises(ApiError) as caught:
        await receipt(till, other)
    assert (caught.value.status, caught.value.code) == (404, "not_found")


@pytest.mark.parametrize("request_id", ["", "req_unknown", "'; drop table receipts; --", "x" * 10_000])
async def test_unknown(till: Any, request_id: str) -> None:
    await till.hold()
    with pytest.raises(ApiError) as caught:
        await read(till.database, till.tenant, request_id, ADMIN, Hands())
    assert caught.value.status == 404
    assert len(caught.value.message) < 200


class TestRetention:
    DAY_MS = 86_400_000

    async def settled(self, till: Any, count: int = 1) -> None:
        for _ in range(count):
            await till.settle(await till.hold(end_user="ann"))

    async def pruned(self, till: Any) -> int:
        [(count,)] = await till.query(
            "select count(*) from receipts where end_user is null and asked is null and attempts is null"
        )
        return int(count)

    async def test_metadata_goes_and_costs_stay(self, till: Any) -> None:
        till.tenant = replace(till.tenant, metadata_days=7)
        await self.settled(till)
        old = till.holds[-1].admission.request_id
        till.now_ms += 7 * self.DAY_MS + 1
        await self.settled(till)
        found: Any = await read(till.database, till.tenant, old, ADMIN, Hands())
        assert (found["end_user"], found["model"], found["attempts"]) == (None, None, [])
        assert found["cost"]["total_nano_usd"] == 110_000
        assert await self.pruned(till) == 1
        assert await reconcile(till.database) == []

    async def test_it_goes_on_in_steps(self, till: Any) -> None:
        await self.settled(till, 450)
        till.now_ms += 31 * self.DAY_MS
        steps = 1
        while await retention.prune(till.database, 30, till.now_ms):
            steps += 1
        assert (steps, await self.pruned(till)) == (3, 450)

    async def test_what_is_young_or_pending_is_passed_over_but_not_forgotten(self, till: Any) -> None:
        pending = await till.hold(end_user="ann")
        await self.settled(till, 3)
        till.now_ms += 31 * self.DAY_MS
        await retention.prune(till.database, 30, till.now_ms)
        assert await self.pruned(till) == 3
        await till.settle(pending)
        await retention.prune(till.database, 30, till.now_ms)
        assert await self.pruned(till) == 4

    async def test_it_is_looked_at_once_an_hour(self, till: Any) -> None:
        await self.settled(till)
        till.now_ms += 31 * self.DAY_MS
        await asyncio.gather(self.settled(till), self.settled(till))
        assert await self.pruned(till) == 1
