"""`serai doctor` finds what is broken for real, says why, and what it names as the repair repairs it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from infra.twin.engine.lock import is_held, lock_owner
from infra.twin.state import State, open_state

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
SERAI = f"{sys.executable} -m scripts.cli.main"
PATIENCE = 90.0
TENANTS = {
    "acme": "plan: starter\ncontact: ops@acme.example\nid: acme00\ncell: cell-1\n",
    "globex": "plan: pro\ncontact: ops@globex.example\nid: globex\ncell: cell-1\ndomains: [ai.serai.example]\n",
}


def until(ask: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := ask()):
        assert time.monotonic() < end, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.01)
    return found


class Ran(Protocol):
    code: int
    out: str
    err: str


class Serai(Protocol):
    """conftest.py"""

    def __call__(self, *arguments: str | Path) -> Ran: ...


@dataclass(frozen=True)
class Place:
    """A state directory and its tenant files."""

    folder: Path
    serai: Serai

    @property
    def path(self) -> Path:
        return self.folder / "state"

    @property
    def state(self) -> State:
        return open_state(self.path)

    @property
    def tenants(self) -> Path:
        return self.folder / "tenants"

    @property
    def options(self) -> list[str]:
        return ["--state", str(self.path), "--tenants", str(self.tenants)]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [*SERAI.split(), *arguments, *self.options]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments: str) -> Ran:
        """In this process: nothing in it is to be killed."""
        return self.serai(*arguments, *self.options)

    def doctor(self, *, port: int = 0) -> list[dict[str, str]]:
        """Its findings; exit code and `healthy` have to go with them."""
        done = self.run("doctor", "--json", "--port", str(port))
        report = json.loads(done.out)
        bad = [finding for finding in report["findings"] if finding["severity"] == "problem"]
        assert (done.code, report["healthy"]) == ((1, False) if bad else (0, True))
        assert all(finding["why"] and finding["repair"] for finding in report["findings"])
        return report["findings"]

    def repair(self, finding: dict[str, str]) -> None:
        """Paste the command, without the remark after it."""
        command = finding["repair"].partition("   (")[0].replace("scripts/serai", SERAI)
        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)

    def holdings(self, *kinds: str) -> set[tuple[str, str, str]]:
        """Kind, id and name of what the account has, but for versions and deployments, which are history."""
        with contextlib.closing(sqlite3.connect(self.path / "account.db")) as db:
            rows = db.execute("select kind, id, name from documents").fetchall()
        return {row for row in rows if row[0] in (kinds or ("d1", "worker", "route", "domain", "dns"))}

    def converged(self) -> bool:
        done = self.run("plan", "--json")
        assert done.code == 0, done.err
        return not any(stack["changes"] for stack in json.loads(done.out.splitlines()[-1])["stacks"])


@pytest.fixture(scope="session")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provisioned once; every test gets a copy."""
    folder = tmp_path_factory.mktemp("doctor")
    (folder / "tenants").mkdir()
    for name, text in TENANTS.items():
        (folder / "tenants" / f"{name}.yaml").write_text(text)
    command = [*SERAI.split(), "up", "--state", str(folder / "state"), "--tenants", str(folder / "tenants")]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=PATIENCE, check=True)
    return folder


@pytest.fixture
def place(provisioned: Path, tmp_path: Path, serai: Serai) -> Place:
    return Place(shutil.copytree(provisioned, tmp_path / "with a space"), serai)


@pytest.fixture
def empty(tmp_path: Path, serai: Serai) -> Place:
    (tmp_path / "tenants").mkdir()
    return Place(tmp_path, serai)


@contextlib.contextmanager
def serving(place: Place) -> Generator[dict[str, Any]]:
    """A host over the place; the ready line, with its process under `process`."""
    process = place.start("dev", "--json", "--port", "0", "--no-watch")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield {**json.loads(line), "process": process}
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE)


def edge_pid(place: Place, other_than: int = 0) -> int:
    """Of the process that serves the cell, once the host has told of it."""

    def found() -> int:
        status = json.loads((place.path / "edge.json").read_text())
        pids = (one["pid"] for one in status["processes"] if one["script"] == "serai-cell-1")
        return next((pid for pid in pids if pid != other_than), 0)

    return until(found, "a process serves")


def only(findings: list[dict[str, str]], check: str) -> dict[str, str]:
    (found,) = [finding for finding in findings if finding["check"] == check]
    assert [finding["check"] for finding in findings if finding["severity"] == "problem"] in ([check], [])
    return found


# nothing wrong


def test_a_sound_place(place: Place) -> None:
    assert place.doctor() == []
    done = place.run("doctor", "--port", "0")
    assert done.out == "  nothing is wrong\n"


def test_nothing_yet(empty: Place) -> None:
    found = only(empty.doctor(), "state")
    assert found["severity"] == "note"
    assert found["repair"] == f"scripts/dev --state {empty.path} --tenants {empty.tenants}"
    assert not empty.path.exists()


