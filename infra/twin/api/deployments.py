"""Deployments: which version, or split of two, answers a Worker's requests. The newest one counts."""

from typing import Any

from infra.twin.account.account import now
from infra.twin.account.documents import Document, Transaction
from infra.twin.api import workers
from infra.twin.api.call import Call, Reply, Route, new_uuid
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields, is_object
from infra.twin.api.paging import page

CODE = 10021
NO_VERSION = 100146
AUTHOR = "ops@serai.example"
PATH = "/accounts/{account}/workers/scripts/{script}/deployments"


def create(call: Call) -> Reply:
    fields = Fields(call.body(), CODE)
    fields.choice("strategy", frozenset({"percentage"}))
    shares = _shares(fields.items("versions"))
    annotations = fields.mapping("annotations", default={})
    with call.write() as tx:
        worker = workers.by_name(tx, call.path["script"])
        return Reply(_shown(deploy(tx, worker, shares, annotations)))


def listing(call: Call) -> Reply:
    """Under both names: `deployments`, which Wrangler and the documentation read, and `items`, which SDKs page by."""
    with call.read() as tx:
        deployments = tx.all("deployment", workers.by_name(tx, call.path["script"])["id"])
    reply = page(call, deployments[::-1], default=100, show=_shown)
    return Reply({"deployments": reply.result, "items": reply.result}, reply.info)


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_shown(_found(call, tx)))


def delete(call: Call) -> Reply:
    with call.write() as tx:
        deployment = _found(call, tx)
        newest = tx.newest("deployment", deployment["worker_id"])
        if newest and newest["id"] == deployment["id"]:
            raise ApiError(400, CODE, "The latest deployment cannot be deleted: deploy another version first.")
        tx.delete("deployment", deployment["id"])
    return Reply(None)


def deploy(tx: Transaction, worker: Document, shares: list[Document], annotations: Document | None = None) -> Document:
    for share in shares:
        version = tx.get("version", share["version_id"])
        if version is None or version["worker_id"] != worker["id"]:
            message = f"Version {share['version_id']} does not exist for Worker {worker['name']}."
            raise ApiError(400, NO_VERSION, message)
    deployment: Document = {
        "id": new_uuid(),
        "worker_id": worker["id"],
        "source": "api",
        "strategy": "percentage",
        "author_email": AUTHOR,
        "created_on": now(),
        "annotations": {"workers/triggered_by": "deployment"} | (annotations or {}),
        "versions": shares,
    }
    tx.insert("deployment", deployment["id"], deployment["id"], deployment, worker["id"])
    return deployment


def _shares(items: list[Any]) -> list[Document]:
    if not 1 <= len(items) <= 2:
        raise ApiError(400, CODE, f"versions: a deployment has one version or two, not {len(items)}")
    shares: list[Document] = []
    for position, item in enumerate(items):
        if not is_object(item):
            raise ApiError(400, CODE, f"versions[{position}]: must be an object")
        fields = Fields(item, CODE, prefix=f"versions[{position}].")
        percentage = fields.number("percentage", low=0, high=100)
        shares.append({"percentage": percentage, "version_id": fields.text("version_id")})
    if len({share["version_id"] for share in shares}) != len(shares):
        raise ApiError(400, CODE, "versions: each version may appear once")
    total = sum(share["percentage"] for share in shares)
    if abs(total - 100) > 1e-9:
        raise ApiError(400, CODE, f"versions: percentages must add up to 100, not {total:g}")
    return shares


def _found(call: Call, tx: Transaction) -> Document:
    worker = workers.by_name(tx, call.path["script"])
    deployment = tx.get("deployment", call.path["deployment"])
    if deployment is None or deployment["worker_id"] != worker["id"]:
        raise ApiError(404, 10336, f"This deployment does not exist for Worker {worker['name']}.")
    return deployment


def _shown(deployment: Document) -> Document:
    return {key: value for key, value in deployment.items() if key != "worker_id"}


ROUTES = (
    Route("POST", PATH, create),
    Route("GET", PATH, listing),
    Route("GET", f"{PATH}/{{deployment}}", one),
    Route("DELETE", f"{PATH}/{{deployment}}", delete),
)
