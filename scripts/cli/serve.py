"""`serai serve`: a single-node deployment on the twin."""

from pathlib import Path

import click

from scripts.terminal.options import default_tenants, json_option, providers_option, state_option, tenants_option


@click.command(name="serve")
@click.option(
    "--port", default=8787, show_default=True, help="Where the tenants' endpoints answer; 0 takes a free one."
)
@click.option("--control-port", default=8788, show_default=True, help="Where the control endpoint answers.")
@click.option(
    "--durability",
    type=click.Choice(["normal", "full"]),
    default="normal",
    show_default=True,
    help="`normal` survives a killed process, `full` a power cut too.",
)
@click.option("--zone", "zones", multiple=True, help="A zone of the account.  [default: serai.example]")
@tenants_option
@providers_option
@state_option
@json_option
def command(
    port: int,
    control_port: int,
    durability: str,
    zones: tuple[str, ...],
    tenants: tuple[Path, ...],
    providers: Path,
    state: Path,
    *,
    as_json: bool,
) -> None:
    """Serve tenants/ from this machine: what `serai dev` does, without the examples and without watching files.

    Put a TLS-terminating proxy in front of it. `serai up` applies changed files to it while it runs.

    \b
    Example: serai serve --port 8787 --durability full --state /var/lib/serai
    """
    from scripts.terminal.hosting import HostOptions, host

    host(
        HostOptions(
            state=state,
            port=port,
            control_port=control_port,
            tenants=default_tenants(tenants, examples=False),
            providers=providers,
            zones=zones or ("serai.example",),
            watch=False,
            as_json=as_json,
            durability=durability,
            idle_seconds=3600,
            introduction="Serai serve: tenants' endpoints from this machine.",
        )
    )
