"""`serai plan`: what an apply would change."""

import asyncio
from pathlib import Path

import click

from scripts.terminal.options import (
    default_tenants,
    engine_options,
    json_option,
    providers_option,
    state_option,
    tenants_option,
)


@click.command(name="plan")
@engine_options
@click.option("--refresh", is_flag=True, help="Read every resource again first, to see what was changed by hand.")
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
    as_json: bool,
) -> None:
    """What `serai up` would change: all stacks in order, every resource, every property. Changes nothing.

    \b
    Examples:
      serai plan
      serai plan --stack cell-1 --json
    """
    from infra import deploy
    from scripts.terminal.progress import Progress, emit, stack_document
    from scripts.terminal.provisioning import account, only_embedded

    only_embedded(engine)
    folders = default_tenants(tenants, examples=True)

    async def run() -> None:
        async with account(state, zones) as opened:
            progress = Progress(preview=True, quiet=as_json, diff=True)
            target = opened.target(folders, providers, zones)
            outcome = await asyncio.to_thread(deploy.plan, target, progress, only=only, refresh=refresh)
            if as_json:
                emit(stacks=[stack_document(stack) for stack in outcome.stacks])

    asyncio.run(run())
