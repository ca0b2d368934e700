"""Given a hold, when its request ends (or does not), then its real cost is in the ledger once."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from handlers.metering.expiry import sweep
from handlers.metering.ledger import Ledger
from handlers.metering.reconcile import reconcile
from shared.edge.ports import DatabaseBusyError, Rows, Statement
from shared.prices.usage import Usage

WORST = 100 * 1_000 + 100 * 5_000
REAL = 10 * 1_000 + 20 * 5_000
LATE_MS = 600_000 + 60_000 + 1


async def test_the_real_cost_replaces_the_hold(till: Any) -> None:
    held = await till.hold(stream=True)
    assert await till.settle(held) == REAL
    assert await till.used("spend") == (0, REAL)
    assert await till.used("tokens") == (0, 30)
    assert await till.used("streams") == (0, 0)
    assert await till.used("requests") == (0, 1)
    assert await reconcile(till.database) == []


async def test_nothing_answered_is_refunded_but_counted_as_a_request(till: Any) -> None:
    till.limit(included_messages=5, included_tokens=50)
    held = await till.hold(stream=True)
    assert await till.settle(held, till.failure()) == 0
    for kind in ("spend", "tokens", "streams", "messages", "included_tokens"):
        assert await till.used(kind) == (0, 0)
    assert await till.used("requests") == (0, 1)
    assert await till.query("select status, usage_source from receipts") == [("refunded", None)]


async def test_an_overrun_is_recorded(till: Any) -> None:
    till.limit(spend_nano_usd_per_month=WORST, tokens_per_minute=200)
    held = await till.hold()
    assert await till.settle(held, till.outcome(100, 1_000)) == 100_000 + 5_000_000
    assert await till.used("spend") == (0, 5_100_000)
    assert "`spend`" in (await till.refusal()).message


async def test_settling_takes_the_windows_of_the_hold(till: Any) -> None:
    held = await till.hold()
    till.now_ms += 40 * 86_400_000
    await till.settle(held)
    assert await till.query("select distinct period from limits where kind = 'spend'") == [(202611,)]


class TestRepetition:
    @pytest.mark.parametrize("order", list(itertools.permutations(["settle", "settle", "expire"]))[::2])
    @pytest.mark.parametrize("end", ["answered", "failed"])
    async def test_any_order_ends_in_the_real_cost_once(self, till: Any, order: tuple[str, ...], end: str) -> None:
        till.limit(included_messages=1, included_tokens=20, message_nano_usd=7)
        await till.settle(await till.hold(), till.outcome(0, 15))
        held = await till.hold(stream=True)
        till.now_ms += LATE_MS
        outcome = till.outcome() if end == "answered" else till.failure()
        for step in order:
            if step == "settle":
                await till.settle(held, outcome)
            else:
                await sweep(till.database, till.now_ms)
            assert await reconcile(till.database) == []
        # 5 of the 30 tokens are included; the one included message is gone
        expected = REAL * 25 // 30 + 1 + 7 if end == "answered" else 0
        assert await till.settle(held, outcome) == expected
        assert await till.used("spend") == (0, expected)
        assert await till.used("included_tokens") == (0, 20 if end == "answered" else 15)
        assert await till.used("streams") == (0, 0)

    async def test_the_first_settlement_counts(self, till: Any) -> None:
        held = await till.hold()
        await till.settle(held, till.outcome(1, 1))
        assert await till.settle(held, till.outcome(100, 100)) == 6_000

    async def test_another_isolate_settles_too(self, till: Any) -> None:
        held = await till.hold()
        other = Ledger(till.tenant, till.connect())
        assert await other.settle(held, till.outcome(), till.now_ms) == REAL
        assert await till.settle(held) == REAL
        assert await till.used("spend") == (0, REAL)

    async def test_a_busy_database_is_tried_again(self, till: Any) -> None:
        held = await till.hold()
        inner, failures = till.database, [1, 2, 3]

        class Busy:
            async def batch(self, statements: list[Statement]) -> list[Rows]:
                if failures:
                    failures.pop()
                    raise DatabaseBusyError("locked")
                return await inner.batch(statements)

        till.database = Busy()
        assert await till.settle(held) == REAL

    async def test_a_hold_that_is_not_there_is_an_error(self, till: Any) -> None:
        held = await till.hold()
        unknown = replace(held, admission=till.admission())
        with pytest.raises(LookupError, match="no hold"):
            await till.settle(unknown)


class TestExpiry:
    async def test_a_lost_hold_is_charged_in_full(self, till: Any) -> None:
        till.limit(included_messages=1)
        await till.hold(stream=True)
        till.now_ms += LATE_MS - 1
        assert await sweep(till.database, till.now_ms) == 0
        till.now_ms += 1
        assert await sweep(till.database, till.now_ms) == 1
        assert await till.used("spend") == (0, WORST)
        assert await till.used("messages") == (0, 1)
        assert await till.used("streams") == (0, 0)
        assert await till.query("select status, usage_source, input, output from receipts") == [
            ("expired", "expired", 100, 100)
        ]
        assert await reconcile(till.database) == []

    async def test_the_next_request_expires_it(self, till: Any) -> None:
        await till.hold()
        till.now_ms += LATE_MS
        following = await till.hold()
        assert following.late
        await till.settle(following)
        assert await till.query("select status from receipts") == [("expired",), ("settled",)]
        assert not (await till.hold()).late

    async def test_lost_streams_do_not_block_the_tenant(self, till: Any) -> None:
        till.limit(concurrent_streams=30)
        for _ in range(30):
            await till.hold(stream=True)
        assert (await till.refusal(stream=True)).status == 429
        till.now_ms += LATE_MS
        await till.hold(stream=True)

    async def test_a_sweep_takes_them_all(self, till: Any) -> None:
        for _ in range(45):
            await till.hold()
        till.now_ms += LATE_MS
        assert await sweep(till.database, till.now_ms) == 45
        assert await till.used("spend") == (0, 45 * WORST)


class TestFunds:
    async def test_messages_beyond_the_included_are_priced(self, till: Any) -> None:
        till.limit(included_messages=2, message_nano_usd=20_000_000)
        totals = [await till.settle(await till.hold()) for _ in range(3)]
        assert totals == [REAL, REAL, REAL + 20_000_000]

    async def test_tokens_beyond_the_included_are_priced_by_share(self, till: Any) -> None:
        """The example of docs/metering.md."""
        till.limit(included_tokens=50)
        held = await till.hold()
        assert held.hold_nano_usd == 450_000  # 600,000 for 200 tokens, of which 50 are included
        assert held.included_tokens == 50
        assert await till.settle(held, till.outcome(31, 40)) == 68_324  # 231,000 x 21 / 71 = 68,323.9...
        assert await till.used("included_tokens") == (0, 50)
        assert await till.settle(await till.hold()) == REAL

    async def test_what_others_gave_back_is_used_when_settling(self, till: Any) -> None:
        till.limit(included_tokens=200)
        first = await till.hold()
        second = await till.hold()
        assert (first.hold_nano_usd, second.hold_nano_usd) == (0, WORST)
        assert await till.settle(first) == 0
        assert await till.settle(second) == 0
        assert await till.used("included_tokens") == (0, 60)

    async def test_other_providers_do_not_use_them(self, till: Any) -> None:
        till.limit(included_tokens=1_000)
        held = await till.hold(included=False)
        assert held.hold_nano_usd == WORST
        assert await till.settle(held, till.outcome(included=False)) == REAL
        assert await till.used("included_tokens") == (0, 0)

    async def test_the_model_that_answered_decides(self, till: Any) -> None:
        till.limit(included_tokens=1_000)
        held = await till.hold(included=False)
        assert await till.settle(held) == 0
        assert await till.used("included_tokens") == (0, 30)

    async def test_a_trials_overrun_is_not_sold(self, till: Any) -> None:
        till.limit(included_tokens=200, tokens_beyond_included=False, spend_nano_usd_per_month=0, message_nano_usd=None)
        till.limit(included_messages=10)
        held = await till.hold()
        assert await till.settle(held, till.outcome(100, 300)) == 0
        assert await till.used("included_tokens") == (0, 400)

    async def test_numbers_beyond_32_bits_stay_exact(self, till: Any) -> None:
        till.limit(included_tokens=1, tokens_per_minute=10**10)
        held = await till.hold(input_bound=3_000_000, max_output=4_000_001)
        worst = 3_000_000 * 1_000 + 4_000_001 * 5_000
        assert held.hold_nano_usd == -(-worst * 7_000_000 // 7_000_001)


class TestUsage:
    @pytest.mark.parametrize(
        ("usage", "counted"),
        [
            (Usage(None, None, None, None, None, None), (100, 0, 0, 0, 100, 0)),
            (Usage(None, 30, None, None, 20, None), (70, 30, 0, 0, 20, 0)),
            (Usage(10, None, None, None, None, 5), (10, 0, 0, 0, 100, 5)),
            (Usage(10, 0, 0, 0, -1, 0), (10, 0, 0, 0, 100, 0)),
            (Usage(10, 0, 0, 0, 10**18, 0), (10, 0, 0, 0, 100, 0)),
        ],
    )
    async def test_what_is_not_reported_counts_as_the_most_it_can_be(
        self, till: Any, usage: Usage, counted: tuple[int, ...]
    ) -> None:
        await till.settle(await till.hold(), till.outcome(usage=usage))
        columns = await till.query(
            "select input, cached_read, cache_write_5m, cache_write_1h, output, reasoning from receipts"
        )
        assert columns == [counted]
        assert await till.query("select usage_source from receipts") == [("estimate",)]

    async def test_the_hold_itself_when_nothing_is_known(self, till: Any) -> None:
        held = await till.hold()
        assert await till.settle(held, till.outcome(usage=Usage(), usage_source="hold")) == WORST
        assert await till.query("select usage_source, input, output from receipts") == [("hold", 100, 100)]

    async def test_every_class_has_its_price(self, till: Any) -> None:
        held = await till.hold()
        assert await till.settle(held, till.outcome(usage=Usage(1, 10, 2, 3, 4, 4))) == 1_000 + 1_000 + 5_000 + 20_000

    async def test_a_markup_is_rounded_up(self, till: Any) -> None:
        till.limit(markup_percent=33)
        held = await till.hold(max_output=0, input_bound=1)
        assert held.hold_nano_usd == 1_330
        assert await till.settle(held, till.outcome(usage=Usage(0, 1, 0, 0, 0, 0))) == 133


async def test_numbers_bound_as_floats_come_to_the_same(float_till: Any) -> None:
    till = float_till
    till.limit(included_tokens=50, included_messages=1, message_nano_usd=20_000_001)
    held = await till.hold(stream=True)
    assert held.hold_nano_usd == 450_000
    assert await till.settle(held, till.outcome(31, 40)) == 68_324
    assert await till.settle(await till.hold(stream=True)) == REAL + 20_000_001
    types = "select distinct typeof(held) || typeof(spent) || typeof(period) from "
    assert await till.query(types + "ledger union " + types + "limits") == [("integerintegerinteger",)]
    assert await reconcile(till.database) == []


async def test_a_keys_use_is_noted_once_a_minute(till: Any) -> None:
    for _ in range(3):
        await till.settle(await till.hold())
        till.now_ms += 25_000
    assert await till.query("select last_used_ms from keys") == [(till.now_ms - 75_000,)]
    till.now_ms += 25_000
    await till.settle(await till.hold())
    assert await till.query("select last_used_ms from keys") == [(till.now_ms,)]


async def test_the_ledger_takes_no_change_but_more(till: Any) -> None:
    await till.hold()
    for sql in ("update ledger set held = 0", "delete from ledger"):
        with pytest.raises(Exception, match="append-only"):
            await till.query(sql)
