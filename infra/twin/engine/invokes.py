"""Data sources: what a program asks of the account."""

from typing import Any, cast

from infra.twin.engine.provider.api import Api
from infra.twin.engine.provider.names import from_api, snake
from infra.twin.engine.provider.versions import InputError
from infra.twin.engine.values import Values, reveal, without_nulls

GET_ZONE = "cloudflare:index/getZone:getZone"


def invoke(api: Api, token: str, arguments: Values) -> Values:
    if token != GET_ZONE:
        raise InputError(f"The embedded engine does not know the function {token}. It knows {GET_ZONE}.")
    given: Values = reveal(without_nulls(arguments))
    zone_id = given.get("zoneId") or _zone_id(api, given.get("filter") or {})
    zone: Values = from_api(api.get(f"/zones/{zone_id}"))
    return zone | {"zoneId": zone["id"], **{name: given[name] for name in ("filter",) if name in given}}


def _zone_id(api: Api, filters: Values) -> str:
    """By name first and then as a whole, as the real provider asks."""
    query = {snake(name): str(value) for name, value in filters.items() if isinstance(value, (str, int))}
    found = cast("list[dict[str, Any]]", api.get("/zones", query) or [])
    if len(found) != 1:
        told = ", ".join(f"{name} {value!r}" for name, value in query.items()) or "no filter"
        raise InputError(
            f"{len(found) or 'no'} zones in the account match {told}, not one. Is the zone in the account?"
        )
    return str(found[0]["id"])
