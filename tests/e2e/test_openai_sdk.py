"""Given a provisioned tenant, when the openai SDK is pointed at it, then everything is as with OpenAI."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import TenantAt, Twin

HELLO: list[Any] = [{"role": "user", "content": "Hello there"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def acme(twin: "Twin") -> "TenantAt":
    return twin.tenant("acme")


def test_an_answer_with_its_headers(acme: "TenantAt"):
    with acme.openai() as client:
        raw = client.chat.completions.with_raw_response.create(model="default", messages=HELLO)
    answer = raw.parse()
    assert "simulated" in (answer.choices[0].message.content or "")
    assert "Hello there" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    headers = raw.headers
    assert headers["x-request-id"] == headers["x-serai-request-id"]
    assert headers["x-serai-model"] == "workers_ai/gpt-oss-20b"
    assert float(headers["x-serai-cost-usd"]) >= 0
    for kind in ("requests", "tokens"):
        assert int(headers[f"x-ratelimit-limit-{kind}"]) > int(headers[f"x-ratelimit-remaining-{kind}"]) >= 0
        assert headers[f"x-ratelimit-reset-{kind}"]


def test_a_stream_comes_in_pieces_and_ends_with_its_usage(acme: "TenantAt"):
    with acme.openai() as client:
        options: Any = {"include_usage": True}
        stream = client.chat.completions.create(model="default", messages=HELLO, stream=True, stream_options=options)
        chunks = list(stream)
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(words) > 3
    assert "Hello there" in "".join(words)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens >= len(words)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_tool_is_called_and_its_result_told(acme: "TenantAt", *, stream: bool):
    asked: list[Any] = [{"role": "user", "content": "Use the tool: the weather in Oslo"}]
    with acme.openai() as client:
        if stream:
            with client.chat.completions.stream(model="default", messages=asked, tools=[WEATHER]) as events:
                answer = events.get_final_completion()
        else:
            answer = client.chat.completions.create(model="default", messages=asked, tools=[WEATHER])
        (call,) = answer.choices[0].message.tool_calls or []
        assert answer.choices[0].finish_reason == "tool_calls"
        assert call.type == "function"
        assert call.function.name == "get_weather"
        assert isinstance(json.loads(call.function.arguments)["city"], str)

        echoed = call.model_dump(exclude={"function": {"parsed_arguments"}}, exclude_unset=True)
        asked.append({"role": "assistant", "content": None, "tool_calls": [echoed]})
        asked.append({"role": "tool", "tool_call_id": call.id, "content": "minus four degrees"})
        told = client.chat.completions.create(model="default", messages=asked, tools=[WEATHER])
    assert "minus four degrees" in (told.choices[0].message.content or "")


def test_the_async_client(acme: "TenantAt"):
    async def ask() -> str:
        async with openai.AsyncOpenAI(base_url=f"{acme.url}/v1", api_key=acme.key, max_retries=0) as client:
            answers = await asyncio.gather(
                *(client.chat.completions.create(model="fast", messages=HELLO) for _ in range(4))
            )
        return " ".join(answer.choices[0].message.content or "" for answer in answers)

    assert asyncio.run(ask()).count("Hello there") == 4


def test_models_are_those_that_the_tenant_may_name(acme: "TenantAt", twin: "Twin"):
    with acme.openai() as client:
        names = {model.id for model in client.models.list()}
        assert client.models.retrieve("workers_ai/gpt-oss-20b").id == "workers_ai/gpt-oss-20b"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("openai/gpt-5.4")
    assert {"default", "fast", "smart", "workers_ai/gpt-oss-20b", "openai/gpt-5.4-mini"} <= names
    assert "openai/gpt-5.4" not in names
    with twin.tenant("globex").openai() as client:
        assert "openai/gpt-5.4" in {model.id for model in client.models.list()}


def ask(client: openai.OpenAI, **fields: Any) -> Any:
    create: Any = client.chat.completions.create
    return create(**{"model": "default", "messages": HELLO, **fields})


def check(error: openai.APIStatusError, status: int, code: str) -> None:
    assert (error.status_code, error.code) == (status, code)
    assert error.request_id
    assert error.request_id == error.response.headers["x-serai-request-id"]
    assert error.body
    assert error.message


def test_a_wrong_key_is_an_authentication_error(acme: "TenantAt", twin: "Twin"):
    for key in ("sk-serai-acme-" + "0" * 64, "nonsense", twin.tenant("globex").key):
        with acme.with_key(key).openai() as client, pytest.raises(openai.AuthenticationError) as caught:
            ask(client)
        check(caught.value, 401, "invalid_key")


def test_the_key_of_another_tenant_reads_like_one_that_nobody_has(acme: "TenantAt", twin: "Twin"):
    def refused(key: str) -> dict[str, Any]:
        answer = acme.with_key(key).ask()
        assert answer.status_code == 401
        return answer.json()["error"]

    there = refused(twin.tenant("globex").key)
    nowhere = refused("sk-serai-globex-" + "0" * 64)
    assert there == nowhere


def test_unknown_and_forbidden_models_are_not_found_errors(acme: "TenantAt"):
    with acme.openai() as client:
        with pytest.raises(openai.NotFoundError) as unknown:
            ask(client, model="workers_ai/gpt-oss-20")
        with pytest.raises(openai.NotFoundError) as forbidden:
            ask(client, model="openai/gpt-5.4")
    check(unknown.value, 404, "unknown_model")
    check(forbidden.value, 404, "model_not_allowed")
    assert "workers_ai/gpt-oss-20b" in forbidden.value.message


def test_bad_input_is_a_bad_request_error_that_names_the_field(acme: "TenantAt"):
    bad: dict[str, Any] = {
        "temperature": {"temperature": "hot"},
        "max_tokens": {"max_tokens": -1},
        "messages[0].role": {"messages": [{"role": "king", "content": "x"}]},
        "messages": {"messages": []},
    }
    with acme.openai() as client:
        for field, fields in bad.items():
            with pytest.raises(openai.BadRequestError) as caught:
                ask(client, **fields)
            check(caught.value, 400, "invalid_request")
            assert caught.value.param == field, field


def test_a_provider_without_its_key_is_unavailable_and_says_so(acme: "TenantAt"):
    with acme.openai() as client, pytest.raises(openai.InternalServerError) as caught:
        ask(client, model="smart")
    check(caught.value, 503, "unavailable")
    assert "anthropic" in caught.value.message
