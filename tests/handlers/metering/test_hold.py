"""Given limits, when a request asks to be let in, then it fits or is told which limit refused."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from handlers.errors import ApiError
from handlers.metering.admission import Admission, Held
from handlers.metering.ledger import Ledger
from handlers.metering.reconcile import reconcile
from handlers.metering.schema import ready
from shared.edge.ports import DatabaseError, Rows, Statement

WORST = 100 * 1_000 + 100 * 5_000
"""What the default request holds: 100 tokens in, 100 out."""


async def test_a_hold_reserves_the_worst_case(till: Any) -> None:
    held = await till.hold(stream=True)
    assert held.hold_nano_usd == WORST
    assert (held.max_output, held.clamped) == (100, False)
    assert (held.principal.key_id, held.principal.role) == ("key_admin_1", "admin")
    assert await till.used("spend") == (WORST, 0)
    assert await till.used("tokens") == (200, 0)
    assert await till.used("streams") == (1, 0)
    assert await till.used("requests") == (0, 1)


async def test_an_unstreamed_request_takes_no_stream(till: Any) -> None:
    till.limit(concurrent_streams=0)
    await till.hold()


def spend(till: Any) -> None:
    till.limit(spend_nano_usd_per_month=WORST)


def requests(till: Any) -> None:
    till.limit(requests_per_minute=1)


def tokens(till: Any) -> None:
    till.limit(tokens_per_minute=200)


def streams(till: Any) -> None:
    till.limit(concurrent_streams=1)


def messages(till: Any) -> None:
    till.limit(included_messages=1, message_nano_usd=None)


def included_tokens(till: Any) -> None:
    till.limit(included_tokens=200, tokens_beyond_included=False)


def end_user_spend(till: Any) -> None:
    till.end_user(spend=WORST)


def end_user_requests(till: Any) -> None:
    till.end_user(requests=1)


ROOM_FOR_ONE = [
    (requests, 429, "rate_limit", "2026-11-24T10:01:00Z"),
    (tokens, 429, "rate_limit", "2026-11-24T10:01:00Z"),
    (streams, 429, "rate_limit", "when an open stream ends"),
    (spend, 402, "spend_limit", "2026-12-01T00:00:00Z"),
    (messages, 402, "message_limit", "2026-12-01T00:00:00Z"),
    (included_tokens, 402, "token_limit", "2026-12-01T00:00:00Z"),
    (end_user_spend, 402, "spend_limit", "2026-12-01T00:00:00Z"),
    (end_user_requests, 429, "rate_limit", "2026-11-24T10:01:00Z"),
]


@pytest.mark.parametrize(("limit", "status", "code", "resets"), ROOM_FOR_ONE)
async def test_the_second_request_is_refused_by_name(
    till: Any, limit: Any, status: int, code: str, resets: str
) -> None:
    limit(till)
    await till.hold(stream=True, end_user="ann")
    before = await till.query("select count(*) from ledger")
    error = await till.refusal(stream=True, end_user="ann")
    assert (error.status, error.code) == (status, code)
    assert f"`{limit.__name__}`" in error.message
    assert "has no room: 0 " in error.message
    assert resets in error.message
    assert error.headers.get("x-should-retry") == ("false" if status == 402 else None)
    assert ("retry-after" in error.headers) == (status == 429)
    assert await till.query("select count(*) from ledger") == before, "a refused hold leaves nothing"
    assert await reconcile(till.database) == []


@pytest.mark.parametrize("limit", [one[0] for one in ROOM_FOR_ONE])
async def test_settling_frees_what_was_not_used(till: Any, limit: Any) -> None:
    limit(till)
    await till.settle(await till.hold(stream=True, end_user="ann"), till.failure())
    if limit in (requests, end_user_requests):
        assert (await till.refusal(stream=True, end_user="ann")).code == "rate_limit"
        till.now_ms += 60_000
    await till.hold(stream=True, end_user="ann")


@pytest.mark.parametrize(
    ("columns", "code"), [({"requests_cap": 1}, "rate_limit"), ({"spend_cap": WORST}, "spend_limit")]
)
async def test_a_keys_own_limits(till: Any, columns: dict[str, int], code: str) -> None:
    await till.key("one", **columns)
    await till.key("two")
    await till.hold(key_hash="one")
    error = await till.refusal(key_hash="one")
    assert error.code == code
    assert "of this key" in error.message
    await till.hold(key_hash="two")


async def test_limits_per_end_user_are_apart_and_keep_no_name(till: Any) -> None:
    till.end_user(requests=1)
    await till.hold(end_user="ann")
    await till.hold(end_user="bob")
    await till.hold()
    await till.hold()
    assert (await till.refusal(end_user="ann")).code == "rate_limit"
    for (scope,) in await till.query("select scope from ledger"):
        assert "ann" not in scope


async def test_a_refusal_counts_the_seconds(till: Any) -> None:
    till.limit(requests_per_minute=1)
    till.now_ms += 12_345
    await till.hold()
    error = await till.refusal()
    assert error.headers["retry-after"] == "48"
    assert error.headers["x-ratelimit-limit-requests"] == "1"
    assert error.headers["x-ratelimit-remaining-requests"] == "0"
    assert error.headers["x-ratelimit-reset-requests"] == "48s"
    till.now_ms += 48_000
    await till.hold()


async def test_headers_tell_what_is_left(till: Any) -> None:
    till.limit(requests_per_minute=60, tokens_per_minute=1_000)
    await till.hold()
    assert (await till.hold()).ratelimit == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "58",
        "x-ratelimit-reset-requests": "60s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "600",
        "x-ratelimit-reset-tokens": "60s",
    }


async def test_what_can_never_fit_is_not_retried(till: Any) -> None:
    till.limit(tokens_per_minute=199)
    error = await till.refusal()
    assert error.status == 429
    assert error.headers["x-should-retry"] == "false"
    assert "never fit" in error.message


async def test_a_month_ends_at_its_end(till: Any) -> None:
    till.limit(spend_nano_usd_per_month=WORST)
    till.now_ms = 1_796_083_199_999  # 2026-11-30T23:59:59.999Z
    await till.hold()
    assert (await till.refusal()).code == "spend_limit"
    till.now_ms += 1
    await till.hold()


async def test_a_total_never_ends(till: Any) -> None:
    till.limit(included_messages=1, message_nano_usd=None, included_window="total")
    await till.hold()
    till.now_ms += 400 * 86_400_000
    error = await till.refusal()
    assert error.code == "message_limit"
    assert "does not reset" in error.message


async def test_fifty_at_once_against_room_for_ten(till: Any) -> None:
    till.limit(spend_nano_usd_per_month=10 * WORST + WORST // 2)
    await till.ledger.hold(till.admission(max_output=0, input_bound=0))
    ledgers = [Ledger(till.tenant, till.connect()) for _ in range(5)]
    answers = await asyncio.gather(*(ledgers[n % 5].hold(till.admission()) for n in range(50)), return_exceptions=True)
    held = [one for one in answers if isinstance(one, Held)]
    refused = [one for one in answers if isinstance(one, ApiError)]
    assert (len(held), len(refused)) == (10, 40)
    assert {(one.status, one.code) for one in refused} == {(402, "spend_limit")}
    assert await till.used("spend") == (10 * WORST, 0)
    assert await reconcile(till.database) == []


async def test_processes_at_once_against_room_for_ten(till: Any) -> None:
    """Connections in threads of their own meet at SQLite's locks, as the processes of a cell do."""
    till.limit(tokens_per_minute=10 * 200)
    await ready(till.database, till.tenant, till.now_ms)
    admissions = [[till.admission() for _ in range(13)] for _ in range(4)]

    def process(mine: list[Admission]) -> list[object]:
        async def run() -> list[object]:
            ledger = Ledger(till.tenant, till.connect())
            return await asyncio.gather(*(ledger.hold(one) for one in mine), return_exceptions=True)

        return asyncio.run(run())

    answers = await asyncio.gather(*(asyncio.to_thread(process, mine) for mine in admissions))
    ends = [type(one) for answer in answers for one in answer]
    assert (ends.count(Held), ends.count(ApiError)) == (10, 42)
    assert await till.used("tokens") == (2_000, 0)
    assert await reconcile(till.database) == []


