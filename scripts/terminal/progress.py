"""What provisioning looks like while it runs: rows for a person, JSON lines for a script."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.terminal.options import ROOT

if TYPE_CHECKING:
    from infra.deploy import Event, SmokeResult, StackOutcome
    from infra.twin.engine import Step

DONE = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "import": "adopted",
    "refresh": "read again",
    "retain": "left in the account",
}
WILL = {
    "create": "to create",
    "update": "to update",
    "replace": "to replace",
    "delete": "to delete",
    "import": "to adopt",
    "refresh": "to read again",
    "retain": "to leave in the account",
}
SIGN = {"create": "+", "update": "~", "replace": "±", "delete": "-", "import": "=", "refresh": "↻", "retain": "·"}
WIDTH = 24
SHOWN = 60
"""Characters of a value in a diff."""


def row(label: str, text: str, detail: str = "") -> None:
    """`  base        7 resources created     1.1 s`"""
    click.echo(f"  {label:<11} {text:<{WIDTH}} {detail}".rstrip())


def emit(**event: Any) -> None:
    """One JSON object a line."""
    click.echo(json.dumps(event, default=str))
    sys.stdout.flush()


class Progress:
    """Renders the events of infra.deploy. On a terminal, a line that is rewritten shows what is being done."""

    def __init__(self, *, preview: bool = False, quiet: bool = False, diff: bool = False) -> None:
        self._words = WILL if preview else DONE
        self._preview = preview
        self._quiet = quiet
        self._diff = diff
        self._live = sys.stdout.isatty() and not quiet
        self._finished = 0

    def __call__(self, event: "Event") -> None:
        if self._quiet:
            return
        match event.kind:
            case "specs":
                self._specs(event)
            case "waiting":
                self._line(f"  {event.stack:<11} another run is writing its bundle; waiting for it")
            case "start":
                self._finished = 0
                self._line(f"  {event.stack:<11} {'comparing' if self._preview else 'applying'} ...")
            case "step":
                self._step(event)
            case "done":
                self._clear()
                if event.outcome:
                    self._done(event.outcome)

    def _specs(self, event: "Event") -> None:
        tenants = event.specs.tenants if event.specs else ()
        paths = ", ".join(str(relative(tenant.path)) for tenant in tenants[:4]) + (", ..." if len(tenants) > 4 else "")
        row("specs", f"{count(len(tenants), 'tenant')} valid", paths)

    def _step(self, event: "Event") -> None:
        step = event.step
        if step is None:
            return
        if step.kind == "retry":
            self._clear()
            row(event.stack, "trying again", step.message)
        elif step.step is not None and step.step.changes:
            self._finished += step.kind == "done"
            self._line(f"  {event.stack:<11} {step.step.name} ({self._finished} done)")

    def _done(self, outcome: "StackOutcome") -> None:
        row(outcome.stack, summary(outcome, self._words), f"{outcome.seconds:.1f} s" if outcome.result else "")
        if self._diff and outcome.result:
            for line in render_steps(outcome.result.changes):
                click.echo(line)

    def _line(self, text: str) -> None:
        if self._live:
            click.echo(f"\r\x1b[2K{text[:110]}", nl=False)

    def _clear(self) -> None:
        if self._live:
            click.echo("\r\x1b[2K", nl=False)


def summary(outcome: "StackOutcome", words: dict[str, str] = DONE) -> str:
    """`3 resources created, 2 replaced`"""
    if outcome.result is None or not outcome.result.changes:
        return "unchanged"
    counts = Counter(step.op for step in outcome.result.changes)
    parts = [f"{counts[op]} {words[op]}" for op in words if counts.get(op)]
    first, *rest = parts
    number, _, word = first.partition(" ")
    return ", ".join([f"{count(int(number), 'resource')} {word}", *rest])


def render_steps(steps: Iterable["Step"]) -> list[str]:
    """The diff: a line a resource, a line a property that changes."""
    lines: list[str] = []
    for step in steps:
        lines.append(f"    {SIGN.get(step.op, ' ')} {step.type.rpartition(':')[2]:<20} {step.name}")
        if step.op in ("update", "replace"):
            lines += [f"        {one.path}: {_value(one.old)} -> {_value(one.new)}" for one in step.diff]
    return lines


def step_documents(steps: Sequence["Step"]) -> list[dict[str, Any]]:
    return [
        {
            "op": step.op,
            "type": step.type,
            "name": step.name,
            "urn": step.urn,
            "diff": [{"path": one.path, "old": one.old, "new": one.new} for one in step.diff],
        }
        for step in steps
    ]


def stack_document(outcome: "StackOutcome") -> dict[str, Any]:
    changes = outcome.result.changes if outcome.result else []
    return {"stack": outcome.stack, "seconds": round(outcome.seconds, 3), "changes": step_documents(changes)}


def show_smoke(results: Sequence["SmokeResult"]) -> None:
    good = sum(result.ok for result in results)
    row("smoke", f"{count(good, 'endpoint')} answered", f"{sum(result.seconds for result in results):.1f} s")
    for result in results:
        if not result.ok:
            row("", f"{result.tenant} does not:", result.reason)


def show_findings(error: Exception) -> None:
    """A SpecError, one finding below the other."""
    click.echo(str(error), err=True)


def relative(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _value(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
