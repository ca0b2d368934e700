"""What `plan`, `up` and `down` share: the twin's account, whether a host is running or not."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.deploy import Target
from infra.twin.engine import ApiEndpoint
from infra.twin.host import TwinHost, running_host
from infra.twin.state import State, open_state
from scripts.terminal.failure import USAGE, CommandError


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a state directory while a command works on it."""

    state: State
    api: ApiEndpoint
    url: str
    host: TwinHost | None
    """None: another process serves the state directory, and follows by itself."""

    def target(self, tenants: tuple[Path, ...], providers: Path, zones: tuple[str, ...]) -> Target:
        return Target(state=self.state, api=self.api, tenant_folders=tenants, providers_file=providers, zones=zones)


@asynccontextmanager
async def account(path: Path, zones: tuple[str, ...]) -> AsyncGenerator[Account]:
    """The running host's API; where none runs, one of this command's own for as long as it takes."""
    state = await asyncio.to_thread(open_state, path)
    info = running_host(state)
    if info is not None:
        yield Account(state, ApiEndpoint(info.api, state.secrets.api_token), info.url, None)
        return
    host = TwinHost(state, port=0, zones=zones, on_event=lambda _event: None)
    await host.start()
    try:
        yield Account(state, host.endpoint, host.edge.url, host)
    finally:
        await host.stop()


def only_embedded(engine: str) -> None:
    if engine != "embedded":
        raise CommandError(
            f"--engine {engine} is not supported yet.",
            remedy="Use the Pulumi CLI itself: pulumi up --stack base, then pulumi up --stack cell-1.",
            exit_code=USAGE,
        )
