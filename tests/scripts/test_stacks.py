"""Given a provisioned state that nothing serves, when plan, up and down work on it, then they do what they say."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.twin.state import open_state
from scripts.terminal.books import tenant_databases

if TYPE_CHECKING:
    from tests.scripts.conftest import Serai

ONE = "plan: starter\ncontact: ops@one.example\n"
HOLD = """\
import sys
from pathlib import Path
from infra.twin.engine.lock import stack_lock
with stack_lock(Path(sys.argv[1]), "base"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `tenants` and the `state` that `serai up` made of it; tests leave both as they are."""
    folder = tmp_path_factory.mktemp("provisioned")
    (folder / "tenants").mkdir()
    (folder / "tenants" / "one.yaml").write_text(ONE)
    command = [sys.executable, "-m", "scripts.cli.main", "up", "--json"]
    made = subprocess.run(
        [*command, "--state", folder / "state", "--tenants", folder / "tenants"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (made.returncode, made.stderr) == (0, "")
    document = json.loads(made.stdout)
    assert document["smoke"] == [{"tenant": "one", "ok": True, "reason": ""}]
    assert ops(document)["cell-1"]["one-db"] == "create"
    return folder


@pytest.fixture
def on(provisioned: Path) -> list[str | Path]:
    return ["--state", provisioned / "state", "--tenants", provisioned / "tenants"]


@pytest.fixture
def locked(provisioned: Path) -> Iterator["subprocess.Popen[str]"]:
    path = open_state(provisioned / "state").lock_path("base")
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def ops(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {stack["stack"]: {one["name"]: one["op"] for one in stack["changes"]} for stack in document["stacks"]}


def test_a_second_up_changes_nothing(serai: "Serai", on: list[str | Path]):
    ran = serai("up", *on)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("unchanged") == 2
    assert "1 endpoint answered" in ran.out


def test_a_plan_tells_what_would_change_and_changes_nothing(serai: "Serai", on: list[str | Path], provisioned: Path):
    assert ops(json.loads(serai("plan", "--json", *on).out)) == {"base": {}, "cell-1": {}}
    file = provisioned / "tenants" / "one.yaml"
    file.write_text(ONE + "limits: {requests_per_minute: 5}\n")
    try:
        planned, again = (serai("plan", "--json", *on) for _ in range(2))
        shown = serai("plan", *on)
    finally:
        file.write_text(ONE)
    assert ops(json.loads(planned.out))["cell-1"] == {"cell-1-version": "replace", "cell-1-deployment": "replace"}
    assert ops(json.loads(again.out)) == ops(json.loads(planned.out))
    assert "± WorkerVersion" in shown.out
    assert "sk-serai" not in planned.out + shown.out


def test_a_locked_stack_ends_with_4_and_says_who_holds_it(
    serai: "Serai", on: list[str | Path], provisioned: Path, locked: "subprocess.Popen[str]"
):
    file = provisioned / "tenants" / "one.yaml"
    file.write_text(ONE + "state: suspended\n")
    try:
        ran = serai("up", *on)
    finally:
        file.write_text(ONE)
    assert ran.code == 4
    assert ran.err.startswith("serai: ")
    assert f"process {locked.pid}" in ran.err
    assert "base" in ran.err
    assert "Traceback" not in ran.err


def test_down_asks_and_what_is_not_a_yes_destroys_nothing(
    serai: "Serai", provisioned: Path, on: list[str | Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    ran = serai("down", "--state", provisioned / "state")
    assert ran.code == 3
    assert "Destroy this?" in ran.out
    assert "one-route" in ran.out
    assert "--yes" in ran.err
    ran = serai("down", "--json", "--state", provisioned / "state")
    assert (ran.code, ran.out) == (3, "")
    assert ops(json.loads(serai("plan", "--json", *on).out)) == {"base": {}, "cell-1": {}}


def test_down_leaves_the_databases_and_up_adopts_them(serai: "Serai", provisioned: Path, on: list[str | Path]):
    state = open_state(provisioned / "state")
    before = tenant_databases(state)
    ran = serai("down", "--yes", "--json", "--state", provisioned / "state")
    assert ran.code == 0
    done = ops(json.loads(ran.out))
    assert list(done) == ["cell-1", "base"]
    assert done["cell-1"]["one-db"] == "retain"
    assert done["cell-1"]["one-route"] == "delete"
    assert tenant_databases(state) == before

    ran = serai("up", "--json", *on)
    assert ran.code == 0
    assert ops(json.loads(ran.out))["cell-1"]["one-db"] == "import"
    assert tenant_databases(state) == before


def test_reconcile_looks_at_every_database(serai: "Serai", provisioned: Path):
    ran = serai("ledger", "reconcile", "--json", "--state", provisioned / "state")
    document = json.loads(ran.out)
    assert document["clean"] is True
    assert [one["database"].rpartition("-")[0] for one in document["databases"]] == ["serai-one"]
    ran = serai("ledger", "reconcile", "--tenant", "two", "--state", provisioned / "state")
    assert ran.code == 1
    assert "'two'" in ran.err
