"""What a price file may say. Run by `serai prices lint` and by a test over the shipped files: reading trusts them."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import median
from typing import Any, cast

from shared.prices.book import INPUT_CLASSES, data_files, parse

CAPABILITIES = frozenset({"images", "json_schema", "reasoning", "sampling", "tools"})
"""`sampling`: takes temperature and top_p. Streaming goes without saying."""
CLASSES = (*INPUT_CLASSES, "output")
DEAREST = Decimal(1000)
CHEAPEST = Decimal("0.001")
"""USD per million tokens. Every published price lies between; outside, a unit was mistaken (a thousand, or a token)."""
FARTHEST = 100
"""How many times dearer or cheaper than its provider's middle a price may be before a unit must have been mistaken."""
_MODEL = {"name", "upstream_model", "context_tokens", "max_output_tokens", "capabilities", "prices"}
_PRICE = {"effective_from", "usd_per_million", "source", "checked"}
_PRICE_MAY = _PRICE | {"version", "usd_per_request", "long_prompt", "verified", "note"}

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PriceFinding:
    file: str
    entry: str
    """`provider/model`, with the day of the price where one is meant; empty: the file as a whole."""
    reason: str

    def render(self) -> str:
        return f"{self.file}: {self.entry}: {self.reason}" if self.entry else f"{self.file}: {self.reason}"


def lint(files: Mapping[str, str] | None = None) -> list[PriceFinding]:
    """Everything that is wrong with price files (name -> text); without an argument, with the shipped ones."""
    return [finding for file, text in (files or data_files()).items() for finding in _file(file, text)]


def _file(file: str, text: str) -> Iterator[PriceFinding]:
    try:
        document = parse(text)
    except tomllib.TOMLDecodeError as error:
        yield PriceFinding(file, "", f"is not valid TOML: {error}")
        return
    provider, models = document.get("provider"), _tables(document.get("models"))
    if provider != file.removesuffix(".toml"):
        yield PriceFinding(file, "", f"`provider` must be the file's name, not {provider!r}")
    if unknown := document.keys() - {"provider", "models"}:
        yield PriceFinding(file, "", f"has unknown fields: {', '.join(sorted(unknown))}")
    if models is None or not models:
        yield PriceFinding(file, "", "has no [[models]]")
        return
    for name, count in Counter(str(model.get("name")) for model in models).items():
        if count > 1:
            yield PriceFinding(file, f"{provider}/{name}", "is there more than once")
    for model in models:
        entry = f"{provider}/{model.get('name')}"
        yield from (PriceFinding(file, entry, reason) for reason in _model(model))
        for price in _tables(model.get("prices")) or []:
            when = f"{entry} from {price.get('effective_from')}"
            yield from (PriceFinding(file, when, reason) for reason in lint_price(price))
    yield from (PriceFinding(file, f"{provider}/{name}", reason) for name, reason in _outliers(models))


def _model(model: Fields) -> Iterator[str]:
    yield from _keys(model, _MODEL, _MODEL)
    for name in ("name", "upstream_model"):
        if not isinstance(model.get(name), str) or not model.get(name):
            yield f"`{name}` must be text"
    context, output = model.get("context_tokens"), model.get("max_output_tokens")
    if not (_positive(context) and _positive(output)):
        yield "`context_tokens` and `max_output_tokens` must be whole numbers above 0"
    elif cast("int", output) > cast("int", context):
        yield f"max_output_tokens ({output}) is more than context_tokens ({context})"
    capabilities = model.get("capabilities")
    if not isinstance(capabilities, list) or set(map(str, cast("list[object]", capabilities))) - CAPABILITIES:
        yield f"`capabilities` must be a list of {', '.join(sorted(CAPABILITIES))}"
    prices = _tables(model.get("prices"))
    if not prices:
        yield "has no [[models.prices]]"
        return
    for what in ("effective_from", "version"):
        values = [str(price.get(what, price.get("effective_from"))) for price in prices]
        for value, count in Counter(values).items():
            if count > 1:
                yield f"has {count} prices with {what} {value}: which one holds?"


