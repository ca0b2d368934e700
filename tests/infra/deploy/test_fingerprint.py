"""A stack is skipped only when nothing it is made from has changed since its last good apply."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.bundle import Module
from infra.config import ROOT
from infra.deploy.fingerprint import fingerprint, forget, is_applied, remember
from infra.twin.engine import Config

CONFIG = Config({"serai:zone": "serai.example", "serai:keyPepper": "pepper", "serai:tenants": '["a"]'})
MODULES = [Module("cell.py", "text/x-python", b"x = 1"), Module("tenants.json", "application/octet-stream", b"{}")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    shutil.copytree(ROOT / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_same_stack_has_the_same_fingerprint(root: Path) -> None:
    assert fingerprint(CONFIG, MODULES, root=root) == fingerprint(CONFIG, MODULES)


@pytest.mark.parametrize("path", ["infra/tenant.py", "infra/__main__.py", "infra/twin/engine/engine.py", "Pulumi.yaml"])
def test_a_changed_program_is_run_again(root: Path, path: str) -> None:
    (root / path).write_text((root / path).read_text() + "\n# changed\n")
    assert fingerprint(CONFIG, MODULES, root=root) != fingerprint(CONFIG, MODULES)


@pytest.mark.parametrize(
    ("config", "modules"),
    [
        (Config({**CONFIG.values, "serai:keyPepper": "other"}), MODULES),
        (Config({**CONFIG.values, "serai:deployVersion": "earlier"}), MODULES),
        (CONFIG, [MODULES[0], Module("tenants.json", "application/octet-stream", b"{ }")]),
        (CONFIG, [Module("cell.py", "text/x-python", b"x = 2"), MODULES[1]]),
        (CONFIG, MODULES[:1]),
    ],
)
def test_a_changed_value_or_module_is_run_again(config: Config, modules: list[Module]) -> None:
    assert fingerprint(config, modules) != fingerprint(CONFIG, MODULES)


def test_where_files_lie_is_not_what_they_say() -> None:
    moved = Config({**CONFIG.values, "serai:tenants": '["b"]', "serai:placement": '{"acme": "cell-1"}'})
    assert fingerprint(moved, MODULES) == fingerprint(CONFIG, MODULES)


def test_only_a_good_apply_that_is_still_there_is_skipped(twin: Any) -> None:
    state = twin.state
    assert not is_applied(state, "cell-1", "print")
    remember(state, "cell-1", "print")
    assert not is_applied(state, "cell-1", "print"), "there is no journal"
    state.stack_path("cell-1").touch()
    assert is_applied(state, "cell-1", "print")
    assert not is_applied(state, "cell-1", "other")
    forget(state, "cell-1")
    assert not is_applied(state, "cell-1", "print")
    assert state.stacks() == ["cell-1"]
