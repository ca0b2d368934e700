"""Whether a stack can have changed at all, told without running the program: importing the SDK alone takes seconds."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from infra.bundle import Module
from infra.config import ROOT
from infra.twin.engine import Config
from infra.twin.state import State

PACKAGES = ("pulumi", "pulumi-cloudflare")
READ_ALREADY = frozenset({"serai:tenants", "serai:providers", "serai:placement", "serai:adopt"})
"""Config that says where to read; what was read there is in the modules."""


def fingerprint(config: Config, modules: list[Module], *, root: Path = ROOT) -> str:
    """Of everything that a stack's resources are made from: program, packages, config, the Worker's modules."""
    digest = hashlib.sha256()

    def add(*parts: bytes) -> None:
        for part in parts:  # with its length, so that no two lists of parts read the same
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)

    for path in _program(root):
        add(path.relative_to(root).as_posix().encode(), path.read_bytes())
    for package in PACKAGES:
        add(package.encode(), version(package).encode())
    values = {key: value for key, value in config.values.items() if key not in READ_ALREADY}
    add(json.dumps(values, sort_keys=True).encode())
    for module in modules:
        add(module.name.encode(), module.content)
    return digest.hexdigest()


def _program(root: Path) -> list[Path]:
    engine = (root / "infra" / "twin" / "engine").rglob("*.py")
    return [root / "Pulumi.yaml", *sorted((root / "infra").glob("*.py")), *sorted(engine)]


def is_applied(state: State, stack: str, current: str) -> bool:
    """Whether the stack's last run was a good apply of exactly this."""
    there = state.stack_path(stack).exists() and state.account_path.exists()
    return there and _record(state, stack).exists() and _record(state, stack).read_text() == current


def forget(state: State, stack: str) -> None:
    """Before a run: should it not finish, the next one is not skipped."""
    _record(state, stack).unlink(missing_ok=True)


def remember(state: State, stack: str, current: str) -> None:
    record = _record(state, stack)
    scratch = record.with_suffix(".applied.new")
    scratch.write_text(current)
    scratch.replace(record)


def _record(state: State, stack: str) -> Path:
    return state.stack_path(stack).with_suffix(".applied")
