"""Given a program, when it is applied, then the account is as it says; and again when it has changed."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_cloudflare as cf

from infra.twin.engine import SECRET, UNKNOWN, EngineEvent, PropertyChange


def routed(project: Any, *patterns: str) -> Callable[[], None]:
    def program() -> None:
        worker = cf.Worker("worker", account_id=project.account, name="serai-cell-1")
        for index, pattern in enumerate(patterns):
            cf.WorkersRoute(f"route-{index}", zone_id=project.zone, pattern=pattern, script=worker.name)

    return program


def test_create_then_nothing_to_do(project: Any) -> None:
    first = project.up(project.serving())
    assert project.ops(first) == {"db": "create", "worker": "create", "version": "create", "deployment": "create"}
    assert project.cloud.counts() == {"d1": 1, "deployment": 1, "version": 1, "worker": 1}
    assert first.outputs == {"uuid": project.cloud.all("d1")[0]["uuid"]}
    assert project.engine.outputs("base") == first.outputs

    project.cloud.calls.clear()
    assert project.ops(project.up(project.serving())) == {}
    assert project.cloud.calls == []


def test_dependencies_are_made_first(project: Any) -> None:
    project.up(project.serving())
    order = [path.rsplit("/", 1)[-1] for _, path in project.cloud.writes()]
    assert order[-2:] == ["versions", "deployments"]
    assert sorted(order[:2]) == ["database", "workers"]


def test_independent_resources_are_made_side_by_side(project: Any) -> None:
    together = threading.Barrier(4, timeout=5)

    def wait(call: Any) -> None:
        if call.method == "POST":
            together.wait()  # breaks unless four are in flight at once

    project.cloud.recorder.before = wait

    def program() -> None:
        for name in ("one", "two", "three", "four"):
            cf.WorkersKvNamespace(name, account_id=project.account, title=name)

    project.up(program)
    assert project.cloud.counts() == {"kv": 4}


def test_update_in_place(project: Any) -> None:
    project.up(routed(project, "api.serai.example/acme/*"))
    before = project.ids()
    result = project.up(routed(project, "api.serai.example/globex/*"))
    (step,) = result.changes
    assert (step.op, step.name) == ("update", "route-0")
    assert step.diff == [PropertyChange("pattern", "api.serai.example/acme/*", "api.serai.example/globex/*")]
    assert project.ids() == before
    assert [route["pattern"] for route in project.cloud.all("route")] == ["api.serai.example/globex/*"]


def test_a_changed_file_replaces_version_and_deployment(project: Any) -> None:
    project.up(project.serving())
    project.file("cell.py", "x = 2\n")
    project.cloud.calls.clear()
    result = project.up(project.serving())
    assert project.ops(result) == {"version": "replace", "deployment": "replace"}
    (version,) = (step for step in result.changes if step.name == "version")
    assert [change.path for change in version.diff] == ["modules[0].contentSha256"]
    assert [method for method, _ in project.cloud.writes()] == ["POST", "POST"]  # no DELETE
    (resource,) = (resource for resource in project.engine.resources("base") if resource.name == "version")
    assert "contentBase64" not in str(resource.inputs)


def test_a_replacement_is_made_before_the_old_one_goes(project: Any) -> None:
    def program(name: str) -> Callable[[], None]:
        return lambda: pulumi.export("id", cf.D1Database("db", account_id=project.account, name=name).id)

    project.up(program("one"))
    project.cloud.calls.clear()
    assert project.ops(project.up(program("two"))) == {"db": "replace"}
    assert [method for method, _ in project.cloud.writes()] == ["POST", "DELETE"]
    assert [database["name"] for database in project.cloud.all("d1")] == ["two"]


def test_what_the_program_no_longer_names_is_deleted_dependents_first(project: Any) -> None:
    project.up(routed(project, "api.serai.example/acme/*"))
    project.cloud.calls.clear()
    assert project.ops(project.up(lambda: None)) == {"route-0": "delete", "worker": "delete"}
    assert [path.split("/")[-2] for _, path in project.cloud.writes()] == ["routes", "workers"]
    assert project.cloud.counts() == {}


def test_preview_changes_nothing_and_tells_what_is_not_known_yet(project: Any) -> None:
    events: list[EngineEvent] = []
    result = project.engine.preview("base", project.config(), events.append, program=project.serving())
    assert project.ops(result) == {"db": "create", "worker": "create", "version": "create", "deployment": "create"}
    assert result.outputs == {"uuid": UNKNOWN}
    assert project.cloud.calls == []
    assert not project.state.stack_path("base").exists()
    assert {event.kind for event in events} == {"planned"}


def test_preview_of_a_replacement_reaches_what_depends_on_it(project: Any) -> None:
    project.up(project.serving())
    project.file("cell.py", "x = 2\n")
    result = project.preview(project.serving())
    assert project.ops(result) == {"version": "replace", "deployment": "replace"}
    (deployment,) = (step for step in result.changes if step.name == "deployment")
    assert [(change.path, change.new) for change in deployment.diff] == [("versions[0].versionId", UNKNOWN)]
    assert project.ops(project.up(project.serving())) == {"version": "replace", "deployment": "replace"}


def test_secrets_are_masked_in_a_diff(project: Any) -> None:
    project.up(project.serving(text="hush"))
    result = project.preview(project.serving(text="hush-hush"))
    assert "hush" not in repr(result)
    (version,) = (step for step in result.changes if step.name == "version")
    assert version.diff == [PropertyChange("bindings[1].text", SECRET, SECRET)]


def test_destroy_takes_all_away_in_order(project: Any) -> None:
    project.up(project.serving())
    planned = project.engine.destroy("base", preview=True)
    assert project.cloud.counts() == {"d1": 1, "deployment": 1, "version": 1, "worker": 1}
    done = project.engine.destroy("base")
    assert (
        project.ops(planned) == project.ops(done) == dict.fromkeys(("db", "worker", "version", "deployment"), "delete")
    )
    assert project.cloud.counts() == {}
    assert project.engine.resources("base") == []
    assert project.engine.outputs("base") == {}


def test_events_tell_of_each_step(project: Any) -> None:
    events: list[EngineEvent] = []
    project.engine.up("base", project.config(), events.append, program=routed(project, "api.serai.example/acme/*"))
    told = [(event.kind, event.step.name) for event in events if event.step]
    assert told == [
        ("start", "serai-base"),
        ("done", "serai-base"),
        ("start", "worker"),
        ("done", "worker"),
        ("start", "route-0"),
        ("done", "route-0"),
    ]


def test_an_unchanged_run_is_quick(project: Any) -> None:
    project.up(project.serving())
    started = time.monotonic()
    project.up(project.serving())
    assert time.monotonic() - started < 1
