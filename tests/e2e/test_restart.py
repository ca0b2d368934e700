"""Given a twin that ends, however it ends, when it starts again on its state, then everything is there."""

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.e2e.conftest import LaunchTwin, StartTwin, Twin

NEAR = "plan: starter\ncontact: ops@near.example\n"
FAR = "plan: starter\ncontact: ops@far.example\ncell: cell-2\n"


def edge(twin: "Twin") -> list[dict[str, Any]]:
    return json.loads((twin.state / "edge.json").read_text())["processes"]


def runs(twin: "Twin") -> dict[str, int]:
    """When each stack was last run to a good end: a record that every run removes and writes anew."""
    return {record.stem: record.stat().st_mtime_ns for record in (twin.state / "stacks").glob("*.applied")}


def test_killed_and_started_again_with_two_cells(start_twin: "StartTwin"):
    first = start_twin({"near": NEAR, "far": FAR}, arguments=["--no-watch"])
    near, far = first.tenant("near"), first.tenant("far")
    made = near.request("POST", "/v1/keys", json={"name": "app", "role": "inference"}).json()
    ids = [tenant.ask().headers["x-request-id"] for tenant in (near, far)]
    receipts = [tenant.get(f"/v1/receipts/{one}") for tenant, one in zip((near, far), ids, strict=True)]
    assert far.with_key(near.key).request("GET", "/v1/models").status_code == 401
    databases = first.databases()

    process = next(one for one in edge(first) if one["script"] == "serai-cell-2")
    os.kill(process["pid"], signal.SIGKILL)
    crashed = first.event("crashed")
    assert (crashed["script"], crashed["pid"]) == ("serai-cell-2", process["pid"])
    assert far.ask().status_code == 200  # started again

    first.kill()
    started = time.monotonic()
    second = start_twin(folder=first.folder, arguments=["--no-watch", "--port", str(first.port)])
    took = time.monotonic() - started
    assert took < 20  # under 2 s on an idle machine
    assert {**second.ready, "control": "", "api": ""} == {**first.ready, "control": "", "api": ""}
    assert second.databases() == databases
    again = [tenant.get(f"/v1/receipts/{one}") for tenant, one in zip((near, far), ids, strict=True)]
    assert again == receipts
    assert near.with_key(made["key"]).ask().status_code == 200
    with far.anthropic() as client:
        client.messages.create(model="default", max_tokens=9, messages=[{"role": "user", "content": "Hello"}])
    assert second.reconcile()["clean"] is True
    assert second.stop() == 0


def test_a_second_start_skips_what_has_not_changed(start_twin: "StartTwin"):
    first = start_twin({"near": NEAR}, arguments=["--no-watch"])
    assert first.stop(signal.SIGTERM) == 0
    applied = runs(first)
    assert len(applied) == 2
    second = start_twin(folder=first.folder)
    assert second.tenant("near").key == first.tenant("near").key
    assert runs(second) == applied

    event = second.save("late", NEAR.replace("near", "late"))  # watching works after such a start too
    assert event["added"] == ["late"]
    assert second.tenant("late").ask().status_code == 200

    started = time.monotonic()
    assert second.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 10
    assert not (second.state / "host.json").exists()


def test_told_to_stop_while_it_starts(start_twin: "StartTwin", tmp_path: Path, launch_twin: "LaunchTwin"):
    launched = launch_twin(tmp_path, {"near": NEAR})
    until_file = time.monotonic() + 60
    while not (launched.state / "host.json").exists() and time.monotonic() < until_file:
        time.sleep(0.01)
    cell = launched.state / "stacks" / "cell-1.db"
    too_late = cell.exists()
    started = time.monotonic()
    assert launched.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 20
    assert "Traceback" not in launched.errors()
    assert too_late or not cell.exists()  # base was being made: what comes after it was not begun

    twin = start_twin(folder=tmp_path)
    assert twin.tenant("near").ask().status_code == 200


def test_a_state_that_is_served_already_is_refused_and_another_is_not(
    twin: "Twin", tmp_path: Path, start_twin: "StartTwin", launch_twin: "LaunchTwin"
):
    second = launch_twin(twin.folder, {})
    assert second.process.wait(60) == 1
    message = second.errors()
    (twin.folder / "errors.log").write_text("")
    assert "is being served already" in message
    assert twin.ready["url"] in message
    assert len(message.strip().splitlines()) == 1

    beside = start_twin({"near": NEAR}, arguments=["--no-watch"])
    assert beside.tenant("near").ask().status_code == 200
    assert twin.tenant("acme").ask().status_code == 200
    assert beside.tenant("near").key != twin.tenant("acme").key
    assert beside.ready["account_id"] != twin.ready["account_id"]


def test_a_second_cell_comes_and_goes(start_twin: "StartTwin"):
    """A front takes the port over from the one cell that owned it, and what was served goes on."""
    started = start_twin({"near": NEAR})
    event = started.save("far", FAR)
    changed = {stack["stack"]: [one["name"] for one in stack["changes"]] for stack in event["stacks"]}
    assert list(changed) == ["base", "cell-1", "cell-2"]
    assert changed["cell-1"] == []
    assert {"far", "far-db", "far-route", "cell-2-worker"} <= set(changed["cell-2"])
    for name in ("near", "far"):
        assert started.tenant(name).ask().status_code == 200
    started.remove("far")
    assert started.tenant("near").ask().status_code == 200


def test_a_tenant_whose_key_is_refused_takes_nobody_else_down(start_twin: "StartTwin"):
    """An epoch that was lowered: the rotated key stays dead, the operator is told, the neighbour is served."""
    rotated = "keys: {epoch: 2, rotated_at: 2026-01-01T00:00:00Z, overlap_hours: 0}\n"
    first = start_twin({"near": NEAR + rotated, "good": NEAR.replace("near", "good")}, arguments=["--no-watch"])
    assert first.stop() == 0
    first.write("near", NEAR)
    second = start_twin(folder=first.folder, arguments=["--no-watch"])
    event = second.event("unanswered")
    assert event["tenant"] == "near"
    assert "raise it" in event["reason"]
    assert second.tenant("good").ask().status_code == 200
