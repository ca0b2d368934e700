"""A stack's journal: the resources it has, and each step on the account before its call and after its answer.

One SQLite file per stack. A killed run leaves the steps it had begun; the next one settles them (recovery.py).
"""

import json
import sqlite3
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from infra.twin.engine.errors import DamagedJournalError, JournalError
from infra.twin.engine.sealing import Seal, SealError

FORMAT = 1
SCHEMA = """
create table resources (
    seq integer primary key autoincrement,
    urn text not null,
    condemned integer not null,  -- replaced: its successor is there, its own deletion is still to come
    document text not null
) strict;
create unique index resources_live on resources (urn) where condemned = 0;
create table steps (
    seq integer primary key autoincrement,
    kind text not null,          -- create, update, delete
    started text not null,       -- ISO 8601, UTC
    resource integer,            -- the row that is updated, deleted or replaced
    document text not null       -- the row that is to be
) strict;
"""

StepKind = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Row:
    """A resource, as the stack knows it."""

    urn: str
    type: str
    name: str
    custom: bool
    id: str = ""
    inputs: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    parent: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    protect: bool = False
    retain: bool = False
    external: bool = False
    deleted_with: str = ""
    seq: int = 0
    condemned: bool = False

    @property
    def needs(self) -> set[str]:
        """What has to outlive it."""
        return {*self.dependencies, *([self.parent] if self.parent else [])}


@dataclass(frozen=True, slots=True)
class Begun:
    """A step whose outcome is not known: the run that began it did not live to write it down."""

    seq: int
    kind: StepKind
    started: datetime
    resource: int | None
    row: Row


_STORED = tuple(item.name for item in fields(Row) if item.name not in ("seq", "condemned"))


