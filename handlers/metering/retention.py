"""Metadata of receipts is kept for the tenant's `metadata_days`; what they cost, and the ledger, stay."""

from weakref import WeakKeyDictionary

from handlers.metering.windows import DAY_MS
from shared.edge.ports import Database, DatabaseBusyError, Statement

EVERY_MS = 3_600_000
MAX_PRUNED = 200
"""Receipts looked at in one step; while there are more, every settlement takes another one."""

_next: WeakKeyDictionary[Database, int] = WeakKeyDictionary()
"""When an isolate looks at a database again. Losing it costs one look."""

# Receipts come in the order of their ids, nearly: two isolates' clocks may differ. The mark stops before the first one
# that is still young, so that none is passed over.
_PRUNE = f"""
update receipts set end_user = null, asked = null, attempts = null
where created_ms < ?1 and status <> 'pending' and id in (
  select id from receipts where id > (select receipt from pruned) order by id limit {MAX_PRUNED}
)
"""  # noqa: S608 - a constant

_MARK = f"""
update pruned set receipt = coalesce(
  (select min(id) - 1 from (
    select id, created_ms, status from receipts where id > (select receipt from pruned) order by id limit {MAX_PRUNED}
  ) where created_ms >= ?1 or status = 'pending'),
  (select max(id) from (
    select id from receipts where id > (select receipt from pruned) order by id limit {MAX_PRUNED}
  )),
  receipt)
"""  # noqa: S608 - a constant

_MARKED = "select receipt from pruned"


async def prune(database: Database, metadata_days: int, now_ms: int) -> bool:
    """One bounded step. True: there may be more to prune."""
    before_ms = now_ms - metadata_days * DAY_MS
    before, _, _, after = await database.batch(
        [Statement(_MARKED), Statement(_PRUNE, (before_ms,)), Statement(_MARK, (before_ms,)), Statement(_MARKED)]
    )
    return int(after.rows[0][0] or 0) - int(before.rows[0][0] or 0) >= MAX_PRUNED


async def prune_sometimes(database: Database, metadata_days: int, now_ms: int) -> None:
    """Once an hour, and more often while there is much to prune."""
    due_ms = _next.get(database)
    if due_ms is not None and now_ms < due_ms:
        return
    _next[database] = now_ms + EVERY_MS
    try:
        more = await prune(database, metadata_days, now_ms)
    except DatabaseBusyError:
        return  # others need the database more; there is another hour
    if more:
        _next[database] = now_ms
