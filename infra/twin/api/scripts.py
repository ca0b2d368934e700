"""The older view of Workers, by name: list, versions, cron schedules."""

import re
from typing import Any

from infra.twin.account.account import now
from infra.twin.account.documents import Document, TakenError, Transaction
from infra.twin.api import versions, workers
from infra.twin.api.call import Call, Reply, Route
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields, is_list, is_object
from infra.twin.api.paging import page

CRON_CODE = 10100
_PART = r"(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?|L|[0-9]+[LW#][0-9]?)(/[0-9]+)?"
CRON = re.compile(rf"{_PART}(,{_PART})*( {_PART}(,{_PART})*){{4}}")


def listing(call: Call) -> Reply:
    with call.read() as tx:
        return Reply([_script(tx, worker) for worker in tx.all("worker")])


def delete(call: Call) -> Reply:
    with call.write() as tx:
        workers.remove(tx, workers.by_name(tx, call.path["script"]), force=call.query.get("force") == "true")
    return Reply(None)


def list_versions(call: Call) -> Reply:
    with call.read() as tx:
        uploaded = tx.all("version", workers.by_name(tx, call.path["script"])["id"])
    reply = page(call, uploaded[::-1], default=10, most=100, show=versions.summary)
    return Reply({"items": reply.result}, reply.info)


def one_version(call: Call) -> Reply:
    with call.read() as tx:
        worker = workers.by_name(tx, call.path["script"])
        return Reply(versions.details(versions.found(tx, worker, call.path["version"])))


def put_schedules(call: Call) -> Reply:
    crons = _crons(call.json())
    made = now()
    with call.write() as tx:
        worker = workers.by_name(tx, call.path["script"])
        before = {item["cron"]: item for item in _schedules(tx, worker)}
        items = [before.get(cron, {"cron": cron, "created_on": made, "modified_on": made}) for cron in crons]
        body: Document = {"schedules": items}
        try:
            tx.insert("schedules", worker["id"], worker["id"], body)
        except TakenError:
            tx.replace("schedules", worker["id"], worker["id"], body)
    return Reply(body)


def get_schedules(call: Call) -> Reply:
    with call.read() as tx:
        return Reply({"schedules": _schedules(tx, workers.by_name(tx, call.path["script"]))})


def _schedules(tx: Transaction, worker: Document) -> list[Document]:
    found = tx.get("schedules", worker["id"])
    return found["schedules"] if found else []


def _crons(items: Any) -> list[str]:
    if not is_list(items):
        raise ApiError(400, CRON_CODE, "The request body must be a list of {cron}.")
    crons: list[str] = []
    for position, item in enumerate(items):
        if not is_object(item):
            raise ApiError(400, CRON_CODE, f"schedules[{position}]: must be an object")
        cron = Fields(item, CRON_CODE, prefix=f"schedules[{position}].").text("cron")
        if not CRON.fullmatch(cron):
            raise ApiError(400, CRON_CODE, f"schedules[{position}].cron: invalid cron string {cron!r}")
        crons.append(cron)
    if len(set(crons)) != len(crons):
        raise ApiError(400, CRON_CODE, "A cron string may appear once.")
    return crons


def _script(tx: Transaction, worker: Document) -> Document:
    deployment = tx.newest("deployment", worker["id"])
    version = tx.get("version", deployment["versions"][0]["version_id"]) if deployment else None
    script: Document = {
        "id": worker["name"],
        "tag": worker["id"],
        "tags": worker["tags"],
        "created_on": worker["created_on"],
        "modified_on": deployment["created_on"] if deployment else worker["updated_on"],
        "logpush": worker["logpush"],
        "observability": worker["observability"],
        "tail_consumers": worker["tail_consumers"],
        "usage_model": "standard",
        "has_assets": False,
        "has_modules": version is not None,
        "handlers": ["fetch"] if version else [],
    }
    if version:
        script["etag"] = version["id"].replace("-", "")
        script["compatibility_flags"] = version["compatibility_flags"]
        script["compatibility_date"] = version.get("compatibility_date")
    return script


ROUTES = (
    Route("GET", "/accounts/{account}/workers/scripts", listing),
    Route("DELETE", "/accounts/{account}/workers/scripts/{script}", delete),
    Route("GET", "/accounts/{account}/workers/scripts/{script}/versions", list_versions),
    Route("GET", "/accounts/{account}/workers/scripts/{script}/versions/{version}", one_version),
    Route("PUT", "/accounts/{account}/workers/scripts/{script}/schedules", put_schedules),
    Route("GET", "/accounts/{account}/workers/scripts/{script}/schedules", get_schedules),
)
