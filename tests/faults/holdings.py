"""What the account has against what the stacks' journals say: nothing lost, nothing orphaned, nothing twice."""

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.config import ROOT
from infra.twin.engine import ApiEndpoint, Engine
from infra.twin.state import State

KINDS = {
    "cloudflare:index/d1Database:D1Database": "d1",
    "cloudflare:index/worker:Worker": "worker",
    "cloudflare:index/workerVersion:WorkerVersion": "version",
    "cloudflare:index/workersDeployment:WorkersDeployment": "deployment",
    "cloudflare:index/workersRoute:WorkersRoute": "route",
    "cloudflare:index/workersCustomDomain:WorkersCustomDomain": "domain",
    "cloudflare:index/dnsRecord:DnsRecord": "dns",
}
HISTORY = {"version", "deployment"}
"""Cloudflare keeps the old ones, and nothing deletes them."""


@dataclass
class Holdings:
    """An account's documents by kind and id."""

    documents: dict[str, dict[str, tuple[str, str, dict[str, Any]]]] = field(
        default_factory=dict[str, dict[str, tuple[str, str, dict[str, Any]]]]
    )

    def of(self, kind: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
        return self.documents.get(kind, {})

    def databases(self) -> dict[str, str]:
        """Name -> uuid."""
        return {name: uuid for uuid, (_, name, _) in self.of("d1").items()}

    def versions(self) -> Counter[str]:
        """How many each Worker has, by its name."""
        workers = {identifier: name for identifier, (_, name, _) in self.of("worker").items()}
        return Counter(workers.get(scope, scope) for scope, _, _ in self.of("version").values())


def read_holdings(path: Path) -> Holdings:
    """Straight out of the file: asking the API would let it repair itself first."""
    holdings = Holdings()
    if not path.exists():
        return holdings
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
        for kind, identifier, scope, name, body in db.execute("select kind, id, scope, name, body from documents"):
            holdings.documents.setdefault(kind, {})[identifier] = (scope, name, json.loads(body))
    return holdings


def compare(state: State, *, kept: Set[str], maybe: Set[str]) -> Iterator[str]:
    """What is wrong. `kept` are the names of databases that no stack has any more and that must be there, `maybe` those
    that may be: their tenant left between a kill and the next run."""
    holdings = read_holdings(state.account_path)
    owned: dict[str, set[str]] = {kind: set() for kind in KINDS.values()}
    for stack in state.stacks():
        yield from _compare_stack(state, stack, holdings, owned)
    for kind, ids in owned.items():
        if kind in HISTORY:
            continue
        for identifier in holdings.of(kind).keys() - ids:
            name = holdings.of(kind)[identifier][1]
            if kind != "d1" or name not in kept | maybe:
                yield f"orphan: the account has {kind} {name} ({identifier}), and no stack knows of it"
    names = set(holdings.databases())
    for name in sorted(kept - names):
        yield f"lost: the account has no database {name} any more"
    yield from _twice(holdings)
    yield from _files(state, holdings)


def _compare_stack(state: State, stack: str, holdings: Holdings, owned: dict[str, set[str]]) -> Iterator[str]:
    engine = Engine(state, ApiEndpoint("", ""), ROOT)
    if unfinished := engine.unfinished(stack):
        yield f"{stack}: steps of a killed run are left open after a good one: {', '.join(unfinished)}"
    with contextlib.closing(sqlite3.connect(f"file:{state.stack_path(stack)}?mode=ro", uri=True, timeout=10)) as db:
        if condemned := db.execute("select count(*) from resources where condemned").fetchone()[0]:
            yield f"{stack}: {condemned} replaced resources are still to be deleted after a good run"
    for resource in engine.resources(stack):
        kind = KINDS.get(resource.type)
        if kind is None or not resource.custom or resource.external:
            continue
        if resource.id in owned[kind]:
            yield f"{stack}: {resource.name} has the id {resource.id}, which another resource has too"
        owned[kind].add(resource.id)
        if resource.id not in holdings.of(kind):
            yield f"{stack}: {resource.name} is in the journal as {resource.id}, and the account has no such {kind}"


def _twice(holdings: Holdings) -> Iterator[str]:
    keys = {
        "d1": [name for _, name, _ in holdings.of("d1").values()],
        "worker": [name for _, name, _ in holdings.of("worker").values()],
        "route": [body["pattern"] for _, _, body in holdings.of("route").values()],
        "domain": [body["hostname"] for _, _, body in holdings.of("domain").values()],
        "dns": [f"{body['type']} {body['name']}" for _, _, body in holdings.of("dns").values()],
    }
    for kind, names in keys.items():
        for name, times in Counter(names).items():
            if times > 1:
                yield f"duplicate: the account has {times} of {kind} {name}"


def _files(state: State, holdings: Holdings) -> Iterator[str]:
    found = {path.name.partition(".")[0] for path in (state.path / "d1").iterdir() if path.is_file()}
    known = set(holdings.of("d1"))
    for uuid in sorted(found - known):
        yield f"orphan: the file of D1 database {uuid}, which the account does not have"
    for uuid in sorted(known - found):
        yield f"lost: the file of D1 database {uuid}"
    if (state.path / "d1" / "orphaned").exists():
        yield "D1 databases were set aside as unknown to the account"
    for path in state.versions_path.iterdir():
        if path.name not in holdings.of("version"):
            yield f"orphan: the unpacked version {path.name}, which the account does not have"
