"""`serai dev`: everything on this machine, following the files."""

from pathlib import Path

import click

from scripts.terminal.options import default_tenants, json_option, providers_option, state_option, tenants_option


@click.command(name="dev")
@click.option(
    "--port", default=8787, show_default=True, help="Where the tenants' endpoints answer; 0 takes a free one."
)
@click.option("--control-port", default=0, help="Where the control endpoint answers.  [default: a free port]")
@click.option("--watch/--no-watch", default=True, show_default=True, help="Provision again when a file is saved.")
@click.option("--zone", "zones", multiple=True, help="A zone of the account.  [default: serai.example]")
@tenants_option
@providers_option
@state_option
@json_option
def command(
    port: int,
    control_port: int,
    zones: tuple[str, ...],
    tenants: tuple[Path, ...],
    providers: Path,
    state: Path,
    *,
    watch: bool,
    as_json: bool,
) -> None:
    """The twin of a Cloudflare account on this machine: provisioned, serving, following the tenant files.

    \b
    Examples:
      serai dev
      serai dev --port 9000 --tenants my-tenants --no-watch
      serai dev --json               one line when ready, then one event a line
    """
    from scripts.terminal.hosting import HostOptions, host

    host(
        HostOptions(
            state=state,
            port=port,
            control_port=control_port,
            tenants=default_tenants(tenants, examples=True),
            providers=providers,
            zones=zones or ("serai.example",),
            watch=watch,
            as_json=as_json,
            durability="normal",
            idle_seconds=600,
        )
    )
