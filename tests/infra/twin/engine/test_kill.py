"""Killed at any step and run again, a run comes to the same end: no orphan in the account, no duplicate."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pulumi
import pulumi_cloudflare as cf
import pytest

from infra.twin.engine.journal import Journal
from infra.twin.engine.provider.api import Api

pytestmark = pytest.mark.fault

Options = pulumi.ResourceOptions


class Killed(BaseException):
    """The process is gone: nothing in the engine may catch it and go on."""


class Killer:
    """Kills at the nth moment: before and after each call and each write to the journal, and everything after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        self.moments = 0
        send, write = Api._send, Journal._write  # pyright: ignore[reportPrivateUsage]

        def killable_send(api: Api, *call: Any) -> Any:
            self.pass_moment()
            answer = send(api, *call)
            self.pass_moment()  # the work is done and its answer is lost
            return answer

        @contextmanager
        def killable_write(journal: Journal) -> Generator[Any]:
            self.pass_moment()
            with write(journal) as db:
                yield db
            self.pass_moment()

        monkeypatch.setattr(Api, "_send", killable_send)
        monkeypatch.setattr(Journal, "_write", killable_write)

    def pass_moment(self) -> None:
        self.moments += 1
        if self.left >= 0:
            self.left -= 1
            if self.left < 0:
                self.left = 0
                raise Killed

    def at(self, moment: int) -> None:
        self.left, self.moments = moment, 0

    def off(self) -> None:
        self.left = -1


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    return Killer(monkeypatch)


def cell(project: Any, number: int, *, text: str = "one", tenant: str = "acme", queue: str = "q") -> Callable[[], None]:
    """A cell of one tenant; all names carry `number`, so that each round has an account of its own."""

    def program() -> None:
        database = cf.D1Database(f"{tenant}-db", account_id=project.account, name=f"serai-{tenant}-{number}")
        worker = cf.Worker("worker", account_id=project.account, name=f"cell-{number}")
        cf.Queue(
            "queue",
            account_id=project.account,
            queue_name=f"{queue}-{number}",
            opts=Options(delete_before_replace=True, replace_on_changes=["queueName"]),
        )
        version = cf.WorkerVersion(
            "version",
            account_id=project.account,
            worker_id=worker.id,
            main_module="cell.py",
            modules=[{"name": "cell.py", "content_type": "text/x-python", "content_file": "cell.py"}],
            bindings=[
                {"name": "DB", "type": "d1", "database_id": database.uuid},
                {"name": "TEXT", "type": "plain_text", "text": text},
            ],
            compatibility_flags=["python_workers"],
        )
        deployment = cf.WorkersDeployment(
            "deployment",
            account_id=project.account,
            script_name=worker.name,
            strategy="percentage",
            versions=[{"percentage": 100, "version_id": version.id}],
        )
        after = Options(depends_on=[deployment])
        cf.WorkersRoute(
            f"{tenant}-route",
            zone_id=project.zone,
            pattern=f"api.serai.example/{tenant}-{number}/*",
            script=worker.name,
            opts=after,
        )
        cf.WorkersCustomDomain(
            "domain",
            account_id=project.account,
            hostname=f"{tenant}-{number}.serai.example",
            service=worker.name,
            zone_id=project.zone,
            opts=after,
        )

    return program


def owned(project: Any, stack: str) -> set[str]:
    return {resource.id for resource in project.engine.resources(stack) if resource.id}


def there(project: Any, number: int) -> set[str]:
    """Ids of what the account has of this round. A version and a deployment are never deleted: the newest counts."""
    found: set[str] = set()
    for kind, field, name in (
        ("d1", "uuid", "name"),
        ("queue", "queue_id", "queue_name"),
        ("route", "id", "pattern"),
        ("domain", "id", "hostname"),
        ("worker", "id", "name"),
    ):
        found |= {
            item[field]
            for item in project.cloud.all(kind)
            if item[name].strip("/*").split(".")[0 if kind == "domain" else -1].endswith(f"-{number}")
        }
    workers = {item["id"] for item in project.cloud.all("worker") if item["name"] == f"cell-{number}"}
    for kind in ("version", "deployment"):
        mine = [item for item in project.cloud.all(kind) if item["worker_id"] in workers]
        found |= {item["id"] for item in mine[-1:]}
    return found


def rounds(project: Any, killer: Killer, start: Any, change: Any) -> int:
    """For every moment: a fresh cell, the change killed at that moment, and run again. Returns how many there were."""
    number = 0
    while True:
        number += 1
        stack = f"cell-{number}"
        if start:
            start(number, stack)
        killer.at(number - 1)
        try:
            change(number, stack)
        except Killed:
            finished = False
        else:
            finished = True
        killer.off()
        if finished:
            return number - 1
        yield_to = change(number, stack)
        assert project.engine.unfinished(stack) == []
        assert owned(project, stack) == there(project, number), f"killed at moment {number - 1}: {yield_to}"


def versions_of(project: Any, number: int) -> int:
    workers = {item["id"] for item in project.cloud.all("worker") if item["name"] == f"cell-{number}"}
    return len([item for item in project.cloud.all("version") if item["worker_id"] in workers])


def test_killed_while_creating(project: Any, killer: Killer) -> None:
    def change(number: int, stack: str) -> Any:
        return project.up(cell(project, number), stack=stack)

    moments = rounds(project, killer, None, change)
    assert moments > 40
    assert [versions_of(project, number) for number in range(1, moments + 1)] == [1] * moments


def test_killed_while_changing(project: Any, killer: Killer) -> None:
    """Version and deployment replaced, one tenant gone and another come, a queue deleted before it is replaced."""

    def start(number: int, stack: str) -> None:
        project.up(cell(project, number), stack=stack)

    def change(number: int, stack: str) -> Any:
        return project.up(cell(project, number, text="two", tenant="globex", queue="r"), stack=stack)

    moments = rounds(project, killer, start, change)
    assert moments > 40
    assert [versions_of(project, number) for number in range(1, moments + 1)] == [2] * moments


def test_killed_while_destroying(project: Any, killer: Killer) -> None:
    def start(number: int, stack: str) -> None:
        project.up(cell(project, number), stack=stack)

    def change(number: int, stack: str) -> Any:
        return project.engine.destroy(stack)

    moments = rounds(project, killer, start, change)
    assert moments > 20


def test_killed_and_then_not_wanted_any_more(project: Any, killer: Killer) -> None:
    """What a lost call has made is taken away again."""
    number = 0
    for moment in range(60):
        number += 1
        killer.at(moment)
        try:
            project.up(cell(project, number), stack=f"cell-{number}")
        except Killed:
            killer.off()
        else:
            break
        project.up(lambda: None, stack=f"cell-{number}")
        assert there(project, number) == set()
    assert number > 40