# locks


def test_a_stale_lock(place: Place) -> None:
    (place.tenants / "acme.yaml").write_text(TENANTS["acme"] + "limits: {requests_per_minute: 7}\n")
    lock = place.state.lock_path("cell-1")
    run = place.start("up")
    until(lambda: (lock_owner(lock) and is_held(lock)) or run.poll() is not None, "the run takes the lock")
    found = only(place.doctor(), "lock")
    assert (found["severity"], found["repair"]) == ("note", "wait for it")
    assert f"process {run.pid} " in found["what"]
    run.kill()
    run.communicate()
    found = [finding for finding in place.doctor() if finding["check"] == "lock"]
    assert len(found) == 1
    assert found[0]["severity"] == "problem"
    assert f"stale lock of `main.py up --state {place.path}" in found[0]["what"]
    place.repair(found[0])
    assert [
        finding for finding in place.doctor() if finding["severity"] == "problem" and finding["check"] != "host"
    ] == []
    assert place.converged()


def test_a_lock_of_another_machine(place: Place) -> None:
    owner = {"pid": 1, "host": "elsewhere", "command": "serai up", "since": "2026-11-24T10:00:00+00:00"}
    place.state.lock_path("base").write_text(json.dumps(owner))
    found = only(place.doctor(), "lock")
    assert "(process 1 on elsewhere, since 2026-11-24T10:00:00+00:00)" in found["what"]
    assert "--stack base --break-lock" in found["repair"]
    place.repair(found)
    assert place.doctor() == []


# journals


def garbage(path: Path) -> None:
    path.write_bytes(b"\x00garbage" * 2000)


