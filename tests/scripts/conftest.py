"""The command line as a shell sees it: what it prints, where, and its exit code."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from infra.twin.state import open_state
from scripts.cli.main import main


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str


class Serai(Protocol):
    def __call__(self, *arguments: str | Path) -> Ran: ...


@pytest.fixture
def serai(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Serai:
    """In this process, through the console script: starting an interpreter for each would cost a minute."""

    def run(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["serai", *map(str, arguments)])
        code: int | str | None = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        assert isinstance(code, int)
        return Ran(code, out, err)

    return run


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory that was used once and that nothing serves."""
    return open_state(tmp_path / "state").path


@pytest.fixture
def tenants(tmp_path: Path) -> Callable[[str], Path]:
    """A folder with one tenant's file of this content."""

    def write(text: str) -> Path:
        folder = tmp_path / "tenants"
        folder.mkdir(exist_ok=True)
        (folder / "one.yaml").write_text(text)
        return folder

    return write
