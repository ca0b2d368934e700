"""From a request's model and the tenant's spec to the models that may answer, in order, and why. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from handlers.errors import ApiError
from handlers.inference import providers
from handlers.inference.estimate import input_estimate
from handlers.inference.wires import Upstream
from handlers.metering.admission import Candidate
from shared.prices.book import ModelEntry, Price, PriceBook
from shared.prices.cost import worst_case
from shared.spec import compiled

INCLUDED = "workers_ai"
"""The provider whose models the plan's included tokens pay for."""
DENSEST = 8
"""Bytes of UTF-8 that a token holds at most over a long natural text, in any language: beyond it, a prompt surely does
not fit. (English is at 4 to 5; Devanagari, at three bytes a letter, comes to 7.)"""


@dataclass(slots=True)
class Option:
    """A model that may answer, with all that is known of it."""

    candidate: Candidate
    entry: ModelEntry
    price: Price
    provider: compiled.Provider
    module: providers.ProviderModule
    upstream: Upstream

    @property
    def included(self) -> bool:
        return self.provider.kind == INCLUDED


@dataclass(slots=True)
class Route:
    options: tuple[Option, ...]
    input_bound: int
    max_output: int
    dearest: Price

    @property
    def included(self) -> bool:
        return all(option.included for option in self.options)


def choose(
    model: str, tenant: compiled.Tenant, config: compiled.CellConfig, book: PriceBook, now_ms: int
) -> tuple[Option, ...]:
    """Raises ApiError: 404 unknown_model, model_not_allowed; 503 unavailable."""
    name, why = resolve(model, tenant, book)
    entry, price = book.entry(name), book.price(name, now_ms)
    if entry is None or price is None:
        raise ApiError(
            404, "unknown_model", f"There is no model {_shown(model)}. {_offer(tenant, book)}", param="model"
        )
    provider = config.providers.get(entry.provider)
    if provider is None or not provider.available:
        message = f"The model {name} cannot be used now: its provider {entry.provider} has no key or address here."
        raise ApiError(503, "unavailable", message, headers={"x-should-retry": "false"})
    module = providers.load(provider.kind)
    return (Option(Candidate(name, why), entry, price, provider, module, module.upstream(entry.upstream_model)),)


def resolve(model: str, tenant: compiled.Tenant, book: PriceBook) -> tuple[str, str]:
    """The `provider/model` that a caller's word stands for."""
    if model == "default":
        return tenant.default, "default"
    if model in tenant.aliases:
        return tenant.aliases[model], f"alias {model}"
    if model == "auto":
        raise ApiError(400, "unsupported_field", "The model 'auto' is not supported yet.", param="model")
    if book.entry(model) is None:
        raise ApiError(
            404, "unknown_model", f"There is no model {_shown(model)}. {_offer(tenant, book)}", param="model"
        )
    if not is_allowed(model, tenant):
        message = f"The model {model} is not allowed for {tenant.name}. {_offer(tenant, book)}"
        raise ApiError(404, "model_not_allowed", message, param="model")
    return model, "named"


def is_allowed(model: str, tenant: compiled.Tenant) -> bool:
    """What the spec names as default or alias is allowed by that."""
    if model == tenant.default or model in tenant.aliases.values():
        return True
    return any(
        model == pattern or (pattern.endswith("/*") and model.startswith(pattern[:-1])) for pattern in tenant.allow
    )


def allowed(tenant: compiled.Tenant, book: PriceBook) -> list[str]:
    """The models of the price book that the tenant may name."""
    return [model for model in book.models() if is_allowed(model, tenant)]


def size(options: tuple[Option, ...], input_bound: int, asked: int | None, limits: compiled.Limits) -> Route:
    """How large the request can become: what the hold has to cover. Raises ApiError 400 context_too_long."""
    context = min(option.entry.context_tokens for option in options)
    if input_bound > context * DENSEST:
        message = (
            f"The request is too long for {options[0].candidate.model}: it has room for {context} tokens, "
            f"and {input_bound} bytes of text or their like are more than that."
        )
        raise ApiError(400, "context_too_long", message)
    input_bound = min(input_bound, context)
    most = min(limits.max_output_tokens, *(option.entry.max_output_tokens for option in options))
    room = max(1, context - input_estimate(input_bound))
    max_output = min(most, room) if asked is None else min(asked, most)
    return Route(options, input_bound, max_output, _dearest(options, input_bound, max_output))


def _dearest(options: Iterable[Option], input_bound: int, max_output: int) -> Price:
    return max((option.price for option in options), key=lambda price: worst_case(price, input_bound, max_output))


def _offer(tenant: compiled.Tenant, book: PriceBook) -> str:
    names = ["default", *sorted(tenant.aliases), *allowed(tenant, book)]
    return f"Allowed: {', '.join(names)}."


def _shown(model: str) -> str:
    return repr(model if len(model) <= 80 else model[:80] + "...")
