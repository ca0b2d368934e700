"""What a run over the stacks reports: while it runs, and at its end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from infra.specs import Specs
from infra.twin.engine import EngineEvent, Result


@dataclass(frozen=True, slots=True)
class StackOutcome:
    stack: str
    result: Result | None
    """None: nothing that the stack is made from has changed since its last good apply, so nothing was run."""
    seconds: float

    @property
    def unchanged(self) -> bool:
        return self.result is None or not self.result.changes


@dataclass(frozen=True, slots=True)
class TenantEndpoint:
    name: str
    cell: str
    state: str
    """`active` or `suspended`."""
    endpoint: str
    """Its public address: `https://api.<zone>/<tenant>`. On a local host it is `<url>/<tenant>`."""
    database_id: str
    key: str = field(repr=False)
    """The admin key, whole."""


@dataclass(frozen=True, slots=True)
class Outcome:
    specs: Specs
    stacks: tuple[StackOutcome, ...]
    tenants: tuple[TenantEndpoint, ...] = ()
    """By name. Empty after a plan."""
    zone_ids: dict[str, str] = field(default_factory=dict[str, str])
    control_url: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Progress. `specs` comes once, then for every stack `start`, its `step`s, and `done`; a skipped one: `done`."""

    kind: Literal["specs", "waiting", "start", "step", "done"]
    stack: str = ""
    specs: Specs | None = None
    step: EngineEvent | None = None
    outcome: StackOutcome | None = None


OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """For callers that show nothing."""
