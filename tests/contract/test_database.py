"""The Database port: what every adapter must do."""

import asyncio
from collections.abc import Callable

import pytest

from shared.edge.ports import Database, DatabaseError, Statement


async def run(database: Database, sql: str, *params: str | int | float | bytes | None) -> list[tuple[object, ...]]:
    (rows,) = await database.batch([Statement(sql, params)])
    return list(rows.rows)


async def table(database: Database) -> None:
    await run(database, "create table t (id integer primary key, v)")


@pytest.mark.parametrize("value", ["", "text", "ünïcödé 🎈", 0, -5, 2**53, 1.5, None, b"", b"\x00\xff"])
async def test_a_value_comes_back_as_it_went_in(database: Database, value: str | int | float | bytes | None) -> None:
    await table(database)
    await run(database, "insert into t (v) values (?)", value)
    ((back,),) = await run(database, "select v from t")
    assert back == value
    assert type(back) is type(value)


async def test_a_boolean_is_stored_as_a_number(database: Database) -> None:
    await table(database)
    await run(database, "insert into t (v) values (?), (?)", True, False)
    assert await run(database, "select v from t order by id") == [(1,), (0,)]


async def test_an_integer_beyond_2_53_comes_back_rounded(database: Database) -> None:
    """D1's answers are JavaScript numbers; sums that may grow past that are read as text."""
    assert await run(database, "select 9007199254740993") == [(9007199254740992,)]
    assert await run(database, "select cast(9007199254740993 as text)") == [("9007199254740993",)]


async def test_an_integer_that_javascript_cannot_hold_is_refused(database: Database) -> None:
    await table(database)
    with pytest.raises(DatabaseError):
        await run(database, "insert into t (v) values (?)", 2**53 + 1)


async def test_columns_and_dicts(database: Database) -> None:
    (rows,) = await database.batch([Statement("select 1 as a, 'x' as b")])
    assert rows.columns == ("a", "b")
    assert rows.dicts() == [{"a": 1, "b": "x"}]


async def test_a_batch_answers_statement_by_statement(database: Database) -> None:
    await table(database)
    answers = await database.batch(
        [
            Statement("insert into t (v) values ('a'), ('b')"),
            Statement("select count(*) from t"),
            Statement("update t set v = 'c' where v = 'b'"),
            Statement("delete from t where v = 'nothing'"),
        ]
    )
    assert [answer.changes for answer in answers] == [2, 0, 1, 0]
    assert answers[1].rows == [(2,)]


async def test_a_batch_that_fails_leaves_nothing(database: Database) -> None:
    await table(database)
    with pytest.raises(DatabaseError, match="UNIQUE"):
        await database.batch([Statement("insert into t values (1, 'a')"), Statement("insert into t values (1, 'b')")])
    assert await run(database, "select * from t") == []


async def test_a_trigger_that_aborts_rolls_the_batch_back_and_says_why(database: Database) -> None:
    await table(database)
    await run(
        database,
        "create trigger full before insert on t when (select count(*) from t) >= 1"
        " begin select raise(abort, 'limit:rows'); end",
    )
    with pytest.raises(DatabaseError, match="limit:rows"):
        await database.batch([Statement("insert into t values (1, 'a')"), Statement("insert into t values (2, 'b')")])
    assert await run(database, "select count(*) from t") == [(0,)]


async def test_changes_count_what_triggers_changed(database: Database) -> None:
    await table(database)
    await run(database, "create table log (x)")
    await run(database, "create trigger noted after insert on t begin insert into log values (1); end")
    (answer,) = await database.batch([Statement("insert into t (v) values (1)")])
    assert answer.changes == 2


async def test_foreign_keys_hold(database: Database) -> None:
    await table(database)
    await run(database, "create table child (t integer references t (id))")
    with pytest.raises(DatabaseError, match="FOREIGN KEY"):
        await run(database, "insert into child values (7)")


@pytest.mark.parametrize(
    "sql",
    ["begin", "BEGIN IMMEDIATE", "commit", "rollback", "savepoint s", "attach 'x' as y", "pragma journal_mode=off"],
)
async def test_what_d1_refuses_is_refused(database: Database, sql: str) -> None:
    with pytest.raises(DatabaseError):
        await run(database, sql)


async def test_more_than_a_hundred_parameters_are_refused(database: Database) -> None:
    marks = ", ".join("?" * 101)
    with pytest.raises(DatabaseError, match="100"):
        await run(database, f"select {marks}", *range(101))


async def test_a_mistake_names_itself(database: Database) -> None:
    with pytest.raises(DatabaseError, match="no such table: nowhere"):
        await run(database, "select * from nowhere")


async def test_writers_wait_for_each_other(connect: Callable[[], Database]) -> None:
    first, second = connect(), connect()
    await run(first, "create table n (v integer)")
    await run(first, "insert into n values (0)")

    async def add(database: Database) -> None:
        for _ in range(50):
            await database.batch([Statement("select v from n"), Statement("update n set v = v + 1")])
            await asyncio.sleep(0)

    await asyncio.gather(add(first), add(second), add(first), add(second))
    assert await run(second, "select v from n") == [(200,)]


async def test_batches_at_the_same_time_stand_and_fall_by_themselves(database: Database) -> None:
    """They may share a round trip; one that fails takes nothing of the others with it, and leaves nothing of itself."""
    await table(database)
    good = [Statement("insert into t values (1, 'good')"), Statement("insert into t values (2, 'good')")]
    bad = [Statement("insert into t values (3, 'bad')"), Statement("insert into t values (1, 'bad')")]
    late = [Statement("insert into t values (4, 'late')"), Statement("select count(*) from t")]
    first, second, third = await asyncio.gather(
        database.batch(good), database.batch(bad), database.batch(late), return_exceptions=True
    )
    assert not isinstance(first, BaseException)
    assert isinstance(second, DatabaseError)
    assert not isinstance(third, BaseException)
    assert third[1].rows == [(3,)]
    assert await run(database, "select id, v from t order by id") == [(1, "good"), (2, "good"), (4, "late")]


async def test_a_constraint_that_is_checked_at_the_end_fails_its_own_batch_only(database: Database) -> None:
    await table(database)
    await run(database, "create table child (t integer references t (id) deferrable initially deferred)")
    good = [Statement("insert into t values (1, 'good')")]
    bad = [Statement("insert into child values (7)")]
    first, second = await asyncio.gather(database.batch(good), database.batch(bad), return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert isinstance(second, DatabaseError)
    assert await run(database, "select count(*) from t") == [(1,)]
    assert await run(database, "select count(*) from child") == [(0,)]


async def test_a_batch_whose_asker_has_left_does_not_disturb_the_next(database: Database) -> None:
    await table(database)
    task = asyncio.ensure_future(database.batch([Statement("insert into t values (1, 'x')")]))
    await asyncio.sleep(0)
    task.cancel()
    assert await run(database, "select 1") == [(1,)]
