"""Versions: what was uploaded for a Worker. Immutable; modules and secrets are kept for the edge to run."""

import base64
import binascii
import zlib
from collections import Counter
from typing import Any

from infra.twin.account.account import now
from infra.twin.account.documents import Document, Transaction
from infra.twin.api import bindings, deployments, workers
from infra.twin.api.call import Call, Reply, Route, new_uuid
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields, is_object
from infra.twin.api.paging import page

CODE = 10021
CONTENT_TYPES = frozenset(
    {
        "application/javascript",
        "application/javascript+module",
        "application/octet-stream",
        "application/source-map",
        "application/wasm",
        "text/plain",
        "text/x-python",
        "text/x-python-requirement",
    }
)
MAX_COMPRESSED = 10 * 1024 * 1024
MAX_UNCOMPRESSED = 64 * 1024 * 1024
"""Of all modules together, on a paid plan (developers.cloudflare.com/workers/platform/limits, 2026-11)."""
STARTUP_TIME_MS = 12
"""Nothing is measured here; a constant keeps plans without change."""
PASSED_ON = ("annotations", "assets", "limits", "migrations", "placement", "cache_options", "usage_model")

UploadedModule = tuple[str, str, bytes]


def create(call: Call) -> Reply:
    body = call.body()
    fields = Fields(body, CODE)
    modules = _modules(fields)
    version = _version(body, modules)
    with call.write() as tx:
        worker = workers.by_identifier(tx, call.path["worker"])
        bindings.check_targets(tx, version["bindings"])
        before = tx.newest("version", worker["id"])
        version |= {"worker_id": worker["id"], "number": before["number"] + 1 if before else 1}
        tx.insert("version", version["id"], version["id"], version, worker["id"])
        tx.insert_modules(version["id"], modules)
        if call.query.get("deploy") == "true":
            deployments.deploy(tx, worker, [{"percentage": 100, "version_id": version["id"]}])
    return Reply(_shown(version, modules))


def listing(call: Call) -> Reply:
    with call.read() as tx:
        versions = tx.all("version", workers.by_identifier(tx, call.path["worker"])["id"])
    return page(call, versions[::-1], default=10, most=100, show=lambda version: _shown(version, None))


def one(call: Call) -> Reply:
    with call.read() as tx:
        version = found(tx, workers.by_identifier(tx, call.path["worker"]), call.path["version"])
        wanted = call.query.get("include") == "modules"
        return Reply(_shown(version, tx.modules(version["id"]) if wanted else None))


def delete(call: Call) -> Reply:
    with call.write() as tx:
        worker = workers.by_identifier(tx, call.path["worker"])
        version = found(tx, worker, call.path["version"])
        deployment = tx.newest("deployment", worker["id"])
        if deployment and any(share["version_id"] == version["id"] for share in deployment["versions"]):
            raise ApiError(400, CODE, "This version is deployed: deploy another one first.")
        tx.delete("version", version["id"])
        tx.delete_modules(version["id"])
    return Reply(None)


def found(tx: Transaction, worker: Document, identifier: str) -> Document:
    version = tx.get("version", identifier)
    if version is None or version["worker_id"] != worker["id"]:
        raise ApiError(404, 10071, f"This version does not exist for Worker {worker['name']}.")
    return version


def summary(version: Document) -> Document:
    """The shape of a version below `workers/scripts`."""
    return {
        "id": version["id"],
        "number": version["number"],
        "metadata": {
            "created_on": version["created_on"],
            "modified_on": version["created_on"],
            "source": version["source"],
            "author_email": deployments.AUTHOR,
            "hasPreview": False,
        },
        "annotations": version["annotations"],
    }


def details(version: Document) -> Document:
    script = {"etag": version["id"].replace("-", ""), "handlers": ["fetch"], "last_deployed_from": "api"}
    runtime = {key: version[key] for key in ("compatibility_date", "compatibility_flags", "limits") if key in version}
    shown = [bindings.shown(binding) for binding in version["bindings"]]
    return summary(version) | {"resources": {"bindings": shown, "script": script, "script_runtime": runtime}}


