"""`serai ledger`: the books of the tenants."""

import asyncio
import json
from pathlib import Path

import click

from scripts.terminal.failure import FAILED, CommandError
from scripts.terminal.options import json_option, state_option
from scripts.terminal.progress import count
from scripts.terminal.session import open_existing


@click.group(name="ledger")
def command() -> None:
    """The ledgers: one per tenant, in its own database.

    \b
    Example: serai ledger reconcile
    """


@command.command()
@click.option("--tenant", help="One tenant's only.")
@state_option
@json_option
def reconcile(tenant: str | None, state: Path, *, as_json: bool) -> None:
    """Prove that limit rows and receipts say what the ledger says, in every database, removed tenants' included.

    \b
    Example: serai ledger reconcile --json
    """
    from scripts.terminal.books import reconcile_all

    results = asyncio.run(reconcile_all(open_existing(state), tenant))
    if not results and tenant is not None:
        raise CommandError(f"There is no database of a tenant {tenant!r} in {state}.")
    bad = {name: differences for name, differences in results.items() if differences}
    if as_json:
        databases = [
            {"database": name, "differences": [str(one) for one in differences]}
            for name, differences in results.items()
        ]
        click.echo(json.dumps({"clean": not bad, "databases": databases}))
    else:
        for name, differences in results.items():
            click.echo(f"  {name:<32} {count(len(differences), 'difference') if differences else 'clean'}")
            for difference in differences:
                click.echo(f"      {difference}")
    if bad:
        raise CommandError(f"{count(len(bad), 'ledger')} disagree with what is kept beside them", exit_code=FAILED)
