"""What the edge needs of the account and of the state directory, and the error it raises."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from infra.twin.account.account import CustomDomain, RouteEntry, Version

Event = dict[str, Any]
OnEvent = Callable[[Event], None]
"""Told what happened to a process: `{"event": "started" | "idle" | "deployed" | "start_failed" | "crashed", "script":
..., "version": ..., "pid": ...}`, and why."""


class EdgeError(Exception):
    """The edge cannot run as asked. The message names what is in the way and what to do."""


class EdgeSource(Protocol):
    """The part of infra.twin.account.Account that the edge reads."""

    def generation(self) -> int: ...
    def route_table(self) -> Sequence[RouteEntry]: ...
    def custom_domains(self) -> Sequence[CustomDomain]: ...
    def deployed_version_id(self, script: str) -> str | None: ...
    def deployed_version(self, script: str) -> Version | None: ...


class EdgeState(Protocol):
    """The part of the state directory that the edge uses: `versions/`, `logs/` and `edge/` below `path`."""

    @property
    def path(self) -> Path: ...
    def d1_path(self, uuid: str, /) -> Path: ...
