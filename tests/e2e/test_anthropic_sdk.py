"""Given a provisioned tenant, when the anthropic SDK is pointed at it, then everything is as with Anthropic."""

from typing import TYPE_CHECKING, Any

import anthropic
import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import TenantAt, Twin

HELLO: list[Any] = [{"role": "user", "content": "Hello there"}]
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def globex(twin: "Twin") -> "TenantAt":
    return twin.tenant("globex")


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_an_answer_with_its_headers(globex: "TenantAt"):
    with globex.anthropic() as client:
        raw = client.messages.with_raw_response.create(model="default", max_tokens=200, messages=HELLO)
    message = raw.parse()
    assert "Hello there" in text_of(message)
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0 < message.usage.output_tokens
    headers = raw.headers
    assert headers["request-id"] == headers["x-request-id"] == headers["x-serai-request-id"]
    assert headers["x-serai-model"] == "workers_ai/gpt-oss-120b"
    assert float(headers["x-serai-cost-usd"]) >= 0


def test_max_tokens_ends_the_answer(globex: "TenantAt"):
    with globex.anthropic() as client:
        message = client.messages.create(model="default", max_tokens=3, messages=HELLO)
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 3


def test_a_stream_is_the_sequence_of_anthropics_events(globex: "TenantAt"):
    with (
        globex.anthropic() as client,
        client.messages.stream(model="default", max_tokens=200, messages=HELLO) as stream,
    ):
        events = [event.type for event in stream]
        message = stream.get_final_message()
    assert events[0] == "message_start"
    assert events[-1] == "message_stop"
    assert events.count("text") > 3
    assert "Hello there" in text_of(message)
    assert message.usage.output_tokens > 3


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_tool_is_called_and_its_result_told(globex: "TenantAt", *, stream: bool):
    asked: list[Any] = [{"role": "user", "content": "Use the tool: the weather in Oslo"}]
    fields: Any = {"model": "default", "max_tokens": 500, "tools": [WEATHER]}
    with globex.anthropic() as client:
        if stream:
            with client.messages.stream(messages=asked, **fields) as events:
                message = events.get_final_message()
        else:
            create: Any = client.messages.create
            message = create(messages=asked, **fields)
        assert message.stop_reason == "tool_use"
        call: Any
        (call,) = [block for block in message.content if block.type == "tool_use"]
        assert call.name == "get_weather"
        assert isinstance(call.input, dict)
        assert "city" in call.input

        result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "minus four degrees"}
        asked += [{"role": "assistant", "content": [call.to_dict()]}, {"role": "user", "content": [result]}]
        ask: Any = client.messages.create
        told = ask(messages=asked, **fields)
    assert "minus four degrees" in text_of(told)


def test_models_as_anthropic_lists_them(globex: "TenantAt"):
    with globex.anthropic() as client:
        names = {model.id for model in client.models.list()}
    assert {"default", "workers_ai/gpt-oss-120b"} <= names


def check(error: anthropic.APIStatusError, status: int, code: str) -> None:
    assert error.status_code == status
    body: Any = error.body
    assert body["type"] == "error"
    assert body["error"]["code"] == code
    assert error.request_id
    assert error.request_id == error.response.headers["x-serai-request-id"] == error.response.headers["request-id"]


def test_errors_are_the_sdks_own(globex: "TenantAt", twin: "Twin"):
    def ask(client: anthropic.Anthropic, **fields: Any) -> None:
        create: Any = client.messages.create
        create(**{"model": "default", "max_tokens": 20, "messages": HELLO, **fields})

    with globex.anthropic() as client:
        with pytest.raises(anthropic.NotFoundError) as unknown:
            ask(client, model="claude-nobody")
        with pytest.raises(anthropic.NotFoundError) as forbidden:
            ask(client, model="lab/llama-9")
        with pytest.raises(anthropic.BadRequestError) as bad:
            ask(client, max_tokens=0)
        with pytest.raises(anthropic.InternalServerError) as unavailable:
            ask(client, model="anthropic/claude-haiku-5-5")
    check(unknown.value, 404, "unknown_model")
    check(forbidden.value, 404, "model_not_allowed")
    check(bad.value, 400, "invalid_request")
    assert "max_tokens" in bad.value.message
    check(unavailable.value, 503, "unavailable")
    for key in ("sk-serai-globex-" + "0" * 64, twin.tenant("acme").key):
        with globex.with_key(key).anthropic() as client, pytest.raises(anthropic.AuthenticationError) as refused:
            ask(client)
        check(refused.value, 401, "invalid_key")
