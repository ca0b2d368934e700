"""Workers: the named thing that versions, deployments, routes and domains belong to."""

from infra.twin.account.account import now
from infra.twin.account.documents import Document, TakenError, Transaction
from infra.twin.api.call import Call, Reply, Route, new_id
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields
from infra.twin.api.paging import page

CODE = 10016
NAME = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
OBSERVABILITY = {
    "enabled": False,
    "head_sampling_rate": 1,
    "traces": {"enabled": False, "head_sampling_rate": 1, "persist": True},
}
REFERENCES: tuple[tuple[str, str], ...] = (("route", "script"), ("domain", "service"))
"""What points at a Worker by its name, and is removed with it. Queue consumers and service bindings stop a deletion."""


def create(call: Call) -> Reply:
    body = call.body()
    made = now()
    worker: Document = {"id": new_id(), "created_on": made, "updated_on": made} | _settings(body, {})
    with call.write() as tx:
        try:
            tx.insert("worker", worker["id"], worker["name"], worker)
        except TakenError as error:
            raise _taken(worker["name"]) from error
    return Reply(_shown(worker))


def listing(call: Call) -> Reply:
    with call.read() as tx:
        return page(call, tx.all("worker"), default=10, most=100, show=_shown)


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_shown(by_identifier(tx, call.path["worker"])))


def update(call: Call) -> Reply:
    return _change(call, keep=False)


def edit(call: Call) -> Reply:
    return _change(call, keep=True)


def delete(call: Call) -> Reply:
    with call.write() as tx:
        remove(tx, by_identifier(tx, call.path["worker"]), force=False)
    return Reply(None)


def by_identifier(tx: Transaction, identifier: str) -> Document:
    """By id or by name, as Cloudflare takes both."""
    worker = tx.get("worker", identifier) or tx.named("worker", identifier)
    if worker is None:
        raise ApiError(404, 10007, "This Worker does not exist on your account.")
    return worker


def by_name(tx: Transaction, name: str) -> Document:
    worker = tx.named("worker", name)
    if worker is None:
        raise ApiError(404, 10007, "This Worker does not exist on your account.")
    return worker


def remove(tx: Transaction, worker: Document, *, force: bool) -> None:
    """The Worker with all that is its own, its routes and custom domains included."""
    name = worker["name"]
    consumers = [consumer for consumer in tx.all("consumer") if consumer.get("script_name") == name]
    if consumers and not force:
        queues = ", ".join(sorted({consumer["queue_name"] for consumer in consumers}))
        raise ApiError(
            400, 10064, f"Worker {name} is still a consumer of a queue ({queues}): remove the consumer first."
        )
    callers = _service_callers(tx, name)
    if callers and not force:
        message = f"Worker {name} is still referenced by service bindings of: {', '.join(callers)}."
        raise ApiError(400, 10142, message)
    for consumer in consumers:
        tx.delete("consumer", consumer["consumer_id"])
    for kind, field in REFERENCES:
        for document in tx.all(kind):
            if document.get(field) == name:
                tx.delete(kind, document["id"])
    for kind in ("deployment", "version"):
        for document in tx.all(kind, worker["id"]):
            tx.delete(kind, document["id"])
            tx.delete_modules(document["id"])
    tx.delete("schedules", worker["id"])
    tx.delete("worker", worker["id"])


def _service_callers(tx: Transaction, name: str) -> list[str]:
    """Workers whose deployed versions bind to this one."""
    callers: set[str] = set()
    for other in tx.all("worker"):
        deployment = tx.newest("deployment", other["id"])
        if deployment is None or other["name"] == name:
            continue
        for share in deployment["versions"]:
            version = tx.get("version", share["version_id"])
            bindings: list[Document] = version["bindings"] if version else []
            if any(binding["type"] == "service" and binding["service"] == name for binding in bindings):
                callers.add(other["name"])
    return sorted(callers)


def _change(call: Call, *, keep: bool) -> Reply:
    body = call.body()
    with call.write() as tx:
        before = by_identifier(tx, call.path["worker"])
        settings = _settings({"name": before["name"]} | body, before if keep else {})
        worker = before | settings | {"updated_on": now()}
        try:
            tx.replace("worker", worker["id"], worker["name"], worker)
        except TakenError as error:
            raise _taken(worker["name"]) from error
        if worker["name"] != before["name"]:
            _rename(tx, before["name"], worker["name"])
    return Reply(_shown(worker))


def _rename(tx: Transaction, before: str, after: str) -> None:
    for kind, field in REFERENCES:
        for document in tx.all(kind):
            if document.get(field) == before:
                name = document["pattern"] if kind == "route" else document["hostname"]
                tx.replace(kind, document["id"], name, document | {field: after})
    for consumer in tx.all("consumer"):
        if consumer.get("script_name") == before:
            changed = consumer | {"script": after, "script_name": after}
            tx.replace("consumer", consumer["consumer_id"], "", changed)


def _settings(body: Document, before: Document) -> Document:
    fields = Fields(body, CODE)
    subdomain = Fields(fields.mapping("subdomain", default=before.get("subdomain", {})), CODE, prefix="subdomain.")
    return {
        "name": fields.text("name", pattern=NAME),
        "logpush": fields.boolean("logpush", default=before.get("logpush", False)),
        "tags": fields.texts("tags") if "tags" in body else before.get("tags", []),
        "tail_consumers": fields.items("tail_consumers", default=before.get("tail_consumers", [])),
        "observability": OBSERVABILITY
        | before.get("observability", {})
        | fields.mapping("observability", default=before.get("observability", OBSERVABILITY)),
        "subdomain": {
            "enabled": subdomain.boolean("enabled", default=False),
            "previews_enabled": subdomain.boolean("previews_enabled", default=False),
        },
    }


def _shown(worker: Document) -> Document:
    """`references` is always empty: see docs/twin-api.md."""
    kinds = ("dispatch_namespace_outbounds", "domains", "durable_objects", "queues", "workers")
    return worker | {"references": {kind: [] for kind in kinds}}


def _taken(name: str) -> ApiError:
    return ApiError(400, 10040, f"A Worker with the name {name!r} already exists on your account.")


ROUTES = (
    Route("POST", "/accounts/{account}/workers/workers", create),
    Route("GET", "/accounts/{account}/workers/workers", listing),
    Route("GET", "/accounts/{account}/workers/workers/{worker}", one),
    Route("PUT", "/accounts/{account}/workers/workers/{worker}", update),
    Route("PATCH", "/accounts/{account}/workers/workers/{worker}", edit),
    Route("DELETE", "/accounts/{account}/workers/workers/{worker}", delete),
)
