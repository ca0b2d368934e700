"""What a version may bind to: a known type, all of its fields, and a target that exists.

Codes of missing targets are those that others saw the live API answer (github.com/alchemy-run/distilled, pull 365).
"""

import re
from dataclasses import dataclass
from typing import Any

from infra.twin.account.documents import Document, Transaction
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields, is_object

CODE = 10021
MAX_TEXT_BYTES = 5 * 1024
MAX_TEXTS = 128
"""Variables and secrets of one Worker (developers.cloudflare.com/workers/platform/limits, 2026-11)."""


@dataclass(frozen=True, slots=True)
class Kind:
    required: tuple[str, ...] = ()
    """Fields that are strings and must be there."""
    missing: int | None = None
    """The code for a target that does not exist."""
    target: str | None = None
    """The kind of document that the first required field names; None with a `missing` code: the twin has none such."""


KINDS: dict[str, Kind] = {
    "ai": Kind(),
    "analytics_engine": Kind(("dataset",)),
    "assets": Kind(),
    "browser": Kind(),
    "d1": Kind(("database_id",), 10181, "d1"),
    "dispatch_namespace": Kind(("namespace",), 100119),
    "durable_object_namespace": Kind(("class_name",)),
    "hyperdrive": Kind(("id",), 10157),
    "images": Kind(),
    "json": Kind(),
    "kv_namespace": Kind(("namespace_id",), 10041, "kv"),
    "mtls_certificate": Kind(("certificate_id",), 100143),
    "plain_text": Kind(("text",)),
    "queue": Kind(("queue_name",), 11000, "queue"),
    "r2_bucket": Kind(("bucket_name",), 10085, "r2"),
    "ratelimit": Kind(("namespace_id",)),
    "secret_text": Kind(("text",)),
    "secrets_store_secret": Kind(("secret_name", "store_id"), 10182),
    "send_email": Kind(),
    "service": Kind(("service",), 10144, "worker"),
    "vectorize": Kind(("index_name",), 10159),
    "version_metadata": Kind(),
}


def check(bindings: list[Any]) -> list[Document]:
    """What can be judged without the account. Raises ApiError."""
    names: set[str] = set()
    for position, binding in enumerate(bindings):
        if not is_object(binding):
            raise ApiError(400, CODE, f"bindings[{position}]: must be an object")
        _check_one(binding, position)
        if binding["name"] in names:
            raise ApiError(400, CODE, f"Binding name {binding['name']!r} is used more than once.")
        names.add(binding["name"])
    texts = [binding for binding in bindings if binding["type"] in ("plain_text", "secret_text", "json")]
    if len(texts) > MAX_TEXTS:
        raise ApiError(400, 10055, f"{len(texts)} variables and secrets: a Worker has at most {MAX_TEXTS}.")
    return bindings


def check_targets(tx: Transaction, bindings: list[Document]) -> None:
    for binding in bindings:
        kind = KINDS[binding["type"]]
        if kind.missing is None:
            continue
        target = binding[kind.required[0]]
        if not _exists(tx, kind.target, target, binding):
            message = (
                f"binding {binding['name']} of type {binding['type']}: {kind.required[0]} {target!r} does not exist."
            )
            raise ApiError(400, kind.missing, message)


def shown(binding: Document) -> Document:
    """As the API answers it: a secret's text never comes back."""
    return {key: value for key, value in binding.items() if not (binding["type"] == "secret_text" and key == "text")}


def _check_one(binding: Document, position: int) -> None:
    fields = Fields(binding, CODE, prefix=f"bindings[{position}].")
    name = fields.text("name", pattern=r"[A-Za-z_$][A-Za-z0-9_$]{0,254}")
    kind = KINDS.get(fields.text("type"))
    if kind is None:
        raise fields.refuse("type", f"binding {name} has the unknown type {binding['type']!r}")
    for required in kind.required:
        fields.text(required, pattern=None if required == "text" else r"(?s).+")
    if binding["type"] == "json" and "json" not in binding:
        raise fields.refuse("json", "is required")
    if binding["type"] == "ratelimit":
        simple = Fields(fields.mapping("simple"), CODE, prefix=f"bindings[{position}].simple.")
        simple.number("limit", low=1, high=10**9)
        if simple.number("period", low=10, high=60) not in (10, 60):
            raise simple.refuse("period", "must be 10 or 60 seconds")
    if len(str(binding.get("text", "")).encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise ApiError(400, 10054, f"The text of binding {name} exceeds {MAX_TEXT_BYTES} bytes.")


def _exists(tx: Transaction, target: str | None, value: str, binding: Document) -> bool:
    if target is None:
        return False
    if target == "r2":
        return tx.get("r2", f"{binding.get('jurisdiction', 'default')}/{value}") is not None
    if target in ("queue", "worker"):
        return tx.named(target, value) is not None
    return re.fullmatch(r"[0-9a-f-]{32,36}", value) is not None and tx.get(target, value) is not None
