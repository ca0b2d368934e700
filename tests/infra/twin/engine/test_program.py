"""The program itself: a file or a callable, failing or not, again and again in one process."""

import sys
import threading
from typing import Any

import pulumi
import pulumi_cloudflare as cf
import pytest

from infra.twin.engine import EngineEvent, ProgramError


def test_the_projects_program_is_its_file(project: Any) -> None:
    main = sys.modules["__main__"]
    project.file(
        "__main__.py",
        "import pulumi\n"
        "assert __name__ == '__main__'\n"
        "pulumi.export('file', __file__)\n"
        "pulumi.export('stack', pulumi.get_stack())\n"
        "pulumi.export('project', pulumi.get_project())\n"
        "pulumi.export('greeting', pulumi.Config('serai').require('greeting'))\n"
        "pulumi.export('secret', pulumi.Config('serai').require_secret('secret'))\n",
    )
    result = project.engine.up("cell-1", project.config(greeting="hi", secret="hush"))
    assert result.outputs == {
        "file": str(project.root / "infra" / "__main__.py"),
        "stack": "cell-1",
        "project": "serai",
        "greeting": "hi",
        "secret": "[secret]",
    }
    assert sys.modules["__main__"] is main


def test_a_program_that_raises_is_told_with_its_place(project: Any) -> None:
    project.file("__main__.py", "import pulumi\n\ndef go():\n    raise ValueError('no such plan')\ngo()\n")
    with pytest.raises(ProgramError, match=r"failed at infra/__main__.py:4: ValueError: no such plan") as caught:
        project.engine.up("base", project.config())
    assert "Traceback" not in caught.value.message
    assert "Traceback" in caught.value.detail


def test_a_run_error_is_its_message_alone(project: Any) -> None:
    def program() -> None:
        raise pulumi.RunError("serai:zones is not set. Set it.")

    with pytest.raises(ProgramError) as caught:
        project.up(program)
    assert caught.value.message == "serai:zones is not set. Set it."


def test_what_an_apply_raises(project: Any) -> None:
    def program() -> None:
        database = cf.D1Database("db", account_id=project.account, name="one")
        known: dict[str, str] = {}
        pulumi.export("bad", database.uuid.apply(lambda uuid: known[uuid]))

    with pytest.raises(ProgramError, match=r"KeyError"):
        project.up(program)
    assert project.cloud.counts() == {"d1": 1}
    assert list(project.ids()) == ["db"]


def test_a_program_that_exits(project: Any) -> None:
    with pytest.raises(ProgramError, match=r"ended itself with exit\(3\)"):
        project.up(lambda: sys.exit(3))


def test_syntax_error_and_missing_program(project: Any) -> None:
    with pytest.raises(ProgramError, match=r"__main__.py cannot be read: No such file"):
        project.engine.up("base", project.config())
    project.file("__main__.py", "def\n")
    with pytest.raises(ProgramError, match="SyntaxError"):
        project.engine.up("base", project.config())


def test_a_failed_run_keeps_the_outputs_of_the_last_good_one(project: Any) -> None:
    project.up(lambda: pulumi.export("a", 1))

    def program() -> None:
        pulumi.export("b", 2)
        raise ValueError("late")

    with pytest.raises(ProgramError):
        project.up(program)
    assert project.engine.outputs("base") == {"a": 1}


def test_a_failing_program_deletes_nothing(project: Any) -> None:
    project.up(project.serving())

    def program() -> None:
        raise ValueError("early")

    with pytest.raises(ProgramError):
        project.up(program)
    assert project.cloud.counts() == {"d1": 1, "deployment": 1, "version": 1, "worker": 1}
    assert project.ops(project.up(project.serving())) == {}


def test_again_and_again_and_from_threads(project: Any) -> None:
    found: dict[str, Any] = {}

    def go(stack: str) -> None:
        for number in range(3):
            config = project.config(number=str(number))
            found[stack] = project.engine.up(
                stack,
                config,
                program=lambda: pulumi.export("n", f"{pulumi.get_stack()}-{pulumi.Config('serai').require('number')}"),
            ).outputs

    threads = [threading.Thread(target=go, args=(f"cell-{number}",)) for number in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {f"cell-{number}": {"n": f"cell-{number}-2"} for number in range(1, 4)}


def test_what_the_program_logs_is_an_event(project: Any) -> None:
    events: list[EngineEvent] = []
    project.engine.up("base", project.config(), events.append, program=lambda: pulumi.log.warn("look out"))
    assert [event.message for event in events if event.kind == "log"] == ["look out"]


def test_inputs_that_the_engine_cannot_carry(project: Any) -> None:
    with pytest.raises(ProgramError, match="a file asset or archive"):
        project.up(lambda: pulumi.export("asset", pulumi.StringAsset("x")))


async def test_called_from_a_worker_thread_of_a_running_loop(project: Any) -> None:
    import asyncio  # noqa: PLC0415

    result = await asyncio.to_thread(project.up, lambda: pulumi.export("a", 1))
    assert result.outputs == {"a": 1}