async def test_a_lowered_cap_refuses_new_holds_only(till: Any) -> None:
    held = await till.hold()
    till.limit(spend_nano_usd_per_month=1)
    assert (await till.refusal()).code == "spend_limit"
    assert await till.settle(held) == 10 * 1_000 + 20 * 5_000


class TestOmittedMaximum:
    async def test_it_is_clamped_to_the_money_left(self, till: Any) -> None:
        till.limit(spend_nano_usd_per_month=100 * 1_000 + 57 * 5_000 + 4_999)
        held = await till.hold(max_output=4_000, max_output_asked=False)
        assert (held.max_output, held.clamped) == (57, True)
        assert held.hold_nano_usd == 100 * 1_000 + 57 * 5_000

    async def test_it_is_clamped_to_the_tokens_left(self, till: Any) -> None:
        till.limit(tokens_per_minute=150)
        assert (await till.hold(max_output=4_000, max_output_asked=False)).max_output == 50

    async def test_included_tokens_stretch_the_money(self, till: Any) -> None:
        """Of 400 tokens 100 are free; 3/4 of the price is what is left."""
        till.limit(included_tokens=100, spend_nano_usd_per_month=(100 * 1_000 + 300 * 5_000) * 3 // 4)
        held = await till.hold(max_output=4_000, max_output_asked=False)
        assert held.max_output == 300

    async def test_a_trial_clamps_to_what_is_included(self, till: Any) -> None:
        till.limit(included_tokens=130, tokens_beyond_included=False, spend_nano_usd_per_month=0)
        assert (await till.hold(max_output=4_000, max_output_asked=False)).max_output == 30

    async def test_a_maximum_that_was_asked_for_is_not_clamped(self, till: Any) -> None:
        till.limit(tokens_per_minute=150)
        assert (await till.refusal(max_output=4_000)).code == "rate_limit"

    async def test_too_little_room_is_a_refusal(self, till: Any) -> None:
        till.limit(tokens_per_minute=115)
        assert (await till.refusal(max_output=4_000, max_output_asked=False)).code == "rate_limit"

    async def test_other_limits_are_not_clamped(self, till: Any) -> None:
        till.limit(requests_per_minute=0)
        error = await till.refusal(max_output=4_000, max_output_asked=False)
        assert "`requests`" in error.message


class TestClosed:
    async def test_suspended(self, till: Any) -> None:
        till.tenant = replace(till.tenant, state="suspended")
        error = await till.refusal()
        assert (error.status, error.code) == (403, "suspended")

    async def test_a_trial_ends_with_its_last_day(self, till: Any) -> None:
        till.tenant = replace(till.tenant, trial_ends="2026-11-24")
        await till.hold()
        till.now_ms = 1_795_564_800_000  # 2026-11-25T00:00:00Z
        error = await till.refusal()
        assert (error.status, error.code) == (402, "trial_expired")
        assert error.headers["x-should-retry"] == "false"

    async def test_a_trial_has_no_models_but_the_included(self, till: Any) -> None:
        till.limit(tokens_beyond_included=False, included_tokens=10_000)
        error = await till.refusal(included=False)
        assert (error.status, error.code) == (402, "token_limit")

    @pytest.mark.parametrize("state", ["active", "suspended"])
    @pytest.mark.parametrize("key", ["", "unknown", "expired", "revoked"])
    async def test_a_bad_key_learns_nothing_else(self, till: Any, state: str, key: str) -> None:
        await till.key("expired", expires_ms=till.now_ms)
        await till.key("revoked", revoked_ms=till.now_ms)
        till.tenant = replace(till.tenant, state=state)
        till.limit(requests_per_minute=0)
        error = await till.refusal(key_hash=key)
        assert (error.status, error.code) == (401, "invalid_key")
        assert await till.query("select count(*) from receipts") == [(0,)]

    async def test_a_revoked_key_can_still_settle(self, till: Any) -> None:
        await till.key("going")
        held = await till.hold(key_hash="going")
        await till.query("update keys set revoked_ms = 1 where hash = 'going'")
        assert (await till.refusal(key_hash="going")).code == "invalid_key"
        assert await till.settle(held) == 110_000


class Fails:
    """A database whose holds fail with D1's words."""

    def __init__(self, inner: Any, message: str) -> None:
        self.inner, self.message = inner, message

    async def batch(self, statements: list[Statement]) -> list[Rows]:
        if any("insert into receipts" in one.sql for one in statements):
            raise DatabaseError(self.message)
        return await self.inner.batch(statements)


async def test_d1_wraps_what_a_trigger_raises(till: Any) -> None:
    message = "D1_ERROR: limit:spend: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_TRIGGER)"
    till.limit(spend_nano_usd_per_month=1)
    till.database = Fails(till.database, message)
    assert (await till.refusal()).code == "spend_limit"


async def test_another_failure_is_no_refusal(till: Any) -> None:
    till.database = Fails(till.database, "disk I/O error")
    with pytest.raises(DatabaseError, match="disk I/O"):
        await till.hold()


async def test_of_two_limits_the_one_that_waiting_does_not_help_is_named(till: Any) -> None:
    till.limit(requests_per_minute=0, spend_nano_usd_per_month=0)
    assert (await till.refusal()).code == "spend_limit"
