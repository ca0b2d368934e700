"""What is found wrong, and what is looked at."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts.terminal.options import DEFAULT_PROVIDERS, DEFAULT_STATE, default_tenants

DEFAULT_ZONES = ("serai.example",)


@dataclass(frozen=True, slots=True)
class Symptom:
    check: str
    severity: Literal["problem", "note"]
    what: str
    why: str
    repair: str
    """A command that can be pasted, from the project's folder; words only where no command can do it."""


@dataclass(frozen=True, slots=True)
class Patient:
    path: Path
    """The state directory."""
    port: int
    tenants: tuple[Path, ...]
    providers: Path
    zones: tuple[str, ...]

    def command(self, words: str) -> str:
        """`scripts/serai WORDS` for this state directory and these files."""
        return " ".join([f"scripts/{words}" if words.startswith("dev") else f"scripts/serai {words}", *self._options()])

    def _options(self) -> list[str]:
        options: list[str] = []
        if self.path != DEFAULT_STATE:
            options.append(f"--state {quoted(self.path)}")
        if self.tenants != default_tenants((), examples=True):
            options += [f"--tenants {quoted(folder)}" for folder in self.tenants]
        if self.providers != DEFAULT_PROVIDERS:
            options.append(f"--providers {quoted(self.providers)}")
        if self.zones != DEFAULT_ZONES:
            options += [f"--zone {shlex.quote(zone)}" for zone in self.zones]
        return options


def problem(check: str, what: str, why: str, repair: str) -> Symptom:
    return Symptom(check, "problem", what, why, repair)


def note(check: str, what: str, why: str, repair: str) -> Symptom:
    return Symptom(check, "note", what, why, repair)


def quoted(path: Path) -> str:
    return shlex.quote(str(path))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
