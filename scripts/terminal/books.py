"""The tenants' databases of a state directory, opened without a host."""

from handlers.metering.reconcile import Difference
from handlers.metering.reconcile import reconcile as reconcile_database
from infra.names import CONTROL_DATABASE, tenant_database
from infra.twin.account.account import Account
from infra.twin.state import State
from shared.edge.local.database import SqliteDatabase
from shared.edge.ports import Statement


def tenant_databases(state: State) -> dict[str, str]:
    """Database name -> uuid, of everything the account holds but the control database."""
    account = Account(state.account_path, state.d1_path)
    try:
        with account.read() as tx:
            found = {str(database["name"]): str(database["uuid"]) for database in tx.all("d1")}
    finally:
        account.close()
    return {name: uuid for name, uuid in sorted(found.items()) if name != CONTROL_DATABASE}


async def reconcile_all(state: State, tenant: str | None = None) -> dict[str, list[Difference]]:
    """What is wrong, by database name."""
    results: dict[str, list[Difference]] = {}
    for name, uuid in tenant_databases(state).items():
        if tenant is not None and name.rpartition("-")[0] != tenant_database(tenant, "").rstrip("-"):
            continue
        database = SqliteDatabase(state.d1_path(uuid), create=False)
        try:
            results[name] = await reconcile_database(database) if await _in_use(database) else []
        finally:
            database.close()
    return results


async def _in_use(database: SqliteDatabase) -> bool:
    """Its schema comes up with its tenant's first request."""
    (tables,) = await database.batch([Statement("select 1 from sqlite_master where name = 'ledger'")])
    return bool(tables.rows)
