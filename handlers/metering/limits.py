"""The limits of a tenant: what each bounds, over which window, and where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from handlers.metering.admission import Principal
from handlers.metering.windows import format_time, minute_of, month_of, period_of, resets_at_ms
from shared.edge.ports import Database, Json, Statement, Value
from shared.spec.compiled import Limits, Tenant


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of limit; the guard in the database raises `limit:<name>` when it has no room."""

    name: str
    label: str
    """As a caller reads it in an error."""
    window: str
    """`minute`, `month`, `open` (while a request is open), or `fund`: the plan's month or total."""
    unit: str
    status: int
    code: str


_KINDS = (
    Kind("requests", "requests a minute", "minute", "requests", 429, "rate_limit"),
    Kind("tokens", "tokens a minute", "minute", "tokens", 429, "rate_limit"),
    Kind("streams", "concurrent streams", "open", "streams", 429, "rate_limit"),
    Kind("messages", "included messages", "fund", "messages", 402, "message_limit"),
    Kind("included_tokens", "included tokens", "fund", "tokens", 402, "token_limit"),
    Kind("spend", "spend a month", "month", "nano_usd", 402, "spend_limit"),
    Kind("key_requests", "requests a minute of this key", "minute", "requests", 429, "rate_limit"),
    Kind("key_spend", "spend a month of this key", "month", "nano_usd", 402, "spend_limit"),
    Kind("end_user_requests", "requests a minute of an end user", "minute", "requests", 429, "rate_limit"),
    Kind("end_user_spend", "spend a month of an end user", "month", "nano_usd", 402, "spend_limit"),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _KINDS}


def window_of(kind: Kind, limits: Limits) -> str:
    return limits.included_window if kind.window == "fund" else kind.window


def caps_of(limits: Limits) -> dict[str, int | None]:
    """Cap by kind, of the limits that a spec knows; a key's own are in its row."""
    end_user = limits.per_end_user
    return {
        "requests": limits.requests_per_minute,
        "tokens": limits.tokens_per_minute,
        "streams": limits.concurrent_streams,
        "messages": limits.included_messages,
        "included_tokens": limits.included_tokens,
        "spend": limits.spend_nano_usd_per_month,
        "end_user_requests": end_user.requests_per_minute if end_user else None,
        "end_user_spend": end_user.spend_nano_usd_per_month if end_user else None,
    }


def end_user_scope(limits: Limits, end_user: str | None) -> str | None:
    """What stands for an end user in the ledger, which is never deleted: a digest, so that no name stays there."""
    if end_user is None or limits.per_end_user is None:
        return None
    return "end_user_" + sha256(end_user.encode("utf-8", "surrogatepass")).hexdigest()[:32]


_STATUS = """
select kind, cast(held as text), cast(spent as text) from limits
where (scope = '' or scope = ?4)
  and (period in (0, ?1, ?2) and kind not in ('messages', 'included_tokens')
    or period = ?3 and kind in ('messages', 'included_tokens'))
"""

_KEY_CAPS = "select requests_cap, spend_cap from keys where id = ?"


async def status(database: Database, tenant: Tenant, principal: Principal, now_ms: int) -> list[dict[str, Json]]:
    """The tenant's limits and those of the calling key, each with what is spent, held and left of it."""
    limits = tenant.limits
    periods = (minute_of(now_ms), month_of(now_ms), period_of(limits.included_window, now_ms))
    rows, key = await database.batch(
        [Statement(_STATUS, (*periods, principal.key_id)), Statement(_KEY_CAPS, (principal.key_id,))]
    )
    used = {str(kind): (_int(held), _int(spent)) for kind, held, spent in rows.rows}
    caps = caps_of(limits)
    if key.rows:
        caps |= {"key_requests": _optional(key.rows[0][0]), "key_spend": _optional(key.rows[0][1])}
    return [
        _entry(kind, window_of(kind, limits), cap, used.get(kind.name, (0, 0)), now_ms)
        for kind in _KINDS
        if not kind.name.startswith("end_user") and (cap := caps.get(kind.name)) is not None
    ]


def _entry(kind: Kind, window: str, cap: int, used: tuple[int, int], now_ms: int) -> dict[str, Json]:
    held, spent = used
    resets = resets_at_ms(window, now_ms)
    return {
        "kind": kind.name,
        "window": window,
        "unit": kind.unit,
        "cap": cap,
        "spent": spent,
        "held": held,
        "left": max(0, cap - spent - held),
        "resets_at": None if resets is None else format_time(resets),
    }


def _int(value: Value) -> int:
    return int(value or 0)


def _optional(value: Value) -> int | None:
    return None if value is None else int(value)
