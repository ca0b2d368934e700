"""The state directory itself: whether it can be used at all."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from infra.twin.state import FORMAT, State, StateError, open_state
from scripts.terminal.diagnosis.symptom import Patient, Symptom, note, problem, quoted

LOW_DISK = 200 * 1024 * 1024


def open_directory(patient: Patient) -> tuple[State | None, list[Symptom]]:
    """The state, if there is one to look into."""
    path = patient.path
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None, [
            note("state", f"{path} is not there yet", "nothing was provisioned so far", patient.command("dev"))
        ]
    try:
        state = open_state(path)
    except StateError as error:
        why, repair = _unusable(patient, path)
        return None, [problem("state", str(error), why, repair)]
    return state, list(_permissions(state))


def check_disk(state: State) -> Iterator[Symptom]:
    free = shutil.disk_usage(state.path).free
    if free < LOW_DISK:
        why = "SQLite cannot write without room: requests and runs will fail"
        yield problem("disk", f"{free // 2**20} MB are free under {state.path}", why, "make room on that disk")


def _permissions(state: State) -> Iterator[Symptom]:
    secrets = state.path / "secrets.json"
    if secrets.stat().st_mode & 0o077:
        why = "it holds every secret of the twin in plain text"
        yield problem("state", f"others may read {secrets}", why, f"chmod 600 {quoted(secrets)}")


def _unusable(patient: Patient, path: Path) -> tuple[str, str]:
    """Why the directory is refused, and what to do. Asks the files again: the error is for people."""
    aside = f"mv {quoted(path)} {quoted(path.with_name(path.name + '.broken'))} && {patient.command('dev')}"
    if not path.is_dir():
        return "a file is where the state directory should be", aside
    version = _read(path / "format").get("format")
    if isinstance(version, int) and version > FORMAT:
        other = (
            f"{patient.command('dev')} --state DIR"
            if "--state" not in patient.command("dev")
            else "name another --state"
        )
        return (
            "a newer Serai has worked on it, and this one could destroy what it does not know",
            f"update Serai, or {other}",
        )
    if not isinstance(version, int) or version < 1:
        content = json.dumps({"format": FORMAT})
        return "without its format nobody knows how to read the rest", f"echo '{content}' > {quoted(path / 'format')}"
    return (
        "secrets.json was changed, cut short or made unreadable: tenants' keys and sealed journals depend on it",
        f"restore {quoted(path / 'secrets.json')} from a backup; without one, begin anew, with new keys: {aside}",
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
