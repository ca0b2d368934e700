"""The shipped price book: what is in it, and which price is in force when."""

import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.prices import book as book_module
from shared.prices.book import PriceBook, data_files, load_book, parse, read_models
from shared.prices.lint import lint

NAMED_IN_THE_GUIDES = (
    "workers_ai/gpt-oss-20b",
    "workers_ai/gpt-oss-120b",
    "workers_ai/llama-3.2-3b",
    "workers_ai/llama-3.3-70b",
    "openai/gpt-5.4",
    "openai/gpt-5.4-mini",
    "anthropic/claude-haiku-5-5",
    "anthropic/claude-sonnet-5-5",
    "anthropic/claude-opus-5-5",
)


@pytest.mark.parametrize("file", sorted(data_files()))
def test_every_shipped_file_passes_the_linter(file: str) -> None:
    assert [finding.render() for finding in lint({file: data_files()[file]})] == []


@pytest.mark.parametrize("model", NAMED_IN_THE_GUIDES)
def test_models_that_the_guides_name_have_a_price_today(model: str) -> None:
    price = load_book().price(model, datetime.now(UTC))
    assert price is not None
    assert price.source.startswith("https://")
    assert price.rates.output > 0


def test_a_dollar_price_becomes_nano_dollars_exactly() -> None:
    entry = load_book().entry("workers_ai/gpt-oss-20b")
    assert entry is not None
    assert entry.upstream_model == "@cf/openai/gpt-oss-20b"
    assert entry.prices[0].rates.input == 200_000_000
    assert entry.prices[0].rates.output == 300_000_000


def test_a_class_without_a_price_of_its_own_costs_what_input_costs() -> None:
    entry = load_book().entry("openai/gpt-5.4-mini")
    assert entry is not None
    rates = entry.prices[0].rates
    assert (rates.cached_read, rates.cache_write_5m, rates.cache_write_1h) == (75_000_000, 750_000_000, 750_000_000)


def _sonnet(at: datetime | int) -> str | None:
    price = load_book().price("anthropic/claude-sonnet-5-5", at)
    return price and price.version


def test_the_entry_in_force_changes_at_midnight_utc() -> None:
    assert _sonnet(datetime(2026, 9, 27, 23, 59, 59, tzinfo=UTC)) is None
    assert _sonnet(datetime(2026, 9, 28, tzinfo=UTC)) == "2026-09-28"
    assert _sonnet(datetime(2026, 10, 6, 23, 59, 59, 999_999, tzinfo=UTC)) == "2026-09-28"
    assert _sonnet(datetime(2026, 10, 7, tzinfo=UTC)) == "2026-10-07"
    assert _sonnet(int(datetime(2026, 10, 7, tzinfo=UTC).timestamp() * 1000)) == "2026-10-07"


def test_an_unknown_model_has_neither_entry_nor_price() -> None:
    assert load_book().entry("openai/gpt-2") is None
    assert load_book().price("openai/gpt-2", 0) is None


def test_entries_are_dated_in_whatever_order_the_file_has_them() -> None:
    text = data_files()["anthropic.toml"]
    document = parse(text)
    document["models"] = [{**model, "prices": model["prices"][::-1]} for model in document["models"]]
    book = PriceBook(read_models(document))
    at = datetime(2026, 10, 1, tzinfo=UTC)
    assert book.price("anthropic/claude-sonnet-5-5", at) == load_book().price("anthropic/claude-sonnet-5-5", at)


def test_the_book_is_read_without_pydantic_or_yaml() -> None:
    code = (
        "import sys; from shared.prices.book import load_book; import shared.prices.cost, shared.spec.compiled;"
        "load_book(); print([m for m in ('pydantic', 'yaml', 'importlib.resources') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_book_is_found_inside_a_zip(tmp_path: Path) -> None:
    shared = Path(book_module.__file__).parents[1]
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for file in [shared / "__init__.py", *sorted((shared / "prices").rglob("*"))]:
            if file.suffix in (".py", ".toml"):
                bundle.write(file, str(Path("shared") / file.relative_to(shared)))
    code = "import shared.prices.book as book; print(book.__file__, len(book.load_book()))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(archive)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [f"{archive}/shared/prices/book.py", str(len(load_book()))]
