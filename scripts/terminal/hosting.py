"""`serai dev` and `serai serve`: the twin provisioned, serving, and following the tenant files."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from watchfiles import Change, awatch  # pyright: ignore[reportUnknownVariableType] - a type of anyio's, optional there

from infra import deploy
from infra.deploy import Outcome, Target
from infra.specs import SpecError
from infra.twin.edge.source import Event as EdgeEvent
from infra.twin.engine import warm
from infra.twin.host import TwinHost, crash_reason
from infra.twin.state import State, open_state
from scripts.terminal.failure import FAILED, USAGE, CommandError, describe
from scripts.terminal.progress import Progress, emit, relative, row, show_smoke, stack_document

INTRODUCTION = "Serai dev: the twin of a Cloudflare account on this machine. No account, key or CLI needed."
KEY_VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "SERAI_LOCAL_MODELS")
SETTLE_MS = 200
"""Editors write a file in several steps; what comes within this is one change."""
SUFFIXES = (".yaml", ".yml")
"""`.yml` is read by nothing, and refused."""


class _RunStopped(BaseException):
    """Out of a run's progress: begin nothing new."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    state: Path
    port: int
    control_port: int
    tenants: tuple[Path, ...]
    providers: Path
    zones: tuple[str, ...]
    watch: bool
    as_json: bool
    durability: str
    idle_seconds: float
    introduction: str = INTRODUCTION


@dataclass
class Hosting:
    """One run of a host, from the first row to the last."""

    options: HostOptions
    state: State
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    saved: asyncio.Event = field(default_factory=asyncio.Event)
    """A watched file has changed since it was last read."""
    early: list[EdgeEvent] | None = field(default_factory=list[EdgeEvent])
    """What the edge told before the ready line, which comes first. None: that line is out."""

    async def run(self) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self.stopped.set)
        self.say(self.options.introduction)
        host = TwinHost(
            self.state,
            port=self.options.port,
            control_port=self.options.control_port,
            zones=self.options.zones,
            durability=self.options.durability,
            idle_seconds=self.options.idle_seconds,
            on_event=self.on_edge_event,
        )
        await host.start()
        # Watched before they are read for the first time: nothing that is saved meanwhile is missed.
        watching = asyncio.ensure_future(self.watch()) if self.options.watch else None
        await asyncio.sleep(0)
        try:
            outcome = await self.until_stopped(self.provision(host))
            if outcome is None:
                return
            self.announce(host, outcome)
            threading.Thread(target=warm, daemon=True).start()
            if self.options.watch:
                await self.until_stopped(self.follow(host, outcome))
            else:
                await self.stopped.wait()
        finally:
            if watching:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            await host.stop()

    async def until_stopped(self, work: Coroutine[Any, Any, Outcome | None]) -> Outcome | None:
        """The result of `work`; None when the host is told to stop before that."""
        task = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self.stopped.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if task.done():
            return task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return None

    async def provision(self, host: TwinHost, *, diff: bool = False) -> Outcome:
        outcome = await self.apply(self.target(host), Progress(quiet=self.options.as_json, diff=diff))
        if failures := await host.edge.reconcile():
            raise CommandError("\n".join(failures), remedy="The version before it, if any, goes on serving.")
        results = await asyncio.to_thread(deploy.smoke, host.edge.url, outcome.tenants)
        if not self.options.as_json:
            show_smoke(results)
        bad = [result for result in results if not result.ok]
        for result in bad:  # one tenant's trouble is told, and takes nobody else down
            self.on_edge_event({"event": "unanswered", "tenant": result.tenant, "reason": result.reason})
        if bad and len(bad) == len(results):
            message = "; ".join(f"{result.tenant}: {result.reason}" for result in bad)
            raise CommandError(f"No endpoint answers: {message}", exit_code=FAILED)
        return outcome

    async def apply(self, target: Target, progress: Progress) -> Outcome:
        """When the host is told to stop, the run ends at its next step, and the API stays until it has."""

        def step(event: deploy.Event) -> None:
            if self.stopped.is_set():
                raise _RunStopped
            progress(event)

        run = asyncio.ensure_future(asyncio.to_thread(deploy.apply, target, step))
        try:
            return await asyncio.shield(run)
        except asyncio.CancelledError:
            await asyncio.gather(run, return_exceptions=True)
            raise

    async def watch(self) -> None:
        """Folders, and not the providers' file itself: the one that many an editor puts in its place is another."""
        folders = {folder.absolute() for folder in self.options.tenants}
        providers = self.options.providers.absolute()
        watched = {*folders, providers.parent} if providers.parent.is_dir() else folders

        def ours(_change: Change, path: str) -> bool:
            file = Path(path)
            return file == providers or (file.parent in folders and file.suffix in SUFFIXES)

        try:
            async for _ in awatch(*watched, watch_filter=ours, debounce=SETTLE_MS, recursive=False):
                self.saved.set()
        except (OSError, RuntimeError) as error:  # the system has no watch left, or a folder is not to be read
            remedy = "Start Serai again after a change, or raise fs.inotify.max_user_watches."
            self.complain(CommandError(f"Files cannot be watched: {error}. {remedy}"))

    async def follow(self, host: TwinHost, outcome: Outcome) -> None:
        """Provision again whenever a tenant's file, or the providers', is saved."""
        known = {tenant.name for tenant in outcome.tenants}
        while await self.saved.wait():
            self.saved.clear()
            try:
                outcome = await self.provision(host, diff=True)
            except SpecError as error:
                self.refuse(error)
            except Exception as error:
                if not isinstance(error, CommandError) and describe(error) is None:
                    raise
                self.complain(error)
            else:
                names = {tenant.name for tenant in outcome.tenants}
                self.report(host, outcome, added=names - known, removed=known - names)
                known = names

    def target(self, host: TwinHost) -> Target:
        return Target(
            state=self.state,
            api=host.endpoint,
            tenant_folders=self.options.tenants,
            providers_file=self.options.providers,
            zones=self.options.zones,
        )

    # what is shown

    def say(self, text: str) -> None:
        if not self.options.as_json:
            click.echo(text)

    def on_edge_event(self, event: EdgeEvent) -> None:
        if self.options.as_json and self.early is not None:
            self.early.append(event)
        elif self.options.as_json:
            emit(**event)
        elif event["event"] in ("crashed", "start_failed"):
            row("edge", f"{event['script']} {event['event'].replace('_', ' ')}", crash_reason(event))

    def announce(self, host: TwinHost, outcome: Outcome) -> None:
        url = host.edge.url
        if self.options.as_json:
            emit(
                ready=True,
                url=url,
                control=host.edge.control_url,
                operator_token=self.state.secrets.operator_token,
                api=host.endpoint.base_url,
                api_token=host.endpoint.token,
                account_id=self.state.secrets.account_id,
                zones=[{"name": name, "id": zone_id} for name, zone_id in host.zone_ids.items()],
                tenants=_tenant_documents(url, outcome),
            )
            early, self.early = self.early, None
            for event in early or ():
                emit(**event)
            return
        click.echo()
        _table(url, outcome)
        if outcome.tenants:
            _examples(url, outcome)
        if self.options.watch:
            folders = ", ".join(f"{relative(folder)}/" for folder in self.options.tenants)
            click.echo(f"Watching {folders}. Save a file and it is provisioned. ", nl=False)
        click.echo(f"Ctrl-C stops; state stays in {relative(self.state.path)}/.")
        if not any(os.environ.get(name) for name in KEY_VARIABLES):
            click.echo(
                "Model answers are simulated. Set OPENAI_API_KEY, ANTHROPIC_API_KEY or SERAI_LOCAL_MODELS "
                "(any OpenAI-compatible URL) for real ones."
            )

    def report(self, host: TwinHost, outcome: Outcome, *, added: set[str], removed: set[str]) -> None:
        if self.options.as_json:
            emit(
                event="provisioned",
                stacks=[stack_document(stack) for stack in outcome.stacks],
                tenants=_tenant_documents(host.edge.url, outcome),
                added=sorted(added),
                removed=sorted(removed),
            )
            return
        for tenant in outcome.tenants:
            if tenant.name in added:
                row("added", tenant.name, f"{host.edge.url}/{tenant.name}   {tenant.key}")
        for name in sorted(removed):
            row("removed", name, "its endpoint answers 404; its database stays in the account")

    def refuse(self, error: SpecError) -> None:
        if self.options.as_json:
            emit(event="refused", findings=[finding.as_dict() for finding in error.findings])
        else:
            row("refused", "nothing was changed; what was provisioned before goes on serving")
            click.echo(str(error))

    def complain(self, error: Exception) -> None:
        if self.options.as_json:
            emit(event="failed", message=str(error))
        else:
            row("failed", str(error))


