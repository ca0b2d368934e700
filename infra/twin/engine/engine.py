"""The embedded engine: runs the Pulumi program in this process and brings the account to what it declares."""

import importlib
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from infra.twin.engine import lock
from infra.twin.engine.deletion import delete_rows
from infra.twin.engine.deployment import Deployment
from infra.twin.engine.errors import JournalError, Owner
from infra.twin.engine.journal import Journal
from infra.twin.engine.progress import Progress
from infra.twin.engine.provider.api import PATIENCE, Api, connect
from infra.twin.engine.recovery import recover
from infra.twin.engine.references import outputs_of
from infra.twin.engine.refreshing import refresh_rows
from infra.twin.engine.results import ApiEndpoint, Config, OnEvent, Program, ResourceState, Result
from infra.twin.engine.run import Run
from infra.twin.engine.values import masked, shown
from infra.twin.state import State


class Engine:
    """All methods are synchronous, run an event loop of their own and may be called from any thread."""

    def __init__(
        self,
        state: State,
        api: ApiEndpoint,
        project_root: Path,
        project: str = "serai",
        *,
        patience: float = PATIENCE,
    ) -> None:
        """`patience`: seconds that one call may spend on waiting for the API, retries included."""
        self.state = state
        self.api = api
        self.project_root = project_root
        self.project = project
        self._patience = patience

    def preview(
        self,
        stack: str,
        config: Config,
        on_event: OnEvent | None = None,
        *,
        program: Program | None = None,
        refresh: bool = False,
    ) -> Result:
        """What `up` would do. Changes nothing, takes no lock."""
        return self._run(stack, on_event, lambda run: self._apply(run, config, program, refresh=refresh), preview=True)

    def up(
        self,
        stack: str,
        config: Config,
        on_event: OnEvent | None = None,
        *,
        program: Program | None = None,
        refresh: bool = False,
    ) -> Result:
        """Bring the account to what the program declares. `program` defaults to `infra/__main__.py`."""
        return self._run(stack, on_event, lambda run: self._apply(run, config, program, refresh=refresh))

    def refresh(self, stack: str, on_event: OnEvent | None = None, *, preview: bool = False) -> Result:
        """Take what has changed in the account into the journal; the next `up` repairs it."""
        return self._run(stack, on_event, refresh_rows, preview=preview)

    def destroy(self, stack: str, on_event: OnEvent | None = None, *, preview: bool = False) -> Result:
        """Take away all that the stack has. What is retained stays in the account."""
        return self._run(stack, on_event, lambda run: delete_rows(run, run.journal.rows()), preview=preview)

    def outputs(self, stack: str, *, show_secrets: bool = False) -> dict[str, Any]:
        """Of the last `up` that succeeded; empty for a stack that has had none."""
        if not self.state.stack_path(stack).exists():
            return {}
        with self._journal(stack, scratch=True) as journal:
            return shown(outputs_of(journal) or {}, secrets=show_secrets)

    def resources(self, stack: str) -> list[ResourceState]:
        """In the order in which they were made."""
        if not self.state.stack_path(stack).exists():
            return []
        with self._journal(stack, scratch=True) as journal:
            return [
                ResourceState(
                    urn=row.urn,
                    type=row.type,
                    name=row.name,
                    id=row.id,
                    custom=row.custom,
                    parent=row.parent,
                    inputs=masked(row.inputs),
                    outputs=masked(row.outputs),
                    dependencies=list(row.dependencies),
                    protect=row.protect,
                    retain_on_delete=row.retain,
                    external=row.external,
                )
                for row in journal.rows()
                if not row.condemned
            ]

    def unfinished(self, stack: str) -> list[str]:
        """Names of the resources with a step that a killed run had begun. The next `up` settles them."""
        if not self.state.stack_path(stack).exists():
            return []
        with self._journal(stack, scratch=True) as journal:
            return [begun.row.name for begun in journal.begun()]

    def lock_owner(self, stack: str) -> tuple[Owner, bool] | None:
        """Who holds the stack's lock, and whether that process lives; None when it is free."""
        path = self.state.lock_path(stack)
        owner = lock.lock_owner(path)
        return (owner, lock.is_held(path)) if owner else None

    def break_lock(self, stack: str) -> None:
        """Let the next run in, even though the owner may live: only when it surely does not work on the stack."""
        lock.break_lock(self.state.lock_path(stack))

    def _run(
        self, stack: str, on_event: OnEvent | None, work: Callable[[Run], None], *, preview: bool = False
    ) -> Result:
        started = time.monotonic()
        path = self.state.lock_path(stack)
        with nullcontext() if preview else lock.stack_lock(path, stack), self._opened(stack, on_event, preview) as run:
            recover(run)
            work(run)
            outputs = masked(outputs_of(run.journal) or {})
            return Result(stack, run.progress.steps, outputs, time.monotonic() - started)

    @contextmanager
    def _opened(self, stack: str, on_event: OnEvent | None, preview: bool) -> Generator[Run]:
        stopped = threading.Event()
        with self._journal(stack, scratch=preview) as journal, connect(self.api) as client:
            yield Run(
                stack=stack,
                project=self.project,
                state=self.state,
                journal=journal,
                api=Api(client, self._patience, stopped),
                progress=Progress(on_event, preview),
                base=self.project_root / "infra",
                stopped=stopped,
            )

    def _apply(self, run: Run, config: Config, program: Program | None, *, refresh: bool) -> None:
        # These import the SDK.
        from infra.twin.engine.monitor import Monitor  # noqa: PLC0415
        from infra.twin.engine.program import file_program, run_program  # noqa: PLC0415

        if refresh:
            refresh_rows(run)
        deployment = Deployment(run)
        chosen = program or file_program(self.project_root / "infra" / "__main__.py")
        run_program(run, Monitor(run, deployment, config), config, chosen, self.project_root)
        deployment.finish()

    def _journal(self, stack: str, *, scratch: bool = False) -> Journal:
        path = self.state.stack_path(stack)
        if path.is_dir():
            raise JournalError(f"The journal {path} is a directory. Move it away.")
        return Journal(path, self.state.secrets.journal_key, scratch=scratch)


def warm() -> None:
    """Import the SDK ahead of the first run: it takes seconds."""
    for module in ("pulumi_cloudflare", "infra.twin.engine.program"):
        importlib.import_module(module)
