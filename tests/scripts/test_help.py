"""Given any command, when asked for help, then it says what it does and shows an example."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import pytest

from scripts.cli.main import serai as group

if TYPE_CHECKING:
    from tests.scripts.conftest import Serai

TOP = ("bench", "chat", "dev", "doctor", "down", "ledger", "plan", "prices", "receipt", "serve", "tenant", "up")


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, (*path, name))


ALL = list(commands(group))


def test_every_command_of_the_tour_is_there():
    assert {path[0] for path in ALL if path} >= set(TOP)


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "serai")
def test_help_has_an_example(serai: "Serai", path: tuple[str, ...]):
    ran = serai(*path, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "Example" in ran.out
    assert f"serai {' '.join(path)}".strip() in ran.out.partition("Example")[2]


def test_every_command_offers_json(serai: "Serai"):
    leaves = [path for path in ALL if not any(other[: len(path)] == path and other != path for other in ALL)]
    without = [path for path in leaves if "--json" not in serai(*path, "--help").out]
    assert without == []


@pytest.mark.parametrize("arguments", [["nonsense"], ["dev", "--nonsense"], ["dev", "--port", "many"], ["chat"]])
def test_wrong_usage_ends_with_2(serai: "Serai", arguments: list[str]):
    ran = serai(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    assert "Error:" in ran.err
