"""What D1 refuses that SQLite would accept.

Sources: developers.cloudflare.com/d1/platform/limits and /d1/sql-api/sql-statements (2026-11); the wording of the
refusals is that of workerd's src/workerd/util/sqlite.c++.
"""

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache

from shared.edge.ports import Value

MAX_PARAMETERS = 100
MAX_STATEMENT_BYTES = 100_000
MAX_VALUE_BYTES = 2_000_000
"""Of one value, and of one row."""

TRANSACTIONS = frozenset({"begin", "commit", "end", "rollback", "savepoint", "release"})
FORBIDDEN = frozenset({"attach", "detach", "vacuum"})
PRAGMAS = frozenset(
    {
        "case_sensitive_like",
        "defer_foreign_keys",
        "foreign_key_check",
        "foreign_key_list",
        "foreign_keys",
        "ignore_check_constraints",
        "index_info",
        "index_list",
        "index_xinfo",
        "legacy_alter_table",
        "optimize",
        "quick_check",
        "recursive_triggers",
        "reverse_unordered_selects",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)

_SPACE = r"(?>\s|--[^\n]*|/\*(?>.*?\*/|.*))"
_FIRST_WORD = re.compile(rf"{_SPACE}*+([A-Za-z]*)", re.DOTALL)
_NOTHING = re.compile(rf"(?>;|{_SPACE})*+\Z", re.DOTALL)
_PRAGMA = re.compile(rf"{_SPACE}*+pragma{_SPACE}*+(?:[a-z_]+\s*+\.\s*+)?([a-z_]+)", re.DOTALL | re.IGNORECASE)
_SEMICOLON = re.compile(
    r"""'(?>[^']|'')*+'?|"(?>[^"]|"")*+"?|`(?>[^`]|``)*+`?|\[[^\]]*+\]?|--[^\n]*+|/\*(?>.*?\*/|.*)|(?P<end>;)""",
    re.DOTALL,
)

_LIMITS = (
    (sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES),
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, MAX_STATEMENT_BYTES),
    (sqlite3.SQLITE_LIMIT_COLUMN, 100),
    (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 100),
    (sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 32),
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, MAX_PARAMETERS),
    (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 10),
)


class D1RuleError(Exception):
    """A statement that D1 would refuse."""


def check_statement(sql: str, params: Sequence[Value]) -> None:
    """One statement as a binding or a batch sends it. The text is judged once; only the parameters cost every time."""
    refusal = _refusal(sql)
    if refusal is not None:
        raise D1RuleError(refusal)
    if len(params) > MAX_PARAMETERS:
        raise D1RuleError(f"too many SQL variables: {len(params)}; D1 takes at most {MAX_PARAMETERS}: SQLITE_ERROR")
    for value in params:
        if (type(value) is str or type(value) is bytes) and len(value) * 4 > MAX_VALUE_BYTES:
            _check_size(value)


def split_statements(sql: str) -> list[str]:
    """The statements of a text, as SQLite's own tokenizer ends them: a trigger's body is not split."""
    statements: list[str] = []
    start = 0
    for token in _SEMICOLON.finditer(sql):
        if token["end"] and sqlite3.complete_statement(sql[start : token.end()]):
            statements.append(sql[start : token.end()])
            start = token.end()
    statements.append(sql[start:])
    return [statement.strip() for statement in statements if not _NOTHING.match(statement)]


def apply_limits(connection: sqlite3.Connection) -> None:
    """D1's limits on rows, columns, expressions and so on, enforced by SQLite itself at no cost per statement."""
    for category, limit in _LIMITS:
        connection.setlimit(category, limit)


@lru_cache(maxsize=2048)
def _refusal(sql: str) -> str | None:
    if len(sql.encode("utf-8", "surrogatepass")) > MAX_STATEMENT_BYTES:
        return f"statement too long: D1 takes at most {MAX_STATEMENT_BYTES} bytes: SQLITE_TOOBIG"
    statements = split_statements(sql)
    if len(statements) != 1:
        return (
            "A prepared SQL statement must contain only one statement." if statements else "No SQL statements detected."
        )
    match = _FIRST_WORD.match(sql)
    word = match.group(1).lower() if match else ""
    if word in TRANSACTIONS:
        return (
            "To execute a transaction, please use the state.storage.transaction() or state.storage.transactionSync() "
            "APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements: D1 runs a batch as one transaction."
        )
    if word in FORBIDDEN or (word == "pragma" and _pragma(sql) not in PRAGMAS):
        return "not authorized: SQLITE_AUTH"
    return None


def _pragma(sql: str) -> str:
    match = _PRAGMA.match(sql)
    return match.group(1).lower() if match else ""


def _check_size(value: str | bytes) -> None:
    size = len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else len(value)
    if size > MAX_VALUE_BYTES:
        raise D1RuleError(f"string or blob too big: {size} bytes; D1 takes at most {MAX_VALUE_BYTES}: SQLITE_TOOBIG")
