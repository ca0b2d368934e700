"""Random interleavings against the ledger: whatever happens, nothing is lost and no hold passes a cap.

A seed drives requests, failures, kills (a hold that nobody settles), repeated settlements, sweeps, caps that change and
a clock that jumps over windows and deadlines, from several connections at once. A small model knows how each request
ended; at the end the ledger must say the same.
"""

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Any

import pytest

from handlers.errors import ApiError
from handlers.metering.admission import Held, Outcome
from handlers.metering.expiry import sweep
from handlers.metering.ledger import Ledger
from handlers.metering.reconcile import reconcile
from shared.edge.ports import Database, Statement

OVER = """
select l.kind, l.scope, l.held + l.spent, e.cap from ledger e join receipts r on r.id = e.hold
join limits l on l.period = e.period and l.kind = e.kind and l.scope = e.scope
where r.request_id = ? and e.entry = 'hold' and e.held + e.spent > 0 and l.held + l.spent > e.cap
"""
CLASSES = "input + cached_read + cache_write_5m + cache_write_1h + output"
STEPS = 60


@dataclass
class Open:
    """A request that was let in, how it will end, and whether anybody will tell."""

    held: Held
    outcome: Outcome
    settlements: int
    settled: bool = False


class Story:
    def __init__(self, till: Any, seed: int) -> None:
        self.till = till
        self.random = random.Random(seed)  # noqa: S311 - a test's
        self.connections: list[Database] = [till.database, till.connect(), till.connect()]
        self.open: list[Open] = []
        self.refused = 0

    async def step(self) -> None:
        choice = self.random.random()
        if choice < 0.55:
            await asyncio.gather(*(self.request() for _ in range(self.random.randint(1, 4))))
        elif choice < 0.85 and self.open:
            await asyncio.gather(*(self.settle() for _ in range(self.random.randint(1, 5))), self.sweep())
        elif choice < 0.9:
            await self.sweep()
        elif choice < 0.95:
            self.change_caps()
        else:
            self.till.now_ms += self.random.choice([500, 20_000, 61_000, 700_000, 8 * 86_400_000])

    async def request(self) -> None:
        draw = self.random
        changes: dict[str, Any] = {
            "stream": draw.random() < 0.5,
            "end_user": draw.choice([None, "ann", "bob"]),
            "key_hash": draw.choice(["hash-admin", "capped"]),
            "included": draw.random() < 0.7,
            "input_bound": draw.randint(1, 300),
            "max_output": draw.randint(1, 300),
            "max_output_asked": draw.random() < 0.7,
        }
        admission = self.till.admission(**changes)
        database = draw.choice(self.connections)
        try:
            held = await Ledger(self.till.tenant, database).hold(admission)
        except ApiError as error:
            assert error.status in (402, 429), error.message
            self.refused += 1
            return
        # other holds may only have been settled meanwhile, so what this one was let in by still has to hold
        [over] = await database.batch([Statement(OVER, (admission.request_id,))])
        assert over.rows == [], "a hold passed a cap"
        self.open.append(Open(held, self.outcome(held), draw.choice([0, 1, 1, 1, 2, 3])))

    def outcome(self, held: Held) -> Outcome:
        if self.random.random() < 0.2:
            return self.till.failure()
        usage_in = self.random.randint(0, held.admission.input_bound)
        return self.till.outcome(
            usage_in,
            self.random.randint(0, held.max_output),
            included=held.admission.included,
            usage_source=self.random.choice(["provider", "estimate", "hold"]),
        )

    async def settle(self) -> None:
        one = self.random.choice(self.open)
        if one.settlements == 0:
            return
        one.settled = True
        await Ledger(self.till.tenant, self.random.choice(self.connections)).settle(
            one.held, one.outcome, self.till.now_ms
        )

    async def sweep(self) -> None:
        await sweep(self.random.choice(self.connections), self.till.now_ms)

    def change_caps(self) -> None:
        self.till.limit(
            spend_nano_usd_per_month=self.random.choice([2_000_000, 6_000_000, 10_000_000]),
            tokens_per_minute=self.random.choice([500, 2_000, 4_000]),
            included_tokens=self.random.choice([200, 1_500]),
            included_messages=self.random.choice([3, 8]),
        )

    async def finish(self) -> None:
        """Whoever was going to settle has settled; the rest expires."""
        for one in self.open:
            if one.settlements:
                one.settled = True
                await self.till.ledger.settle(one.held, one.outcome, self.till.now_ms)
        self.till.now_ms += 700_000
        await self.sweep()

    async def check(self) -> None:
        assert await reconcile(self.till.database) == []
        for kind in ("spend", "tokens", "streams", "messages", "included_tokens", "key_spend", "end_user_spend"):
            held, _ = await self.till.used(kind)
            assert held == 0, f"{kind} is held by nobody"
        total = 0
        for one in self.open:
            total += await self.check_receipt(one)
        assert await self.till.used("spend") == (0, total)

    async def check_receipt(self, one: Open) -> int:
        [(status, source, tokens, fund, total, hold, messages)] = await self.till.query(
            f"select status, usage_source, {CLASSES}, tokens_fund, total_nano, hold_nano, messages"  # noqa: S608
            " from receipts where request_id = ?",
            one.held.admission.request_id,
        )
        if not one.settled:
            assert (status, source, total) == ("expired", "expired", hold)
        elif one.outcome.answered_by is None:
            assert (status, total, tokens, messages) == ("refunded", 0, 0, 0)
        else:
            assert (status, source) == ("settled", one.outcome.usage_source)
            assert total == expected(self.till, one, int(tokens or 0), int(fund or 0), total)
            assert total <= hold, "within its bound nothing costs more than was held"
        return int(total or 0)