def truncate(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    size = path.stat().st_size
    os.truncate(path, size // 2 // 4096 * 4096 - 100)


def scribble(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("update resources set document = '{\"half' where seq = 2")
        db.commit()


@pytest.mark.parametrize(
    ("stacks", "damage"), [(["cell-1"], garbage), (["cell-1"], truncate), (["base", "cell-1"], scribble)]
)
def test_a_corrupt_journal(place: Place, stacks: list[str], damage: Callable[[Path], None]) -> None:
    """Moved away as told, all that is in the account is found by name: the same databases, Workers and addresses."""
    before = place.holdings()
    for stack in stacks:
        damage(place.state.stack_path(stack))
    found = place.doctor()
    assert [(one["check"], one["what"]) for one in found] == [
        ("journal", f"the journal of {stack} is damaged") for stack in stacks
    ]
    place.repair(found[0])
    assert place.doctor() == []
    assert place.holdings() == before
    assert place.converged()


def test_a_journal_of_another_secret(place: Place) -> None:
    """It is sound: moving it away would be the wrong repair."""
    secrets = place.path / "secrets.json"
    values = json.loads(secrets.read_text())
    secrets.write_text(json.dumps({**values, "journal_key": "A" * 43 + "="}))
    found = [one for one in place.doctor() if one["check"] == "journal"]
    assert found
    assert all(one["repair"] == "Restore the secrets.json that belongs to it." for one in found)


def test_steps_that_a_killed_run_had_begun(place: Place) -> None:
    """The step is written before the call: here the process died in between."""
    journal = place.state.stack_path("cell-1")
    with contextlib.closing(sqlite3.connect(journal)) as db:
        row = db.execute("select seq, document from resources where urn like '%acme-route'").fetchone()
        db.execute(
            "insert into steps (kind, started, resource, document) values ('update', ?, ?, ?)",
            ("2026-11-24T10:00:00+00:00", *row),
        )
        db.commit()
    (place.path / "stacks" / "cell-1.applied").unlink()
    found = only(place.doctor(), "journal")
    assert found["what"] == "steps of cell-1 were begun and not finished: acme-route"
    place.repair(found)
    assert place.doctor() == []


# the host and its processes


def test_an_edge_process_that_died(place: Place) -> None:
    with serving(place) as ready:
        assert place.doctor() == []
        pid = edge_pid(place)
        os.kill(pid, signal.SIGKILL)
        found = only(until(place.doctor, "the doctor finds it"), "edge")
        assert found["severity"] == "problem"
        assert "the serving process of serai-cell-1" in found["what"]
        answer = httpx.get(
            f"{ready['url']}/acme/v1/models", headers={"authorization": f"Bearer {ready['tenants'][0]['key']}"}
        )
        assert answer.status_code == 200
        assert edge_pid(place, other_than=pid)
        found = only(place.doctor(), "edge")
        assert found["what"].startswith("the serving process of serai-cell-1 died, once, at 20")
        assert found["why"] == "SIGKILL; the host has started it again"
        assert "serai-cell-1.log" in found["repair"]


def test_an_edge_process_that_dies_at_its_start(place: Place) -> None:
    with serving(place) as ready:
        pid = edge_pid(place)
        for main in (place.path / "versions").glob("*/cell.py"):
            main.write_text("raise RuntimeError('no such luck')\n")
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{ready['url']}/acme/v1/models", timeout=2)
        found = until(
            lambda: [one for one in place.doctor() if "no such luck" in one["why"]],
            "the doctor finds the start's failure",
        )
        assert "the host starts it again on the next request" in found[0]["why"]
        log = Path(found[0]["repair"].removeprefix("tail -n 50 ").partition("   (")[0].strip("'"))
        assert "RuntimeError: no such luck" in log.read_text()


def test_a_host_that_was_killed(place: Place) -> None:
    with serving(place) as ready:
        ready["process"].kill()
        ready["process"].wait()
    found = only(place.doctor(), "host")
    assert found["what"] == f"the host that served {place.path} is gone without a word"
    assert found["repair"].startswith("scripts/dev --state ")
    with serving(place):
        assert place.doctor() == []  # nothing of the old one's is taken for the new one's
    assert place.doctor() == []


def test_a_port_in_use(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = only(place.doctor(port=port), "port")
        assert found["what"] == f"port {port} is in use"
        if Path("/proc/net/tcp").exists():
            assert f"process {os.getpid()} listens there" in found["why"]
        other = int(found["repair"].partition("--port ")[2].split()[0])
    assert place.doctor(port=other) == []


# files


def test_an_invalid_spec(place: Place) -> None:
    (place.tenants / "acme.yaml").write_text(TENANTS["acme"] + "limits: {requests_per_minut: 7}\n")
    (place.tenants / "globex.yaml").write_text("plan: golden\n")
    found = [one for one in place.doctor() if one["check"] == "specs"]
    file = place.tenants / "acme.yaml"
    assert any(one["what"].startswith(f"{file}:5:10: limits.requests_per_minut: ") for one in found)
    assert any("did you mean" in one["repair"].lower() for one in found)
    assert {one["what"].partition(":")[0] for one in found} == {str(file), str(place.tenants / "globex.yaml")}


def test_an_invalid_spec_before_anything_was_provisioned(empty: Place) -> None:
    (empty.tenants / "acme.yaml").write_text("plan: golden\n")
    assert {one["check"] for one in empty.doctor()} == {"state", "specs"}


def test_a_folder_of_tenants_that_is_not_there(empty: Place) -> None:
    empty.tenants.rmdir()
    found = next(one for one in empty.doctor() if one["check"] == "specs")
    assert found["what"] == f"{empty.tenants} is no folder"


# the state directory


def test_a_newer_format(place: Place) -> None:
    (place.path / "format").write_text('{"format": 99}\n')
    found = only(place.doctor(), "state")
    assert "has format 99, made by a newer Serai" in found["what"]
    assert found["repair"].startswith("update Serai")


@pytest.mark.parametrize("content", [None, "{", '{"format": "one"}'])
def test_a_format_that_is_gone_or_damaged(place: Place, content: str | None) -> None:
    file = place.path / "format"
    file.unlink() if content is None else file.write_text(content)
    place.repair(only(place.doctor(), "state"))
    assert place.doctor() == []


def test_secrets_that_were_cut_short(place: Place) -> None:
    secrets = place.path / "secrets.json"
    secrets.write_text(secrets.read_text()[:100])
    found = only(place.doctor(), "state")
    assert "secrets.json is damaged" in found["what"]
    assert found["repair"].startswith(f"restore '{secrets}' from a backup")


def test_secrets_that_others_may_read(place: Place) -> None:
    secrets = place.path / "secrets.json"
    secrets.chmod(0o644)
    place.repair(only(place.doctor(), "state"))
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert place.doctor() == []


# the account and the databases


def test_a_damaged_account(place: Place) -> None:
    """Told that a backup would be better; without one everything is made anew, and no tenant's data is destroyed."""
    databases = {identifier: name for _, identifier, name in place.holdings("d1")}
    kept = [uuid for uuid, name in databases.items() if name != "serai-control"]
    for uuid in kept:
        with contextlib.closing(sqlite3.connect(place.state.d1_path(uuid))) as db:
            db.execute("create table if not exists proof (it text)")
            db.commit()
    garbage(place.state.account_path)
    done = place.run("up")
    assert done.code == 1
    assert "serai: " in done.err
    found = only(place.doctor(), "account")
    found["repair"] = found["repair"].removeprefix("restore it from a backup; without one: ")
    place.repair(found)
    assert place.doctor() == []
    assert place.converged()
    for uuid in kept:
        assert (place.path / "d1" / "orphaned" / f"{uuid}.sqlite").exists()


@pytest.mark.parametrize("damage", [garbage, Path.unlink])
def test_a_damaged_database(place: Place, damage: Callable[[Path], None]) -> None:
    uuid = next(identifier for _, identifier, name in place.holdings("d1") if name == "serai-acme-acme00")
    path = place.state.d1_path(uuid)
    damage(path)
    found = only(place.doctor(), "database")
    assert "serai-acme-acme00" in found["what"]
    assert found["repair"].startswith(f"restore '{path}' from a backup")
