"""Running a Pulumi program in this process, again and again, from whatever thread."""

import asyncio
import contextvars
import gc
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
from pulumi import runtime

from infra.twin.engine.errors import ProgramError
from infra.twin.engine.monitor import ORGANIZATION, Monitor
from infra.twin.engine.results import Config, Program
from infra.twin.engine.run import PARALLEL, Run


def run_program(run: Run, monitor: Monitor, config: Config, program: Program, root: Path) -> None:
    """The SDK keeps its settings in context variables: a context of its own leaves nothing behind."""
    error = contextvars.Context().run(_run, run, monitor, config, program, root)
    if error or run.failures or run.fatal:
        _sweep()
    run.raise_failures()
    if error:
        raise error


def file_program(path: Path) -> Program:
    """A program that is a file, as the CLI runs it. Not by runpy, which would swap this process's `__main__`."""

    def program() -> None:
        try:
            source = path.read_bytes()
        except OSError as error:
            raise ProgramError(f"The Pulumi program {path} cannot be read: {error.strerror}.") from None
        names: dict[str, Any] = {"__name__": "__main__", "__file__": str(path), "__builtins__": __builtins__}
        exec(compile(source, str(path), "exec"), names)  # noqa: S102 - the project's own program

    return program


def _run(run: Run, monitor: Monitor, config: Config, program: Program, root: Path) -> ProgramError | None:
    # The SDK makes coroutines for outputs ahead of awaiting them; those of a run that fails are never awaited.
    warnings.filterwarnings("ignore", r"coroutine 'Output\.\w+' was never awaited", RuntimeWarning)
    runtime.set_all_config(dict(config.values), sorted(config.secret_keys))
    runtime.configure(
        runtime.Settings(
            project=run.project,
            stack=run.stack,
            organization=ORGANIZATION,
            root_directory=str(root),
            monitor=monitor,
            engine=monitor,
            parallel=PARALLEL,
            dry_run=run.preview,
        )
    )
    try:
        # The SDK steps the loop by hand in places, which only asyncio's own allows.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            loop = runner.get_loop()
            loop.set_default_executor(ThreadPoolExecutor(PARALLEL, thread_name_prefix="serai-program"))
            # What fails is in the run's failures; here it would be told again for each task that waited for it.
            loop.set_exception_handler(_quiet)
            try:
                runner.run(runtime.run_in_stack(_whole(program)))
            except BaseException:
                run.stopped.set()  # closing the runner waits for what is in flight
                raise
    except Exception as error:  # noqa: BLE001 - whatever a program raises
        return _told(error, root)
    return None


def _sweep() -> None:
    """After a failure the SDK leaves outputs that nobody will await: collect them now, while that is expected."""
    gc.collect()


def _whole(program: Program) -> Callable[[], Any]:
    def body() -> Any:
        try:
            return program()
        except SystemExit as error:
            raise pulumi.RunError(f"The program ended itself with exit({error.code!r}).") from error

    return body


def _quiet(*_: object) -> None:
    """Nothing is printed: the run tells what failed."""


def _told(error: Exception, root: Path) -> ProgramError:
    if isinstance(error, ProgramError):
        return ProgramError(error.message, detail=error.detail)
    detail = "".join(traceback.format_exception(error))
    if isinstance(error, pulumi.RunError):
        return ProgramError(str(error), detail=detail)
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    place = _place(error, root)
    return ProgramError(f"The Pulumi program failed{f' at {place}' if place else ''}: {said}", detail=detail)


def _place(error: Exception, root: Path) -> str:
    """File and line of the innermost frame that is neither a library's nor the engine's."""
    libraries = (*{sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sys.prefix}, str(Path(__file__).parent))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(libraries)]
    if not frames:
        return ""
    path = Path(frames[-1].filename)
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    return f"{shown}:{frames[-1].lineno}"
