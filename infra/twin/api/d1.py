"""D1 databases: creation and settings. Statements run in `d1_query.py`."""

import contextlib
import sqlite3
from typing import Any

from infra.twin.account.account import now
from infra.twin.account.databases import EMPTY_SIZE
from infra.twin.account.documents import Document, TakenError, Transaction
from infra.twin.api import d1_query
from infra.twin.api.call import Call, Reply, Route, new_uuid
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields
from infra.twin.api.paging import page

CODE = 7400
LOCATIONS = frozenset({"wnam", "enam", "weur", "eeur", "apac", "oc"})
JURISDICTIONS = frozenset({"eu", "fedramp", "us"})
MODES = frozenset({"auto", "disabled"})
PATH = "/accounts/{account}/d1/database"


def create(call: Call) -> Reply:
    body = call.body()
    fields = Fields(body, CODE, prefix="Invalid property: ")
    name = fields.text("name", pattern=r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
    if body.get("primary_location_hint") is not None:
        fields.choice("primary_location_hint", LOCATIONS)
    jurisdiction = fields.choice("jurisdiction", JURISDICTIONS) if body.get("jurisdiction") else None
    database: Document = {
        "uuid": new_uuid(),
        "name": name,
        "version": "production",
        "created_at": now(),
        "jurisdiction": jurisdiction,
        "read_replication": {"mode": _mode(fields, "disabled")},
    }
    with call.write() as tx:
        try:
            tx.insert("d1", database["uuid"], name, database)
        except TakenError as error:
            raise ApiError(400, 7502, f"Database with name '{name}' already exists") from error
        # Before the commit, so that no row is ever without its file; a file without its row is swept at the next start.
        call.account.databases.create(database["uuid"])
    return Reply(_shown(call, database))


def listing(call: Call) -> Reply:
    part = call.query.get("name", "")
    with call.read() as tx:
        databases = [database for database in tx.all("d1") if part in database["name"]]
    keys = ("uuid", "name", "version", "created_at", "jurisdiction")
    return page(call, databases, default=1000, most=10_000, show=lambda one: {key: one[key] for key in keys})


def one(call: Call) -> Reply:
    with call.read() as tx:
        database = _found(call, tx)
    return Reply(_shown(call, database))


def update(call: Call) -> Reply:
    """PUT and PATCH: of all settings, read replication alone can change."""
    fields = Fields(call.body(), CODE, prefix="Invalid property: ")
    with call.write() as tx:
        database = _found(call, tx)
        database["read_replication"] = {"mode": _mode(fields, database["read_replication"]["mode"])}
        tx.replace("d1", database["uuid"], database["name"], database)
    return Reply(_shown(call, database))


def delete(call: Call) -> Reply:
    with call.write() as tx:
        uuid = _found(call, tx)["uuid"]
        tx.remove_database(uuid)
        tx.afterwards.append(lambda: call.account.databases.remove(uuid))
    return Reply(None)


def query(call: Call) -> Reply:
    return Reply(_run(call, d1_query.as_objects))


def raw(call: Call) -> Reply:
    return Reply(_run(call, d1_query.as_arrays))


def _run(call: Call, shape: d1_query.Shape) -> list[Document]:
    statements = d1_query.parse(call.body())
    with call.read() as tx:
        uuid = _found(call, tx)["uuid"]
    try:
        with contextlib.closing(call.account.databases.open(uuid)) as connection:
            return d1_query.run(connection, statements, shape)
    except sqlite3.Error as error:
        raise d1_query.refusal(error) from error


def _mode(fields: Fields, default: str) -> str:
    replication = fields.mapping("read_replication", default={"mode": default})
    return Fields(replication, CODE, prefix="Invalid property: read_replication.").choice("mode", MODES)


def _found(call: Call, tx: Transaction) -> Document:
    database = tx.get("d1", call.path["database"])
    if database is None:
        raise ApiError(404, 7404, f"The database {call.path['database']} could not be found")
    return database


def _shown(call: Call, database: Document) -> Document:
    sizes: dict[str, Any] = {"num_tables": 0, "file_size": EMPTY_SIZE}
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(call.account.databases.open(database["uuid"])) as opened,
    ):
        tables = "select count(*) from sqlite_schema where type = 'table' and name not like 'sqlite@_%' escape '@'"
        sizes["num_tables"] = opened.execute(tables).fetchone()[0]
        sizes["file_size"] = max(EMPTY_SIZE, d1_query.size(opened))
    return database | sizes


ROUTES = (
    Route("POST", PATH, create),
    Route("GET", PATH, listing),
    Route("GET", f"{PATH}/{{database}}", one),
    Route("PUT", f"{PATH}/{{database}}", update),
    Route("PATCH", f"{PATH}/{{database}}", update),
    Route("DELETE", f"{PATH}/{{database}}", delete),
    Route("POST", f"{PATH}/{{database}}/query", query),
    Route("POST", f"{PATH}/{{database}}/raw", raw),
)
