"""The steps of a run, told as they happen and kept for its result."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from infra.twin.engine.results import EngineEvent, OnEvent, Step


@dataclass(slots=True)
class Progress:
    on_event: OnEvent | None
    preview: bool
    steps: list[Step] = field(default_factory=list[Step])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def taking(self, step: Step) -> Generator[None]:
        """Around the work of a step; a preview only plans it."""
        if self.preview:
            self.tell(EngineEvent("planned", step))
            yield
        else:
            started = time.monotonic()
            self.tell(EngineEvent("start", step))
            try:
                yield
            except BaseException as error:
                self.tell(EngineEvent("failed", step, str(error), time.monotonic() - started))
                raise
            self.tell(EngineEvent("done", step, seconds=time.monotonic() - started))
        self.add(step)

    def add(self, step: Step) -> None:
        with self._lock:
            self.steps.append(step)

    def log(self, message: str) -> None:
        self.tell(EngineEvent("log", message=message))

    def tell(self, event: EngineEvent) -> None:
        if self.on_event:
            with self._lock:  # whoever listens need not be thread-safe
                self.on_event(event)