def _version(body: Document, modules: list[UploadedModule]) -> Document:
    fields = Fields(body, CODE)
    main = fields.text("main_module")
    if main not in {name for name, _, _ in modules}:
        raise fields.refuse("main_module", f"No such module {main!r}: it is not among the uploaded modules")
    flags = fields.texts("compatibility_flags")
    if any(kind == "text/x-python" for _, kind, _ in modules) and "python_workers" not in flags:
        raise fields.refuse("compatibility_flags", "Python modules need the flag python_workers")
    version: Document = {
        "id": new_uuid(),
        "created_on": now(),
        "main_module": main,
        "bindings": bindings.check(fields.items("bindings", default=[])),
        "compatibility_flags": flags,
        "source": "api",
        "usage_model": "standard",
        "startup_time_ms": STARTUP_TIME_MS,
        "urls": [],
    }
    if "compatibility_date" in body:
        version["compatibility_date"] = fields.text("compatibility_date", pattern=r"\d{4}-\d\d-\d\d")
    given = {name: body[name] for name in PASSED_ON if body.get(name) is not None}
    annotations = {"workers/triggered_by": "upload"} | fields.mapping("annotations", default={})
    return version | given | {"annotations": annotations}


def _modules(fields: Fields) -> list[UploadedModule]:
    modules = [_module(item, position) for position, item in enumerate(fields.items("modules"))]
    if not modules:
        raise fields.refuse("modules", "must not be empty")
    for name, count in Counter(name for name, _, _ in modules).items():
        if count > 1:
            raise fields.refuse("modules", f"the module name {name!r} is used more than once")
    _check_size(modules)
    return modules


def _module(item: Any, position: int) -> UploadedModule:
    if not is_object(item):
        raise ApiError(400, CODE, f"modules[{position}]: must be an object")
    fields = Fields(item, CODE, prefix=f"modules[{position}].")
    name = fields.text("name", pattern=r"[^\x00-\x1f\\]{1,512}")
    if name.startswith("/") or ".." in name.split("/"):
        raise fields.refuse("name", f"{name!r} leaves the bundle")
    content_type = fields.text("content_type")
    if content_type not in CONTENT_TYPES:
        raise fields.refuse("content_type", f"{content_type!r} of module {name!r} is not supported")
    try:
        content = base64.b64decode(fields.text("content_base64"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise fields.refuse("content_base64", f"of module {name!r} is not base64") from error
    return name, content_type, content


def _check_size(modules: list[UploadedModule]) -> None:
    total = sum(len(content) for _, _, content in modules)
    if total <= MAX_COMPRESSED:
        return
    compressor = zlib.compressobj(wbits=31)
    compressed = sum(len(compressor.compress(content)) for _, _, content in modules) + len(compressor.flush())
    if compressed > MAX_COMPRESSED or total > MAX_UNCOMPRESSED:
        message = f"Your Worker exceeded the size limit of 10 MiB: {compressed} bytes compressed, {total} uncompressed."
        raise ApiError(413, 10027, message)


def _shown(version: Document, modules: list[UploadedModule] | None) -> Document:
    shown = {key: value for key, value in version.items() if key != "worker_id"}
    shown["bindings"] = [bindings.shown(binding) for binding in version["bindings"]]
    if modules is not None:
        shown["modules"] = [
            {"content_base64": base64.b64encode(content).decode(), "content_type": content_type, "name": name}
            for name, content_type, content in modules
        ]
    return shown


ROUTES = (
    Route("POST", "/accounts/{account}/workers/workers/{worker}/versions", create),
    Route("GET", "/accounts/{account}/workers/workers/{worker}/versions", listing),
    Route("GET", "/accounts/{account}/workers/workers/{worker}/versions/{version}", one),
    Route("DELETE", "/accounts/{account}/workers/workers/{worker}/versions/{version}", delete),
)
