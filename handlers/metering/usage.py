"""`GET /v1/usage`: what was used and what it cost, by key, model or day, from the settled receipts."""

from collections.abc import Mapping

from handlers.errors import ApiError
from handlers.metering.money import format_usd
from handlers.metering.windows import DAY_MS, format_time, month_start_ms, parse_time
from shared.edge.ports import Database, Json, Rows, Statement, Value

GROUPS = {
    "model": "coalesce(model, price_entry)",
    "key": "key_id",
    "day": "date(created_ms / 1000, 'unixepoch')",
}
TOKENS = ("input", "cached_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
FIELDS = ("from", "to", "group_by")
LONGEST_MS = 400 * DAY_MS
"""A bit more than a year: a report reads every receipt in between."""

# Sums are read as text: D1 rounds numbers beyond 2^53.
_SUMS = ", ".join(["count(*)", "sum(messages)"] + [f"sum({one})" for one in (*TOKENS, "total_nano")])
_SUMS_AS_TEXT = ", ".join(f"cast(coalesce({one}, 0) as text)" for one in _SUMS.split(", "))
_WHERE = "from receipts where created_ms >= ?1 and created_ms < ?2 and status <> 'pending'"
_TOTAL = f"select {_SUMS_AS_TEXT} {_WHERE}"
_BY = {
    name: f"select {column} as name, {_SUMS_AS_TEXT} {_WHERE} group by name order by name"
    for name, column in GROUPS.items()
}


async def report(database: Database, query: Mapping[str, str], now_ms: int) -> dict[str, Json]:
    """The report for the query's `from`, `to` (exclusive) and `group_by`. Raises ApiError 400, naming the field.

    Without them it is this month, by day. Requests still pending are not in it.
    """
    for name in query:
        if name not in FIELDS:
            raise _wrong(name[:40], f"`{name[:40]}` is not a parameter of usage; known are {', '.join(FIELDS)}.")
    group = query.get("group_by", "day")
    if group not in GROUPS:
        raise _wrong("group_by", f"`group_by` is {group[:40]!r}; it is one of {', '.join(GROUPS)}.")
    from_ms, to_ms = _span(query, now_ms)
    groups, total = await database.batch([Statement(_BY[group], (from_ms, to_ms)), Statement(_TOTAL, (from_ms, to_ms))])
    return {
        "data": [{group: row[0], **_sums(row[1:])} for row in groups.rows],
        "total": _total(total),
        "from": format_time(from_ms),
        "to": format_time(to_ms),
    }


def _span(query: Mapping[str, str], now_ms: int) -> tuple[int, int]:
    from_ms = _time(query, "from", month_start_ms(now_ms))
    to_ms = _time(query, "to", max(now_ms, from_ms) // 1000 * 1000 + 1000)
    if to_ms <= from_ms:
        raise _wrong("to", "`to` is not after `from`; it is the first moment that is no longer in the report.")
    if to_ms - from_ms > LONGEST_MS:
        raise _wrong("from", "A report spans at most 400 days; ask for several.")
    return from_ms, to_ms


def _time(query: Mapping[str, str], field: str, default: int) -> int:
    text = query.get(field)
    if text is None:
        return default
    try:
        at_ms = parse_time(text)
    except (ValueError, OverflowError):
        message = f"`{field}` is {text[:40]!r}; it is a date such as 2026-11-01 or a time such as 2026-11-01T00:00:00Z."
        raise _wrong(field, message) from None
    if not 0 <= at_ms < 253_402_300_800_000:
        raise _wrong(field, f"`{field}` lies before 1970.")
    return at_ms


def _wrong(param: str, message: str) -> ApiError:
    return ApiError(400, "invalid_request", message, param=param)


def _total(answer: Rows) -> dict[str, Json]:
    return _sums(answer.rows[0])


def _sums(row: tuple[Value, ...]) -> dict[str, Json]:
    requests, messages, *tokens, cost = (int(value or 0) for value in row)
    return {
        "requests": requests,
        "messages": messages,
        "tokens": dict(zip(TOKENS, tokens, strict=True)),
        "cost_nano_usd": cost,
        "cost_usd": format_usd(cost),
    }
