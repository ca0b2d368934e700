"""What `serai doctor` looks at. A check finds nothing, or says what is wrong, why, and the command that repairs it."""

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.config import BASE, ConfigError, read_base_config
from infra.deploy.target import NAMESPACE, Target, stack_config
from infra.placement import PlacementError
from infra.specs import SpecError, load_specs
from infra.twin.engine import ApiEndpoint, Engine, EngineError
from infra.twin.engine.lock import is_held, lock_owner
from infra.twin.host import HostInfo, read_edge_status, running_host
from infra.twin.state import State, StateError, open_state
from scripts.terminal.options import ROOT

LOW_DISK = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Symptom:
    check: str
    severity: Literal["problem", "note"]
    what: str
    why: str
    repair: str


@dataclass(frozen=True, slots=True)
class Patient:
    path: Path
    port: int
    tenants: tuple[Path, ...]
    providers: Path
    zones: tuple[str, ...]


def diagnose(patient: Patient) -> list[Symptom]:
    if not (patient.path / "format").exists() and not patient.path.exists():
        state = None
        found = [
            Symptom(
                "state", "note", f"{patient.path} is not there yet", "nothing was provisioned so far", "scripts/dev"
            )
        ]
    else:
        try:
            state = open_state(patient.path)
            found: list[Symptom] = []
        except StateError as error:
            state = None
            found = [Symptom("state", "problem", str(error), "the state directory cannot be used", "see above")]
    info = running_host(state) if state else None
    found += _specs(patient, state)
    if state:
        for check in CHECKS:
            found += check(state)
        found += _host(state, info)
    found += _port(patient, info)
    return found


def _specs(patient: Patient, state: State | None) -> Iterator[Symptom]:
    if state is None:
        return
    target = Target(state, ApiEndpoint("", ""), patient.tenants, patient.providers, patient.zones)
    config = stack_config(target, BASE, placement={})
    try:
        load_specs(read_base_config(lambda key: config.values.get(NAMESPACE + key)))
    except SpecError as error:
        for finding in error.findings:
            where = f"{finding.file}:{finding.line}"
            yield Symptom("specs", "problem", finding.render(), "the file is not valid", f"edit {where}")
    except (PlacementError, ConfigError) as error:
        yield Symptom("specs", "problem", str(error), "the tenants do not fit", "see above")


def _locks(state: State) -> Iterator[Symptom]:
    for stack in state.stacks():
        path = state.lock_path(stack)
        owner = lock_owner(path)
        if owner is None:
            continue
        who = f"`{owner.command}` (process {owner.pid} on {owner.host}, since {owner.since})"
        if is_held(path):
            yield Symptom(
                "lock", "note", f"stack {stack} is being worked on by {who}", "a run is under way", "wait for it"
            )
        else:
            yield Symptom(
                "lock",
                "problem",
                f"stack {stack} has a stale lock of {who}",
                "that run was ended before it could let go; what it did is in the journal",
                f"serai up --stack {stack}" + ("" if owner.host == socket.gethostname() else " --break-lock"),
            )


def _journals(state: State) -> Iterator[Symptom]:
    engine = Engine(state, ApiEndpoint("", ""), ROOT)
    for stack in state.stacks():
        path = state.stack_path(stack)
        try:
            engine.resources(stack)
        except EngineError as error:
            yield Symptom(
                "journal",
                "problem",
                f"the journal of {stack} cannot be read: {error}",
                f"{path} is damaged, or is no journal",
                f"mv {path} {path}.broken && serai up --stack {stack}   (what the account has is found by name)",
            )


def _disk(state: State) -> Iterator[Symptom]:
    free = shutil.disk_usage(state.path).free
    if free < LOW_DISK:
        yield Symptom(
            "disk", "problem", f"{free // 2**20} MB are free", "SQLite cannot write without room", "make room"
        )


CHECKS: tuple[Callable[[State], Iterator[Symptom]], ...] = (_locks, _journals, _disk)


def _host(state: State, info: HostInfo | None) -> Iterator[Symptom]:
    status = read_edge_status(state)
    if info is None:
        if state.host_path.exists():
            yield Symptom(
                "host",
                "problem",
                f"the host that served {state.path} is gone without a word",
                "it was killed; nothing is lost",
                "scripts/dev",
            )
        return
    for process in status.get("processes", []):
        if not _alive(process["pid"]):
            yield Symptom(
                "edge",
                "problem",
                f"the serving process of {process['script']} (process {process['pid']}) is not there",
                f"it died; its log: {state.logs_path / process['script']}.log",
                "the host starts it again on the next request; if it does not: stop scripts/dev and start it again",
            )
    for crash in status.get("crashes", []):
        yield Symptom(
            "edge",
            "problem",
            f"the serving process of {crash['script']} died at {crash['at']}, {crash['times']} times since the start",
            str(crash.get("reason") or f"see {state.logs_path / crash['script']}.log"),
            f"the host started it again; read {state.logs_path / crash['script']}.log",
        )


def _port(patient: Patient, info: HostInfo | None) -> Iterator[Symptom]:
    if info is not None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", patient.port))
        except OSError as error:
            yield Symptom(
                "port",
                "problem",
                f"port {patient.port} is in use ({error.strerror})",
                "another program listens there",
                f"scripts/dev --port {patient.port + 1}   (or end that program)",
            )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def as_json(symptoms: list[Symptom]) -> str:
    return json.dumps({"healthy": not problems(symptoms), "findings": [_document(one) for one in symptoms]})


def problems(symptoms: list[Symptom]) -> list[Symptom]:
    return [symptom for symptom in symptoms if symptom.severity == "problem"]


def _document(symptom: Symptom) -> dict[str, str]:
    return {name: getattr(symptom, name) for name in ("check", "severity", "what", "why", "repair")}
