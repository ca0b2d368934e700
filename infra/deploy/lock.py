"""The folder of module files is one for all states: only one program at a time may write and read it."""

import contextlib
import fcntl
from collections.abc import Callable, Generator
from pathlib import Path

from infra.config import ROOT

LOCK = ROOT / ".serai" / "bundle.lock"


@contextlib.contextmanager
def bundle_lock(on_wait: Callable[[], None], path: Path = LOCK) -> Generator[None]:
    """Held while a program runs, across processes; the kernel lets go of it when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
