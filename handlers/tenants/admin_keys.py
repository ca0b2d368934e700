"""The admin keys that come with a version: hashes by epoch, written into `keys` on the version's first touch."""

from collections.abc import Sequence

from handlers.metering.windows import parse_time
from shared.edge.ports import Database, Statement
from shared.spec.compiled import AdminKeyHash

# A version that was rolled back to knows older epochs only: every statement is conditional on the highest one, so that
# it changes nothing and revives no rotated key.
_CURRENT = "?1 >= coalesce((select max(epoch) from keys), 0)"

WRITE = f"""
insert into keys (hash, id, name, role, epoch, created_ms, expires_ms)
select ?2, ?3, ?4, 'admin', ?5, ?6, ?7 where {_CURRENT}
on conflict (id) do update set hash = excluded.hash, expires_ms = excluded.expires_ms
"""

END_OLDER = f"""
update keys set expires_ms = ?3
where epoch < ?2 and (expires_ms is null or expires_ms > ?3) and {_CURRENT}
"""  # noqa: S608 - two constants


async def enrol(database: Database, keys: Sequence[AdminKeyHash], now_ms: int) -> None:
    """Write the version's admin keys, newest epoch first, unless the database knows a higher epoch."""
    if not keys:
        return
    newest = max(key.epoch for key in keys)
    oldest = min(key.epoch for key in keys)
    statements = [Statement(WRITE, (newest, *_row(key, now_ms))) for key in keys]
    await database.batch([*statements, Statement(END_OLDER, (newest, oldest, now_ms))])


def _row(key: AdminKeyHash, now_ms: int) -> tuple[str | int | None, ...]:
    expires_ms = None if key.expires_at is None else parse_time(key.expires_at)
    return (key.hash, f"key_admin_{key.epoch}", f"admin key, epoch {key.epoch}", key.epoch, now_ms, expires_ms)
