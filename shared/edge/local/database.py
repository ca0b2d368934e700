"""D1 on CPython: one SQLite file per database, in WAL mode, with D1's rules.

Statements run inline on the event loop: a hold is some ten page writes to the operating system's cache, which costs
less than handing it to a thread. What was asked for within one turn of the loop shares a transaction, since beginning
and committing cost a third of a hold; each batch still is all or nothing by itself. `synchronous=NORMAL` survives a
killed process, `FULL` a power cut as well.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from shared.edge.local.d1_rules import D1RuleError, apply_limits, check_statement
from shared.edge.ports import DatabaseBusyError, DatabaseError, Rows, Statement, Value

BUSY_SECONDS = 5.0
EXACT_INTEGER = 2**53
"""Beyond it a number is no longer exact in JavaScript, which is what D1's answers pass through."""
CHECKPOINT_COMMITS = 250
"""So often the log is copied into the database, by a thread that releases the interpreter while it writes and syncs."""
MOST_LOG_PAGES = 8000
"""With more than that in the log (32 MB), a commit copies them itself: the thread was not quick enough."""

Batch = tuple[Sequence[Statement], "asyncio.Future[list[Rows]]", float]
"""What to run, who waits for it, and since when."""


class SqliteDatabase:
    """The Database port on one SQLite file. For one event loop; several processes may share the file."""

    def __init__(self, path: Path, *, durability: str = "normal", create: bool = True) -> None:
        self._address = f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
        self._queue: list[Batch] = []
        self._pause = 0.001
        self._commits = 0
        self._checkpoint: threading.Thread | None = None
        try:
            self._connection = self._open()
            self._prepare(durability)
        except sqlite3.Error as error:
            raise DatabaseError(f"{path.name}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._address, uri=True, isolation_level=None, timeout=0, cached_statements=256, check_same_thread=False
        )

    def _prepare(self, durability: str) -> None:
        connection = self._connection
        connection.execute("pragma busy_timeout = 5000")
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma synchronous = {'full' if durability == 'full' else 'normal'}")
        connection.execute("pragma foreign_keys = on")
        connection.execute(f"pragma wal_autocheckpoint = {MOST_LOG_PAGES}")
        connection.execute("pragma busy_timeout = 0")
        apply_limits(connection)

    async def batch(self, statements: Sequence[Statement]) -> list[Rows]:
        """All statements in one transaction. Raises DatabaseError; DatabaseBusyError after five seconds of waiting."""
        for statement in statements:
            try:
                check_statement(statement.sql, statement.params)
            except D1RuleError as error:
                raise DatabaseError(str(error)) from error
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Rows]] = loop.create_future()
        if not self._queue:
            loop.call_soon(self._flush)
        self._queue.append((statements, answer, time.monotonic()))
        return await answer

    def close(self) -> None:
        if self._checkpoint is not None:
            self._checkpoint.join()
        self._connection.close()

    def _flush(self) -> None:
        """Run what has gathered. A database that another process holds is tried again a little later."""
        batches = [batch for batch in self._queue if not batch[1].done()]
        self._queue = []
        if not batches:
            return
        try:
            self._run_together(batches)
        except sqlite3.Error as error:
            if _is_busy(error):
                self._try_later(batches, error)
            else:
                self._run_apart(batches)
        else:
            self._pause = 0.001
            self._count_commit()

    def _run_together(self, batches: Sequence[Batch]) -> None:
        """One transaction for all. Raises when it had to be given up; nobody has been answered then."""
        alone = len(batches) == 1
        statements = batches[0][0]
        if alone and len(statements) == 1 and _reads(statements[0].sql):
            _answer(batches[0], self._try(statements))
            return
        execute = self._connection.execute
        reads = all(_reads(one.sql) for batch in batches for one in batch[0])
        execute("begin" if reads else "begin immediate")
        try:
            outcomes = [self._try(batch[0], savepoint=not alone) for batch in batches]
            if alone and isinstance(outcomes[0], DatabaseError):
                execute("rollback")
            else:
                execute("commit")
        except BaseException:
            if self._connection.in_transaction:
                execute("rollback")
            raise
        for batch, outcome in zip(batches, outcomes, strict=True):
            _answer(batch, outcome)

    def _run_apart(self, batches: Sequence[Batch]) -> None:
        """The transaction as a whole failed (a full disk, a constraint at its end): each batch by itself, then."""
        for batch in batches:
            try:
                self._run_together([batch])
            except sqlite3.Error as error:
                kind = DatabaseBusyError if _is_busy(error) else DatabaseError
                _answer(batch, kind(str(error)))

    def _try(self, statements: Sequence[Statement], *, savepoint: bool = False) -> list[Rows] | DatabaseError:
        """What one batch answers. Raises sqlite3.Error when the transaction around it is gone or must go."""
        # A statement that fails undoes itself; only what other statements wrote before it takes a savepoint.
        nested = savepoint and sum(not _reads(one.sql) for one in statements) > 1
        if nested:
            self._connection.execute("savepoint batch")
        try:
            rows = [self._execute(statement) for statement in statements]
        except (OverflowError, UnicodeEncodeError, ValueError) as error:
            failure = DatabaseError(f"D1_TYPE_ERROR: {error}")
        except sqlite3.Error as error:
            if _is_busy(error) or (savepoint and not self._connection.in_transaction):
                raise
            failure = DatabaseError(str(error))
        else:
            if nested:
                self._connection.execute("release batch")
            return rows
        if nested:
            self._connection.execute("rollback to batch")
            self._connection.execute("release batch")
        return failure

    def _execute(self, statement: Statement) -> Rows:
        connection = self._connection
        for value in statement.params:
            if type(value) is int and not -EXACT_INTEGER <= value <= EXACT_INTEGER:
                raise ValueError(f"{value} is beyond 2^53; bind it as text")
        before = connection.total_changes
        cursor = connection.execute(statement.sql, tuple(statement.params))
        if cursor.description is None:
            return Rows((), [], connection.total_changes - before)
        rows = [_exact(row) for row in cursor.fetchall()]
        columns = tuple([column[0] for column in cursor.description])
        return Rows(columns, rows, connection.total_changes - before)

    def _try_later(self, batches: Sequence[Batch], error: sqlite3.Error) -> None:
        now = time.monotonic()
        patient = [batch for batch in batches if now - batch[2] < BUSY_SECONDS]
        for batch in batches:
            if batch not in patient:
                busy = DatabaseBusyError(f"database is locked after {BUSY_SECONDS:.0f} s of waiting")
                busy.__cause__ = error
                _answer(batch, busy)
        if patient:
            self._queue = [*patient, *self._queue]
            asyncio.get_running_loop().call_later(self._pause, self._flush)
            self._pause = min(self._pause * 2, 0.05)

    def _count_commit(self) -> None:
        self._commits += 1
        if self._commits >= CHECKPOINT_COMMITS and (self._checkpoint is None or not self._checkpoint.is_alive()):
            self._commits = 0
            self._checkpoint = threading.Thread(target=self._copy_log, daemon=True)
            self._checkpoint.start()

    def _copy_log(self) -> None:
        """On a connection of its own. A busy database is no fault: the next time, or a commit, does it."""
        try:
            connection = self._open()
            try:
                connection.execute("pragma wal_checkpoint(passive)")
            finally:
                connection.close()
        except sqlite3.Error:
            return


def _answer(batch: Batch, outcome: list[Rows] | DatabaseError) -> None:
    future = batch[1]
    if future.done():
        return
    if isinstance(outcome, DatabaseError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


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
