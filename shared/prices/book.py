"""The price book: what each model costs from which day on. Facts in `data/<provider>.toml`, one file a provider.

Read at the edge, on the way of every request: no pydantic, no YAML, parsed once. `lint.py` says what an entry may be;
reading trusts the files, because a test lints the ones that are shipped.
"""

import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

NANO_USD = 1_000_000_000
INPUT_CLASSES = ("input", "cached_read", "cache_write_5m", "cache_write_1h")


@dataclass(frozen=True, slots=True)
class Rates:
    """Nano-USD per million tokens of a class. Reasoning is output, at output's rate."""

    input: int
    cached_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int

    @property
    def dearest_input(self) -> int:
        """Writing to a cache may cost more than plain input."""
        return max(self.input, self.cached_read, self.cache_write_5m, self.cache_write_1h)


@dataclass(frozen=True, slots=True)
class LongPrompt:
    """Some models cost more, for the whole request, once the prompt (cached tokens included) exceeds a length."""

    above_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs from a day on, until the next entry."""

    model: str
    """`provider/model`"""
    version: str
    """Named in receipts; the day it came into force, unless a correction of the same day needed another name."""
    effective_from: date
    """The entry holds from midnight UTC of this day."""
    rates: Rates
    per_request_nano_usd: int = 0
    long_prompt: LongPrompt | None = None
    source: str = ""
    checked: date | None = None
    """When somebody last compared the entry with its source."""
    verified: bool = True
    """False: the source is not the vendor's own price of this model; `note` says what it is."""
    note: str = ""

    def rates_for(self, prompt_tokens: int) -> Rates:
        """The rates of a request whose prompt, cached tokens included, is this long."""
        if self.long_prompt is not None and prompt_tokens > self.long_prompt.above_tokens:
            return self.long_prompt.rates
        return self.rates


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be served, and what is known of it."""

    name: str
    """`provider/model`, as tenants and callers write it."""
    upstream_model: str
    """What the provider calls it, e.g. `@cf/openai/gpt-oss-20b`."""
    context_tokens: int
    max_output_tokens: int
    capabilities: frozenset[str]
    """Of CAPABILITIES in lint.py."""
    prices: tuple[Price, ...]
    """Oldest first."""
    starts: tuple[int, ...] = field(repr=False, default=())
    """Milliseconds since 1970 at which each of `prices` comes into force."""

    @property
    def provider(self) -> str:
        return self.name.partition("/")[0]


class PriceBook:
    """All models and their prices."""

    def __init__(self, entries: Iterable[ModelEntry]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def models(self) -> tuple[str, ...]:
        return tuple(sorted(self._entries))

    def entry(self, model: str) -> ModelEntry | None:
        return self._entries.get(model)

    def price(self, model: str, at: datetime | int) -> Price | None:
        """The price in force at a moment: an aware datetime, or ms since 1970. None: no such model or none yet."""
        entry = self._entries.get(model)
        if entry is None:
            return None
        at_ms = at if isinstance(at, int) else int(at.timestamp() * 1000)
        index = bisect_right(entry.starts, at_ms) - 1
        return entry.prices[index] if index >= 0 else None

    def extended(self, entries: Iterable[ModelEntry]) -> "PriceBook":
        """This book and more models."""
        return PriceBook((*self, *entries))

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)


@cache
def load_book() -> PriceBook:
    """The price book that is shipped. Parsed once a process."""
    return PriceBook(entry for text in data_files().values() for entry in read_models(parse(text)))


def data_files() -> dict[str, str]:
    """File name -> text of every provider's price file. Found by listing, also inside a zip."""
    files = {file.name: file for file in _data().iterdir() if file.name.endswith(".toml")}
    return {name: files[name].read_text(encoding="utf-8") for name in sorted(files)}


def _data() -> Any:
    """A folder, or what stands for one inside a zip."""
    folder = Path(__file__).with_name("data")
    if folder.is_dir():
        return folder
    from importlib import resources  # noqa: PLC0415 - only from a zip: it costs more to import than the book to read

    return resources.files("shared.prices").joinpath("data")


def parse(text: str) -> dict[str, Any]:
    """TOML with exact decimals: a price must not pass through a float."""
    return tomllib.loads(text, parse_float=Decimal)


def read_models(document: Mapping[str, Any]) -> Iterator[ModelEntry]:
    """The models of one provider's file, which the linter has accepted."""
    for model in document["models"]:
        yield read_model(document["provider"], model)


def read_model(provider: str, model: Mapping[str, Any]) -> ModelEntry:
    name = f"{provider}/{model['name']}"
    entry = ModelEntry(
        name=name,
        upstream_model=model["upstream_model"],
        context_tokens=model["context_tokens"],
        max_output_tokens=model["max_output_tokens"],
        capabilities=frozenset(model["capabilities"]),
        prices=tuple(_price(name, fields) for fields in model["prices"]),
    )
    return dated(entry)


def dated(entry: ModelEntry) -> ModelEntry:
    """The entry with its prices in order and ready to be looked up by time."""
    prices = tuple(sorted(entry.prices, key=lambda price: price.effective_from))
    return replace(entry, prices=prices, starts=tuple(_midnight_ms(price.effective_from) for price in prices))


def _price(model: str, fields: Mapping[str, Any]) -> Price:
    long_prompt = fields.get("long_prompt")
    return Price(
        model=model,
        version=fields.get("version", fields["effective_from"].isoformat()),
        effective_from=fields["effective_from"],
        rates=_rates(fields["usd_per_million"]),
        per_request_nano_usd=_nano(fields.get("usd_per_request", 0)),
        long_prompt=long_prompt and LongPrompt(long_prompt["above_tokens"], _rates(long_prompt["usd_per_million"])),
        source=fields["source"],
        checked=fields["checked"],
        verified=fields.get("verified", True),
        note=fields.get("note", ""),
    )


def _rates(usd: Mapping[str, Decimal | int]) -> Rates:
    """A class that the provider does not price by itself costs what input costs."""
    classes = {name: _nano(usd.get(name, usd["input"])) for name in INPUT_CLASSES}
    return Rates(**classes, output=_nano(usd["output"]))


def _nano(usd: Decimal | int) -> int:
    return int(usd * NANO_USD)


def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
