"""`serai up`: bring the account to what the files say."""

import asyncio
from pathlib import Path

import click

from scripts.terminal.failure import FAILED, CommandError
from scripts.terminal.options import (
    default_tenants,
    engine_options,
    json_option,
    providers_option,
    state_option,
    tenants_option,
)


@click.command(name="up")
@engine_options
@click.option("--refresh", is_flag=True, help="Read every resource again first, and repair what was changed by hand.")
@click.option("--break-lock", is_flag=True, help="Clear a stack's lock whose owner cannot be asked.")
@tenants_option
@providers_option
@state_option
@json_option
def command(
    engine: str,
    only: str | None,
    zones: tuple[str, ...],
    tenants: tuple[Path, ...],
    providers: Path,
    state: Path,
    *,
    refresh: bool,
    break_lock: bool,
    as_json: bool,
) -> None:
    """Apply: base first, then the cells, then one request to every tenant. A running host follows by itself.

    \b
    Examples:
      serai up
      serai up --stack cell-1 --refresh
    """
    from infra import deploy
    from infra.config import ROOT
    from infra.twin.engine import Engine
    from scripts.terminal.progress import Progress, emit, show_smoke, stack_document
    from scripts.terminal.provisioning import account, only_embedded

    only_embedded(engine)
    folders = default_tenants(tenants, examples=True)

    async def run() -> list[str]:
        async with account(state, zones) as opened:
            if break_lock:
                for stack in opened.state.stacks() if only is None else [only]:
                    Engine(opened.state, opened.api, ROOT).break_lock(stack)
            target = opened.target(folders, providers, zones)
            progress = Progress(quiet=as_json, diff=True)
            outcome = await asyncio.to_thread(deploy.apply, target, progress, only=only, refresh=refresh)
            failures = await opened.host.edge.reconcile() if opened.host else []
            results = await asyncio.to_thread(deploy.smoke, opened.url, outcome.tenants)
            if as_json:
                emit(
                    stacks=[stack_document(stack) for stack in outcome.stacks],
                    smoke=[{"tenant": one.tenant, "ok": one.ok, "reason": one.reason} for one in results],
                )
            else:
                show_smoke(results)
            return failures + [f"{one.tenant} does not answer: {one.reason}" for one in results if not one.ok]

    if bad := asyncio.run(run()):
        raise CommandError("; ".join(bad), exit_code=FAILED)
