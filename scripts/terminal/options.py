"""Options that several commands share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_STATE = ROOT / ".serai"
DEFAULT_PROVIDERS = ROOT / "infra" / "providers.yaml"

Command = TypeVar("Command", bound=Callable[..., Any])


def state_option(command: Command) -> Command:
    return click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_STATE,
        show_default=".serai beside the project",
        help="Where the twin keeps everything.",
    )(command)


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a script to read.")(command)


def tenants_option(command: Command) -> Command:
    return click.option(
        "--tenants",
        multiple=True,
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of tenant files; may be given several times.  [default: tenants/ and tenants/examples/]",
    )(command)


def providers_option(command: Command) -> Command:
    return click.option(
        "--providers",
        type=click.Path(path_type=Path, dir_okay=False),
        default=DEFAULT_PROVIDERS,
        show_default="infra/providers.yaml",
        help="The operator's model providers.",
    )(command)


def engine_options(command: Command) -> Command:
    """Which engine, which stack, which zones: what plan, up and down have in common."""
    engine = click.option(
        "--engine",
        type=click.Choice(["embedded", "pulumi"]),
        default="embedded",
        show_default=True,
        help="What runs the program.",
    )
    only = click.option("--stack", "only", help="One stack only: base, cell-1, ...")
    zones = click.option(
        "--zone", "zones", multiple=True, default=("serai.example",), show_default=True, help="A zone of the account."
    )
    return engine(only(zones(command)))


def default_tenants(given: Sequence[Path], *, examples: bool) -> tuple[Path, ...]:
    own = ROOT / "tenants"
    return tuple(given) or ((own, own / "examples") if examples else (own,))
