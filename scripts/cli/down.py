"""`serai down`: take everything down, except the tenants' databases."""

import asyncio
from pathlib import Path

import click

from scripts.terminal.failure import GUARD_RAIL, CommandError
from scripts.terminal.options import engine_options, json_option, state_option


@click.command(name="down")
@engine_options
@click.option("--yes", is_flag=True, help="Do it without asking.")
@state_option
@json_option
def command(engine: str, only: str | None, zones: tuple[str, ...], state: Path, *, yes: bool, as_json: bool) -> None:
    """Destroy what the stacks made: Workers, routes, records. Tenants' databases stay in the account.

    \b
    Example: serai down --yes
    """
    from infra import deploy
    from scripts.terminal.progress import Progress, emit, stack_document
    from scripts.terminal.provisioning import account, only_embedded
    from scripts.terminal.session import open_existing

    only_embedded(engine)
    open_existing(state)

    async def run() -> None:
        async with account(state, zones) as opened:
            target = opened.target((), Path(), zones)
            if not yes:
                shown = Progress(preview=True, quiet=as_json, diff=True)
                await asyncio.to_thread(deploy.destroy, target, shown, only=only, preview=True)
                if as_json or not click.confirm("Destroy this?"):
                    raise CommandError(
                        "Nothing was destroyed.", remedy="--yes answers the question.", exit_code=GUARD_RAIL
                    )
            progress = Progress(quiet=as_json, diff=False)
            outcomes = await asyncio.to_thread(deploy.destroy, target, progress, only=only)
            if as_json:
                emit(stacks=[stack_document(stack) for stack in outcomes])

    asyncio.run(run())
