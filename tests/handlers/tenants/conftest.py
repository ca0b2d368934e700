"""A tenant and its database for the keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from handlers.metering.schema import ready
from handlers.tenants import keys
from handlers.tenants.keys import Caller
from shared.edge.local.crypto import SystemCrypto
from shared.edge.local.database import SqliteDatabase
from shared.edge.ports import Json
from shared.spec.compiled import AdminKeyHash, Limits, Tenant

START_MS = 1_795_514_400_000
"""2026-11-24T10:00:00Z."""


@dataclass
class Ring:
    tenant: Tenant
    database: SqliteDatabase
    now_ms: int = START_MS

    async def create(self, **body: Json) -> dict[str, Any]:
        body = {"name": "phone", "role": "inference", **body}
        return await self.create_from(body)

    async def create_from(self, body: Json) -> dict[str, Any]:
        await ready(self.database, self.tenant, self.now_ms)
        return await keys.create(self.tenant, self.database, body, Caller(SystemCrypto(), "pepper", self.now_ms))


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    limits = Limits(
        10**12,
        60,
        10**6,
        10,
        8_000,
        3,
        0,
        0,
        "month",
        0,
        tokens_beyond_included=True,
        markup_percent=0,
        per_end_user=None,
    )
    tenant = Tenant(
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
    database = SqliteDatabase(tmp_path / "acme.sqlite")
    yield Ring(tenant, database)
    database.close()
