"""Statements over HTTP: one, several separated by `;`, or a batch. Whatever comes together is one transaction."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from infra.twin.account.documents import Document
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields, is_list, is_object
from shared.edge.local.d1_rules import D1RuleError, check_statement, split_statements
from shared.edge.ports import Statement, Value

CODE = 7400
FAILED = 7500
MAX_SECONDS = 30.0
EXACT_INTEGER = 2**53
"""Beyond it a number is not exact in JavaScript, which D1's answers are made with."""

Row = tuple[Value, ...]
Shape = Callable[[tuple[str, ...], list[Row]], Any]


def parse(body: Document) -> list[Statement]:
    """`{sql, params}` or `{batch: [{sql, params}]}`."""
    if "batch" in body:
        batch = Fields(body, CODE).items("batch")
        statements = [
            statement for position, item in enumerate(batch) for statement in _item(item, f"batch[{position}].")
        ]
        if not statements:
            raise Fields(body, CODE).refuse("batch", "must not be empty")
        return statements
    return _item(body, "")


def run(connection: sqlite3.Connection, statements: list[Statement], shape: Shape) -> list[Document]:
    """Raises sqlite3.Error; nothing is kept then."""
    deadline = time.monotonic() + MAX_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    connection.execute("begin immediate" if any(map(_writes, statements)) else "begin")
    try:
        results = [_execute(connection, statement, shape) for statement in statements]
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    return results


def as_objects(columns: tuple[str, ...], rows: list[Row]) -> list[dict[str, Any]]:
    return [dict(zip(columns, map(_json, row), strict=True)) for row in rows]


def as_arrays(columns: tuple[str, ...], rows: list[Row]) -> dict[str, Any]:
    return {"columns": list(columns), "rows": [list(map(_json, row)) for row in rows]}


def refusal(error: sqlite3.Error) -> ApiError:
    name = getattr(error, "sqlite_errorname", None)
    if name is None:
        return ApiError(400, FAILED, str(error))
    if name == "SQLITE_INTERRUPT":
        return ApiError(400, FAILED, f"D1 DB exceeded its time limit of {MAX_SECONDS:.0f} s and the query was stopped.")
    status = 500 if name.startswith(("SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR")) else 400
    return ApiError(status, FAILED, f"{error}: {'_'.join(name.split('_')[:2])}")


def size(connection: sqlite3.Connection) -> int:
    pages = connection.execute("pragma page_count").fetchone()[0]
    return pages * connection.execute("pragma page_size").fetchone()[0]


def _item(item: Any, prefix: str) -> list[Statement]:
    if not is_object(item):
        raise ApiError(400, CODE, f"{prefix or 'body'}: must be an object with sql and params")
    fields = Fields(item, CODE, prefix=prefix)
    texts = split_statements(fields.text("sql"))
    if not texts:
        raise ApiError(400, FAILED, "No SQL statements detected.")
    params = [_parameter(value, fields) for value in fields.items("params", default=[])]
    # As workerd has it: of several statements in one text, the last alone can have parameters.
    statements = [Statement(text) for text in texts[:-1]] + [Statement(texts[-1], params)]
    for statement in statements:
        try:
            check_statement(statement.sql, statement.params)
        except D1RuleError as error:
            raise ApiError(400, FAILED, str(error)) from error
    return statements


def _parameter(value: Any, fields: Fields) -> Value:
    if isinstance(value, bool):
        return int(value)
    if value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, int):
        return value if -EXACT_INTEGER <= value <= EXACT_INTEGER else float(value)
    if is_list(value) and all(type(byte) is int and 0 <= byte < 256 for byte in value):
        return bytes(value)
    raise fields.refuse(
        "params", f"a parameter is null, a number, a string, a boolean or bytes, not {str(value)[:40]!r}"
    )


def _execute(connection: sqlite3.Connection, statement: Statement, shape: Shape) -> Document:
    before = connection.total_changes
    started = time.perf_counter()
    cursor = connection.execute(statement.sql, tuple(statement.params))
    rows = cursor.fetchall() if cursor.description else []
    milliseconds = round((time.perf_counter() - started) * 1000, 4)
    columns = tuple(column[0] for column in cursor.description or ())
    changes = connection.total_changes - before
    meta = {
        "served_by": "serai-twin",
        "served_by_region": "WEUR",
        "served_by_primary": True,
        "duration": milliseconds,
        "timings": {"sql_duration_ms": milliseconds},
        "changes": changes,
        "last_row_id": connection.execute("select last_insert_rowid()").fetchone()[0],
        "changed_db": changes > 0 or not cursor.description,
        "size_after": size(connection),
        # SQLite does not tell these two through Python: rows returned and rows changed stand for them.
        "rows_read": len(rows),
        "rows_written": changes,
    }
    return {"results": shape(columns, rows), "success": True, "meta": meta}


def _writes(statement: Statement) -> bool:
    return statement.sql.lstrip()[:6].lower() not in ("select", "pragma", "explai")


def _json(value: Value) -> Any:
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, int) and not -EXACT_INTEGER <= value <= EXACT_INTEGER:
        return int(float(value))
    return value
