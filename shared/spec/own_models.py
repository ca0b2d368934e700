"""Models of a provider that the price book does not know, named and priced in infra/providers.yaml."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.prices.book import ModelEntry, load_book, read_model
from shared.prices.lint import CAPABILITIES, lint_amounts
from shared.spec.document import Document, Path_
from shared.spec.findings import did_you_mean
from shared.spec.forms import Day, Form

ModelName = Annotated[
    str,
    Form(r"[A-Za-z0-9@][A-Za-z0-9@._:/-]{0,127}", "is not a model's name", "Write it as the provider does."),
]


class OwnModel(BaseModel):
    """What a request for a model can cost, and what the model can do."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    upstream_model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """What the provider calls it, when that is another name."""
    context_tokens: Annotated[int, Field(ge=1, le=100_000_000)]
    max_output_tokens: Annotated[int, Field(ge=1, le=100_000_000)]
    capabilities: list[str] = ["sampling", "tools"]
    usd_per_million: dict[str, float]
    """Price of a million tokens by class: input and output, and where they differ the cached ones."""
    effective_from: Day
    """Since when this price holds; a request before it finds the model without a price."""


def own_models(
    document: Document, provider: str, models: Mapping[str, OwnModel], faulty: frozenset[Path_]
) -> tuple[ModelEntry, ...]:
    """The sound ones as entries of the price book; the rest is reported."""
    entries: list[ModelEntry] = []
    for name, model in models.items():
        path: Path_ = (provider, "models", name)
        if not any(fault[:3] == path for fault in faulty) and _check(document, path, model):
            entries.append(read_model(provider, _fields(name, model)))
    return tuple(entries)


def _check(document: Document, path: Path_, model: OwnModel) -> bool:
    before = len(document.findings)
    if load_book().entry(f"{path[0]}/{path[2]}") is not None:
        document.add(path, "is in the price book already", "Remove it here, or give it another name.")
    if model.max_output_tokens > model.context_tokens:
        document.add((*path, "max_output_tokens"), "is more than context_tokens", "Lower it.")
    for capability in model.capabilities:
        if capability not in CAPABILITIES:
            remedy = did_you_mean(capability, CAPABILITIES)
            document.add((*path, "capabilities"), "has one that is unknown", remedy, value=capability)
    for reason in lint_amounts({"usd_per_million": _decimals(model.usd_per_million)}):
        document.add((*path, "usd_per_million"), f"cannot be: {reason}", "Write USD per million tokens.")
    return len(document.findings) == before


def _fields(name: str, model: OwnModel) -> dict[str, Any]:
    """As a price file would say it."""
    price = {
        "effective_from": model.effective_from,
        "checked": model.effective_from,
        "usd_per_million": _decimals(model.usd_per_million),
        "source": "infra/providers.yaml",
    }
    return {
        "name": name,
        "upstream_model": model.upstream_model or name,
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "capabilities": model.capabilities,
        "prices": [price],
    }


def _decimals(usd: Mapping[str, float]) -> dict[str, Decimal]:
    return {name: Decimal(str(value)) for name, value in usd.items()}
