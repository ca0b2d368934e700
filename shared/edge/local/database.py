"""D1 on CPython: one SQLite file per database, in WAL mode, with D1's rules.

Statements run inline on the event loop: a hold is some ten page writes to the operating system's cache, which costs
less than handing it to a thread. `synchronous=NORMAL` survives a killed process, `FULL` a power cut as well.
"""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from shared.edge.local.d1_rules import D1RuleError, apply_limits, check_statement
from shared.edge.ports import DatabaseBusyError, DatabaseError, Rows, Statement, Value

BUSY_SECONDS = 5.0
EXACT_INTEGER = 2**53
"""Beyond it a number is no longer exact in JavaScript, which is what D1's answers pass through."""


class SqliteDatabase:
    """The Database port on one SQLite file. Not safe for several threads; several processes may share the file."""

    def __init__(self, path: Path, *, durability: str = "normal", create: bool = True) -> None:
        mode = "rwc" if create else "rw"
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                timeout=0,
                cached_statements=256,
                check_same_thread=False,
            )
            self._connect(durability)
        except sqlite3.Error as error:
            raise DatabaseError(f"{path.name}: {error}") from error

    def _connect(self, durability: str) -> None:
        connection = self._connection
        connection.execute("pragma busy_timeout = 5000")
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma synchronous = {'full' if durability == 'full' else 'normal'}")
        connection.execute("pragma foreign_keys = on")
        connection.execute("pragma busy_timeout = 0")
        apply_limits(connection)

    async def batch(self, statements: Sequence[Statement]) -> list[Rows]:
        """All statements in one transaction. Raises DatabaseError; DatabaseBusyError after five seconds of waiting."""
        for statement in statements:
            try:
                check_statement(statement.sql, statement.params)
            except D1RuleError as error:
                raise DatabaseError(str(error)) from error
        deadline = time.monotonic() + BUSY_SECONDS
        pause = 0.001
        while True:
            try:
                return self._run(statements)
            except sqlite3.Error as error:
                if not _is_busy(error):
                    raise DatabaseError(str(error)) from error
                if time.monotonic() > deadline:
                    raise DatabaseBusyError(f"database is locked after {BUSY_SECONDS:.0f} s of waiting") from error
            except (OverflowError, UnicodeEncodeError, ValueError) as error:
                raise DatabaseError(f"D1_TYPE_ERROR: {error}") from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.05)

    def _run(self, statements: Sequence[Statement]) -> list[Rows]:
        if len(statements) == 1 and _reads(statements[0].sql):
            return [self._execute(statements[0])]
        execute = self._connection.execute
        execute("begin immediate" if not all(_reads(one.sql) for one in statements) else "begin")
        try:
            answers = [self._execute(statement) for statement in statements]
            execute("commit")
        except BaseException:
            if self._connection.in_transaction:
                execute("rollback")
            raise
        return answers

    def _execute(self, statement: Statement) -> Rows:
        before = self._connection.total_changes
        for value in statement.params:
            if type(value) is int and not -EXACT_INTEGER <= value <= EXACT_INTEGER:
                raise ValueError(f"{value} is beyond 2^53; bind it as text")
        cursor = self._connection.execute(statement.sql, tuple(statement.params))
        if cursor.description is None:
            return Rows((), [], self._connection.total_changes - before)
        rows = cursor.fetchall()
        columns = tuple([column[0] for column in cursor.description])
        return Rows(columns, [_exact(row) for row in rows], self._connection.total_changes - before)

    def close(self) -> None:
        self._connection.close()


def _exact(row: tuple[Value, ...]) -> tuple[Value, ...]:
    """Integers beyond 2^53 come back rounded, as they do through D1's JavaScript numbers."""
    for value in row:
        if type(value) is int and not -EXACT_INTEGER <= value <= EXACT_INTEGER:
            return tuple([int(float(one)) if type(one) is int else one for one in row])
    return row


@lru_cache(maxsize=1024)
def _reads(sql: str) -> bool:
    return sql.lstrip()[:6].lower() == "select"


def _is_busy(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
