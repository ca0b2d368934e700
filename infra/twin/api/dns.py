"""DNS records. Nothing resolves by them: they are kept so that programs which declare them run."""

import ipaddress
from collections.abc import Callable

from infra.twin.account.account import now
from infra.twin.account.documents import Document, Transaction
from infra.twin.api.call import Call, Reply, Route, new_id
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields
from infra.twin.api.paging import page

CODE = 1004
ADDRESSES = frozenset({"A", "AAAA", "CNAME"})
TYPES = ADDRESSES | {"CAA", "HTTPS", "MX", "NS", "SRV", "SVCB", "TXT"}
STRUCTURED = frozenset({"CAA", "HTTPS", "SRV", "SVCB"})
"""Types whose value may come as `data` instead of `content`."""


def create(call: Call) -> Reply:
    body = call.body()
    with call.write() as tx:
        zone = call.zone(tx)
        made = now()
        record: Document = {"id": new_id(), "zone_id": zone["id"], "zone_name": zone["name"]}
        record |= _record(body, zone["name"]) | {"created_on": made, "modified_on": made}
        _check_conflicts(tx, record)
        tx.insert("dns", record["id"], record["id"], record, zone["id"])
    return Reply(record)


def listing(call: Call) -> Reply:
    filters = {key: call.query[key] for key in ("name", "type", "content") if key in call.query}
    filters |= {key: call.query[f"{key}.exact"] for key in ("name", "content") if f"{key}.exact" in call.query}
    with call.read() as tx:
        records = tx.all("dns", call.zone(tx)["id"])
    kept = [record for record in records if all(record[key] == value for key, value in filters.items())]
    return page(call, kept, default=100, most=50_000)


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_found(call, tx))


def update(call: Call) -> Reply:
    return _change(call, _nothing)


def edit(call: Call) -> Reply:
    return _change(call, _changeable)


def delete(call: Call) -> Reply:
    with call.write() as tx:
        record = _found(call, tx)
        tx.delete("dns", record["id"])
    return Reply({"id": record["id"]})


def _change(call: Call, kept: Callable[[Document], Document]) -> Reply:
    body = call.body()
    with call.write() as tx:
        before = _found(call, tx)
        record = {key: before[key] for key in ("id", "zone_id", "zone_name", "created_on")}
        record |= _record(kept(before) | body, before["zone_name"]) | {"modified_on": now()}
        _check_conflicts(tx, record)
        tx.replace("dns", record["id"], record["id"], record)
    return Reply(record)


def _nothing(_record: Document) -> Document:
    return {}


def _changeable(record: Document) -> Document:
    names = ("name", "type", "content", "data", "proxied", "ttl", "settings", "comment", "tags", "priority")
    return {name: record[name] for name in names if name in record}


def _record(body: Document, zone: str) -> Document:
    fields = Fields(body, CODE, prefix="DNS Validation Error: ")
    kind = fields.choice("type", frozenset(TYPES))
    name = fields.text("name", pattern=r"\S{1,255}").lower().rstrip(".")
    record: Document = {
        "name": _absolute(name, zone),
        "type": kind,
        "content": _content(fields, kind, body),
        "proxiable": kind in ADDRESSES,
        "proxied": fields.boolean("proxied", default=False),
        "ttl": fields.number("ttl", low=1, high=86_400, default=1),
        "settings": fields.mapping("settings", default={}),
        "meta": {},
        "comment": body.get("comment"),
        "tags": fields.texts("tags"),
    }
    if record["proxied"] and not record["proxiable"]:
        raise ApiError(400, 9004, "This record type cannot be proxied.")
    if 1 < record["ttl"] < 30:
        raise fields.refuse("ttl", "must be 1 for automatic, or between 60 and 86400 seconds (30 on Enterprise)")
    extras = {name: body[name] for name in ("priority", "data") if body.get(name) is not None}
    return record | extras


def _absolute(name: str, zone: str) -> str:
    """A name outside the zone is one below it, as Cloudflare takes it."""
    if name == "@":
        return zone
    return name if name == zone or name.endswith("." + zone) else f"{name}.{zone}"


def _content(fields: Fields, kind: str, body: Document) -> str:
    if kind in STRUCTURED and "content" not in body:
        return " ".join(str(value) for value in fields.mapping("data").values())
    content = fields.text("content", pattern=r"(?s).{1,32768}")
    version = {"A": 4, "AAAA": 6}.get(kind)
    if version:
        try:
            address = ipaddress.ip_address(content)
        except ValueError:
            address = None
        if address is None or address.version != version:
            raise ApiError(400, 9005, f"Content for {kind} record must be a valid IPv{version} address.")
    return content


def _check_conflicts(tx: Transaction, record: Document) -> None:
    for other in tx.all("dns", record["zone_id"]):
        if other["id"] == record["id"] or other["name"] != record["name"]:
            continue
        if other["type"] == record["type"] and other["content"] == record["content"]:
            raise ApiError(400, 81058, "An identical record already exists.")
        if "CNAME" in (other["type"], record["type"]) and {other["type"], record["type"]} <= ADDRESSES:
            raise ApiError(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")


def _found(call: Call, tx: Transaction) -> Document:
    zone = call.zone(tx)
    record = tx.get("dns", call.path["record"])
    if record is None or record["zone_id"] != zone["id"]:
        raise ApiError(404, 81044, "Record does not exist.")
    return record


ROUTES = (
    Route("POST", "/zones/{zone}/dns_records", create),
    Route("GET", "/zones/{zone}/dns_records", listing),
    Route("GET", "/zones/{zone}/dns_records/{record}", one),
    Route("PUT", "/zones/{zone}/dns_records/{record}", update),
    Route("PATCH", "/zones/{zone}/dns_records/{record}", edit),
    Route("DELETE", "/zones/{zone}/dns_records/{record}", delete),
)
