"""plan, apply, destroy: all stacks in order. Base comes first, since cells read its outputs, and goes last."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from infra.config import BASE, ROOT, ConfigError
from infra.deploy.fingerprint import fingerprint, forget, is_applied, remember
from infra.deploy.lock import bundle_lock
from infra.deploy.prepared import Prepared, prepare, stack_number
from infra.deploy.results import Event, OnEvent, Outcome, StackOutcome, TenantEndpoint, ignore
from infra.deploy.target import Target
from infra.twin.engine import Engine, Result


def plan(target: Target, on_event: OnEvent = ignore, *, only: str | None = None, refresh: bool = False) -> Outcome:
    """What an apply would do. Changes nothing in the account."""
    prepared = prepare(target, only=only)
    on_event(Event("specs", specs=prepared.specs))
    outcomes = [_run(prepared, stack, on_event, preview=True, refresh=refresh) for stack in prepared.stacks]
    return Outcome(prepared.specs, tuple(outcomes))


def apply(target: Target, on_event: OnEvent = ignore, *, only: str | None = None, refresh: bool = False) -> Outcome:
    """Bring the account to what the files say. What has not changed since the last good apply is not run at all."""
    prepared = prepare(target, only=only)
    on_event(Event("specs", specs=prepared.specs))
    outcomes: list[StackOutcome] = []
    for stack in prepared.stacks:
        current = fingerprint(prepared.config(stack), prepared.modules(stack))
        if not refresh and is_applied(target.state, stack, current):
            outcomes.append(_unchanged(stack, on_event))
            continue
        forget(target.state, stack)
        outcomes.append(_run(prepared, stack, on_event, preview=False, refresh=refresh))
        remember(target.state, stack, current)
    return _outcome(prepared, outcomes)


def destroy(
    target: Target, on_event: OnEvent = ignore, *, only: str | None = None, preview: bool = False
) -> tuple[StackOutcome, ...]:
    """Take down what the stacks made, cells before base. Databases stay in the account. Reads no tenant file."""
    engine = Engine(target.state, target.api, ROOT)
    known = target.state.stacks()
    if only is not None and only not in known:
        raise ConfigError(f"There is no stack {only} in this state. There is: {', '.join(known) or 'none'}.")
    chosen = sorted(known if only is None else [only], key=stack_number, reverse=True)
    return tuple(_destroy_one(engine, stack, on_event, preview=preview) for stack in chosen)


def _run(prepared: Prepared, stack: str, on_event: OnEvent, *, preview: bool, refresh: bool) -> StackOutcome:
    started = time.monotonic()
    on_event(Event("start", stack))
    config = prepared.adopting_config(stack)
    engine = prepared.engine
    with bundle_lock(lambda: on_event(Event("waiting", stack))):
        run = engine.preview if preview else engine.up
        result = run(stack, config, lambda step: on_event(Event("step", stack, step=step)), refresh=refresh)
    return _done(stack, result, started, on_event)


def _destroy_one(engine: Engine, stack: str, on_event: OnEvent, *, preview: bool) -> StackOutcome:
    started = time.monotonic()
    on_event(Event("start", stack))
    if not preview:
        forget(engine.state, stack)
    result = engine.destroy(stack, lambda step: on_event(Event("step", stack, step=step)), preview=preview)
    return _done(stack, result, started, on_event)


def _done(stack: str, result: Result, started: float, on_event: OnEvent) -> StackOutcome:
    outcome = StackOutcome(stack, result, time.monotonic() - started)
    on_event(Event("done", stack, outcome=outcome))
    return outcome


def _unchanged(stack: str, on_event: OnEvent) -> StackOutcome:
    outcome = StackOutcome(stack, None, 0.0)
    on_event(Event("done", stack, outcome=outcome))
    return outcome


def _outcome(prepared: Prepared, outcomes: Sequence[StackOutcome]) -> Outcome:
    engine = prepared.engine
    base = engine.outputs(BASE) if BASE in engine.state.stacks() else {}
    cells = {cell: engine.outputs(cell, show_secrets=True) for cell in prepared.stacks if cell != BASE}
    tenants = [
        _endpoint(loaded.name, cell, loaded.spec.state, outputs)
        for cell, outputs in cells.items()
        for loaded in prepared.specs.of_cell(cell)
    ]
    return Outcome(
        prepared.specs,
        tuple(outcomes),
        tuple(sorted(tenants, key=lambda tenant: tenant.name)),
        dict(base.get("zoneIds", {})),
        base.get("controlUrl", ""),
    )


def _endpoint(name: str, cell: str, state: str, outputs: Mapping[str, Any]) -> TenantEndpoint:
    about = outputs["tenants"][name]
    return TenantEndpoint(name, cell, state, about["endpoint"], about["databaseId"], outputs["adminKeys"][name])