def host(options: HostOptions) -> None:
    """Runs until it is told to stop. Raises CommandError; the errors of the layers below are told by main."""
    missing = [folder for folder in options.tenants if not folder.is_dir()]
    if missing:
        raise CommandError(
            f"{missing[0]} is no folder.", remedy="--tenants names folders of tenant files.", exit_code=USAGE
        )
    hosting = Hosting(options, open_state(options.state))
    asyncio.run(hosting.run())
    hosting.say("\nstopped")


def _tenant_documents(url: str, outcome: Outcome) -> list[dict[str, str]]:
    return [{"name": tenant.name, "endpoint": f"{url}/{tenant.name}", "key": tenant.key} for tenant in outcome.tenants]


def _table(url: str, outcome: Outcome) -> None:
    rows = [("tenant", "endpoint", "key")]
    rows += [(tenant.name, f"{url}/{tenant.name}", tenant.key) for tenant in outcome.tenants]
    first, second = (max(len(one[column]) for one in rows) for column in (0, 1))
    for tenant, endpoint, key in rows:
        click.echo(f"  {tenant:<{first}}   {endpoint:<{second}}   {key}")
    click.echo()


def _examples(url: str, outcome: Outcome) -> None:
    tenant = outcome.tenants[0]
    click.echo(
        f"""\
Try it
  curl -N {url}/{tenant.name}/v1/chat/completions -H "Authorization: Bearer {tenant.key}" \\
    -H "Content-Type: application/json" \\
    -d '{{"model":"default","stream":true,"messages":[{{"role":"user","content":"Hello"}}]}}'
  scripts/serai chat {tenant.name}"""
    )
