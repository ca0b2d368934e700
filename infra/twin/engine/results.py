"""What the engine is given and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Op = Literal["create", "update", "replace", "delete", "read", "import", "same", "refresh", "retain"]

SECRET = "[secret]"  # noqa: S105 - what is shown instead of one
UNKNOWN = "[unknown]"
"""Shown in a preview for a value that only the apply will tell."""


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """Cloudflare's API, or what stands in for it: `http://127.0.0.1:PORT/client/v4`."""

    base_url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Config:
    """A stack's configuration. Keys have their namespace: `serai:accountId`."""

    values: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    secret_keys: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """`path` is written as in a program's source: `bindings[2].databaseId`."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Step:
    op: Op
    urn: str
    type: str
    name: str
    diff: list[PropertyChange] = field(default_factory=list[PropertyChange])

    @property
    def changes(self) -> bool:
        """Whether the account or what the stack knows of it changes."""
        return self.op not in ("same", "read")


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """Progress. `planned` comes from previews alone; `start` is followed by `done` or `failed`."""

    kind: Literal["planned", "start", "done", "failed", "log", "retry"]
    step: Step | None = None
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    stack: str
    steps: list[Step]
    outputs: dict[str, Any]
    """The stack's outputs; secrets shown as `[secret]`. `Engine.outputs(show_secrets=True)` tells them."""
    seconds: float

    @property
    def changes(self) -> list[Step]:
        return [step for step in self.steps if step.changes]


@dataclass(frozen=True, slots=True)
class ResourceState:
    """A resource as the journal knows it. Secrets are masked."""

    urn: str
    type: str
    name: str
    id: str
    custom: bool
    parent: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    dependencies: list[str]
    protect: bool
    retain_on_delete: bool
    external: bool
    """Read by the program, not owned by the stack."""


OnEvent = Callable[[EngineEvent], None]
Program = Callable[[], Any]
