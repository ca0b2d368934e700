"""What commands know of a running twin: where it answers, and a tenant's endpoint and key."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.terminal.failure import CommandError
from scripts.terminal.options import ROOT

if TYPE_CHECKING:
    from infra.twin.host import HostInfo
    from infra.twin.state import State


@dataclass(frozen=True, slots=True)
class Endpoint:
    tenant: str
    url: str
    """`http://127.0.0.1:8787/acme`"""
    key: str = field(repr=False)
    cell: str
    database_id: str


def open_existing(path: Path) -> "State":
    """The state directory, which must have been used before."""
    from infra.twin.state import open_state

    if not (path / "format").exists():
        raise CommandError(f"{path} holds no twin yet.", remedy="Start one: scripts/dev   (or name it: --state DIR)")
    return open_state(path)


def running(state: "State") -> "HostInfo":
    from infra.twin.host import running_host

    info = running_host(state)
    if info is None:
        raise CommandError(f"Nothing serves {state.path} at the moment.", remedy="Start it: scripts/dev")
    return info


def stack_outputs(state: "State", stack: str) -> dict[str, object]:
    """A stack's outputs, secrets included."""
    from infra.twin.engine import ApiEndpoint, Engine

    return Engine(state, ApiEndpoint("", ""), ROOT).outputs(stack, show_secrets=True)


def endpoints(state: "State", base_url: str) -> dict[str, Endpoint]:
    """Every provisioned tenant, by name."""
    found: dict[str, Endpoint] = {}
    for stack in state.stacks():
        if not stack.startswith("cell-"):
            continue
        outputs = stack_outputs(state, stack)
        keys: dict[str, str] = outputs.get("adminKeys") or {}  # type: ignore[assignment]
        tenants: dict[str, dict[str, str]] = outputs.get("tenants") or {}  # type: ignore[assignment]
        for name, about in tenants.items():
            found[name] = Endpoint(name, f"{base_url}/{name}", keys[name], stack, about["databaseId"])
    return dict(sorted(found.items()))


def endpoint(state: "State", tenant: str) -> Endpoint:
    """One tenant's, at the running host. Raises CommandError naming what there is."""
    found = endpoints(state, running(state).url)
    if tenant not in found:
        raise CommandError(
            f"There is no tenant {tenant!r} in {state.path}.",
            remedy=f"There are: {', '.join(found) or 'none'}",
        )
    return found[tenant]
