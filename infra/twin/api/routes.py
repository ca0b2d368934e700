"""Worker routes: URL patterns of a zone, each sent to a Worker.

Rules of patterns: developers.cloudflare.com/workers/configuration/routing/routes (2026-11). Codes 10019 and 10022 were
seen live by others (github.com/alchemy-run/distilled), 10020 is `workers.api.error.duplicate_route`.
"""

import re

from infra.twin.account.documents import Document, TakenError, Transaction
from infra.twin.api.call import Call, Reply, Route, new_id
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields

CODE = 10022
NO_WORKER = (
    "Cannot configure a route for a Worker which does not exist. Please ensure this Worker exists and try again."
)
PATTERN = re.compile(r"(?:https?://)?(\*?[A-Za-z0-9.-]*[A-Za-z0-9])(?:/([^?#*\s]*)(\*?))?")


def create(call: Call) -> Reply:
    body = call.body()
    with call.write() as tx:
        zone = call.zone(tx)
        route: Document = {"id": new_id()} | _fields(tx, body, zone)
        try:
            # Patterns contain their zone's name, so that unique within the zone is unique.
            tx.insert("route", route["id"], route["pattern"], route, zone["id"])
        except TakenError as error:
            raise _taken(route) from error
    return Reply(route)


def listing(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(tx.all("route", call.zone(tx)["id"]))


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_found(call, tx))


def update(call: Call) -> Reply:
    body = call.body()
    with call.write() as tx:
        before = _found(call, tx)
        route: Document = {"id": before["id"]} | _fields(tx, body, call.zone(tx))
        try:
            tx.replace("route", route["id"], route["pattern"], route)
        except TakenError as error:
            raise _taken(route) from error
    return Reply(route)


def delete(call: Call) -> Reply:
    with call.write() as tx:
        route = _found(call, tx)
        tx.delete("route", route["id"])
    return Reply({"id": route["id"]})


def _fields(tx: Transaction, body: Document, zone: Document) -> Document:
    fields = Fields(body, CODE)
    pattern = fields.text("pattern")
    _check_pattern(tx, pattern, zone)
    if not body.get("script"):
        return {"pattern": pattern}
    script = fields.text("script")
    if tx.named("worker", script) is None:
        raise ApiError(400, 10019, NO_WORKER)
    return {"pattern": pattern, "script": script}


def _check_pattern(tx: Transaction, pattern: str, zone: Document) -> None:
    match = PATTERN.fullmatch(pattern)
    if match is None:
        raise ApiError(
            400, CODE, f"Invalid route pattern {pattern!r}: a host, then a path; * only first or last, no query."
        )
    host = match[1].lstrip("*").lstrip(".").lower()
    if host == zone["name"] or host.endswith("." + zone["name"]) or tx.named("hostname", host, zone["id"]):
        return
    raise ApiError(
        400, CODE, f"Route pattern {pattern!r} is not in zone {zone['name']}, and {host} is no custom hostname of it."
    )


def _found(call: Call, tx: Transaction) -> Document:
    zone = call.zone(tx)
    route = tx.get("route", call.path["route"])
    if route is None or route not in tx.all("route", zone["id"]):
        raise ApiError(404, 10009, f"Route does not exist: {call.path['route']}")
    return route


def _taken(route: Document) -> ApiError:
    message = f"A route with the same pattern already exists: {route['pattern']} (workers.api.error.duplicate_route)."
    return ApiError(409, 10020, message)


ROUTES = (
    Route("POST", "/zones/{zone}/workers/routes", create),
    Route("GET", "/zones/{zone}/workers/routes", listing),
    Route("GET", "/zones/{zone}/workers/routes/{route}", one),
    Route("PUT", "/zones/{zone}/workers/routes/{route}", update),
    Route("DELETE", "/zones/{zone}/workers/routes/{route}", delete),
)
