"""StackReference: the outputs of another stack, out of its journal."""

from infra.twin.engine.goal import Goal
from infra.twin.engine.journal import Journal
from infra.twin.engine.provider.versions import InputError
from infra.twin.engine.run import Run
from infra.twin.engine.urns import STACK
from infra.twin.engine.values import UNKNOWN_VALUE, Values, has_secret, reveal

REFERENCE = "pulumi:pulumi:StackReference"


def read_reference(run: Run, goal: Goal) -> Values:
    """Secrets stay secrets. In a preview, a stack that is not there yet has outputs that are not known."""
    name = str(reveal(goal.inputs.get("name")) or goal.name)
    *_, project, stack = ["", run.project, *name.split("/")][-3:] if "/" in name else ["", run.project, name]
    if project != run.project:
        raise InputError(f"{name!r} is a stack of the project {project}, of which this engine has no state")
    found = stack_outputs(run, stack)
    if found is None:
        if run.preview:
            run.progress.log(f"Stack {stack} has not been applied yet: what comes from it is not known.")
            return {"name": name, "outputs": UNKNOWN_VALUE, "secretOutputNames": UNKNOWN_VALUE}
        raise InputError(f"Stack {stack} has not been applied yet. Apply it first")
    secret = sorted(key for key, value in found.items() if has_secret(value))
    return {"name": name, "outputs": found, "secretOutputNames": secret}


def stack_outputs(run: Run, stack: str) -> Values | None:
    path = run.state.stack_path(stack)
    if not path.exists():
        return None
    with Journal(path, run.state.secrets.journal_key, scratch=True) as journal:
        return outputs_of(journal)


def outputs_of(journal: Journal) -> Values | None:
    return next((row.outputs for row in journal.rows() if row.type == STACK), None)
