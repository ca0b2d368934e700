"""Runs of the command line that can be killed, with what they started.

Importing the Pulumi SDK takes seconds, in which nothing happens that a kill could break. A run is therefore forked from
this process, which has imported everything: it is the same command, it only starts faster. `spawn` starts it the way a
person does.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.config import ROOT
from infra.twin.engine import warm
from scripts.cli.main import main

POLL_SECONDS = 0.001
SERAI = (sys.executable, "-m", "scripts.cli.main")


@dataclass
class Run:
    """One process of ours, in a session of its own."""

    argv: Sequence[str]
    pid: int
    out: Path
    err: Path
    code: int | None = None
    started: float = field(default_factory=time.monotonic)
    _popen: subprocess.Popen[bytes] | None = None

    def poll(self) -> int | None:
        """Its exit code, a signal's negative, or None while it runs."""
        if self.code is None and self._popen is not None:
            self.code = self._popen.poll()
        elif self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def wait(self, seconds: float) -> int | None:
        self.until(lambda: False, seconds)
        return self.code

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether the condition came true before the process ended and the time was over."""
        end = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < end:
            if condition():
                return True
            time.sleep(POLL_SECONDS)
        return False

    def kill(self) -> None:
        """The process alone: what it started finds out by itself."""
        self._signal(signal.SIGKILL)
        self.wait(10)

    def kill_all(self) -> None:
        """With everything that it started. Stopped first, so that it starts nothing in between."""
        self._signal(signal.SIGSTOP)
        doomed = [self.pid, *descendants(self.pid)]
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait(10)

    def stop(self, seconds: float = 20.0) -> int | None:
        self._signal(signal.SIGTERM)
        return self.wait(seconds)

    def _signal(self, sign: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, sign)

    def lines(self) -> list[dict[str, Any]]:
        """The whole JSON lines that it has printed so far."""
        text = self.out.read_text(errors="replace")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n") and line[0] == "{"]

    def told(self) -> str:
        return f"{' '.join(self.argv)}: exit code {self.code}\n{self.err.read_text(errors='replace')[-3000:]}"

    @property
    def traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.err.read_text(errors="replace")


def fork(argv: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> Run:
    """`serai ARGV`, forked from this process."""
    out, err = _outputs(folder)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Run(argv, pid, out, err)
    code = 70
    try:
        os.setsid()
        os.environ.update(environ or {})
        for number, path in ((1, out), (2, err)):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, number)
            os.close(descriptor)
        sys.argv = ["serai", *argv]
        code = _main()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def spawn(argv: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> Run:
    """`serai ARGV` in a fresh interpreter."""
    out, err = _outputs(folder)
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [*SERAI, *argv],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})},
            start_new_session=True,
        )
    return Run(argv, process.pid, out, err, _popen=process)


def preload() -> None:
    """Import what runs import, before the first fork."""
    for module in ("cli.dev", "cli.ledger", "cli.plan", "cli.up", "terminal.hosting", "terminal.provisioning"):
        importlib.import_module(f"scripts.{module}")
    warm()


def descendants(pid: int) -> list[int]:
    """Of a process, out of /proc; none where there is no /proc."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            child, parent = _parent(stat.read_text())
            parents.setdefault(parent, []).append(child)
    found = list(parents.get(pid, ()))
    for child in found:  # grows while it is gone through
        found += parents.get(child, ())
    return found


def _parent(stat: str) -> tuple[int, int]:
    head, _, rest = stat.rpartition(")")  # the name in between may hold anything
    return int(head.partition(" ")[0]), int(rest.split()[1])


def _main() -> int:
    try:
        main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001 - what the interpreter itself would do
        traceback.print_exc()
        return 1
    return 0


def _outputs(folder: Path) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.iterdir()))
    paths = folder / f"{number:04}.out", folder / f"{number:04}.err"
    for path in paths:
        path.touch()
    return paths
