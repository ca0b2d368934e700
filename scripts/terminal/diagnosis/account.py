"""The account's own file, and the tenants' databases."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from infra.twin.state import State
from scripts.terminal.diagnosis.symptom import Patient, Symptom, problem, quoted

LARGEST = 256 * 1024 * 1024
"""Bytes of a database that is read through; of a larger one only the beginning is."""


def check_account(patient: Patient, state: State) -> Iterator[Symptom]:
    path = state.account_path
    if not path.exists():
        if any(state.stacks()):
            why = "the stacks' journals name resources of an account that is gone"
            yield problem("account", f"{path} is missing", why, _anew(patient, state))
        return
    fault = _fault(path)
    if fault:
        yield problem("account", f"the account's file {path} is damaged", fault, _anew(patient, state))
        return
    with contextlib.closing(_open(path)) as db:
        rows = db.execute("select id, name from documents where kind = 'd1' order by name").fetchall()
    for uuid, name in rows:
        yield from _check_database(state.d1_path(uuid), name)


def _check_database(path: Path, name: str) -> Iterator[Symptom]:
    restore = f"restore {quoted(path)} from a backup"
    if not path.exists():
        why = f"{path} is not there; the account still lists it"
        yield problem("database", f"the database {name} has no file", why, restore)
    elif fault := _fault(path):
        recover = f"sqlite3 {quoted(path)} .recover | sqlite3 {quoted(path)}.recovered, and look at what that holds"
        yield problem("database", f"the database {name} is damaged", f"{path}: {fault}", f"{restore}; or {recover}")


def _anew(patient: Patient, state: State) -> str:
    broken = state.path / "broken"
    move = (
        f"mkdir -p {quoted(broken)} && mv {quoted(state.account_path)}* {quoted(broken)}; "
        if state.account_path.exists()
        else ""
    )
    return (
        f"restore it from a backup; without one: {move}{patient.command('up --refresh')}   "
        f"(tenants get new databases; the old ones are set aside in {state.path / 'd1' / 'orphaned'})"
    )


def _fault(path: Path) -> str:
    try:
        with contextlib.closing(_open(path)) as db:
            db.execute("select count(*) from sqlite_schema").fetchone()
            found = "ok" if path.stat().st_size > LARGEST else db.execute("pragma quick_check(1)").fetchone()[0]
    except (sqlite3.DatabaseError, OSError) as error:
        return str(error)
    return "" if found == "ok" else str(found)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)
