"""The tenant database on first use: migrations once, admin keys by epoch."""

import asyncio
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handlers.errors import ApiError
from handlers.metering import schema
from handlers.metering.schema import migrate, migrations, ready, split
from handlers.tenants.admin_keys import enrol
from handlers.tenants.keys import authenticate
from shared.edge.ports import Database, DatabaseError, Rows, Statement
from shared.spec.compiled import AdminKeyHash

ROOT = Path(schema.__file__).parents[2]
HOUR_MS = 3_600_000


class Counting:
    """A database that counts round trips, and lets another isolate run in between them."""

    def __init__(self, inner: Database) -> None:
        self.inner, self.batches = inner, 0

    async def batch(self, statements: Sequence[Statement]) -> list[Rows]:
        self.batches += 1
        await asyncio.sleep(0)
        return await self.inner.batch(statements)


async def version(database: Database) -> list[Any]:
    [rows] = await database.batch([Statement("select version from migrations order by version")])
    return [row[0] for row in rows.rows]


async def test_first_use_brings_the_schema(till: Any) -> None:
    await ready(till.database, till.tenant, till.now_ms)
    assert await version(till.database) == list(migrations())
    assert await till.query("select id from keys") == [("key_admin_1",)]


async def test_the_second_use_costs_no_round_trip(till: Any) -> None:
    database = Counting(till.database)
    await ready(database, till.tenant, till.now_ms)
    before = database.batches
    await ready(database, till.tenant, till.now_ms)
    assert database.batches == before


async def test_a_hold_is_one_round_trip_and_a_settlement_another(till: Any) -> None:
    till.database = database = Counting(till.database)
    await till.settle(await till.hold())
    before = database.batches
    held = await till.hold()
    assert database.batches == before + 1
    await till.settle(held)
    assert database.batches == before + 2


async def test_two_isolates_at_once_apply_a_migration_once(connect: Callable[[], Database]) -> None:
    isolates = [Counting(connect()) for _ in range(4)]
    assert set(await asyncio.gather(*(migrate(one, 0) for one in isolates))) == {max(migrations())}
    assert await version(isolates[0]) == list(migrations())


async def test_the_slower_isolate_takes_what_the_other_did(
    connect: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read version 0; the other one's batch comes first. The claim alone keeps the second out."""
    counted = {1: (Statement("create table if not exists t (id)"), Statement("insert into t values (1)"))}
    monkeypatch.setattr(schema, "migrations", lambda: counted)

    class OtherFirst(Counting):
        async def batch(self, statements: Sequence[Statement]) -> list[Rows]:
            if "insert into migrations" in statements[0].sql and not await version(connect()):
                await migrate(connect(), 0)
            return await super().batch(statements)

    database = OtherFirst(connect())
    assert await migrate(database, 0) == 1
    [rows] = await database.batch([Statement("select count(*) from t")])
    assert rows.rows == [(1,)]


async def test_a_migration_that_fails_leaves_nothing(
    connect: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {1: (Statement("create table one (id)"), Statement("create nonsense"))}
    monkeypatch.setattr(schema, "migrations", lambda: broken)
    database = connect()
    with pytest.raises(DatabaseError, match="nonsense"):
        await migrate(database, 0)
    assert await version(database) == []
    [tables] = await database.batch([Statement("select name from sqlite_master where name = 'one'")])
    assert tables.rows == []


async def test_only_what_is_missing_is_applied(
    connect: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = connect()
    await migrate(database, 0)
    more = {**migrations(), 9: (Statement("alter table keys add column note text"),)}
    monkeypatch.setattr(schema, "migrations", lambda: more)
    assert await migrate(database, 0) == 9
    assert await migrate(database, 0) == 9


async def test_older_code_runs_on_a_newer_schema(connect: Callable[[], Database]) -> None:
    database = connect()
    await migrate(database, 0)
    await database.batch([Statement("insert into migrations (version, applied_ms) values (99, 0)")])
    await migrate(database, 0)


def test_a_file_is_split_at_statements_and_triggers() -> None:
    script = (
        "-- a\ncreate table a (\n  id, -- b;\n  c\n);\n\ncreate trigger t after insert on a\nbegin\n  select 1;\nend;\n"
    )
    assert list(split(script)) == [
        "create table a (\n  id,\n  c\n)",
        "create trigger t after insert on a\nbegin\n  select 1;\nend",
    ]
    with pytest.raises(ValueError, match="does not end"):
        list(split("create table a (id)"))


def test_migrations_are_read_from_a_zip(tmp_path: Path) -> None:
    bundle = tmp_path / "serai.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        for folder in ("handlers", "shared"):
            for file in (ROOT / folder).rglob("*"):
                if file.suffix in (".py", ".sql"):
                    archive.write(file, file.relative_to(ROOT))
    code = "import handlers.metering.schema as s; print(s.__file__); print(len(s.migrations()[1]))"
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-c", f"import sys; sys.path.insert(0, {str(bundle)!r}); {code}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    file, count = done.stdout.split()
    assert str(bundle) in file
    assert int(count) == len(migrations()[1])


class TestAdminKeys:
    OLD = (AdminKeyHash(1, "one", None),)
    NEW = (AdminKeyHash(2, "two", None), AdminKeyHash(1, "one", "2026-11-24T11:00:00Z"))
    NEWER = (AdminKeyHash(3, "three", None), AdminKeyHash(2, "two", "2026-11-24T11:00:00Z"))

    async def valid(self, till: Any, at_ms: int) -> set[str]:
        found: set[str] = set()
        for key_hash in ("one", "two", "three"):
            try:
                await authenticate(till.tenant, till.database, key_hash, at_ms)
            except ApiError:
                continue
            found.add(key_hash)
        return found

    async def test_a_raised_epoch_rotates_with_an_overlap(self, till: Any) -> None:
        till.tenant = replace(till.tenant, admin_keys=self.OLD)
        assert await self.valid(till, till.now_ms) == {"one"}
        till.tenant = replace(till.tenant, admin_keys=self.NEW)
        assert await self.valid(till, till.now_ms) == {"one", "two"}
        assert await self.valid(till, till.now_ms + HOUR_MS) == {"two"}

    async def test_a_rollback_revives_nothing(self, till: Any) -> None:
        till.tenant = replace(till.tenant, admin_keys=self.NEW)
        assert await self.valid(till, till.now_ms) == {"one", "two"}
        till.tenant = replace(till.tenant, admin_keys=self.OLD)
        assert await self.valid(till, till.now_ms + HOUR_MS) == {"two"}
        assert await till.query("select max(epoch) from keys") == [(2,)]

    async def test_epochs_that_a_version_no_longer_names_end(self, till: Any) -> None:
        for keys in (self.OLD, self.NEWER):
            till.tenant = replace(till.tenant, admin_keys=keys)
            await ready(till.database, till.tenant, till.now_ms)
        assert await self.valid(till, till.now_ms + 1) == {"two", "three"}

    async def test_the_order_of_first_touches_does_not_matter(self, till: Any) -> None:
        await ready(till.database, till.tenant, till.now_ms)
        for keys in (self.NEWER, self.OLD, self.NEW, self.NEWER):
            await enrol(till.database, keys, till.now_ms)
        till.tenant = replace(till.tenant, admin_keys=self.NEWER)
        assert await self.valid(till, till.now_ms + 1) == {"two", "three"}
