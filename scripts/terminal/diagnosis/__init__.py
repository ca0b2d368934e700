"""What `serai doctor` looks at. A check finds nothing, or says what is wrong, why, and the command that repairs it."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from infra.twin.host import running_host
from infra.twin.state import State
from scripts.terminal.diagnosis.account import check_account
from scripts.terminal.diagnosis.directory import check_disk, open_directory
from scripts.terminal.diagnosis.host import check_host
from scripts.terminal.diagnosis.port import check_port
from scripts.terminal.diagnosis.specs import check_specs
from scripts.terminal.diagnosis.stacks import check_journals, check_locks
from scripts.terminal.diagnosis.symptom import Patient as Patient
from scripts.terminal.diagnosis.symptom import Symptom as Symptom


def diagnose(patient: Patient) -> list[Symptom]:
    """Everything that is wrong, and what is worth knowing. Repairs nothing."""
    state, found = open_directory(patient)
    found += check_specs(patient)
    if state is not None:
        found += _check_state(patient, state)
    running = running_host(state) if state else None
    if running is None:
        found += check_port(patient.port)
    return found


def _check_state(patient: Patient, state: State) -> Iterator[Symptom]:
    yield from check_disk(state)
    yield from check_host(patient, state)
    yield from check_locks(patient, state)
    yield from check_journals(patient, state)
    yield from check_account(patient, state)


def as_json(symptoms: list[Symptom]) -> str:
    return json.dumps({"healthy": not problems(symptoms), "findings": [asdict(symptom) for symptom in symptoms]})


def problems(symptoms: list[Symptom]) -> list[Symptom]:
    return [symptom for symptom in symptoms if symptom.severity == "problem"]
