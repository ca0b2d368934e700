"""`GET /v1/models`: what a tenant may use, in OpenAI's or Anthropic's listing shape, with context and price."""

from collections.abc import Iterator
from dataclasses import dataclass

from handlers.errors import ApiError
from handlers.http import Request, Response, json_response
from handlers.inference.routing import allowed, resolve
from handlers.tenants.credentials import identify
from shared.edge.ports import Json
from shared.prices.book import NANO_USD, ModelEntry, Price

MOST_PER_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """A name that a caller may use, and the model behind it."""

    name: str
    entry: ModelEntry
    price: Price | None
    available: bool
    max_output: int


async def list_models(request: Request) -> Response:
    await identify(request)
    listed = list(_all(request))
    if "anthropic-version" in request.headers:
        return json_response(_anthropic_page(listed, request.query))
    return json_response({"object": "list", "data": [_openai_shape(one) for one in listed]})


async def show_model(request: Request) -> Response:
    await identify(request)
    name = request.path.removeprefix("/v1/models/")
    model, _ = resolve(name, request.tenant, request.cell.book)
    shape = _anthropic_shape if "anthropic-version" in request.headers else _openai_shape
    return json_response(shape(_listed(name, model, request)))


def _all(request: Request) -> Iterator[Listed]:
    """`default` and the aliases by their own names, then every model by its."""
    tenant = request.tenant
    for name, model in {"default": tenant.default, **dict(sorted(tenant.aliases.items()))}.items():
        if request.cell.book.entry(model) is not None:
            yield _listed(name, model, request)
    for model in allowed(tenant, request.cell.book):
        yield _listed(model, model, request)


def _listed(name: str, model: str, request: Request) -> Listed:
    cell = request.cell
    entry = cell.book.entry(model)
    if entry is None:
        raise ApiError(404, "unknown_model", f"{name} stands for {model}, which has no price here.", param="model")
    provider = cell.config.providers.get(entry.provider)
    return Listed(
        name=name,
        entry=entry,
        price=cell.book.price(model, request.now_ms),
        available=provider is not None and provider.available,
        max_output=min(entry.max_output_tokens, request.tenant.limits.max_output_tokens),
    )


def _extras(one: Listed) -> dict[str, Json]:
    extras: dict[str, Json] = {
        "model": one.entry.name,
        "available": one.available,
        "context_tokens": one.entry.context_tokens,
        "max_output_tokens": one.max_output,
        "capabilities": sorted(one.entry.capabilities),
    }
    if one.price is not None:
        rates = one.price.rates
        extras["usd_per_million_tokens"] = {
            "input": rates.input / NANO_USD,
            "cached_read": rates.cached_read / NANO_USD,
            "cache_write_5m": rates.cache_write_5m / NANO_USD,
            "cache_write_1h": rates.cache_write_1h / NANO_USD,
            "output": rates.output / NANO_USD,
        }
    return extras


def _openai_shape(one: Listed) -> dict[str, Json]:
    created = one.entry.starts[0] // 1000 if one.entry.starts else 0
    return {"id": one.name, "object": "model", "created": created, "owned_by": one.entry.provider, **_extras(one)}


def _anthropic_shape(one: Listed) -> dict[str, Json]:
    day = one.entry.prices[0].effective_from.isoformat() if one.entry.prices else "1970-01-01"
    return {
        "type": "model",
        "id": one.name,
        "display_name": one.name,
        "created_at": f"{day}T00:00:00Z",
        # Fields of Anthropic's own listing, which its SDK knows.
        "max_input_tokens": one.entry.context_tokens,
        "max_tokens": one.max_output,
        **_extras(one),
    }


def _anthropic_page(listed: list[Listed], query: dict[str, str]) -> dict[str, Json]:
    """Paged by the id before or after which it goes on (docs.anthropic.com/en/api/models-list)."""
    limit = _limit(query.get("limit", "20"))
    names = [one.name for one in listed]
    if "after_id" in query:
        start = _position(names, query["after_id"], "after_id") + 1
        page, more = listed[start : start + limit], len(listed) > start + limit
    elif "before_id" in query:
        end = _position(names, query["before_id"], "before_id")
        page, more = listed[max(0, end - limit) : end], end > limit
    else:
        page, more = listed[:limit], len(listed) > limit
    shapes = [_anthropic_shape(one) for one in page]
    ends = (shapes[0]["id"], shapes[-1]["id"]) if shapes else (None, None)
    return {"data": shapes, "has_more": more, "first_id": ends[0], "last_id": ends[1]}


def _position(names: list[str], name: str, field: str) -> int:
    if name not in names:
        raise ApiError(400, "invalid_request", f"{field} names no model of the list.", param=field)
    return names.index(name)


def _limit(text: str) -> int:
    limit = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0
    if not 1 <= limit <= MOST_PER_PAGE:
        raise ApiError(400, "invalid_request", f"limit must be a number from 1 to {MOST_PER_PAGE}.", param="limit")
    return limit
