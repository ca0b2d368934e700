"""The account's resources: JSON documents in one SQLite table, found by id, or by name within a scope."""

import hashlib
import json
import sqlite3
from collections.abc import Callable
from typing import Any

Document = dict[str, Any]

FORMAT = 1
SCHEMA = (
    "create table if not exists meta (key text primary key, value integer not null) without rowid",
    """create table if not exists documents (
        sequence integer primary key autoincrement,
        kind text not null, id text not null, scope text not null, name text not null, body text not null,
        unique (kind, id), unique (kind, scope, name))""",
    """create table if not exists modules (
        version text not null, position integer not null, name text not null, content_type text not null,
        hash text not null, primary key (version, position))""",
    # Versions share most of their modules: each content is stored once.
    "create table if not exists contents (hash text primary key, content blob not null)",
    "create index if not exists modules_by_hash on modules (hash)",
    # Databases that were deleted and whose files may not be gone yet.
    "create table if not exists removed_databases (uuid text primary key) without rowid",
)

EDGE_KINDS = frozenset({"worker", "version", "deployment", "route", "domain"})
"""What the edge serves from: a change to one of these raises the generation."""


class TakenError(Exception):
    """Another document of that kind and scope has the name."""


class Transaction:
    """Reads and writes that happen together or not at all."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.touched: set[str] = set()
        self.afterwards: list[Callable[[], None]] = []
        """Run once what was written is committed."""

    def get(self, kind: str, identifier: str) -> Document | None:
        return self._one("select body from documents where kind = ? and id = ?", kind, identifier)

    def named(self, kind: str, name: str, scope: str = "") -> Document | None:
        return self._one("select body from documents where kind = ? and scope = ? and name = ?", kind, scope, name)

    def all(self, kind: str, scope: str | None = None) -> list[Document]:
        """In the order in which they were made."""
        sql = "select body from documents where kind = ?1 and (?2 is null or scope = ?2) order by sequence"
        return [json.loads(body) for (body,) in self._connection.execute(sql, (kind, scope))]

    def newest(self, kind: str, scope: str) -> Document | None:
        sql = "select body from documents where kind = ? and scope = ? order by sequence desc limit 1"
        return self._one(sql, kind, scope)

    def insert(self, kind: str, identifier: str, name: str, body: Document, scope: str = "") -> None:
        sql = "insert into documents (kind, id, scope, name, body) values (?, ?, ?, ?, ?)"
        self._write(kind, sql, (kind, identifier, scope, name, json.dumps(body)))

    def replace(self, kind: str, identifier: str, name: str, body: Document) -> None:
        sql = "update documents set name = ?, body = ? where kind = ? and id = ?"
        self._write(kind, sql, (name, json.dumps(body), kind, identifier))

    def delete(self, kind: str, identifier: str) -> None:
        self._write(kind, "delete from documents where kind = ? and id = ?", (kind, identifier))

    def insert_modules(self, version: str, modules: list[tuple[str, str, bytes]]) -> None:
        for position, (name, content_type, content) in enumerate(modules):
            digest = hashlib.sha256(content).hexdigest()
            self._connection.execute("insert or ignore into contents values (?, ?)", (digest, content))
            row = (version, position, name, content_type, digest)
            self._connection.execute("insert into modules values (?, ?, ?, ?, ?)", row)

    def modules(self, version: str) -> list[tuple[str, str, bytes]]:
        sql = """select name, content_type, content from modules join contents using (hash)
                 where version = ? order by position"""
        return self._connection.execute(sql, (version,)).fetchall()

    def delete_modules(self, version: str) -> None:
        self._connection.execute("delete from modules where version = ?", (version,))
        self._connection.execute("delete from contents where hash not in (select hash from modules)")

    def remove_database(self, uuid: str) -> None:
        self.delete("d1", uuid)
        self._connection.execute("insert into removed_databases values (?)", (uuid,))

    def removed_databases(self) -> set[str]:
        return {uuid for (uuid,) in self._connection.execute("select uuid from removed_databases")}

    def forget_removed_databases(self) -> None:
        self._connection.execute("delete from removed_databases")

    def generation(self) -> int:
        return self._connection.execute("select value from meta where key = 'generation'").fetchone()[0]

    def finish(self) -> None:
        """Called before the commit."""
        if self.touched & EDGE_KINDS:
            self._connection.execute("update meta set value = value + 1 where key = 'generation'")

    def _one(self, sql: str, *values: str) -> Document | None:
        row = self._connection.execute(sql, values).fetchone()
        return json.loads(row[0]) if row else None

    def _write(self, kind: str, sql: str, values: tuple[str, ...]) -> None:
        try:
            self._connection.execute(sql, values)
        except sqlite3.IntegrityError as error:
            raise TakenError(str(error)) from error
        self.touched.add(kind)
