"""Queues and their consumers. Messages are not here."""

from infra.twin.account.account import now
from infra.twin.account.documents import Document, TakenError, Transaction
from infra.twin.api.call import Call, Reply, Route, new_id
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields
from infra.twin.api.paging import page

NAME_CODE = 11003
BODY_CODE = 10026
NAME = r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?"
TYPES = frozenset({"worker", "http_pull"})


def create(call: Call) -> Reply:
    fields = Fields(call.body(), NAME_CODE)
    name = fields.text("queue_name", pattern=NAME)
    made = now()
    queue: Document = {
        "queue_id": new_id(),
        "queue_name": name,
        "created_on": made,
        "modified_on": made,
        "producers": [],
        "producers_total_count": 0,
        "consumers": [],
        "consumers_total_count": 0,
        "settings": _settings(Fields(call.body(), BODY_CODE).mapping("settings", default={}), _DEFAULTS),
    }
    with call.write() as tx:
        try:
            tx.insert("queue", queue["queue_id"], name, queue)
        except TakenError as error:
            raise _taken(name) from error
    return Reply(queue)


def listing(call: Call) -> Reply:
    with call.read() as tx:
        return page(call, tx.all("queue"), default=100)


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_queue(call, tx))


def update(call: Call) -> Reply:
    """PUT and PATCH: what is not given stays."""
    body = call.body()
    with call.write() as tx:
        queue = _queue(call, tx)
        name = Fields(body, NAME_CODE).text("queue_name", pattern=NAME, default=queue["queue_name"])
        settings = _settings(Fields(body, BODY_CODE).mapping("settings", default={}), queue["settings"])
        queue |= {"queue_name": name, "settings": settings, "modified_on": now()}
        try:
            tx.replace("queue", queue["queue_id"], name, queue)
        except TakenError as error:
            raise _taken(name) from error
    return Reply(queue)


def delete(call: Call) -> Reply:
    with call.write() as tx:
        queue = _queue(call, tx)
        for consumer in tx.all("consumer", queue["queue_id"]):
            tx.delete("consumer", consumer["consumer_id"])
        tx.delete("queue", queue["queue_id"])
    return Reply({"id": queue["queue_id"]})


def create_consumer(call: Call) -> Reply:
    body = call.body()
    with call.write() as tx:
        queue = _queue(call, tx)
        consumer: Document = {"consumer_id": new_id(), "created_on": now()}
        consumer |= _consumer_fields(tx, body, queue)
        try:
            # A queue has one consumer at most.
            tx.insert("consumer", consumer["consumer_id"], "", consumer, queue["queue_id"])
        except TakenError as error:
            raise ApiError(400, 11004, f"Queue {queue['queue_name']!r} already has a consumer.") from error
    return Reply(consumer)


def list_consumers(call: Call) -> Reply:
    with call.read() as tx:
        return page(call, tx.all("consumer", _queue(call, tx)["queue_id"]), default=100)


def one_consumer(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_consumer(call, tx))


def update_consumer(call: Call) -> Reply:
    body = call.body()
    with call.write() as tx:
        consumer = _consumer(call, tx)
        kept = {key: consumer[key] for key in ("consumer_id", "created_on")}
        changed: Document = kept | _consumer_fields(tx, body, _queue(call, tx))
        tx.replace("consumer", consumer["consumer_id"], "", changed)
    return Reply(changed)


def delete_consumer(call: Call) -> Reply:
    with call.write() as tx:
        tx.delete("consumer", _consumer(call, tx)["consumer_id"])
    return Reply(None)


_DEFAULTS: Document = {"delivery_delay": 0, "delivery_paused": False, "message_retention_period": 345_600}


def _settings(given: Document, before: Document) -> Document:
    fields = Fields(given, BODY_CODE, prefix="settings.")
    retention = before["message_retention_period"]
    return {
        "delivery_delay": fields.number("delivery_delay", low=0, high=43_200, default=before["delivery_delay"]),
        "delivery_paused": fields.boolean("delivery_paused", default=before["delivery_paused"]),
        "message_retention_period": fields.number(
            "message_retention_period", low=60, high=1_209_600, default=retention
        ),
    }


def _consumer_fields(tx: Transaction, body: Document, queue: Document) -> Document:
    fields = Fields(body, BODY_CODE)
    found: Document = {"type": fields.choice("type", TYPES)}
    if found["type"] == "worker":
        script = fields.text("script_name")
        if tx.named("worker", script) is None:
            raise ApiError(404, 10007, "This Worker does not exist on your account.")
        found |= {"script": script, "script_name": script}
    found |= {"queue_name": queue["queue_name"], "queue_id": queue["queue_id"]}
    if body.get("dead_letter_queue"):
        found["dead_letter_queue"] = fields.text("dead_letter_queue", pattern=NAME)
    return found | {"settings": fields.mapping("settings", default={})}


def _queue(call: Call, tx: Transaction) -> Document:
    queue = tx.get("queue", call.path["queue"])
    if queue is None:
        raise ApiError(404, 11000, f"Queue does not exist: {call.path['queue']}")
    return queue


def _consumer(call: Call, tx: Transaction) -> Document:
    queue = _queue(call, tx)
    consumer = tx.get("consumer", call.path["consumer"])
    if consumer is None or consumer["queue_id"] != queue["queue_id"]:
        raise ApiError(404, 11006, f"Consumer does not exist: {call.path['consumer']}")
    return consumer


def _taken(name: str) -> ApiError:
    return ApiError(409, 11009, f"Queue name '{name}' is already taken. Please use a different name and try again.")


ROUTES = (
    Route("POST", "/accounts/{account}/queues", create),
    Route("GET", "/accounts/{account}/queues", listing),
    Route("GET", "/accounts/{account}/queues/{queue}", one),
    Route("PUT", "/accounts/{account}/queues/{queue}", update),
    Route("PATCH", "/accounts/{account}/queues/{queue}", update),
    Route("DELETE", "/accounts/{account}/queues/{queue}", delete),
    Route("POST", "/accounts/{account}/queues/{queue}/consumers", create_consumer),
    Route("GET", "/accounts/{account}/queues/{queue}/consumers", list_consumers),
    Route("GET", "/accounts/{account}/queues/{queue}/consumers/{consumer}", one_consumer),
    Route("PUT", "/accounts/{account}/queues/{queue}/consumers/{consumer}", update_consumer),
    Route("DELETE", "/accounts/{account}/queues/{queue}/consumers/{consumer}", delete_consumer),
)
