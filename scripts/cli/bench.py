"""`serai bench`: this gateway against its peers, in one run."""

import asyncio
import json

import click

from scripts.terminal.options import ROOT, json_option


@click.command(name="bench")
@click.option(
    "--with", "peers", multiple=True, type=click.Choice(["litellm"]), help="A peer to install and measure too."
)
@click.option("--seconds", default=4.0, show_default=True, help="How long each load lasts.")
@click.option("--rounds", default=3, show_default=True, help="Rounds, of which the median counts.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
@json_option
def command(peers: tuple[str, ...], seconds: float, rounds: int, *, markdown: bool, as_json: bool) -> None:
    """Requests/s, latency, streams, cold start and memory, against a mock provider on this machine.

    Each target is a single process on core 0; mock and load generator share core 1. Bodies are about 1 KB; keys, holds,
    settlements and receipts are on.

    \b
    Example: serai bench --with litellm
    """
    from scripts.bench import run

    folder = ROOT / ".serai" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    for peer in peers:
        click.echo(f"  {peer}: its files are in {folder}", err=True)
    names = ["direct", "serai", *peers]
    measured = asyncio.run(run.measure(names, folder, seconds=seconds, rounds=rounds, say=_say))
    if as_json:
        click.echo(json.dumps(run.document(measured)))
        return
    rows = run.table(measured)
    if markdown:
        rows = [rows[0], tuple("---" for _ in rows[0]), *rows[1:]]
        for row in rows:
            click.echo(f"| {' | '.join(row)} |")
    else:
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            click.echo("  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for peer, by_load in run.ratios(measured).items():
        times = ", ".join(f"{ratio:g}x at {load}" for load, ratio in by_load.items())
        click.echo(f"\nserai against {peer}, requests/s: {times}")


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)
