"""The API goes away right after a call whose answer was lost: what was made is found by the next run."""

from typing import Any

import pulumi
import pulumi_cloudflare as cf
import pytest

from infra.twin.engine import Engine, EngineError
from infra.twin.engine.provider.api import UNSENT, Api, RefusedError, UnsureError


@pytest.fixture
def dying(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An engine whose API does the first call of a method, and then answers no more."""
    send = Api._send  # pyright: ignore[reportPrivateUsage]

    def engine(method: str) -> Engine:
        gone = False

        def last(api: Api, *call: Any) -> Any:
            nonlocal gone
            if gone:
                raise RefusedError(UNSENT, None, "no connection")
            answer = send(api, *call)
            if call[0] == method:
                gone = True
                raise UnsureError("the answer was lost")
            return answer

        monkeypatch.setattr(Api, "_send", last)
        return Engine(project.state, project.engine.api, project.root, patience=0.1)

    return engine


def test_a_create(project: Any, dying: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program = project.serving()
    with pytest.raises(EngineError, match=r"did not tell the outcome.*Run it again"):
        dying("POST").up("base", project.config(), program=program)
    assert project.engine.unfinished("base")
    monkeypatch.undo()
    project.up(program)
    assert project.cloud.counts() == {"d1": 1, "deployment": 1, "version": 1, "worker": 1}


def test_a_create_by_put_of_what_is_not_wanted_any_more(
    project: Any, dying: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upsert is sent again by itself; that nobody answers then says nothing of the first one."""
    project.up(project.serving())

    def program() -> None:
        project.serving()()
        cf.WorkersCustomDomain(
            "domain",
            account_id=project.account,
            hostname="ai.serai.example",
            service="serai-cell-1",
            zone_id=project.zone,
        )

    with pytest.raises(EngineError, match="did not tell the outcome"):
        dying("PUT").up("base", project.config(), program=program)
    assert project.engine.unfinished("base") == ["domain"]
    assert len(project.cloud.all("domain")) == 1
    monkeypatch.undo()
    project.up(project.serving())
    assert project.cloud.all("domain") == []


def test_what_was_never_sent_is_not_looked_for(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(api: Api, *call: Any) -> Any:
        raise RefusedError(UNSENT, None, "no connection")

    monkeypatch.setattr(Api, "_send", refuse)
    engine = Engine(project.state, project.engine.api, project.root, patience=0.1)
    with pytest.raises(EngineError, match=r"(?i)no connection"):
        engine.up("base", project.config(), program=lambda: pulumi.export("id", _database(project).id))
    assert engine.unfinished("base") == []


def _database(project: Any) -> Any:
    return cf.D1Database("db", account_id=project.account, name="one")
