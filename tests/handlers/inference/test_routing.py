"""Which model answers: pure decisions from the request's word, the tenant's spec and the price book."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from handlers.errors import ApiError
from handlers.inference import routing
from shared.prices.book import load_book
from shared.spec.compiled import CellConfig, Provider, Tenant

NOW = 1_795_500_000_000
BOOK = load_book()


@pytest.fixture
def tenant(tenant_of: Callable[..., Tenant]) -> Tenant:
    return tenant_of("acme", allow=("workers_ai/*", "anthropic/claude-haiku-5-5"))


def config(*, anthropic: bool = True) -> CellConfig:
    providers = {
        "workers_ai": Provider("workers_ai", "workers_ai", None, True, None, key_required=False),
        "anthropic": Provider(
            "anthropic", "anthropic", "https://api.anthropic.com", anthropic, "set ANTHROPIC_API_KEY"
        ),
    }
    return CellConfig("cell-1", "api.serai.example", providers, ())


def choose(model: str, tenant: Tenant, **providers: bool) -> routing.Option:
    (option,) = routing.choose(model, tenant, config(**providers), BOOK, NOW)
    return option


def refused(model: str, tenant: Tenant, **providers: bool) -> ApiError:
    with pytest.raises(ApiError) as error:
        choose(model, tenant, **providers)
    return error.value


@pytest.mark.parametrize(
    ("word", "model", "why"),
    [
        ("default", "workers_ai/gpt-oss-20b", "default"),
        ("fast", "workers_ai/llama-3.2-3b", "alias fast"),
        ("workers_ai/gpt-oss-120b", "workers_ai/gpt-oss-120b", "named"),
        ("anthropic/claude-haiku-5-5", "anthropic/claude-haiku-5-5", "named"),
    ],
)
def test_a_word_stands_for_a_model_and_says_why(tenant: Tenant, word: str, model: str, why: str) -> None:
    option = choose(word, tenant)
    assert (option.candidate.model, option.candidate.why) == (model, why)
    assert option.price.model == model
    assert option.included is model.startswith("workers_ai/")


def test_the_price_book_says_what_the_provider_calls_it(tenant: Tenant) -> None:
    assert choose("fast", tenant).upstream.model == "@cf/meta/llama-3.2-3b-instruct"


@pytest.mark.parametrize("model", ["anthropic/claude-opus-5-5", "openai/gpt-5.4-mini"])
def test_what_the_spec_does_not_allow_is_refused_with_what_it_does(tenant: Tenant, model: str) -> None:
    error = refused(model, tenant)
    assert (error.status, error.code, error.param) == (404, "model_not_allowed", "model")
    assert "default, fast, anthropic/claude-haiku-5-5, workers_ai/gpt-oss-120b" in error.message


@pytest.mark.parametrize(
    "model", ["gpt-4", "workers_ai/none", "workers_ai", "", "*", "workers_ai/*", "x" * 10_000, "é\ud800"]
)
def test_what_nobody_serves_is_refused_with_what_is_served(tenant: Tenant, model: str) -> None:
    error = refused(model, tenant)
    assert (error.status, error.code) == (404, "unknown_model")
    assert "workers_ai/gpt-oss-20b" in error.message
    assert len(error.message) < 1_000


def test_a_pattern_allows_its_provider_only(tenant: Tenant) -> None:
    assert routing.is_allowed("workers_ai/anything", tenant)
    assert not routing.is_allowed("workers_ai_2/anything", tenant)
    assert not routing.is_allowed("anthropic/claude-haiku-5-5-x", tenant)


def test_default_and_aliases_are_allowed_by_being_named_in_the_spec(tenant: Tenant) -> None:
    tenant = replace(tenant, allow=(), default="anthropic/claude-haiku-5-5")
    assert choose("anthropic/claude-haiku-5-5", tenant).candidate.why == "named"
    assert routing.allowed(tenant, BOOK) == ["anthropic/claude-haiku-5-5", "workers_ai/llama-3.2-3b"]


def test_auto_is_not_supported_yet(tenant: Tenant) -> None:
    error = refused("auto", tenant)
    assert (error.status, error.code, error.param) == (400, "unsupported_field", "model")


def test_a_provider_without_its_key_is_unavailable_by_name(tenant: Tenant) -> None:
    error = refused("anthropic/claude-haiku-5-5", tenant, anthropic=False)
    assert (error.status, error.code) == (503, "unavailable")
    assert "provider anthropic" in error.message
    assert error.headers["x-should-retry"] == "false"


def size(tenant: Tenant, model: str, bound: int, asked: int | None) -> routing.Route:
    return routing.size((choose(model, tenant),), bound, asked, tenant.limits)


@pytest.mark.parametrize(
    ("model", "asked", "granted"),
    [
        ("default", 100, 100),
        ("default", 1_000_000, 32_000),
        ("default", None, 32_000),
        ("workers_ai/llama-3.3-70b", 1_000_000, 24_000),
    ],
)
def test_output_is_bounded_by_request_plan_and_model(
    tenant: Tenant, model: str, asked: int | None, granted: int
) -> None:
    assert size(tenant, model, 30, asked).max_output == granted


def test_an_unnamed_output_leaves_room_for_the_prompt(tenant: Tenant) -> None:
    assert size(tenant, "workers_ai/llama-3.3-70b", 12_000, None).max_output == 20_000


def test_a_prompt_that_surely_does_not_fit_is_refused_before_money_is_spent(tenant: Tenant) -> None:
    with pytest.raises(ApiError) as error:
        size(tenant, "workers_ai/llama-3.3-70b", 24_000 * 8 + 1, 10)
    assert (error.value.status, error.value.code) == (400, "context_too_long")
    assert "24000 tokens" in error.value.message


def test_the_input_bound_is_never_more_than_the_context(tenant: Tenant) -> None:
    assert size(tenant, "workers_ai/llama-3.3-70b", 100_000, 10).input_bound == 24_000


@pytest.mark.parametrize("path", ["/acme/v1/chat/completions", "/acme/v1/messages"])
@pytest.mark.parametrize(("model", "status"), [("no/model", 404), ("auto", 400), ("anthropic/claude-haiku-5-5", 503)])
async def test_a_refusal_is_in_the_wires_shape(build: Callable[..., Any], path: str, model: str, status: int) -> None:
    house = build(without="anthropic")
    body = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    answer = await house.call("POST", path, body)
    assert answer.status == status
    assert answer.json().get("type") == ("error" if path.endswith("messages") else None)
