"""The stacks' locks and journals."""

import contextlib
import socket
import sqlite3
from collections.abc import Iterator

from infra.twin.engine import ApiEndpoint, DamagedJournalError, Engine, EngineError
from infra.twin.engine.lock import is_held, lock_owner
from infra.twin.state import State
from scripts.terminal.diagnosis.symptom import Patient, Symptom, note, problem, quoted
from scripts.terminal.options import ROOT


def check_locks(patient: Patient, state: State) -> Iterator[Symptom]:
    for file in sorted(state.stacks_path.glob("*.lock")):
        stack = file.stem
        owner = lock_owner(file)
        if owner is None:
            continue
        who = f"`{owner.command}` (process {owner.pid} on {owner.host}, since {owner.since})"
        if is_held(file):
            yield note("lock", f"stack {stack} is being worked on by {who}", "a run is under way", "wait for it")
        elif owner.host != socket.gethostname():
            yield problem(
                "lock",
                f"stack {stack} is locked by {who}",
                "nobody on this machine can tell whether that run still lives",
                f"{patient.command(f'up --stack {stack} --break-lock')}   (once it surely is over)",
            )
        else:
            yield problem(
                "lock",
                f"stack {stack} has a stale lock of {who}",
                "that run was ended before it could let go; what it did is in the journal, and the next run goes on",
                patient.command(f"up --stack {stack}"),
            )


def check_journals(patient: Patient, state: State) -> Iterator[Symptom]:
    engine = Engine(state, ApiEndpoint("", ""), ROOT)
    damaged: list[tuple[str, str]] = []
    for stack in state.stacks():
        try:
            engine.resources(stack)
            unfinished = engine.unfinished(stack)
            _check_pages(state, stack)
        except DamagedJournalError as error:
            damaged.append((stack, str(error)))
        except (sqlite3.DatabaseError, OSError) as error:
            damaged.append((stack, f"The journal {state.stack_path(stack)} is damaged ({error})."))
        except EngineError as error:
            yield problem("journal", f"the journal of {stack} cannot be used", str(error), _as_it_says(str(error)))
        else:
            if unfinished and not is_held(state.lock_path(stack)):
                yield problem(
                    "journal",
                    f"steps of {stack} were begun and not finished: {', '.join(unfinished)}",
                    "the run was ended in the middle; the next one asks the account what became of them",
                    patient.command(f"up --stack {stack}"),
                )
    for stack, why in damaged:
        yield problem("journal", f"the journal of {stack} is damaged", why, _move_away(patient, state, damaged))


def _check_pages(state: State, stack: str) -> None:
    """Raises sqlite3.DatabaseError for what a read of all rows may not meet."""
    uri = f"{state.stack_path(stack).as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5)) as db:
        (found,) = db.execute("pragma quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _move_away(patient: Patient, state: State, damaged: list[tuple[str, str]]) -> str:
    """All of them at once, and no --stack: base and cells need each other's journals."""
    broken = state.stacks_path / "broken"
    files = " ".join(f"{quoted(state.stack_path(stack))}*" for stack, _ in damaged)
    return f"mkdir -p {quoted(broken)} && mv {files} {quoted(broken)} && {patient.command('up')}"


def _as_it_says(message: str) -> str:
    return message.rpartition(". ")[2] or message
