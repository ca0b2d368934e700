"""`GET /v1/receipts/{request id}`: what one request cost and why."""

import json

from handlers.errors import ApiError
from handlers.metering.admission import Principal
from handlers.metering.money import format_usd
from handlers.metering.windows import format_time
from shared.edge.ports import Clock, Database, Json, Statement, Value
from shared.spec.compiled import Tenant

PATIENCE_SECONDS = 1.0
"""How long a reader waits for a receipt that is still pending: settling is off the caller's path."""

FIRST_PAUSE = 0.02
LONGEST_ID = 100

# An inference key sees what it asked for itself; for the rest the receipt does not exist.
_READ = "select * from receipts where request_id = ?1 and (?3 = 'admin' or key_id = ?2)"


async def read(
    database: Database, tenant: Tenant, request_id: str, principal: Principal, clock: Clock
) -> dict[str, Json]:
    """The receipt in its public shape. Raises ApiError 404."""
    deadline = clock.monotonic() + PATIENCE_SECONDS
    pause = FIRST_PAUSE
    while True:
        row = await _row(database, request_id, principal)
        left = deadline - clock.monotonic()
        if row["status"] != "pending" or left <= 0:
            return receipt(tenant, row)
        await clock.sleep(min(pause, left))
        pause *= 2


async def _row(database: Database, request_id: str, principal: Principal) -> dict[str, Value]:
    statement = Statement(_READ, (request_id[:LONGEST_ID], principal.key_id, principal.role))
    [answer] = await database.batch([statement])
    if not answer.rows:
        raise ApiError(404, "not_found", f"There is no receipt {request_id[:LONGEST_ID]!r}.")
    return answer.dicts()[0]


def receipt(tenant: Tenant, row: dict[str, Value]) -> dict[str, Json]:
    """A row of `receipts` as its JSON. After metadata_days what was asked is gone, and null; what it cost stays."""
    asked: dict[str, Json] = json.loads(str(row["asked"])) if row["asked"] is not None else {}
    ended = row["status"] != "pending"
    return {
        "id": row["request_id"],
        "status": row["status"],
        "created_at": format_time(_int(row["created_ms"])),
        "tenant": tenant.name,
        "key": row["key_id"],
        "end_user": row["end_user"],
        "wire": asked.get("wire"),
        "model": asked.get("model"),
        "stream": bool(row["stream"]),
        "replayed": False,
        "route": {"candidates": asked.get("candidates", [])},
        "attempts": json.loads(str(row["attempts"])) if row["attempts"] is not None else [],
        "usage": _usage(row) if ended else None,
        "usage_source": row["usage_source"],
        "prices": {"version": row["price_version"], "entry": row["price_entry"]},
        "hold_nano_usd": row["hold_nano"],
        "cost": _cost(row) if ended else None,
    }


def _usage(row: dict[str, Value]) -> dict[str, Json]:
    classes = ("input", "cached_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
    return {name: row[name] for name in classes}


def _cost(row: dict[str, Value]) -> dict[str, Json]:
    return {
        "model_nano_usd": row["model_nano"],
        "included_tokens": row["tokens_fund"],
        "messages": row["messages"],
        "included_messages": row["messages_fund"],
        "message_nano_usd": row["message_nano"],
        "total_nano_usd": row["total_nano"],
        "total_usd": format_usd(_int(row["total_nano"])),
    }


def _int(value: Value) -> int:
    return int(value or 0)
