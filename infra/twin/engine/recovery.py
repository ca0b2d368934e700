"""Steps that a killed run had begun: what became of each is asked of the API before anything new is done."""

from dataclasses import replace

from infra.twin.engine.failures import failure
from infra.twin.engine.journal import Begun
from infra.twin.engine.provider import provider
from infra.twin.engine.run import Run


def recover(run: Run) -> None:
    """Afterwards the journal tells what is there. Whatever is not wanted any more, the run then takes away."""
    for begun in run.journal.begun():
        try:
            _SETTLE[begun.kind](run, begun)
        except Exception as error:
            raise run.failed(failure(begun.row.name, begun.row.type, error)) from error


def _settle_create(run: Run, begun: Begun) -> None:
    row = begun.row
    kind = provider.kind_of(row.type)
    found = provider.find(run.api_for(row.name), kind, row.inputs, begun.started)
    if found is None:
        run.progress.log(f"{row.name}: its creation was interrupted before it took effect.")
        run.journal.abandon(begun.seq)
        return
    run.progress.log(f"{row.name}: its creation was interrupted; found again as {found.id}.")
    live = run.journal.live(row.urn)
    replaced = begun.resource if live and live.seq == begun.resource else None
    run.journal.created(begun.seq, replace(row, id=found.id, outputs=found.outputs), replaced)


def _settle_known(run: Run, begun: Begun) -> None:
    """An update or a delete: look at it. If it is still wanted otherwise, or not at all, the run does it again."""
    row = run.journal.row(begun.resource or 0)
    if row is None:
        run.journal.abandon(begun.seq)
        return
    seen = provider.read(run.api_for(row.name), provider.kind_of(row.type), row.inputs, row.id)
    if seen is None:
        run.journal.deleted(begun.seq, row.seq)
    else:
        run.journal.updated(begun.seq, replace(row, inputs=seen.inputs, outputs=seen.outputs))


_SETTLE = {"create": _settle_create, "update": _settle_known, "delete": _settle_known}