def expected(till: Any, one: Open, tokens: int, fund: int, total: int) -> int:
    """The price by hand: cost of the tokens that the funds did not pay, and the message where it was priced."""
    usage, price = one.outcome.usage, one.held.admission.price
    counted = (usage.input or 0, usage.output or 0)
    if one.outcome.usage_source == "hold":
        counted = (one.held.admission.input_bound, one.held.max_output)
    assert sum(counted) == tokens
    cost = counted[0] * price.rates.input // 10**6 + counted[1] * price.rates.output // 10**6
    model = -(-cost * (tokens - fund) // tokens) if tokens else 0
    message = total - model
    assert message in (0, till.tenant.limits.message_nano_usd)
    return model + message


@pytest.mark.parametrize("seed", range(12))
async def test_random_interleavings(till: Any, seed: int) -> None:
    till.limit(
        spend_nano_usd_per_month=6_000_000,
        requests_per_minute=30,
        tokens_per_minute=4_000,
        concurrent_streams=6,
        included_messages=8,
        included_tokens=1_500,
        message_nano_usd=40_000,
    )
    till.end_user(spend=2_500_000, requests=12)
    await till.key("capped", spend_cap=3_000_000, requests_cap=15)
    story = Story(till, seed)
    for _ in range(STEPS):
        await story.step()
        assert await reconcile(till.database) == []
    assert story.open, "a story in which nothing is let in shows nothing"
    assert story.refused, "a story in which nothing is refused shows nothing"
    await story.finish()
    await story.check()


async def test_a_trial_never_spends_money(till: Any) -> None:
    till.tenant = replace(till.tenant, plan="trial", trial_ends="2027-12-31")
    till.limit(
        spend_nano_usd_per_month=0,
        included_messages=15,
        included_tokens=4_000,
        included_window="total",
        message_nano_usd=None,
        tokens_beyond_included=False,
    )
    await till.key("capped")
    story = Story(till, 7)
    story.change_caps = lambda: None
    for _ in range(STEPS):
        await story.step()
    await story.finish()
    assert await reconcile(till.database) == []
    assert await till.used("spend") == (0, 0)
    _, messages = await till.used("messages")
    _, tokens = await till.used("included_tokens")
    assert 0 < messages <= 15
    assert 0 < tokens <= 4_000
