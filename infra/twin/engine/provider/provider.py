"""Create, read, update, delete and find, for every kind alike."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from infra.twin.engine.differences import differences
from infra.twin.engine.provider import versions
from infra.twin.engine.provider.answers import drifted, fill, overlay
from infra.twin.engine.provider.api import Api, Pauses, RefusedError, UnsureError
from infra.twin.engine.provider.kind import Kind
from infra.twin.engine.provider.kinds import KINDS
from infra.twin.engine.provider.names import from_api, to_api
from infra.twin.engine.provider.versions import InputError
from infra.twin.engine.results import PropertyChange
from infra.twin.engine.values import UNKNOWN_VALUE, Values, masked, reveal

SLACK = timedelta(seconds=60)
"""How far the API's clock may lag behind ours when it is asked whether a resource is younger than our call."""


@dataclass(frozen=True, slots=True)
class Made:
    id: str
    outputs: Values


@dataclass(frozen=True, slots=True)
class Seen:
    """What a read found: outputs, and inputs as they would have to be written to give what is there."""

    id: str
    inputs: Values
    outputs: Values


def kind_of(name: str) -> Kind:
    kind = KINDS.get(name)
    if kind is None:
        known = ", ".join(sorted(kind.rsplit(":", 1)[1] for kind in KINDS))
        raise InputError(f"The embedded engine does not know the type {name}. It knows {known}.")
    return kind


def check(kind: Kind, inputs: Values, base: Path) -> Values:
    return versions.check(inputs, base) if kind.body is versions.body else inputs


def unsettled(kind: Kind, inputs: Values) -> list[PropertyChange]:
    if kind.body is not versions.body:
        return []
    return [PropertyChange(*change) for change in versions.unsettled(inputs)]


def planned(kind: Kind, inputs: Values, before: Values | None = None) -> Values:
    """Outputs in a preview. Of a new resource, what the API computes is unknown."""
    if before is not None:
        return before | fill(kind, inputs)
    known: Values = dict.fromkeys(kind.properties)
    return known | dict.fromkeys(kind.computed, UNKNOWN_VALUE) | fill(kind, inputs)


def create(api: Api, kind: Kind, inputs: Values, base: Path, started: datetime) -> Made:
    """Once, even if an answer is lost: what may have been made is looked for before it is made again."""
    pauses = Pauses(api)
    while True:
        try:
            return _send_create(api, kind, inputs, base)
        except UnsureError as error:
            try:
                found = find(api, kind, inputs, started)
            except RefusedError as refused:  # no word on it either: the next run asks again
                raise error from refused
            if found:
                return found
            if not pauses.pause(str(error)):
                raise


def find(api: Api, kind: Kind, inputs: Values, started: datetime) -> Made | None:
    """The resource that a create with these inputs has made since `started`, if it has."""
    if kind.singleton:
        seen = read(api, kind, inputs, _identity(kind, inputs, {}))
        same = seen is not None and to_api(seen.outputs.get("schedules")) and not _differs(kind, inputs, seen)
        return Made(seen.id, seen.outputs) if seen and same else None
    query = {name: str(reveal(inputs[source])) for name, source in kind.search.items()}
    try:
        listed = list(api.every(kind.collection(inputs), query))
    except RefusedError as error:
        if error.status == 404:  # not even its parent is there
            return None
        raise
    candidates = [item for item in listed if _is_ours(api, kind, inputs, item, started)]
    if not candidates:
        return None
    newest = max(candidates, key=lambda item: str(item.get(kind.created, "")))
    seen = read(api, kind, inputs, _identity(kind, inputs, newest))
    return Made(seen.id, seen.outputs) if seen else None


def read(api: Api, kind: Kind, inputs: Values, identity: str) -> Seen | None:
    try:
        answer = api.call("GET", kind.item(inputs, identity), query=kind.read_query, headers=_headers(kind, inputs))
    except RefusedError as error:
        if error.status == 404:
            return None
        raise
    answer = _readable(kind, answer)
    outputs = overlay(kind, inputs, answer)
    return Seen(_identity(kind, inputs, answer) or identity, drifted(kind, inputs, answer), outputs)


