"""Given something that cannot work, when a command is run, then it says what is wrong and what to do about it."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scripts.conftest import Ran, Serai

ON_A_STATE = [
    ["chat", "acme", "-m", "Hello"],
    ["receipt", "req_1"],
    ["tenant", "list"],
    ["tenant", "show", "acme"],
    ["ledger", "reconcile"],
    ["down", "--yes"],
]
MAKING_ONE = [["dev"], ["serve"], ["plan"], ["up"]]
NAMES = " ".join
GOOD = "plan: starter\ncontact: ops@one.example\n"
BAD = "plan: starter\ncontact: ops@one.example\nmodels: {default: workers_ai/gpt-oss-20}\ncolour: red\n"


def check(ran: "Ran", code: int, *said: str) -> None:
    assert ran.code == code, ran
    assert ran.err.startswith("serai: ")
    for text in said:
        assert text in ran.err
    assert "Traceback" not in ran.err + ran.out


@pytest.mark.parametrize("command", ON_A_STATE, ids=NAMES)
def test_no_state(serai: "Serai", tmp_path: Path, command: list[str]):
    place = tmp_path / "nowhere"
    check(serai(*command, "--state", place), 1, f"{place} holds no twin yet", "scripts/dev")
    assert not place.exists()


@pytest.mark.parametrize("command", ON_A_STATE[:4], ids=NAMES)
def test_nothing_is_running(serai: "Serai", state: Path, command: list[str]):
    check(serai(*command, "--state", state), 1, f"Nothing serves {state}", "scripts/dev")


@pytest.mark.parametrize("command", [*ON_A_STATE, *MAKING_ONE], ids=NAMES)
def test_a_state_of_a_newer_format(serai: "Serai", state: Path, command: list[str]):
    (state / "format").write_text('{"format": 99}\n')
    check(serai(*command, "--state", state), 1, str(state), "99", "newer", "--state DIR")


@pytest.mark.parametrize("command", [["dev"], ["plan"], ["tenant", "list"]], ids=NAMES)
@pytest.mark.parametrize("file", ["format", "secrets.json"])
def test_a_damaged_state(serai: "Serai", state: Path, command: list[str], file: str):
    (state / file).write_text("{")
    check(serai(*command, "--state", state), 1, str(state / file), "estore")


@pytest.mark.parametrize("command", [["dev", "--port", "0"], ["plan"], ["up"], ["ledger", "reconcile"]], ids=NAMES)
def test_an_account_that_is_no_database(serai: "Serai", state: Path, command: list[str]):
    (state / "account.db").write_bytes(b"not a database" * 100)
    check(serai(*command, "--state", state), 1, str(state / "account.db"))


def test_a_journal_that_is_no_database(serai: "Serai", state: Path, tenants: Callable[[str], Path]):
    (state / "stacks" / "cell-1.db").write_bytes(b"not a database" * 100)
    check(serai("plan", "--state", state, "--tenants", tenants(GOOD)), 1, "cell-1.db")


def test_a_port_that_is_taken(serai: "Serai", state: Path, tenants: Callable[[str], Path]):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ran = serai("dev", "--port", str(port), "--state", state, "--tenants", tenants(GOOD))
    check(ran, 1, f"Port {port}", "--port")
    assert not (state / "host.json").exists()


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_cannot_be(serai: "Serai", state: Path, tenants: Callable[[str], Path], port: str):
    ran = serai("dev", "--port", port, "--state", state, "--tenants", tenants(GOOD))
    assert ran.code in (1, 2)
    assert port in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", [["dev", "--port", "0"], ["plan"], ["up"]], ids=NAMES)
def test_an_invalid_spec_ends_with_2_and_all_findings(
    serai: "Serai", state: Path, tenants: Callable[[str], Path], command: list[str]
):
    ran = serai(*command, "--state", state, "--tenants", tenants(BAD))
    check(ran, 2, "one.yaml:3:", "models.default", "Did you mean workers_ai/gpt-oss-20b?", "one.yaml:4:", "colour")


def test_invalid_providers_end_with_2(serai: "Serai", state: Path, tenants: Callable[[str], Path], tmp_path: Path):
    providers = tmp_path / "providers.yaml"
    providers.write_text("workers_ai: {}\nlab: {kind: openai_compatible, api_key: sk-in-the-file}\n")
    ran = serai("plan", "--state", state, "--tenants", tenants(GOOD), "--providers", providers)
    check(ran, 2, "providers.yaml:2:", "lab.api_key", "lab.base_url")
    assert "sk-in-the-file" not in ran.err


@pytest.mark.parametrize("option", ["--tenants", "--providers"])
@pytest.mark.parametrize("command", [["dev", "--port", "0"], ["plan"]], ids=NAMES)
def test_files_that_are_not_there(serai: "Serai", state: Path, tmp_path: Path, command: list[str], option: str):
    check(serai(*command, "--state", state, option, tmp_path / "nowhere"), 2, str(tmp_path / "nowhere"))


def test_a_state_that_is_a_file(serai: "Serai", tmp_path: Path):
    (tmp_path / "file").write_text("")
    ran = serai("plan", "--state", tmp_path / "file")
    assert ran.code == 2
    assert "is a file" in ran.err


@pytest.mark.parametrize("command", [["plan"], ["up"], ["down", "--yes"]], ids=NAMES)
def test_a_stack_that_is_not_there(serai: "Serai", state: Path, tenants: Callable[[str], Path], command: list[str]):
    more = [] if command[0] == "down" else ["--tenants", tenants(GOOD)]
    check(serai(*command, *more, "--stack", "cell-9", "--state", state), 2, "cell-9")


def test_an_engine_that_is_not_supported_yet(serai: "Serai", state: Path):
    check(serai("plan", "--engine", "pulumi", "--state", state), 2, "not supported yet", "pulumi up --stack base")


def test_prices(serai: "Serai"):
    assert json.loads(serai("prices", "lint", "--json").out) == {"findings": []}
    ran = serai("prices", "show", "workers_ai/gpt-oss-20b", "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["model"] == "workers_ai/gpt-oss-20b"
    check(serai("prices", "show", "workers_ai/gpt-oss-20"), 2, "no model", "workers_ai/gpt-oss-20b")
    check(serai("prices", "show", "openai/gpt-5.4", "--at", "2020-01-01"), 1, "2026-03-05")