def lint_price(price: Fields) -> Iterator[str]:
    """What is wrong with one price."""
    yield from _keys(price, _PRICE, _PRICE_MAY)
    for name in ("effective_from", "checked"):
        if type(price.get(name)) is not date:
            yield f"`{name}` must be a date such as 2026-11-24, without quotes"
    if not str(price.get("source", "")).startswith("https://"):
        yield "`source` must be the https URL that the price was read from"
    if price.get("verified") is False and not price.get("note"):
        yield "is not verified: `note` must say what the numbers are"
    yield from lint_amounts(price)


def lint_amounts(price: Fields) -> Iterator[str]:
    """What is wrong with the numbers of a price."""
    yield from _usd(price.get("usd_per_million"), "usd_per_million")
    request = price.get("usd_per_request", 0)
    if not _number(request) or not 0 <= request <= 1:
        yield "`usd_per_request` must be between 0 and 1"
    if "long_prompt" in price:
        yield from _long_prompt(price["long_prompt"], price.get("usd_per_million"))


def _outliers(models: Sequence[Fields]) -> Iterator[tuple[str, str]]:
    """Prices that are another order of magnitude than the provider's others: sound by themselves, wrong by a unit."""
    for kind in ("input", "output"):
        prices = [
            (str(model.get("name")), Decimal(price["usd_per_million"][kind]))
            for model in models
            for price in _tables(model.get("prices")) or []
            if not list(_usd(price.get("usd_per_million"), ""))
        ]
        middle = median(price for _, price in prices) if prices else Decimal(0)
        for name, price in prices:
            if price > FARTHEST * middle or middle > FARTHEST * price:
                yield (
                    name,
                    f"{kind} at {price} USD per million tokens is {FARTHEST} times off the provider's middle, {middle}",
                )


def _long_prompt(long_prompt: Any, short: Any) -> Iterator[str]:
    if not isinstance(long_prompt, dict) or set(cast("Fields", long_prompt)) != {"above_tokens", "usd_per_million"}:
        yield "`long_prompt` must be {above_tokens, usd_per_million}"
        return
    fields = cast("Fields", long_prompt)
    if not _positive(fields["above_tokens"]):
        yield "`long_prompt.above_tokens` must be a whole number above 0"
    faults = list(_usd(fields["usd_per_million"], "long_prompt.usd_per_million"))
    yield from faults
    if faults or list(_usd(short, "")):
        return
    for name in CLASSES:
        # A hold is sized by the upper bound of the prompt: a longer one must never be cheaper.
        if _class(fields["usd_per_million"], name) < _class(short, name):
            yield f"`long_prompt`: {name} is cheaper than for short prompts"


def _usd(usd: Any, where: str) -> Iterator[str]:
    if not isinstance(usd, dict):
        yield f"`{where}` must be a table of {', '.join(CLASSES)}"
        return
    classes = cast("Fields", usd)
    if unknown := classes.keys() - set(CLASSES):
        yield f"`{where}` has unknown token classes: {', '.join(sorted(unknown))}"
    wrong = [name for name in ("input", "output") if name not in classes]
    for name, value in classes.items():
        if not _number(value) or not CHEAPEST <= value <= DEAREST:
            wrong.append(name)
            yield f"`{where}.{name}` is {value}: not between {CHEAPEST} and {DEAREST} USD per million tokens"
    yield from (f"`{where}.{name}` is missing" for name in ("input", "output") if name not in classes)
    if wrong:
        return
    if _class(classes, "cached_read") > classes["input"]:
        yield f"`{where}`: cached_read is dearer than input"
    for name in ("cache_write_5m", "cache_write_1h"):
        if _class(classes, name) > 10 * classes["input"]:
            yield f"`{where}`: {name} is more than ten times input"


def _class(usd: Fields, name: str) -> Decimal:
    return Decimal(usd.get(name, usd["input"]))


def _keys(fields: Fields, required: set[str], allowed: set[str]) -> Iterator[str]:
    if missing := required - fields.keys():
        yield f"misses {', '.join(sorted(missing))}"
    if unknown := fields.keys() - allowed:
        yield f"has unknown fields: {', '.join(sorted(unknown))}"


def _tables(value: Any) -> list[Fields] | None:
    if not isinstance(value, list):
        return None
    tables = cast("list[object]", value)
    return cast("list[Fields]", tables) if all(isinstance(table, dict) for table in tables) else None


def _positive(value: object) -> bool:
    return type(value) is int and value > 0


def _number(value: object) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return type(value) is int
