"""`serai doctor`: what is wrong, why, and the command that repairs it."""

from pathlib import Path

import click

from scripts.terminal.failure import FAILED, CommandError
from scripts.terminal.options import json_option, providers_option, state_option, tenants_option


@click.command(name="doctor")
@click.option("--port", default=8787, show_default=True, help="The port that scripts/dev would take.")
@click.option("--zone", "zones", multiple=True, default=("serai.example",), show_default=True)
@tenants_option
@providers_option
@state_option
@json_option
def command(
    port: int,
    zones: tuple[str, ...],
    tenants: tuple[Path, ...],
    providers: Path,
    state: Path,
    *,
    as_json: bool,
) -> None:
    """Look at specs, state, locks, journals, the host, its processes and the port.

    \b
    Example: serai doctor --json
    """
    from scripts.terminal import diagnosis
    from scripts.terminal.options import default_tenants
    from scripts.terminal.progress import count

    folders = tuple(folder.absolute() for folder in default_tenants(tenants, examples=True))
    patient = diagnosis.Patient(state.absolute(), port, folders, providers.absolute(), zones)
    found = diagnosis.diagnose(patient)
    if as_json:
        click.echo(diagnosis.as_json(found))
    else:
        for symptom in found:
            click.echo(f"  {'✗' if symptom.severity == 'problem' else '·'} {symptom.check:<8} {symptom.what}")
            click.echo(f"             why     {symptom.why}\n             repair  {symptom.repair}")
    if bad := diagnosis.problems(found):
        raise CommandError(f"{count(len(bad), 'problem')} found", exit_code=FAILED)
    if not as_json:
        click.echo("  nothing is wrong")
