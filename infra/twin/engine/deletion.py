"""Taking resources away, what depends on others first."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from infra.twin.engine.errors import EngineError
from infra.twin.engine.failures import failure
from infra.twin.engine.journal import Row
from infra.twin.engine.provider import provider
from infra.twin.engine.results import Step
from infra.twin.engine.run import PARALLEL, Run


def delete_rows(run: Run, rows: Iterable[Row]) -> None:
    """Delete them all, or raise the failures once those in flight have ended."""
    rows = list(rows)
    if guarded := [row for row in rows if row.protect and not row.condemned]:
        names = ", ".join(sorted(row.name for row in guarded))
        raise EngineError(
            f"{names}: protected, so not deleted. Take `protect` off in the program and apply that first, "
            "or put the resource back."
        )
    gone = {row.urn for row in rows if row.custom}
    for wave in _waves(rows):
        _together(run, [row for row in wave if row.custom], lambda row: _delete(run, row, gone))
        for row in wave:
            if not row.custom:
                _forget(run, row)


def _waves(rows: list[Row]) -> Iterable[list[Row]]:
    left = list(rows)
    while left:
        needed = {urn for row in left for urn in row.needs}
        free = [row for row in left if row.urn not in needed]
        wave = free or left  # a circle cannot be, but must not hang either
        yield wave
        left = [row for row in left if row not in wave] if free else []


def _together(run: Run, rows: list[Row], work: Callable[[Row], None]) -> None:
    if len(rows) <= 1:
        for row in rows:
            work(row)
        return
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="serai-delete") as pool:
        futures = [pool.submit(work, row) for row in rows]
    errors = [error for future in futures if (error := future.exception())]
    for error in errors:
        if not isinstance(error, EngineError):
            raise error
    run.raise_failures()


def _delete(run: Run, row: Row, gone: set[str]) -> None:
    op = "retain" if row.retain else "delete"
    if row.condemned or row.external:
        # The step that replaced it has told of it already; what was only read was never ours.
        _take_away(run, row, gone)
        return
    with run.progress.taking(Step(op, row.urn, row.type, row.name)):
        _take_away(run, row, gone)


def _take_away(run: Run, row: Row, gone: set[str]) -> None:
    kept = row.external or row.retain or row.deleted_with in gone or _lives_on(run, row)
    if kept or run.preview:
        run.journal.deleted(None, row.seq)
        return
    kind = provider.kind_of(row.type)
    if kind.delete_method is None and kind.singleton:
        run.progress.log(
            f"{row.name}: Cloudflare cannot delete a {kind.type.rsplit(':', 1)[-1]}; it is forgotten here."
        )
    step = run.journal.begin("delete", row, row.seq)
    try:
        provider.delete(run.api_for(row.name), kind, row.inputs, row.id)
    except Exception as error:
        raise run.failed(failure(row.name, row.type, error)) from error
    run.journal.deleted(step, row.seq)


def _lives_on(run: Run, row: Row) -> bool:
    """A replacement that the API made by changing the same thing: deleting the old would delete the new."""
    live = run.journal.live(row.urn)
    return bool(live and live.seq != row.seq and live.id == row.id and live.type == row.type)


def _forget(run: Run, row: Row) -> None:
    with run.progress.taking(Step("delete", row.urn, row.type, row.name)):
        run.journal.deleted(None, row.seq)
