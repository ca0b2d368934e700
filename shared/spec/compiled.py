"""`tenants.json`: what a cell's Worker knows of its tenants. Written by `compile.py`, read at the edge.

No pydantic here: it costs a cold start. The document holds nothing secret: admin keys appear as hashes only.
"""

import json
from dataclasses import dataclass
from typing import Any

from shared.prices.book import ModelEntry, PriceBook
from shared.prices.portable import from_json

FORMAT = 1


@dataclass(frozen=True, slots=True)
class AdminKeyHash:
    epoch: int
    hash: str
    expires_at: str | None
    """RFC 3339, UTC; None: valid until the next epoch."""


@dataclass(frozen=True, slots=True)
class EndUserLimits:
    spend_nano_usd_per_month: int | None
    requests_per_minute: int | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The plan's limits after the spec lowered them. None: no such limit."""

    spend_nano_usd_per_month: int
    requests_per_minute: int
    tokens_per_minute: int
    concurrent_streams: int
    max_output_tokens: int
    max_keys: int
    included_messages: int
    included_tokens: int
    included_window: str
    """`month`, or `total` on a trial."""
    message_nano_usd: int | None
    """Price of a message beyond the included ones; None: refused."""
    tokens_beyond_included: bool
    """Whether tokens beyond the included ones, and other providers' models, are sold at all (a trial refuses them)."""
    markup_percent: int
    per_end_user: EndUserLimits | None


@dataclass(frozen=True, slots=True)
class Provider:
    """A model provider as the operator configured it (`infra/providers.yaml`)."""

    name: str
    kind: str
    """The file in handlers/inference/providers: workers_ai, openai, anthropic, openai_compatible."""
    base_url: str | None
    available: bool
    """False: its key is not set; `remedy` says how to set it."""
    remedy: str | None
    key_required: bool = True
    """The key itself is in the binding PROVIDER_KEYS: a JSON object from provider name to key."""
    models: tuple[ModelEntry, ...] = ()
    """Models that the operator added to those of the price book."""


@dataclass(frozen=True, slots=True)
class Tenant:
    name: str
    id: str
    plan: str
    display_name: str
    state: str
    """`active` or `suspended`."""
    binding: str
    """The name of its D1 binding, e.g. `DB_ACME`."""
    hostnames: tuple[str, ...]
    trial_ends: str | None
    """ISO date; the trial is over when that day ends, UTC."""
    admin_keys: tuple[AdminKeyHash, ...]
    """Newest epoch first."""
    default: str
    """`provider/model`"""
    allow: tuple[str, ...]
    """Patterns: `provider/model` or `provider/*`."""
    aliases: dict[str, str]
    limits: Limits
    metadata_days: int


@dataclass(frozen=True, slots=True)
class CellConfig:
    cell: str
    api_host: str
    providers: dict[str, Provider]
    tenants: tuple[Tenant, ...]

    def price_book(self, shipped: PriceBook) -> PriceBook:
        """The shipped price book and the models that the operator added."""
        return shipped.extended(model for provider in self.providers.values() for model in provider.models)


def read_tenants(document: bytes) -> CellConfig:
    """Parse `tenants.json`. Raises ValueError when the document is of another format."""
    data: dict[str, Any] = json.loads(document)
    if data.get("format") != FORMAT:
        raise ValueError(f"tenants.json has format {data.get('format')!r}; this version reads {FORMAT}")
    return CellConfig(
        cell=data["cell"],
        api_host=data["api_host"],
        providers={name: _provider(name, fields) for name, fields in data["providers"].items()},
        tenants=tuple(_tenant(fields) for fields in data["tenants"]),
    )


def _provider(name: str, document: dict[str, Any]) -> Provider:
    fields = dict(document)
    return Provider(name=name, models=tuple(map(from_json, fields.pop("models", ()))), **fields)


def _tenant(document: dict[str, Any]) -> Tenant:
    fields = dict(document)
    limits = dict(fields.pop("limits"))
    per_end_user = limits.pop("per_end_user")
    return Tenant(
        admin_keys=tuple(AdminKeyHash(**key) for key in fields.pop("admin_keys")),
        hostnames=tuple(fields.pop("hostnames")),
        allow=tuple(fields.pop("allow")),
        limits=Limits(per_end_user=per_end_user and EndUserLimits(**per_end_user), **limits),
        **fields,
    )
