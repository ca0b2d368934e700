"""Given a running twin, when the command line asks it, then it answers for people and for scripts."""

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import RunSerai, Twin


@pytest.mark.parametrize("wire", [[], ["--anthropic"]], ids=["openai", "anthropic"])
def test_chat_and_its_receipt(twin: "Twin", run_serai: "RunSerai", wire: list[str]):
    ran = run_serai("chat", "acme", "-m", "Hello there", "--json", *wire, "--state", twin.state)
    assert (ran.returncode, ran.stderr) == (0, "")
    said: dict[str, Any] = json.loads(ran.stdout)
    assert "Hello there" in said["answer"]
    assert said["receipt"]["id"] == said["request_id"]
    assert said["receipt"]["status"] == "settled"

    ran = run_serai("receipt", said["request_id"], "--json", "--state", twin.state)
    assert json.loads(ran.stdout) == said["receipt"]


def test_a_conversation(twin: "Twin", run_serai: "RunSerai"):
    asked = "Hello there\n/cost\n/receipt\n/nonsense\n/help\n/quit\n"
    ran = run_serai("chat", "acme", "--state", twin.state, typed=asked)
    assert (ran.returncode, ran.stderr) == (0, "")
    for said in ("Hello there", "1 answers, 0.", '"status": "settled"', "no command /nonsense", "/cost"):
        assert said in ran.stdout


def test_tenants(twin: "Twin", run_serai: "RunSerai"):
    listed = json.loads(run_serai("tenant", "list", "--json", "--state", twin.state).stdout)
    assert [one["tenant"] for one in listed["data"]] == [one["name"] for one in twin.ready["tenants"]]
    assert twin.tenant("acme").key not in json.dumps(listed)
    ran = run_serai("tenant", "show", "acme", "--key", "--state", twin.state)
    assert ran.stdout == twin.tenant("acme").key + "\n"
    shown = json.loads(run_serai("tenant", "show", "acme", "--json", "--state", twin.state).stdout)
    assert shown["config"]["plan"] == "starter"
    assert shown["url"] == twin.tenant("acme").url


def test_what_is_not_there_is_a_sentence(twin: "Twin", run_serai: "RunSerai"):
    for command in (["tenant", "show", "nobody"], ["receipt", "req_nothing"]):
        ran = run_serai(*command, "--state", twin.state)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr.startswith("serai: ")
        assert "acme" in ran.stderr  # what there is
        assert "Traceback" not in ran.stderr
    ran = run_serai("chat", "acme", "-m", "x", "--model", "nothing", "--state", twin.state)
    assert ran.returncode == 1
    assert "There is no model" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_plan_beside_the_running_host(twin: "Twin", run_serai: "RunSerai"):
    ran = run_serai("plan", "--json", "--tenants", twin.tenants, "--providers", twin.providers, "--state", twin.state)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [stack["stack"] for stack in json.loads(ran.stdout)["stacks"]] == ["base", "cell-1"]
    assert twin.tenant("acme").ask().status_code == 200
