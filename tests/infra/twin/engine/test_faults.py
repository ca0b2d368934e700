"""What the API and the network do to a run, and what becomes of it."""

from typing import Any

import pulumi
import pulumi_cloudflare as cf
import pytest

from infra.twin.engine import ApiEndpoint, Engine, EngineError, EngineEvent


def database(project: Any, name: str = "one", opts: pulumi.ResourceOptions | None = None) -> Any:
    return lambda: pulumi.export("id", cf.D1Database("db", account_id=project.account, name=name, opts=opts).id)


def test_429_is_waited_for_as_long_as_asked(project: Any) -> None:
    project.cloud.fail("POST", "d1/database", "rate_limit")
    events: list[EngineEvent] = []
    result = project.engine.up("base", project.config(), events.append, program=database(project))
    assert result.seconds >= 1
    (retry,) = [event for event in events if event.kind == "retry"]
    assert retry.message.startswith("db: 429")
    assert retry.message.endswith("again in 1.0 s")
    assert project.cloud.counts() == {"d1": 1}


@pytest.mark.parametrize("kind", ["error", "drop"])
def test_a_create_without_an_answer_makes_one_thing(project: Any, kind: str) -> None:
    """A 500 that did nothing is sent again; work whose answer was lost is found by its name."""
    project.cloud.fail("POST", "d1/database", kind)
    project.up(database(project))
    (made,) = project.cloud.all("d1")
    assert project.ids() == {"db": made["uuid"]}


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_any_answer_of_a_serving_program_may_be_lost(project: Any, nth: int) -> None:
    project.cloud.fail("POST", ".", "drop", nth)
    project.up(project.serving())
    assert project.cloud.counts() == {"d1": 1, "deployment": 1, "version": 1, "worker": 1}
    assert project.ops(project.up(project.serving())) == {}


def test_a_lost_answer_to_a_delete(project: Any) -> None:
    project.up(database(project))
    project.cloud.fail("DELETE", "d1/database", "drop")
    assert project.ops(project.up(lambda: None)) == {"db": "delete"}
    assert project.cloud.counts() == {}


def test_another_of_the_same_name_is_not_taken_for_ours(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was there before our call: a retained one. Whoever wants it has to adopt it."""
    with monkeypatch.context() as past:
        past.setattr("infra.twin.api.d1.now", lambda: "2020-01-01T00:00:00.000000Z")
        project.up(database(project, opts=pulumi.ResourceOptions(retain_on_delete=True)))
    project.up(lambda: None)
    project.cloud.fail("POST", "d1/database", "error")
    with pytest.raises(EngineError, match="code 7502"):
        project.up(database(project))
    assert project.ids() == {}


def test_patience_ends_and_the_next_run_settles(project: Any) -> None:
    for nth in range(1, 20):
        project.cloud.fail("POST", "d1/database", "error", nth)
    with pytest.raises(EngineError, match=r"db .D1Database.: .*did not tell the outcome.*Run it again"):
        project.up(database(project))
    assert project.engine.unfinished("base") == ["db"]
    project.cloud.faults.faults.clear()
    project.up(database(project))
    assert project.cloud.counts() == {"d1": 1}
    assert project.engine.unfinished("base") == []


def test_a_refusal_ends_the_run_and_keeps_what_was_made(project: Any) -> None:
    def program() -> None:
        kept = cf.WorkersKvNamespace("kv", account_id=project.account, title="kept")
        bad = cf.D1Database("db", account_id=project.account, name=kept.title.apply(lambda title: f"{title}/?!"))
        cf.WorkersKvNamespace("after", account_id=project.account, title=bad.uuid)

    with pytest.raises(EngineError, match=r"db .D1Database.: Cloudflare's API refused it with 400: .*run it again"):
        project.up(program)
    assert project.cloud.counts() == {"kv": 1}
    assert list(project.ids()) == ["kv"]
    assert project.engine.unfinished("base") == []


def test_a_wrong_token(project: Any) -> None:
    engine = Engine(project.state, ApiEndpoint(project.cloud.url, "x" * 40), project.root, patience=1)
    with pytest.raises(EngineError, match=r"Authentication error.*Check the API token"):
        engine.up("base", project.config(), program=database(project))


def test_nobody_listens(project: Any) -> None:
    engine = Engine(project.state, ApiEndpoint("http://127.0.0.1:9/client/v4", "x" * 40), project.root, patience=0.1)
    with pytest.raises(EngineError, match=r"(?i)no connection to http://127.0.0.1:9.*Is the API up"):
        engine.up("base", project.config(), program=database(project))
    assert engine.unfinished("base") == []
