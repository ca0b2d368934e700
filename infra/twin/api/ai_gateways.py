"""AI gateways: settings only, nothing passes through them."""

from typing import Any

from infra.twin.account.account import now
from infra.twin.account.documents import Document, TakenError, Transaction
from infra.twin.api.call import Call, Reply, Route, new_id
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields
from infra.twin.api.paging import page

CODE = 7001
REQUIRED = ("cache_invalidate_on_update", "cache_ttl", "collect_logs", "rate_limiting_interval", "rate_limiting_limit")
DEFAULTS: dict[str, Any] = {
    "logpush": False,
    "logpush_public_key": None,
    "authentication": False,
    "zdr": False,
    "store_id": "",
    "log_management": 10_000_000,
    "log_management_strategy": "DELETE_OLDEST",
    "rate_limiting_technique": "fixed",
    "retry_backoff": None,
    "retry_delay": None,
    "retry_max_attempts": None,
    "workers_ai_billing_mode": "postpaid",
}
OPTIONAL = frozenset({"byok_only", "dlp", "guardrails", "log_classification", "otel", "spend_limits", "stripe"})


def create(call: Call) -> Reply:
    body = call.body()
    identifier = Fields(body, CODE).text("id", pattern=r"[A-Za-z0-9_-]{1,64}")
    made = now()
    gateway: Document = {
        "account_id": call.account_id,
        "account_tag": call.account_id,
        "internal_id": new_id(),
        "created_at": made,
        "modified_at": made,
        "is_default": False,
        "id": identifier,
    }
    gateway |= _settings(body)
    with call.write() as tx:
        try:
            tx.insert("gateway", identifier, identifier, gateway)
        except TakenError as error:
            raise ApiError(400, 7003, f"An AI Gateway with the id {identifier!r} already exists.") from error
    return Reply(gateway)


def listing(call: Call) -> Reply:
    part = call.query.get("search", "")
    with call.read() as tx:
        return page(call, [gateway for gateway in tx.all("gateway") if part in gateway["id"]])


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_gateway(call, tx))


def update(call: Call) -> Reply:
    settings = _settings(call.body())
    with call.write() as tx:
        gateway = _gateway(call, tx) | settings | {"modified_at": now()}
        tx.replace("gateway", gateway["id"], gateway["id"], gateway)
    return Reply(gateway)


def delete(call: Call) -> Reply:
    with call.write() as tx:
        gateway = _gateway(call, tx)
        tx.delete("gateway", gateway["id"])
    return Reply({"id": gateway["id"]})


def _settings(body: Document) -> Document:
    fields = Fields(body, CODE)
    for name in REQUIRED:
        if name not in body:
            raise fields.refuse(name, "is required")
    for name in ("cache_invalidate_on_update", "collect_logs", "logpush", "authentication", "zdr"):
        fields.boolean(name, default=False)
    for name in ("cache_ttl", "rate_limiting_interval", "rate_limiting_limit"):
        if body[name] is not None:
            fields.number(name, low=0, high=10**9)
    given = {name: value for name, value in body.items() if name in DEFAULTS or name in REQUIRED or name in OPTIONAL}
    return DEFAULTS | given


def _gateway(call: Call, tx: Transaction) -> Document:
    gateway = tx.get("gateway", call.path["gateway"])
    if gateway is None:
        raise ApiError(404, 7002, f"AI Gateway not found: {call.path['gateway']}")
    return gateway


ROUTES = (
    Route("POST", "/accounts/{account}/ai-gateway/gateways", create),
    Route("GET", "/accounts/{account}/ai-gateway/gateways", listing),
    Route("GET", "/accounts/{account}/ai-gateway/gateways/{gateway}", one),
    Route("PUT", "/accounts/{account}/ai-gateway/gateways/{gateway}", update),
    Route("DELETE", "/accounts/{account}/ai-gateway/gateways/{gateway}", delete),
)
