"""`serai receipt`: what one request cost and why."""

import json
from pathlib import Path

import click

from scripts.terminal.failure import CommandError
from scripts.terminal.options import json_option, state_option
from scripts.terminal.session import Endpoint, endpoints, open_existing, running


@click.command(name="receipt")
@click.argument("request_id")
@click.option("--tenant", help="Whose it is.  [default: every tenant is asked]")
@state_option
@json_option
def command(request_id: str, tenant: str | None, state: Path, *, as_json: bool) -> None:
    """What the request REQUEST_ID cost and why: route, attempts, tokens by class, price, hold and settlement.

    \b
    Example: serai receipt req_0123456789abcdef01234567
    """
    opened = open_existing(state)
    asked = endpoints(opened, running(opened).url)
    if tenant is not None:
        asked = {name: where for name, where in asked.items() if name == tenant}
    for where in asked.values():
        receipt = _fetch(where, request_id)
        if receipt is not None:
            click.echo(json.dumps(receipt) if as_json else json.dumps(receipt, indent=2))
            return
    raise CommandError(f"No receipt {request_id!r} with {', '.join(asked) or f'a tenant {tenant!r}'}.")


def _fetch(where: Endpoint, request_id: str) -> dict[str, object] | None:
    import httpx

    url = f"{where.url}/v1/receipts/{request_id}"
    try:
        answer = httpx.get(url, headers={"authorization": f"Bearer {where.key}"}, timeout=10, trust_env=False)
    except httpx.HTTPError as error:
        raise CommandError(f"{where.url} does not answer: {error}") from error
    return answer.json() if answer.status_code == 200 else None
