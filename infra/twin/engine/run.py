"""What all parts of one run share."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from infra.twin.engine.errors import EngineError
from infra.twin.engine.failures import together
from infra.twin.engine.journal import Journal
from infra.twin.engine.progress import Progress
from infra.twin.engine.provider.api import Api, StoppedError
from infra.twin.engine.results import EngineEvent
from infra.twin.state import State

PARALLEL = 16
"""Calls at once, at most."""


@dataclass(slots=True)
class Run:
    stack: str
    project: str
    state: State
    journal: Journal
    api: Api
    progress: Progress
    base: Path
    """Where files that inputs name are looked for: the program's directory."""
    stopped: threading.Event
    failures: list[EngineError] = field(default_factory=list[EngineError])
    fatal: BaseException | None = None
    """Not an error but the end of everything, raised in one of the SDK's threads."""

    @property
    def preview(self) -> bool:
        return self.progress.preview

    def api_for(self, name: str) -> Api:
        return self.api.noting(lambda note: self.progress.tell(EngineEvent("retry", message=f"{name}: {note}")))

    def failed(self, error: EngineError) -> EngineError:
        """Keep it and begin nothing new; what is in flight comes to its end."""
        self.failures.append(error)
        self.stopped.set()
        return error

    @contextmanager
    def called_by_sdk(self) -> Generator[None]:
        """The SDK would wait for ever on what was neither answered nor failed: it gets an error in any case."""
        try:
            yield
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001 - handed to the thread that runs the program
            self.fatal = error
            self.stopped.set()
            raise StoppedError from None

    def raise_failures(self) -> None:
        if self.fatal:
            raise self.fatal.with_traceback(None)
        if self.failures:
            # They were raised through the SDK before: those frames would keep all of its leftovers alive.
            raise together([failure.with_traceback(None) for failure in self.failures])
