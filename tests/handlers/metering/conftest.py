"""A tenant's ledger on a real SQLite file, with as many connections to it as a test wants."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from handlers.errors import ApiError
from handlers.metering.admission import Admission, Attempt, Candidate, Held, Outcome, Principal
from handlers.metering.ledger import Ledger
from handlers.metering.schema import ready
from shared.edge.local.database import SqliteDatabase
from shared.edge.ports import Database, Rows, Statement, Value
from shared.prices.book import Price, Rates
from shared.prices.usage import Usage
from shared.spec.compiled import AdminKeyHash, EndUserLimits, Limits, Tenant

START_MS = 1_795_514_400_000
"""2026-11-24T10:00:00Z."""

NEVER_BINDING = Limits(
    spend_nano_usd_per_month=10**15,
    requests_per_minute=10**6,
    tokens_per_minute=10**9,
    concurrent_streams=10**6,
    max_output_tokens=8_000,
    max_keys=5,
    included_messages=0,
    included_tokens=0,
    included_window="month",
    message_nano_usd=0,
    tokens_beyond_included=True,
    markup_percent=0,
    per_end_user=None,
)

PRICE = Price(
    model="workers_ai/gpt-oss-20b",
    version="2026-11-01",
    effective_from=date(2026, 11, 1),
    rates=Rates(
        input=1_000_000_000,
        cached_read=100_000_000,
        cache_write_5m=1_000_000_000,
        cache_write_1h=1_000_000_000,
        output=5_000_000_000,
    ),
)
"""1,000 nano-dollars an input token, 5,000 an output token."""


class BindsFloats:
    """D1's binding: every number arrives in SQLite as a float."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def batch(self, statements: Sequence[Statement]) -> list[Rows]:
        return await self._database.batch([Statement(one.sql, [_float(p) for p in one.params]) for one in statements])


def _float(value: Value) -> Value:
    return float(value) if isinstance(value, int) else value


@dataclass
class Till:
    """One tenant's ledger and what a test does with it."""

    tenant: Tenant
    database: Database
    connect: Callable[[], Database]
    now_ms: int = START_MS
    count: int = 0
    holds: list[Held] = field(default_factory=list[Held])

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.tenant, self.database)

    def limit(self, **changes: Any) -> None:
        self.tenant = replace(self.tenant, limits=replace(self.tenant.limits, **changes))

    def end_user(self, spend: int | None = None, requests: int | None = None) -> None:
        self.limit(per_end_user=EndUserLimits(spend, requests))

    def admission(self, **changes: Any) -> Admission:
        self.count += 1
        admission = Admission(
            request_id=f"req_{self.count:06d}",
            now_ms=self.now_ms,
            deadline_ms=self.now_ms + 600_000,
            key_hash="hash-admin",
            wire="openai_chat",
            model="default",
            stream=False,
            end_user=None,
            candidates=(Candidate("workers_ai/gpt-oss-20b", "default"),),
            price=PRICE,
            included=True,
            input_bound=100,
            max_output=100,
            max_output_asked=True,
        )
        return replace(admission, **changes)

    async def hold(self, **changes: Any) -> Held:
        held = await self.ledger.hold(self.admission(**changes))
        self.holds.append(held)
        return held

    async def refusal(self, **changes: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            await self.hold(**changes)
        return caught.value

    @staticmethod
    def outcome(input: int | None = 10, output: int | None = 20, **changes: Any) -> Outcome:  # noqa: A002
        outcome = Outcome(
            attempts=(Attempt(PRICE.model, 200, 40, 200, billed=True),),
            answered_by=PRICE.model,
            price=PRICE,
            usage=Usage(input, 0, 0, 0, output, 0),
            usage_source="provider",
            included=True,
        )
        return replace(outcome, **changes)

    @staticmethod
    def failure() -> Outcome:
        attempts = (Attempt(PRICE.model, 500, None, 30, billed=False, error="upstream said 500"),)
        return Outcome(attempts, None, None, Usage(), "provider", included=True)

    async def settle(self, held: Held, outcome: Outcome | None = None) -> int:
        return await self.ledger.settle(held, outcome or self.outcome(), self.now_ms)

    async def query(self, sql: str, *params: Value) -> list[tuple[Value, ...]]:
        [rows] = await self.database.batch([Statement(sql, params)])
        return rows.rows

    async def used(self, kind: str) -> tuple[int, int]:
        """(held, spent) over all windows and scopes."""
        ((held, spent),) = await self.query(
            "select coalesce(sum(held), 0), coalesce(sum(spent), 0) from limits where kind = ?", kind
        )
        return int(held or 0), int(spent or 0)

    async def key(self, key_hash: str, **columns: Value) -> Principal:
        """An inference key, straight into the table."""
        await ready(self.database, self.tenant, self.now_ms)
        columns = {"id": f"key_{key_hash}", "name": key_hash, "role": "inference", "created_ms": 0, **columns}
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        await self.query(f"insert into keys (hash, {names}) values (?, {marks})", key_hash, *columns.values())  # noqa: S608
        return Principal(f"key_{key_hash}", key_hash, str(columns["role"]))


def make_tenant(limits: Limits) -> Tenant:
    return Tenant(
        name="acme",
        id="k3v9qd",
        plan="pro",
        display_name="Acme",
        state="active",
        binding="DB_ACME",
        hostnames=(),
        trial_ends=None,
        admin_keys=(AdminKeyHash(1, "hash-admin", None),),
        default="workers_ai/gpt-oss-20b",
        allow=("workers_ai/*",),
        aliases={},
        limits=limits,
        metadata_days=30,
    )


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[[], SqliteDatabase]]:
    """A further connection to the tenant's database."""
    opened: list[SqliteDatabase] = []

    def another() -> SqliteDatabase:
        opened.append(SqliteDatabase(tmp_path / "acme.sqlite"))
        return opened[-1]

    yield another
    for database in opened:
        database.close()


@pytest.fixture
def till(connect: Callable[[], SqliteDatabase]) -> Till:
    return Till(make_tenant(NEVER_BINDING), connect(), connect)


@pytest.fixture
def float_till(connect: Callable[[], SqliteDatabase]) -> Till:
    """Its database binds numbers as D1 does."""
    return Till(make_tenant(NEVER_BINDING), BindsFloats(connect()), connect)