def import_(api: Api, kind: Kind, import_id: str) -> Seen | None:
    """Read by an import id such as `<account>/<uuid>`; its inputs are all that the API tells."""
    parts = import_id.split("/")
    names = kind.scope if kind.singleton else (*kind.scope, "id")
    if len(parts) != len(names):
        wanted = "/".join(f"<{name}>" for name in names)
        raise InputError(f"The import id {import_id!r} of a {kind.type} is not of the form {wanted}.")
    scope: Values = dict(zip(kind.scope, parts, strict=False))
    seen = read(api, kind, scope, parts[-1])
    if seen is None:
        return None
    settable = {name: seen.outputs[name] for name in kind.properties if seen.outputs.get(name) is not None}
    return Seen(seen.id, scope | settable, seen.outputs)


def mismatches(kind: Kind, inputs: Values, seen: Seen) -> list[PropertyChange]:
    """What keeps a resource from being imported with these inputs: given ones that are otherwise, or not told."""
    untold = [name for name in kind.properties if name in inputs and seen.outputs.get(name) is None]
    given = {name: value for name, value in inputs.items() if name not in untold and name not in kind.scope}
    now = drifted(kind, given, seen.outputs)
    changes = differences({name: now[name] for name in given}, given)
    return changes + [PropertyChange(name, None, masked(inputs[name])) for name in untold]


def imported(kind: Kind, inputs: Values, seen: Seen) -> Values:
    return overlay(kind, inputs, seen.outputs)


def update(api: Api, kind: Kind, inputs: Values, before: Made, base: Path) -> Made:
    path = kind.collection(inputs) if kind.upsert else kind.item(inputs, before.id)
    body = _body(kind, inputs, base)
    answer = api.call("PUT" if kind.upsert else kind.update_method, path, body=body, headers=_headers(kind, inputs))
    answer = _readable(kind, answer)
    return Made(_identity(kind, inputs, answer) or before.id, before.outputs | overlay(kind, inputs, answer))


def delete(api: Api, kind: Kind, inputs: Values, identity: str) -> None:
    """What is gone already is fine: a delete whose answer was lost is sent again."""
    if kind.delete_method is None:
        return
    try:
        api.call(kind.delete_method, kind.item(inputs, identity), headers=_headers(kind, inputs))
    except RefusedError as error:
        if error.status != 404:
            raise


def _send_create(api: Api, kind: Kind, inputs: Values, base: Path) -> Made:
    answer = api.call(
        kind.create_method,
        kind.collection(inputs),
        body=_body(kind, inputs, base),
        headers=_headers(kind, inputs),
        once=not kind.upsert,
    )
    answer = _readable(kind, answer)
    return Made(_identity(kind, inputs, answer), overlay(kind, inputs, answer))


def _body(kind: Kind, inputs: Values, base: Path) -> Any:
    filled = fill(kind, inputs)
    if kind.body:
        return kind.body(kind, filled, base)
    sent = {name: filled[name] for name in kind.properties if name in filled}
    return to_api(sent, kind.renamed)


def _headers(kind: Kind, inputs: Values) -> dict[str, str]:
    return kind.headers(inputs) if kind.headers else {}


def _readable(kind: Kind, answer: Any) -> dict[str, Any]:
    fields = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    if kind.body is versions.body:
        fields = versions.with_hashes(fields)
    return cast("dict[str, Any]", from_api(fields, kind.renamed))


def _identity(kind: Kind, inputs: Values, answer: dict[str, Any]) -> str:
    """`answer` in Pulumi's names or the API's own."""
    if kind.singleton:
        return str(reveal(inputs[kind.scope[-1]]))
    for name in (kind.identity, cast("str", from_api({kind.identity: ""}, kind.renamed).popitem()[0])):
        if answer.get(name):
            return str(answer[name])
    return ""


def _is_ours(api: Api, kind: Kind, inputs: Values, listed: dict[str, Any], started: datetime) -> bool:
    made = listed.get(kind.created) if kind.created else None
    if made and datetime.fromisoformat(made) < started - SLACK:
        return False  # somebody else's, or one that was kept: the program adopts it or nobody does
    if kind.match:
        return kind.match(api, kind, inputs, listed)
    return all(listed.get(theirs) == reveal(inputs.get(ours)) for ours, theirs in kind.natural)


def _differs(kind: Kind, inputs: Values, seen: Seen) -> bool:
    crons = [[item["cron"] for item in reveal(side.get("schedules") or [])] for side in (inputs, seen.outputs)]
    return kind.singleton and crons[0] != crons[1]
