"""API keys of a tenant: who calls, and how its admins make, list and revoke keys. Only hashes are stored."""

from collections.abc import Mapping
from dataclasses import dataclass

from handlers.errors import ApiError
from handlers.metering.admission import Principal
from handlers.metering.schema import ready
from handlers.metering.windows import format_time
from handlers.tenants.new_key import NewKey, read_new_key
from shared.edge.ports import Crypto, Database, Json, Statement, Value
from shared.keys import format_key, hash_key
from shared.spec.compiled import Tenant

MOST_LISTED = 100
LISTED = 20

_VALID = "revoked_ms is null and (expires_ms is null or expires_ms > ?2)"

_AUTHENTICATE = f"select id, name, role from keys where hash = ?1 and {_VALID}"  # noqa: S608 - a constant

# Admin keys of the spec do not count: during a rotation there are two of them.
_CREATE = """
insert into keys (hash, id, name, role, created_ms, expires_ms, spend_cap, requests_cap)
select ?1, ?3, ?4, ?5, ?2, ?6, ?7, ?8
where (
  select count(*) from keys where epoch is null and revoked_ms is null and (expires_ms is null or expires_ms > ?2)
) < ?9
"""

_EXISTS = "select 1 from keys where id = ?"

_LIST = """
select id, name, role, created_ms, expires_ms, revoked_ms, last_used_ms, spend_cap, requests_cap from keys
where ?1 is null or (created_ms, id) > (select created_ms, id from keys where id = ?1)
order by created_ms, id limit ?2
"""

_FIND = "select epoch from keys where id = ?"
_REVOKE = "update keys set revoked_ms = ?2 where id = ?1 and revoked_ms is null and epoch is null"


@dataclass(frozen=True, slots=True)
class Caller:
    """What making a key needs of the request: its moment, randomness, and the pepper of the cell."""

    crypto: Crypto
    pepper: str
    now_ms: int


def invalid_key() -> ApiError:
    """One answer for a key that is malformed, unknown, expired, revoked or another tenant's."""
    return ApiError(401, "invalid_key", "The API key is not valid for this endpoint.")


def require_admin(principal: Principal) -> None:
    """Raises ApiError 403 unless the key is an admin key."""
    if principal.role != "admin":
        raise ApiError(
            403, "forbidden", f"Key {principal.key_id} has the role {principal.role}; this needs an admin key."
        )


async def authenticate(tenant: Tenant, database: Database, key_hash: str, now_ms: int) -> Principal:
    """The principal of a key. Raises ApiError 401."""
    await ready(database, tenant, now_ms)
    [answer] = await database.batch([Statement(_AUTHENTICATE, (key_hash, now_ms))])
    if not answer.rows:
        raise invalid_key()
    key_id, name, role = answer.rows[0]
    return Principal(str(key_id), str(name), str(role))


async def create(tenant: Tenant, database: Database, body: Json, caller: Caller) -> dict[str, Json]:
    """Make a key from the decoded body of `POST /v1/keys`; the answer is the only one that shows it."""
    new = read_new_key(body, caller.now_ms)
    key = format_key(tenant.name, caller.crypto.random_bytes(32))
    key_id = f"key_{caller.crypto.random_bytes(8).hex()}"
    params = (
        hash_key(caller.pepper, key),
        caller.now_ms,
        key_id,
        new.name,
        new.role,
        new.expires_ms,
        new.spend_cap,
        new.requests_cap,
        tenant.limits.max_keys,
    )
    _, exists = await database.batch([Statement(_CREATE, params), Statement(_EXISTS, (key_id,))])
    if not exists.rows:
        message = f"Plan {tenant.plan} allows {tenant.limits.max_keys} keys besides the admin key; revoke one first."
        raise ApiError(400, "invalid_request", message)
    return {**_described(key_id, new, caller.now_ms), "key": key}


def _described(key_id: str, new: NewKey, now_ms: int) -> dict[str, Json]:
    return {
        "id": key_id,
        "name": new.name,
        "role": new.role,
        "created_at": format_time(now_ms),
        "expires_at": _time(new.expires_ms),
        "limits": _limits(new.spend_cap, new.requests_cap),
    }


async def listing(database: Database, query: Mapping[str, str]) -> dict[str, Json]:
    """`GET /v1/keys`: oldest first, `limit` of them after the key `after`."""
    limit = _limit(query.get("limit"))
    after = query.get("after")
    statements = [Statement(_LIST, (after, limit + 1))]
    if after is not None:
        statements.append(Statement(_EXISTS, (after,)))
    answers = await database.batch(statements)
    if after is not None and not answers[1].rows:
        raise ApiError(400, "invalid_request", f"`after` names no key: {after[:80]!r}", param="after")
    data = [_row(row) for row in answers[0].rows[:limit]]
    return {"data": data, "next": data[-1]["id"] if len(answers[0].rows) > limit else None}


def _limit(text: str | None) -> int:
    if text is None:
        return LISTED
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST_LISTED):
        raise ApiError(400, "invalid_request", f"`limit` is {text[:20]!r}; it is 1 to {MOST_LISTED}.", param="limit")
    return int(text)


def _row(row: tuple[Value, ...]) -> dict[str, Json]:
    key_id, name, role, created_ms, expires_ms, revoked_ms, last_used_ms, spend_cap, requests_cap = row
    return {
        "id": key_id,
        "name": name,
        "role": role,
        "created_at": _time(created_ms),
        "expires_at": _time(expires_ms),
        "revoked_at": _time(revoked_ms),
        "last_used_at": _time(last_used_ms),
        "limits": _limits(spend_cap, requests_cap),
    }


def _limits(spend_cap: Value, requests_cap: Value) -> dict[str, Json]:
    spend = None if spend_cap is None else int(spend_cap) / 1_000_000_000
    return {"spend_usd_per_month": spend, "requests_per_minute": requests_cap}


def _time(at_ms: Value) -> str | None:
    return None if at_ms is None else format_time(int(at_ms))


async def revoke(database: Database, key_id: str, now_ms: int) -> None:
    """`DELETE /v1/keys/{id}`: no new hold from now on; what is open is settled. Repeating it changes nothing."""
    found, _ = await database.batch([Statement(_FIND, (key_id,)), Statement(_REVOKE, (key_id, now_ms))])
    if not found.rows:
        raise ApiError(404, "not_found", f"There is no key {key_id[:80]!r}.")
    if found.rows[0][0] is not None:
        message = "The admin key belongs to the tenant's spec: raise keys.epoch there to rotate it."
        raise ApiError(400, "invalid_request", message)
