"""What admins read: usage by model, key and day, the state of the limits, and the reconciliation."""

from typing import Any

import pytest

from handlers.errors import ApiError
from handlers.metering.admission import Principal
from handlers.metering.limits import status
from handlers.metering.reconcile import reconcile
from handlers.metering.usage import report
from shared.prices.usage import Usage

DAY_MS = 86_400_000
ADMIN = Principal("key_admin_1", "admin", "admin")


@pytest.fixture
async def month(till: Any) -> Any:
    """Two days, two keys, two models; one request failed, one is open, one is of last month."""
    till.now_ms -= 30 * DAY_MS
    await till.settle(await till.hold())
    till.now_ms += 30 * DAY_MS
    await till.key("phone")
    await till.settle(await till.hold())
    await till.settle(await till.hold(key_hash="phone"), till.outcome(usage=Usage(1, 10, 0, 0, 2, 1)))
    till.now_ms += DAY_MS
    await till.settle(await till.hold(), till.outcome(answered_by="openai/gpt-5.4-mini", included=False))
    await till.settle(await till.hold(key_hash="phone"), till.failure())
    await till.hold()
    return till


@pytest.mark.parametrize(
    ("group", "rows"),
    [
        ("day", [("2026-11-24", 2, 2, 122_000), ("2026-11-25", 2, 1, 110_000)]),
        ("model", [("openai/gpt-5.4-mini", 1, 1, 110_000), ("workers_ai/gpt-oss-20b", 3, 2, 122_000)]),
        ("key", [("key_admin_1", 2, 2, 220_000), ("key_phone", 2, 1, 12_000)]),
    ],
)
async def test_usage_of_this_month(month: Any, group: str, rows: list[tuple[Any, ...]]) -> None:
    found: Any = await report(month.database, {"group_by": group}, month.now_ms)
    assert [(row[group], row["requests"], row["messages"], row["cost_nano_usd"]) for row in found["data"]] == rows
    assert found["total"] == {
        "requests": 4,
        "messages": 3,
        "tokens": {
            "input": 21,
            "cached_read": 10,
            "cache_write_5m": 0,
            "cache_write_1h": 0,
            "output": 42,
            "reasoning": 1,
        },
        "cost_nano_usd": 232_000,
        "cost_usd": "0.000232",
    }
    assert (found["from"], found["to"]) == ("2026-11-01T00:00:00Z", "2026-11-25T10:00:01Z")


async def test_usage_of_a_span(month: Any) -> None:
    query = {"from": "2026-10-01", "to": "2026-11-24T12:00:00+02:00"}
    found: Any = await report(month.database, query, month.now_ms)
    assert [row["day"] for row in found["data"]] == ["2026-10-25"]
    assert found["to"] == "2026-11-24T10:00:00Z"


async def test_usage_of_nothing(month: Any) -> None:
    found: Any = await report(month.database, {"from": "2020-01-01", "to": "2020-02-01"}, month.now_ms)
    assert found["data"] == []
    assert (found["total"]["requests"], found["total"]["cost_usd"]) == (0, "0")


async def test_sums_beyond_2_to_the_53_are_exact(month: Any) -> None:
    await month.query("update receipts set total_nano = 9007199254740991")
    found: Any = await report(month.database, {}, month.now_ms)
    assert found["total"]["cost_nano_usd"] == 4 * 9007199254740991


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"group_by": "tenant"}, "group_by"),
        ({"from": "yesterday"}, "from"),
        ({"from": ""}, "from"),
        ({"from": "2026-11-01T00:00:00"}, "from"),
        ({"from": "1969-01-01"}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"from": "2026-11-02", "to": "2026-11-02"}, "to"),
        ({"from": "2020-01-01", "to": "2026-01-01"}, "from"),
        ({"page": "2"}, "page"),
    ],
)
async def test_a_bad_query_names_the_field(month: Any, query: dict[str, str], field: str) -> None:
    with pytest.raises(ApiError) as caught:
        await report(month.database, query, month.now_ms)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "invalid_request", field)


async def test_the_state_of_the_limits(till: Any) -> None:
    till.limit(included_messages=2, included_tokens=40, spend_nano_usd_per_month=10**9, requests_per_minute=60)
    principal = await till.key("phone", spend_cap=700_000)
    await till.settle(await till.hold(key_hash="phone"))
    await till.hold(key_hash="phone", stream=True)
    found = {row["kind"]: row for row in await status(till.database, till.tenant, principal, till.now_ms)}
    assert found["spend"] == {
        "kind": "spend",
        "window": "month",
        "unit": "nano_usd",
        "cap": 10**9,
        "spent": 0,
        "held": 570_000,
        "left": 10**9 - 570_000,
        "resets_at": "2026-12-01T00:00:00Z",
    }
    used = {kind: (row["spent"], row["held"], row["left"], row["resets_at"]) for kind, row in found.items()}
    assert used["requests"] == (2, 0, 58, "2026-11-24T10:01:00Z")
    assert used["tokens"] == (30, 200, 10**9 - 230, "2026-11-24T10:01:00Z")
    assert used["streams"] == (0, 1, 10**6 - 1, None)
    assert used["messages"] == (1, 1, 0, "2026-12-01T00:00:00Z")
    assert used["included_tokens"] == (30, 10, 0, "2026-12-01T00:00:00Z")
    assert used["key_spend"] == (0, 570_000, 130_000, "2026-12-01T00:00:00Z")
    assert "key_requests" not in found


async def test_the_limits_of_another_window_do_not_show(till: Any) -> None:
    till.limit(included_messages=2)
    await till.settle(await till.hold())
    till.now_ms += 31 * DAY_MS
    found = await status(till.database, till.tenant, ADMIN, till.now_ms)
    assert {row["spent"] for row in found} == {0}


async def test_a_total_shows_in_every_month(till: Any) -> None:
    till.limit(included_messages=2, included_window="total")
    await till.settle(await till.hold())
    till.now_ms += 31 * DAY_MS
    found = {row["kind"]: row for row in await status(till.database, till.tenant, ADMIN, till.now_ms)}
    assert (found["messages"]["window"], found["messages"]["spent"]) == ("total", 1)
    assert found["messages"]["resets_at"] is None


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("update limits set spent = spent + 1 where kind = 'spend'", "limit spend"),
        ("update limits set held = held - 1 where kind = 'tokens'", "limit tokens"),
        ("delete from limits where kind = 'requests'", "limit requests"),
        ("insert into limits values (0, 'spend', '', 1, 2, 3)", "limit spend"),
        ("update receipts set total_nano = 7 where status = 'settled'", "receipt req_000001 spend"),
        ("update receipts set tokens_fund = 7", "receipt req_000001 included_tokens"),
        ("delete from receipts where status = 'settled'", "ledger entries of hold 1"),
        (
            "insert into ledger values (1, 'spend', 'other', 0, '', 202611, 0, 5, null, 0)",
            "receipt req_000001 spend",
        ),
    ],
)
async def test_reconcile_finds_what_does_not_agree(till: Any, damage: str, told: str) -> None:
    await till.settle(await till.hold())
    await till.hold()
    assert await reconcile(till.database) == []
    await till.query(damage)
    assert told in "\n".join(str(one) for one in await reconcile(till.database))
