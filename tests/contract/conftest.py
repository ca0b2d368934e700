"""The adapters under contract. A port's tests use these fixtures only, never an adapter by name."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shared.edge.local.database import SqliteDatabase
from shared.edge.local.http import LocalHttp
from shared.edge.local.proxied import ProxiedHttp
from shared.edge.ports import Database, Http


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return SqliteDatabase(tmp_path / "one.sqlite")


@pytest.fixture
def connect(tmp_path: Path) -> Callable[[], Database]:
    """Further connections to one and the same database."""
    return lambda: SqliteDatabase(tmp_path / "shared.sqlite")


@pytest.fixture(params=[LocalHttp, ProxiedHttp])
async def http(request: pytest.FixtureRequest) -> AsyncIterator[Http]:
    client: LocalHttp | ProxiedHttp = request.param()
    yield client
    await client.close()
