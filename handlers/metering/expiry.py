"""Holds that nobody settled: charged in full a minute after their deadline, by the next request or a sweep."""

from handlers.metering.statements import EXPIRE, MAX_EXPIRED
from shared.edge.ports import Database, Statement

GRACE_MS = 60_000


def expire(now_ms: int) -> Statement:
    """One bounded step; an index finds nothing at once where nothing is late."""
    return Statement(EXPIRE, (now_ms, late_before(now_ms)))


def late_before(now_ms: int) -> int:
    """A pending hold whose deadline lies before this is late."""
    return now_ms - GRACE_MS


_LATE = "select count(*) from receipts where status = 'pending' and deadline_ms < ?"


async def sweep(database: Database, now_ms: int) -> int:
    """Expire every hold that is late; returns how many there were."""
    swept = 0
    while True:
        late, _ = await database.batch([Statement(_LATE, (late_before(now_ms),)), expire(now_ms)])
        count = int(late.rows[0][0] or 0)
        swept += min(count, MAX_EXPIRED)
        if count <= MAX_EXPIRED:
            return swept
