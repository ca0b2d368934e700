"""Given the operator's providers, when they are called and fail, then in their own way and without telling secrets."""

import json
from pathlib import Path
from typing import Any

import pytest

from handlers.errors import ApiError
from handlers.inference import providers, wires
from handlers.inference.providers import _failure
from shared.edge.ports import AiError, HttpError, HttpTimeoutError
from shared.spec.compiled import Provider

ROOT = Path(providers.__file__).parent
DATA = Path(__file__).parents[1] / "data"
KINDS = sorted(path.stem for path in ROOT.glob("*.py") if not path.stem.startswith("_"))
EXCHANGES: list[dict[str, Any]] = [json.loads(path.read_text()) for path in DATA.glob("*.json")]
KEY = "sk-proj-verysecretkey123"


def provider(kind: str, base_url: str | None = "https://api.example.org/v1/") -> Provider:
    return Provider(name="acme", kind=kind, base_url=base_url, available=True, remedy=None)


@pytest.mark.parametrize("kind", KINDS)
def test_each_provider_is_whole(kind: str) -> None:
    module = providers.load(kind)

    assert module.WIRE in wires.NAMES
    assert module.USES_AI_PORT in (True, False)
    assert module.upstream("some-model").model
    assert module.upstream("some-model").image_tokens > 0


@pytest.mark.parametrize("kind", KINDS)
def test_each_provider_has_exchanges_with_their_source(kind: str) -> None:
    own = [exchange for exchange in EXCHANGES if exchange["provider_kind"] == kind]

    assert own, f"tests/handlers/inference/data holds no exchange of provider_kind {kind}"
    assert all(exchange["wire"] == providers.load(kind).WIRE for exchange in own)
    assert all(exchange["evidence"] in ("recorded", "documented", "reported") for exchange in own)
    assert all(exchange["source"] for exchange in own)


@pytest.mark.parametrize("kind", ["", "nothing", "_failure", "../x", "__init__", "Openai"])
def test_a_kind_without_a_file_is_none(kind: str) -> None:
    with pytest.raises(KeyError):
        providers.load(kind)


@pytest.mark.parametrize("name", ["", "nothing", "sse", "openai_chat.reader"])
def test_a_wire_without_a_module_is_none(name: str) -> None:
    with pytest.raises(KeyError):
        wires.load(name)


@pytest.mark.parametrize("kind", ["openai", "openai_compatible"])
def test_openais_servers_are_addressed_and_told_the_key(kind: str) -> None:
    request = providers.load(kind).request(provider(kind), KEY, b"{}", {"anthropic-beta": "x", "cookie": "y"})

    assert (request.method, request.url, request.body) == ("POST", "https://api.example.org/v1/chat/completions", b"{}")
    assert dict(request.headers) == {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {KEY}",
    }
    assert "authorization" not in dict(providers.load(kind).request(provider(kind), None, b"{}", {}).headers)


@pytest.mark.parametrize("base_url", ["https://api.example.org", "https://api.example.org/v1/"])
def test_anthropic_is_addressed_and_told_version_and_betas(base_url: str) -> None:
    module = providers.load("anthropic")
    callers = {"anthropic-beta": "a-2025-01-01, b-2025-02-02", "cookie": "y", "x-api-key": "the caller's own"}

    request = module.request(provider("anthropic", base_url), KEY, b"{}", callers)

    assert request.url == "https://api.example.org/v1/messages"
    assert dict(request.headers) == {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "a-2025-01-01, b-2025-02-02",
        "x-api-key": KEY,
    }
    with pytest.raises(ApiError, match="anthropic-beta"):
        module.request(provider("anthropic"), KEY, b"{}", {"anthropic-beta": "a\r\nx-api-key: b"})


def test_models_go_by_their_own_names() -> None:
    assert providers.load("workers_ai").upstream("gpt-oss-20b").model == "@cf/openai/gpt-oss-20b"
    assert providers.load("workers_ai").upstream("@cf/meta/x").model == "@cf/meta/x"
    assert providers.load("workers_ai").upstream("meta/x").model == "@cf/meta/x"
    assert providers.load("workers_ai").upstream("gpt-oss-20b").passthrough is False
    assert providers.load("openai").upstream("gpt-5.4-mini").max_output_field == "max_completion_tokens"
    assert providers.load("openai_compatible").upstream("llama").max_output_field == "max_tokens"
    dear, cheap = (providers.load("openai").upstream(name).image_tokens for name in ("gpt-4o-mini", "gpt-4o"))
    assert dear > cheap


