"""The body of `POST /v1/keys`, checked field by field."""

from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from handlers.errors import ApiError
from handlers.metering.windows import parse_time
from shared.edge.ports import Json

ROLES = ("admin", "inference")
FIELDS = ("name", "role", "limits", "expires_at")
LIMITS = ("spend_usd_per_month", "requests_per_minute")
MOST_USD = 1_000_000
MOST_REQUESTS = 1_000_000
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class NewKey:
    name: str
    role: str
    expires_ms: int | None
    spend_cap: int | None
    requests_cap: int | None


def read_new_key(body: Json, now_ms: int) -> NewKey:
    """Raises ApiError 400, naming the field."""
    fields = _object(body, None, FIELDS)
    limits = _object(fields.get("limits") or {}, "limits", LIMITS)
    return NewKey(
        name=_name(fields.get("name")),
        role=_role(fields.get("role")),
        expires_ms=_expires(fields.get("expires_at"), now_ms),
        spend_cap=_spend(limits.get("spend_usd_per_month")),
        requests_cap=_requests(limits.get("requests_per_minute")),
    )


def _wrong(param: str | None, message: str) -> ApiError:
    return ApiError(400, "invalid_request", message, param=param)


def _object(value: Json, param: str | None, known: tuple[str, ...]) -> dict[str, Json]:
    where = f"`{param}`" if param else "The body"
    if not isinstance(value, dict):
        raise _wrong(param, f"{where} is not a JSON object.")
    fields = cast("dict[str, Json]", value)
    for name in fields:
        if name not in known:
            path = f"{param}.{name}" if param else name
            raise _wrong(path[:80], f"`{path[:80]}` is not a field of a key; known are {', '.join(known)}.")
    return fields


def _name(value: Json) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME or not value.isprintable():
        raise _wrong("name", f"`name` is a text of 1 to {LONGEST_NAME} printable characters.")
    return value.strip()


def _role(value: Json) -> str:
    if value not in ROLES:
        raise _wrong("role", f"`role` is one of {', '.join(ROLES)}.")
    return str(value)


def _expires(value: Json, now_ms: int) -> int | None:
    if value is None:
        return None
    try:
        expires_ms = parse_time(value)
    except (ValueError, TypeError, OverflowError):
        message = "`expires_at` is a time such as 2027-01-31T00:00:00Z, or null."
        raise _wrong("expires_at", message) from None
    if expires_ms <= now_ms:
        raise _wrong("expires_at", "`expires_at` lies in the past.")
    return expires_ms


def _spend(value: Json) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_USD:
        path = "limits.spend_usd_per_month"
        raise _wrong(path, f"`{path}` is a number of dollars from 0 to {MOST_USD}, or null.")
    return int(Decimal(str(value)) * 1_000_000_000)


def _requests(value: Json) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_REQUESTS:
        path = "limits.requests_per_minute"
        raise _wrong(path, f"`{path}` is a whole number from 1 to {MOST_REQUESTS}, or null.")
    return value
