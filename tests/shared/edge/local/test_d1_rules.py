"""Given a statement, when D1 would refuse it, then so do the rules that the twin's API and the edge share."""

import contextlib
import sqlite3
import time

import pytest

from shared.edge.local.d1_rules import D1RuleError, apply_limits, check_statement, split_statements


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "select 1;",
        "select 1 ; -- done",
        "select ';', '--', '/*'",
        'select "a;b" from t',
        "select [a;b], `c;d` from t",
        "insert into t values ('it''s; fine')",
        "/* begin; */ select 1",
        "-- commit;\nselect 1",
        "with x as (select 1) select * from x",
        "create trigger a before insert on t begin select 1; select case when 1 then 2 end; end",
        "pragma table_info('t')",
        "PRAGMA main . table_list",
        "explain begin",
    ],
)
def test_allowed(sql: str) -> None:
    check_statement(sql, ())


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("", "No SQL statements"),
        (" ; -- x\n /* y */ ;", "No SQL statements"),
        ("select 1; select 2", "only one statement"),
        ("BEGIN immediate", "batch as one transaction"),
        ("-- x\n/* y */ commit", "batch as one transaction"),
        ("end", "batch as one transaction"),
        ("rollback to a", "batch as one transaction"),
        ("savepoint a", "batch as one transaction"),
        ("release a", "batch as one transaction"),
        ("attach 'x' as y", "SQLITE_AUTH"),
        ("detach y", "SQLITE_AUTH"),
        ("vacuum into 'x'", "SQLITE_AUTH"),
        ("pragma user_version = 3", "SQLITE_AUTH"),
        ("pragma/**/journal_mode", "SQLITE_AUTH"),
        ('/**/ pragma "user_version" /* */ ', "SQLITE_AUTH"),
        ("pragma", "SQLITE_AUTH"),
        ("select '" + "é" * 50_000 + "'", "SQLITE_TOOBIG"),
    ],
)
def test_refused(sql: str, reason: str) -> None:
    with pytest.raises(D1RuleError, match=reason):
        check_statement(sql, ())


def test_parameters_are_counted_and_measured() -> None:
    check_statement("select 1", [1] * 100)
    check_statement("select 1", ["x" * 2_000_000, b"x" * 2_000_000])
    with pytest.raises(D1RuleError, match="at most 100"):
        check_statement("select 1", [1] * 101)
    for value in ("é" * 1_000_001, b"x" * 2_000_001):
        with pytest.raises(D1RuleError, match="SQLITE_TOOBIG"):
            check_statement("select 1", [value])


def test_statements_are_split_where_sqlite_ends_them() -> None:
    trigger = "create trigger a after insert on t begin select ';'; end;"
    text = f"select 1; {trigger} /* ; */ select 'a;b'; -- the end;"
    assert split_statements(text) == ["select 1;", trigger, "/* ; */ select 'a;b';"]


@pytest.mark.parametrize("sql", ["select '" + ";" * 90_000 + "'", "/*" * 49_000, "'" * 99_999, "select 1;" * 11_000])
def test_hostile_texts_are_judged_quickly(sql: str) -> None:
    started = time.perf_counter()
    with contextlib.suppress(D1RuleError):
        check_statement(sql, ())
    assert time.perf_counter() - started < 1


def test_limits_hold_inside_sqlite() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        apply_limits(connection)
        connection.execute("select zeroblob(2000000)")
        for sql in ("select zeroblob(2000001)", "attach ':memory:' as x", "select ?101"):
            with pytest.raises((sqlite3.Error, OverflowError)):
                connection.execute(sql)