class Journal:
    """Open it in a `with` block. Threads share it."""

    def __init__(self, path: Path, key: str, *, scratch: bool = False) -> None:
        """`scratch` works on a copy in memory: what is done to it is forgotten."""
        self.path = path
        self._seal = Seal(key, unknowns=scratch)
        self._lock = threading.RLock()
        self._rows: dict[int, Row] = {}
        with self._readable():
            self._db = _open_copy(path) if scratch else _open(path)
            try:
                self._prepare()
                self._load()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def live(self, urn: str) -> Row | None:
        with self._lock:
            return next((row for row in self._rows.values() if row.urn == urn and not row.condemned), None)

    def rows(self) -> list[Row]:
        with self._lock:
            return list(self._rows.values())

    def row(self, seq: int) -> Row | None:
        with self._lock:
            return self._rows.get(seq)

    def begun(self) -> list[Begun]:
        with self._lock, self._readable():
            found = self._db.execute("select seq, kind, started, resource, document from steps order by seq").fetchall()
            return [
                Begun(seq, kind, datetime.fromisoformat(started), resource, self._parse(document))
                for seq, kind, started, resource, document in found
            ]

    def begin(self, kind: StepKind, row: Row, resource: int | None = None) -> int:
        """Write down what is about to be called. For a create, `resource` is what it replaces."""
        started = datetime.now(UTC).isoformat()
        with self._write() as db:
            cursor = db.execute(
                "insert into steps (kind, started, resource, document) values (?, ?, ?, ?)",
                (kind, started, resource, self._text(row)),
            )
            return cast("int", cursor.lastrowid)

    def created(self, step: int | None, row: Row, replaced: int | None = None) -> Row:
        """The new row, and in the same transaction what it replaces is condemned."""
        with self._write() as db:
            if replaced is not None:
                self._condemn(db, replaced)
            row = self._insert(db, row)
            self._end(db, step)
        return row

    def updated(self, step: int | None, row: Row) -> Row:
        with self._write() as db:
            db.execute("update resources set urn = ?, document = ? where seq = ?", (row.urn, self._text(row), row.seq))
            self._rows[row.seq] = row
            self._end(db, step)
        return row

    def deleted(self, step: int | None, seq: int) -> None:
        with self._write() as db:
            db.execute("delete from resources where seq = ?", (seq,))
            self._rows.pop(seq, None)
            self._end(db, step)

    def abandon(self, step: int) -> None:
        """The call was refused: nothing happened."""
        with self._write() as db:
            self._end(db, step)

    def rename(self, old: str, new: str) -> None:
        """An alias: the resource goes on under another URN, and so does all that points at it."""
        with self._write() as db:
            for row in self._rows.values():
                renamed = _renamed(row, old, new)
                if renamed is not row:
                    text = self._text(renamed)
                    db.execute("update resources set urn = ?, document = ? where seq = ?", (renamed.urn, text, row.seq))
                    self._rows[row.seq] = renamed

    def _condemn(self, db: sqlite3.Connection, seq: int) -> None:
        db.execute("update resources set condemned = 1 where seq = ?", (seq,))
        self._rows[seq] = replace(self._rows[seq], condemned=True)

    def _insert(self, db: sqlite3.Connection, row: Row) -> Row:
        cursor = db.execute(
            "insert into resources (urn, condemned, document) values (?, 0, ?)", (row.urn, self._text(row))
        )
        row = replace(row, seq=cast("int", cursor.lastrowid), condemned=False)
        self._rows[row.seq] = row
        return row

    def _end(self, db: sqlite3.Connection, step: int | None) -> None:
        if step is not None:
            db.execute("delete from steps where seq = ?", (step,))

    @contextmanager
    def _write(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            before = dict(self._rows)
            try:
                with self._db:
                    self._db.execute("begin immediate")
                    yield self._db
            except sqlite3.Error as error:
                self._rows = before
                raise JournalError(f"The journal {self.path} cannot be written: {error}. Is the disk full?") from error
            except BaseException:
                self._rows = before
                raise

    def _prepare(self) -> None:
        version = self._db.execute("pragma user_version").fetchone()[0]
        if version > FORMAT:
            raise JournalError(
                f"The journal {self.path} has format {version}, made by a newer Serai; this one knows up to {FORMAT}. "
                "Update Serai."
            )
        if version == 0:
            self._db.executescript(f"begin; {SCHEMA} pragma user_version = {FORMAT}; commit;")

    def _load(self) -> None:
        for seq, condemned, document in self._db.execute("select seq, condemned, document from resources order by seq"):
            self._rows[seq] = replace(self._parse(document), seq=seq, condemned=bool(condemned))

    def _text(self, row: Row) -> str:
        # Not asdict(): it would copy a Secret among the values into a dict.
        return self._seal.dumps({name: getattr(row, name) for name in _STORED})

    def _parse(self, text: str) -> Row:
        document: dict[str, Any] = self._seal.loads(text)
        document["dependencies"] = tuple(document["dependencies"])
        return Row(**document)

    @contextmanager
    def _readable(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, json.JSONDecodeError, TypeError, KeyError, ValueError) as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise JournalError(f"The journal {self.path} is busy. Try again when the other run is done.") from None
            raise DamagedJournalError(
                f"The journal {self.path} is damaged ({error}). Restore it from a backup, or move it away and run "
                "`serai up`: databases, Workers and routes that are in the account are then adopted by name."
            ) from error
        except SealError as error:
            raise JournalError(
                f"The secrets in the journal {self.path} were encrypted with another key than the one in secrets.json "
                "of its state directory. Restore the secrets.json that belongs to it."
            ) from error


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        path.chmod(0o600)
        db.execute("pragma journal_mode = wal")
        # A step has to outlive the power, not only the process: a forgotten create is an orphan.
        db.execute("pragma synchronous = full")
    except BaseException:
        db.close()
        raise
    return db


def _open_copy(path: Path) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if not path.exists():
        return copy
    try:
        source = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            source.backup(copy)
        finally:
            source.close()
    except BaseException:
        copy.close()
        raise
    return copy


def _renamed(row: Row, old: str, new: str) -> Row:
    def swap(urns: Iterable[str]) -> list[str]:
        return [new if urn == old else urn for urn in urns]

    renamed = replace(
        row,
        urn=new if row.urn == old else row.urn,
        parent=new if row.parent == old else row.parent,
        dependencies=tuple(swap(row.dependencies)),
        property_dependencies={key: swap(urns) for key, urns in row.property_dependencies.items()},
        deleted_with=new if row.deleted_with == old else row.deleted_with,
    )
    return row if renamed == row else renamed
