"""Bringing each resource that the program registers to what it should be."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from infra.twin.engine.deletion import delete_rows
from infra.twin.engine.differences import differences, ignoring, top_level, touches
from infra.twin.engine.errors import EngineError
from infra.twin.engine.failures import failure
from infra.twin.engine.goal import Goal
from infra.twin.engine.journal import Row
from infra.twin.engine.provider import provider
from infra.twin.engine.provider.api import RefusedError, StoppedError
from infra.twin.engine.provider.kind import Kind
from infra.twin.engine.provider.provider import Made
from infra.twin.engine.provider.versions import InputError
from infra.twin.engine.references import REFERENCE, read_reference
from infra.twin.engine.results import Op, PropertyChange, Step
from infra.twin.engine.run import Run
from infra.twin.engine.urns import STACK, earlier_urns
from infra.twin.engine.values import Values, has_unknown, without_nulls

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the program learns of a resource. Without an id, it is not known yet."""

    urn: str
    id: str
    outputs: Values


class Deployment:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._journal = run.journal
        self._lock = threading.RLock()
        self._registered: set[str] = set()
        self._earlier: dict[str, list[str]] = {}
        """URNs that this run's resources may have had before, for their children's sake."""
        self._deleted_first: set[str] = set()
        """Taken away because something that they depend on is replaced; they come back."""
        self._stack_outputs: Values | None = None

    def register(self, goal: Goal) -> Answer:
        """Called from many threads at once: whatever does not depend on each other."""
        self._claim(goal)
        if not goal.custom:
            return self._component(goal)
        return self._guard(goal, lambda: self._custom(goal))

    def read(self, goal: Goal, identity: str) -> Answer:
        """A resource that the program looks at and does not own."""
        self._claim(goal)
        return self._guard(goal, lambda: self._read(goal, identity))

    def set_outputs(self, urn: str, outputs: Values) -> None:
        row = self._journal.live(urn)
        if row is None:
            return
        if row.type == STACK:
            self._stack_outputs = outputs  # kept back: those of a run that fails would be half of them
        elif row.outputs != outputs:
            self._journal.updated(None, replace(row, outputs=outputs))

    def finish(self) -> None:
        """The program is through: take away what it no longer names, and what was replaced."""
        for row in self._journal.rows():
            if row.type == STACK and self._stack_outputs is not None and row.outputs != self._stack_outputs:
                self._journal.updated(None, replace(row, outputs=self._stack_outputs))
        rows = self._journal.rows()
        delete_rows(self._run, [row for row in rows if row.condemned or row.urn not in self._registered])

    def _claim(self, goal: Goal) -> None:
        if self._run.stopped.is_set():
            raise StoppedError
        with self._lock:
            if goal.urn in self._registered:
                raise self._run.failed(
                    EngineError(f"{goal.name} ({goal.type}): two resources of the program have this URN: {goal.urn}.")
                )
            self._registered.add(goal.urn)
            before = earlier_urns(goal.urn, goal.parent, goal.type, goal.aliases, self._earlier)
            self._earlier[goal.urn] = before
            if self._journal.live(goal.urn) is None:
                known = (urn for urn in before if urn not in self._registered and self._journal.live(urn))
                if urn := next(known, None):
                    self._journal.rename(urn, goal.urn)

    def _guard(self, goal: Goal, work: Callable[[], T]) -> T:
        try:
            return work()
        except (StoppedError, EngineError):
            raise
        except Exception as error:
            raise self._run.failed(failure(goal.name, goal.type, error)) from error

    def _component(self, goal: Goal) -> Answer:
        old = self._journal.live(goal.urn)
        row = goal.row("", goal.inputs, old.outputs if old else {})
        if old is None:
            with self._run.progress.taking(_step("create", goal)):
                self._journal.created(None, row)
        else:
            self._keep(goal, old, row)
        return Answer(goal.urn, "", {})

    def _custom(self, goal: Goal) -> Answer:
        kind = provider.kind_of(goal.type)
        old = self._journal.live(goal.urn)
        if old and old.external:  # read so far, owned from now on
            self._journal.deleted(None, old.seq)
            old = None
        inputs = provider.check(kind, without_nulls(goal.inputs), self._run.base)
        if goal.import_id and (old is None or old.id != goal.import_id.rsplit("/", 1)[-1]):
            return self._import(goal, kind, inputs, old)
        if old is None:
            return self._create(goal, kind, inputs)
        inputs = ignoring(old.inputs, inputs, goal.ignore_changes)
        changes = differences(old.inputs, inputs) + provider.unsettled(kind, inputs)
        if not changes:
            return self._keep(goal, old, goal.row(old.id, inputs, old.outputs))
        if kind.replaces(top_level(changes)) or touches(changes, goal.replace_on_changes):
            return self._replace(goal, kind, inputs, old, changes)
        return self._update(goal, kind, inputs, old, changes)

    def _keep(self, goal: Goal, old: Row, row: Row) -> Answer:
        row = replace(row, seq=old.seq)
        if row != old:  # its inputs are the same, but not what it depends on, or how it is guarded
            self._journal.updated(None, row)
        self._run.progress.add(_step("same", goal))
        return Answer(goal.urn, row.id, row.outputs)

    def _create(self, goal: Goal, kind: Kind, inputs: Values) -> Answer:
        op: Op = "replace" if goal.urn in self._deleted_first else "create"
        with self._run.progress.taking(_step(op, goal)):
            return self._make(goal, kind, inputs, None)

    def _replace(self, goal: Goal, kind: Kind, inputs: Values, old: Row, changes: list[PropertyChange]) -> Answer:
        if old.protect:
            paths = ", ".join(change.path for change in changes)
            raise EngineError(
                f"{goal.name}: a change of {paths} replaces it, and it is protected. Take `protect` off in the program "
                "and apply that first."
            )
        with self._run.progress.taking(_step("replace", goal, changes)):
            if not goal.delete_before_replace:
                return self._make(goal, kind, inputs, old)
            self._delete_first(old)
            return self._make(goal, kind, inputs, None)

    def _delete_first(self, old: Row) -> None:
        """Before its successor is there, with all that would be replaced because of it."""
        doomed = {old.urn: old}
        rows = [row for row in self._journal.rows() if row.custom and not row.external and not row.condemned]
        while more := [row for row in rows if row.urn not in doomed and _follows(row, doomed)]:
            doomed |= {row.urn: row for row in more}
        if guarded := ", ".join(sorted(row.name for row in doomed.values() if row.protect)):
            raise EngineError(f"{guarded}: would be replaced together with {old.name}, and it is protected.")
        self._deleted_first |= doomed.keys() - {old.urn}
        # Condemned: their deletion is part of the step that replaces them.
        delete_rows(self._run, [replace(row, condemned=True) for row in doomed.values()])

    def _make(self, goal: Goal, kind: Kind, inputs: Values, replaced: Row | None) -> Answer:
        seq = replaced.seq if replaced else None
        if self._run.preview:
            row = self._journal.created(None, goal.row("", inputs, provider.planned(kind, inputs)), seq)
            return Answer(goal.urn, "", row.outputs)
        started = datetime.now(UTC)
        step = self._journal.begin("create", goal.row("", inputs, {}), seq)
        try:
            made = provider.create(self._run.api_for(goal.name), kind, inputs, self._run.base, started)
        except (RefusedError, InputError):
            self._journal.abandon(step)
            raise
        self._journal.created(step, goal.row(made.id, inputs, made.outputs), seq)
        return Answer(goal.urn, made.id, goal.row(made.id, inputs, made.outputs).outputs)

    def _update(self, goal: Goal, kind: Kind, inputs: Values, old: Row, changes: list[PropertyChange]) -> Answer:
        with self._run.progress.taking(_step("update", goal, changes)):
            if self._run.preview:
                made = Made(old.id, provider.planned(kind, inputs, old.outputs))
                step = None
            else:
                step = self._journal.begin("update", goal.row(old.id, inputs, old.outputs), old.seq)
                try:
                    before = Made(old.id, old.outputs)
                    made = provider.update(self._run.api_for(goal.name), kind, inputs, before, self._run.base)
                except (RefusedError, InputError):
                    self._journal.abandon(step)
                    raise
            row = replace(goal.row(made.id, inputs, made.outputs), seq=old.seq)
            self._journal.updated(step, row)
            return Answer(goal.urn, made.id, row.outputs)

    def _import(self, goal: Goal, kind: Kind, inputs: Values, old: Row | None) -> Answer:
        with self._run.progress.taking(_step("import", goal)):
            seen = provider.import_(self._run.api_for(goal.name), kind, goal.import_id)
            if seen is None:
                raise InputError(f"There is nothing to import with the id {goal.import_id}")
            inputs = ignoring(seen.inputs, inputs, goal.ignore_changes)
            if changes := provider.mismatches(kind, inputs, seen):
                told = ", ".join(f"{change.path} (there {change.old!r}, here {change.new!r})" for change in changes)
                raise InputError(f"inputs to import do not match the existing resource {goal.import_id}: {told}")
            row = goal.row(seen.id, inputs, provider.imported(kind, inputs, seen))
            self._journal.created(None, row, old.seq if old else None)
            return Answer(goal.urn, seen.id, row.outputs)

    def _read(self, goal: Goal, identity: str) -> Answer:
        if goal.type == REFERENCE:
            outputs = read_reference(self._run, goal)
        elif not identity or has_unknown(goal.inputs):
            return Answer(goal.urn, "", {})
        else:
            kind = provider.kind_of(goal.type)
            inputs = without_nulls(goal.inputs)
            if missing := [name for name in kind.scope if name not in inputs]:
                raise InputError(f"To read it, {' and '.join(missing)} must be given with its id")
            seen = provider.read(self._run.api_for(goal.name), kind, inputs, identity)
            if seen is None:
                raise InputError(f"There is none with the id {identity}")
            outputs = seen.outputs
        row = goal.row(identity, goal.inputs, outputs, external=True)
        self._remember(goal, row)
        self._run.progress.add(_step("read", goal))
        return Answer(goal.urn, identity, row.outputs)

    def _remember(self, goal: Goal, row: Row) -> None:
        old = self._journal.live(goal.urn)
        if old is None:
            self._journal.created(None, row)
        elif not old.external:
            raise InputError("It is a resource of this stack: take it out first, or do not read it under the same name")
        elif replace(old, seq=0) != row:
            self._journal.updated(None, replace(row, seq=old.seq))


def _step(op: Op, goal: Goal, changes: list[PropertyChange] | None = None) -> Step:
    return Step(op, goal.urn, goal.type, goal.name, changes or [])


def _follows(row: Row, doomed: dict[str, Row]) -> bool:
    """Whether it would be replaced along: an input that a replacement follows from comes from one of them."""
    touched = {name for name, urns in row.property_dependencies.items() if doomed.keys() & set(urns)}
    return provider.kind_of(row.type).replaces(touched)