@pytest.mark.parametrize(
    ("status", "message", "expected", "says"),
    [
        (400, "Unknown parameter: 'x'.", (400, "invalid_request"), "acme refused the request: Unknown parameter: 'x'."),
        (400, "", (400, "invalid_request"), "acme refused the request with status 400."),
        (400, "This model's maximum context length is 8192 tokens.", (400, "context_too_long"), "8192 tokens"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", (400, "context_too_long"), "prompt is too long"),
        (422, "field required", (400, "invalid_request"), "field required"),
        (413, "", (413, "too_large"), "too large for acme."),
        (401, f"Incorrect API key provided: {KEY}", (502, "upstream_failed"), "acme refused the platform's key."),
        (403, "account 0123 blocked", (502, "upstream_failed"), "acme refused the platform's key."),
        (402, "Insufficient Balance", (502, "upstream_failed"), "acme does not serve"),
        (404, "The model `x` does not exist", (502, "upstream_failed"), "does not know this model: The model `x`"),
        (408, "", (504, "upstream_timeout"), "took too long"),
        (429, "Rate limit reached for org-abcdef", (503, "unavailable"), "limiting the platform; try again later."),
        (503, "", (503, "unavailable"), "overloaded"),
        (529, "Overloaded", (503, "unavailable"), "overloaded"),
        (504, "", (504, "upstream_timeout"), "took too long"),
        (500, "Traceback at /srv/secret", (502, "upstream_failed"), "acme failed with status 500."),
        (302, "", (502, "upstream_failed"), "acme failed with status 302."),
    ],
)
def test_what_an_upstreams_status_means(status: int, message: str, expected: tuple[int, str], says: str) -> None:
    for kind in KINDS:
        body = json.dumps({"type": "error", "error": {"message": message}}).encode()
        error = providers.load(kind).read_error(provider(kind), status, {}, body)

        assert (error.status, error.code) == expected
        assert says in error.message
        assert "secret" not in error.message
        assert "org-" not in error.message


def test_an_error_page_is_no_message() -> None:
    error = providers.load("openai").read_error(provider("openai"), 400, {}, b"<html>sk-abcdef</html>")

    assert error.message == "acme refused the request with status 400."


@pytest.mark.parametrize(
    ("given", "told"), [("7", "7"), ("0.5", "0"), ("99999", "3600"), ("Wed, 21 Oct", "1"), (None, "1"), ("-3", "1")]
)
def test_how_long_to_wait(given: str | None, told: str) -> None:
    headers = {} if given is None else {"retry-after": given}

    assert providers.load("openai").read_error(provider("openai"), 429, headers, b"").headers == {"retry-after": told}


@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY} is",
        "for org-AbCdEf123",
        "proj_abc123 has",
        "gsk_abcdef1234",
        "account 0123456789abcdef0123456789abcdef",
    ],
)
def test_keys_and_accounts_are_taken_out_of_messages(text: str) -> None:
    assert "[removed]" in _failure.scrubbed(text)
    assert not any(part in _failure.scrubbed(text) for part in ("verysecret", "AbCdEf", "abc123", "abcdef"))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (HttpTimeoutError("no byte for 600 s"), (504, "upstream_timeout")),
        (HttpError("connection refused by 10.0.0.7", sent=False), (502, "upstream_failed")),
        (AiError(429, "capacity"), (503, "unavailable")),
        (AiError(400, "bad input"), (400, "invalid_request")),
        (wires.UpstreamReportedError(429, "slow down"), (503, "unavailable")),
        (wires.UpstreamReportedError(400, "Tool call validation failed"), (400, "invalid_request")),
        (wires.UpstreamShapeError("choices is missing"), (502, "upstream_failed")),
        (ValueError("secret"), (502, "upstream_failed")),
    ],
)
def test_what_an_exception_means(raised: Exception, expected: tuple[int, str]) -> None:
    error = providers.failure(provider("openai"), raised)

    assert (error.status, error.code) == expected
    assert "10.0.0.7" not in error.message
    assert "secret" not in error.message
