"""A model entry as JSON: how models that an operator adds in infra/providers.yaml travel in `tenants.json`."""

from dataclasses import asdict
from datetime import date
from typing import Any

from shared.prices.book import LongPrompt, ModelEntry, Price, Rates, dated


def to_json(entry: ModelEntry) -> dict[str, Any]:
    fields = asdict(entry)
    del fields["starts"]
    fields["capabilities"] = sorted(entry.capabilities)
    for price in fields["prices"]:
        for name in ("effective_from", "checked"):
            price[name] = price[name] and price[name].isoformat()
    return fields


def from_json(document: dict[str, Any]) -> ModelEntry:
    fields = dict(document)
    fields["capabilities"] = frozenset(fields["capabilities"])
    fields["prices"] = tuple(map(_price, fields["prices"]))
    return dated(ModelEntry(**fields))


def _price(document: dict[str, Any]) -> Price:
    fields = dict(document)
    for name in ("effective_from", "checked"):
        fields[name] = fields[name] and date.fromisoformat(fields[name])
    fields["rates"] = Rates(**fields["rates"])
    if (long_prompt := fields["long_prompt"]) is not None:
        fields["long_prompt"] = LongPrompt(long_prompt["above_tokens"], Rates(**long_prompt["rates"]))
    return Price(**fields)
