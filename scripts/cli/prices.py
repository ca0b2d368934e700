"""`serai prices`: the price book."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import click

from scripts.terminal.failure import FAILED, USAGE, CommandError
from scripts.terminal.options import json_option


@click.group(name="prices")
def command() -> None:
    """The price book: check it, look a model up.

    \b
    Examples:
      serai prices lint
      serai prices show workers_ai/gpt-oss-20b --at 2026-11-24
    """


@command.command()
@json_option
def lint(*, as_json: bool) -> None:
    """Reject impossible entries.

    \b
    Example: serai prices lint
    """
    from shared.prices.book import load_book
    from shared.prices.lint import lint as findings_of

    findings = findings_of()
    if as_json:
        click.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            click.echo(finding.render())
    if findings:
        raise CommandError(f"{len(findings)} findings in the price book", exit_code=FAILED)
    if not as_json:
        click.echo(f"{len(load_book())} models, no findings")


@command.command()
@click.argument("model")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="The day, UTC.  [default: today]")
@json_option
def show(model: str, at: datetime | None, *, as_json: bool) -> None:
    """What MODEL costs, on a day.

    \b
    Example: serai prices show anthropic/claude-haiku-5-5 --at 2026-11-24
    """
    import difflib

    from shared.prices.book import NANO_USD, load_book

    book = load_book()
    entry = book.entry(model)
    if entry is None:
        near = difflib.get_close_matches(model, book.models(), 3, 0.4)
        raise CommandError(
            f"no model {model!r} in the price book",
            remedy=f"Near it: {', '.join(near)}" if near else f"There are: {', '.join(book.models())}",
            exit_code=USAGE,
        )
    moment = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    price = book.price(model, moment)
    if price is None:
        raise CommandError(
            f"{model} has no price on {moment:%Y-%m-%d}; its first is of {entry.prices[0].effective_from}"
        )
    if as_json:
        click.echo(json.dumps({"model": model, "at": f"{moment:%Y-%m-%d}", **asdict(price)}, default=str))
        return
    click.echo(f"{model}   version {price.version}, since {price.effective_from}")
    for name, rate in asdict(price.rates).items():
        click.echo(f"  {name:<16} {rate / NANO_USD:>10.4f}  USD per million tokens")
    click.echo(f"  context {entry.context_tokens:,} tokens, at most {entry.max_output_tokens:,} of output")
    click.echo(f"  source  {price.source} (checked {price.checked}){'' if price.verified else '  NOT VERIFIED'}")
    if price.note:
        click.echo(f"  note    {price.note}")
