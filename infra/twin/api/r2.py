"""R2 buckets. A jurisdiction is a namespace of its own, named by a header."""

from infra.twin.account.account import now
from infra.twin.account.documents import Document, TakenError, Transaction
from infra.twin.api.call import Call, Reply, Route
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields
from infra.twin.api.paging import whole

NAME_CODE = 10005
CLASSES = frozenset({"Standard", "InfrequentAccess"})
JURISDICTIONS = frozenset({"default", "eu", "fedramp"})
DEFAULT_LOCATION = "WEUR"


def create(call: Call) -> Reply:
    fields = Fields(call.body(), NAME_CODE)
    name = fields.text("name", pattern=r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
    jurisdiction = _jurisdiction(call)
    bucket: Document = {
        "name": name,
        "creation_date": now(),
        "location": fields.text("locationHint", default=DEFAULT_LOCATION, pattern=r"[A-Za-z]{2,5}").upper(),
        "storage_class": fields.choice("storageClass", CLASSES, default="Standard"),
        "jurisdiction": jurisdiction,
    }
    with call.write() as tx:
        try:
            tx.insert("r2", f"{jurisdiction}/{name}", name, bucket, jurisdiction)
        except TakenError as error:
            message = "The bucket you tried to create already exists, and you own it."
            raise ApiError(409, 10004, message) from error
    return Reply(bucket)


def listing(call: Call) -> Reply:
    """By cursor, not by page: the cursor is the last name of the page before."""
    size = min(whole(call, "per_page", 20), 1000)
    after = call.query.get("cursor", call.query.get("start_after", ""))
    part = call.query.get("name_contains", "")
    with call.read() as tx:
        buckets = sorted(tx.all("r2", _jurisdiction(call)), key=lambda bucket: bucket["name"])
    found = [bucket for bucket in buckets if bucket["name"] > after and part in bucket["name"]]
    info: dict[str, object] = {"per_page": size}
    if len(found) > size:
        info["cursor"] = found[size - 1]["name"]
    return Reply({"buckets": found[:size]}, info)


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_bucket(call, tx))


def edit(call: Call) -> Reply:
    """Only the storage class of new objects can change; Cloudflare takes it as a header."""
    wanted = call.headers.get("cf-r2-storage-class", "")
    if wanted not in CLASSES:
        raise ApiError(400, NAME_CODE, f"cf-r2-storage-class: {wanted!r} is invalid, use Standard or InfrequentAccess")
    with call.write() as tx:
        bucket = _bucket(call, tx) | {"storage_class": wanted}
        tx.replace("r2", f"{bucket['jurisdiction']}/{bucket['name']}", bucket["name"], bucket)
    return Reply(bucket)


def delete(call: Call) -> Reply:
    with call.write() as tx:
        bucket = _bucket(call, tx)
        tx.delete("r2", f"{bucket['jurisdiction']}/{bucket['name']}")
    return Reply({"id": bucket["name"]})


def _jurisdiction(call: Call) -> str:
    jurisdiction = call.headers.get("cf-r2-jurisdiction", "default")
    if jurisdiction not in JURISDICTIONS:
        raise ApiError(400, NAME_CODE, f"cf-r2-jurisdiction: {jurisdiction!r} is invalid")
    return jurisdiction


def _bucket(call: Call, tx: Transaction) -> Document:
    bucket = tx.get("r2", f"{_jurisdiction(call)}/{call.path['bucket']}")
    if bucket is None:
        raise ApiError(404, 10006, "The specified bucket does not exist.")
    return bucket


ROUTES = (
    Route("POST", "/accounts/{account}/r2/buckets", create),
    Route("GET", "/accounts/{account}/r2/buckets", listing),
    Route("GET", "/accounts/{account}/r2/buckets/{bucket}", one),
    Route("PATCH", "/accounts/{account}/r2/buckets/{bucket}", edit),
    Route("DELETE", "/accounts/{account}/r2/buckets/{bucket}", delete),
)
