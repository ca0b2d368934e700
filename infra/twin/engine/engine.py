"""The embedded engine: runs the Pulumi program in this process and brings the account to what it declares."""

from pathlib import Path
from typing import Any

from infra.twin.engine.results import ApiEndpoint, Config, OnEvent, Program, ResourceState, Result
from infra.twin.state import State


class Engine:
    """All methods are synchronous, run an event loop of their own and may be called from any thread."""

    def __init__(self, state: State, api: ApiEndpoint, project_root: Path, project: str = "serai") -> None:
        self.state = state
        self.api = api
        self.project_root = project_root
        self.project = project

    def preview(
        self,
        stack: str,
        config: Config,
        on_event: OnEvent | None = None,
        *,
        program: Program | None = None,
        refresh: bool = False,
    ) -> Result:
        """What `up` would do. Changes nothing, takes no lock."""
        raise NotImplementedError

    def up(
        self,
        stack: str,
        config: Config,
        on_event: OnEvent | None = None,
        *,
        program: Program | None = None,
        refresh: bool = False,
    ) -> Result:
        raise NotImplementedError

    def refresh(self, stack: str, on_event: OnEvent | None = None, *, preview: bool = False) -> Result:
        raise NotImplementedError

    def destroy(self, stack: str, on_event: OnEvent | None = None, *, preview: bool = False) -> Result:
        raise NotImplementedError

    def outputs(self, stack: str, *, show_secrets: bool = False) -> dict[str, Any]:
        raise NotImplementedError

    def resources(self, stack: str) -> list[ResourceState]:
        raise NotImplementedError

    def break_lock(self, stack: str) -> None:
        raise NotImplementedError


def warm() -> None:
    """Import the SDK ahead of the first run: it takes seconds."""
