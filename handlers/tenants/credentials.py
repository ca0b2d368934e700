"""The key a request presents. Whether it is good, the tenant's database says: keys.py, or the ledger with the hold."""

from collections.abc import Mapping

from handlers.errors import ApiError
from handlers.http import Request
from handlers.metering.admission import Principal
from handlers.tenants import keys
from shared.keys import PREFIX, hash_key

MOST = 200
"""Characters of a key; those that are given out have less."""


def presented_key(headers: Mapping[str, str], tenant: str) -> str:
    """Raises ApiError 401 for a key that cannot be one of this tenant's, without asking the database."""
    authorization = headers.get("authorization", "")
    key = authorization[7:].strip() if authorization[:7].lower() == "bearer " else headers.get("x-api-key", "").strip()
    if not key.startswith(f"{PREFIX}{tenant}-") or len(key) > MOST:
        raise keys.invalid_key()
    return key


def presented_hash(headers: Mapping[str, str], tenant: str, pepper: str) -> str:
    """The hash under which the presented key would be stored. Raises ApiError 401."""
    return hash_key(pepper, presented_key(headers, tenant))


async def identify(request: Request) -> Principal:
    """Who calls an endpoint that costs nothing. Raises ApiError 401, and 403 for a suspended tenant's keys."""
    key_hash = presented_hash(request.headers, request.tenant.name, request.cell.pepper)
    principal = await keys.authenticate(request.tenant, request.database, key_hash, request.now_ms)
    if request.tenant.state == "suspended":
        raise ApiError(403, "suspended", f"{request.tenant.display_name} is suspended: its operator can resume it.")
    return principal
