"""Refresh: read every resource of the stack, and take into the journal what has changed or gone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from infra.twin.engine.differences import differences
from infra.twin.engine.errors import EngineError
from infra.twin.engine.failures import failure
from infra.twin.engine.journal import Row
from infra.twin.engine.provider import provider
from infra.twin.engine.provider.provider import Seen
from infra.twin.engine.results import PropertyChange, Step
from infra.twin.engine.run import PARALLEL, Run
from infra.twin.engine.values import without_nulls


def refresh_rows(run: Run) -> None:
    """A step `refresh` for each one that is not as the journal has it; one that is gone has a change of path ''."""
    rows = [row for row in run.journal.rows() if row.custom and not row.external and not row.condemned]
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="serai-refresh") as pool:
        futures = [pool.submit(_refresh, run, row) for row in rows]
    for future in futures:
        error = future.exception()
        if error and not isinstance(error, EngineError):
            raise error
    run.raise_failures()


def _refresh(run: Run, row: Row) -> None:
    try:
        seen = provider.read(run.api_for(row.name), provider.kind_of(row.type), row.inputs, row.id)
    except Exception as error:
        raise run.failed(failure(row.name, row.type, error)) from error
    if seen is None:
        with run.progress.taking(_step(row, [PropertyChange("", row.id, None)])):
            run.journal.deleted(None, row.seq)
    elif changes := _changes(row, seen):
        with run.progress.taking(_step(row, changes)):
            run.journal.updated(None, replace(row, id=seen.id, inputs=seen.inputs, outputs=seen.outputs))


def _changes(row: Row, seen: Seen) -> list[PropertyChange]:
    inputs = differences(row.inputs, seen.inputs)
    if inputs:
        return inputs
    return differences(without_nulls(row.outputs), without_nulls(seen.outputs))


def _step(row: Row, changes: list[PropertyChange]) -> Step:
    return Step("refresh", row.urn, row.type, row.name, changes)
