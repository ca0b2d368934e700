"""`serai tenant`: the tenants and where they answer."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.terminal.failure import CommandError
from scripts.terminal.options import json_option, state_option
from scripts.terminal.session import Endpoint, endpoint, endpoints, open_existing, running

if TYPE_CHECKING:
    from infra.twin.state import State


@click.group(name="tenant")
def command() -> None:
    """The provisioned tenants.

    \b
    Examples:
      serai tenant list
      serai tenant show acme
    """


@command.command(name="list")
@state_option
@json_option
def list_(state: Path, *, as_json: bool) -> None:
    """Every tenant, its cell and its endpoint.

    \b
    Example: serai tenant list --json
    """
    opened = open_existing(state)
    found = endpoints(opened, running(opened).url)
    if as_json:
        click.echo(json.dumps({"data": [_public(one) for one in found.values()]}))
        return
    for one in found.values():
        click.echo(f"  {one.tenant:<20} {one.cell:<10} {one.url}")


@command.command()
@click.argument("tenant")
@click.option("--key", "only_key", is_flag=True, help="Print the admin key and nothing else.")
@click.option("--wait", "seconds", default=0.0, help="Seconds to wait for a tenant whose file was just saved.")
@state_option
@json_option
def show(tenant: str, seconds: float, state: Path, *, only_key: bool, as_json: bool) -> None:
    """One tenant: endpoint, admin key, plan, limits and what is left of them, models.

    \b
    Examples:
      serai tenant show acme
      KEY=$(serai tenant show acme --key)
    """
    where = _wait_for(open_existing(state), tenant, seconds)
    if only_key:
        click.echo(where.key)
        return
    config = _config(where)
    if as_json:
        click.echo(json.dumps({**_public(where), "key": where.key, "config": config}))
        return
    click.echo(f"  {tenant}   plan {config['plan']}, {config['state']}, in {where.cell}")
    click.echo(f"  endpoint   {where.url}\n  key        {where.key}\n  database   {where.database_id}")
    for limit in config["limits"]:
        window = limit["window"]
        click.echo(f"  {limit['kind']:<28} {window:<8} {limit['left']} of {limit['cap']} left")
    click.echo(f"  models     {', '.join(config['models'])}")


def _wait_for(state: "State", tenant: str, seconds: float) -> Endpoint:
    deadline = time.monotonic() + seconds
    while True:
        try:
            where = endpoint(state, tenant)
            _config(where)
        except CommandError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)
        else:
            return where


def _config(where: Endpoint) -> dict[str, Any]:
    import httpx

    headers = {"authorization": f"Bearer {where.key}"}
    try:
        answer = httpx.get(f"{where.url}/v1/config", headers=headers, timeout=10, trust_env=False)
    except httpx.HTTPError as error:
        raise CommandError(f"{where.url} does not answer: {error}") from error
    if answer.status_code != 200:
        raise CommandError(f"{where.url}/v1/config answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()


def _public(where: Endpoint) -> dict[str, object]:
    return {name: value for name, value in asdict(where).items() if name != "key"}
