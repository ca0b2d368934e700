"""The host that serves the state directory, and its serving processes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.twin.host import read_edge_status, running_host
from infra.twin.state import State
from scripts.terminal.diagnosis.symptom import Patient, Symptom, alive, note, problem

RECENTLY = timedelta(minutes=10)
"""A crash is a problem for this long; afterwards it is history, unless the process is not back."""


def check_host(patient: Patient, state: State) -> Iterator[Symptom]:
    if running_host(state) is None:
        if state.host_path.exists():
            yield problem(
                "host",
                f"the host that served {state.path} is gone without a word",
                "it was killed, or the machine went down; nothing is lost: holds that it left expire by themselves",
                patient.command("dev"),
            )
        return
    status = read_edge_status(state)
    serving: list[dict[str, Any]] = status.get("processes", [])
    running = {one["script"] for one in serving if alive(one["pid"])}
    for one in serving:
        if not alive(one["pid"]):
            yield problem(
                "edge",
                f"the serving process of {one['script']} (process {one['pid']}) is not there",
                f"it died a moment ago; what it said last: {_log(state, one['script'])}",
                f"curl {_url(state)}/   (the host starts it again; if not: stop, {patient.command('dev')})",
            )
    for crash in status.get("crashes", []):
        yield _crash(patient, state, crash, back=crash["script"] in running)


def _crash(patient: Patient, state: State, crash: dict[str, Any], *, back: bool) -> Symptom:
    script, times = crash["script"], crash["times"]
    often = f"{times} times since the host started, last" if times > 1 else "once,"
    log = _log(state, script)
    if crash.get("event") == "start_failed":
        what = f"a version of {script} that was deployed at {crash['at']} does not start"
        then = "the version before it goes on serving" if back else "nothing serves its tenants now"
        repair = f"tail -n 50 {log}   (correct what it says, then {patient.command('up')})"
    else:
        what = f"the serving process of {script} died, {often} at {crash['at']}"
        then = (
            "the host has started it again" if back else "the host starts it again on the next request, later each time"
        )
        repair = f"tail -n 50 {log}   (what it was doing when it died)"
    recent = datetime.now(UTC) - datetime.fromisoformat(crash["at"]) < RECENTLY
    make = problem if recent or not back else note
    return make("edge", what, f"{crash.get('reason') or 'it left no word'}; {then}", repair)


def _log(state: State, script: str) -> str:
    return str(state.logs_path / f"{script}.log")


def _url(state: State) -> str:
    info = running_host(state)
    return info.url if info else ""
