"""Given a request of one wire, when its model speaks the other, then all of it is carried or the field is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter

from handlers.errors import ApiError
from handlers.inference.wires import Upstream, load

CHAT = load("openai_chat")
MESSAGES = load("anthropic_messages")
COMPATIBLE = Upstream("m", reasoning_field="reasoning_content")
OPENAI = Upstream("m", max_output_field="max_completion_tokens")
PNG = "iVBORw0KGgo="
USER = {"role": "user", "content": "x"}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
CHAT_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "description": "d", "parameters": SCHEMA},
}
TOOL: dict[str, Any] = {"name": "weather", "description": "d", "input_schema": SCHEMA}


def chat(upstream: Upstream = COMPATIBLE, **fields: Any) -> dict[str, Any]:
    """A Messages request as a chat completion request."""
    given = {"model": "default", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}], **fields}
    document = CHAT.build(MESSAGES.parse(json.dumps(given).encode()), upstream, 50)
    adapter: TypeAdapter[Any] = TypeAdapter(list[ChatCompletionMessageParam])
    adapter.validate_python(document["messages"])
    return document


def messages(**fields: Any) -> dict[str, Any]:
    """A chat completion request as a Messages request."""
    given = {"model": "default", "messages": [{"role": "user", "content": "Hi"}], **fields}
    document = MESSAGES.build(CHAT.parse(json.dumps(given).encode()), Upstream("claude"), 50)
    adapter: TypeAdapter[Any] = TypeAdapter(list[MessageParam])
    adapter.validate_python(document["messages"])
    return document


def call(call_id: str, city: str) -> dict[str, Any]:
    arguments = json.dumps({"city": city})
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def test_a_tool_loop_reaches_an_anthropic_model() -> None:
    document = messages(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Bern and Basel?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [call("functions.weather:0", "Bern"), call("b", "Basel")],
            },
            {"role": "tool", "tool_call_id": "functions.weather:0", "content": "rain"},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "sun"}]},
            {"role": "user", "content": "So?"},
        ],
        tools=[CHAT_TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
        stop="END",
        user="u",
        stream=True,
    )

    assert document == {
        "model": "claude",
        "max_tokens": 50,
        "system": "Be brief.",
        "stream": True,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Bern and Basel?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "functions_weather_0", "name": "weather", "input": {"city": "Bern"}},
                    {"type": "tool_use", "id": "b", "name": "weather", "input": {"city": "Basel"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "functions_weather_0",
                        "content": [{"type": "text", "text": "rain"}],
                    },
                    {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "sun"}]},
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
        "tools": [TOOL],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
    }


def test_a_tool_loop_reaches_an_openai_model() -> None:
    document = chat(
        OPENAI,
        system=[{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}],
        messages=[
            {"role": "user", "content": "Bern and Basel?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Bern"}},
                    {"type": "tool_use", "id": "b", "name": "weather", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "rain"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "no city", "is_error": True},
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
        tools=[TOOL],
        tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        temperature=0.5,
        metadata={"user_id": "u"},
        stream=True,
    )

    assert document == {
        "model": "m",
        "max_completion_tokens": 50,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}]},
            {"role": "user", "content": "Bern and Basel?"},
            {
                "role": "assistant",
                "content": "I look.",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}},
                    {"id": "b", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "rain"},
            {"role": "tool", "tool_call_id": "b", "content": "Error: no city"},
            {"role": "user", "content": "So?"},
        ],
        "tools": [CHAT_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "stop": ["END"],
        "temperature": 0.5,
        "user": "u",
    }


def test_images_are_carried_both_ways() -> None:
    there = messages(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                    {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "auto"}},
                ],
            }
        ]
    )["messages"]
    data = {"type": "base64", "media_type": "image/png", "data": PNG}
    link = {"type": "url", "url": "https://example.org/a.png"}
    assert there[0]["content"] == [{"type": "image", "source": data}, {"type": "image", "source": link}]

    back = chat(messages=there)["messages"]
    assert [part["image_url"]["url"] for part in back[0]["content"]] == [f"data:image/png;base64,{PNG}", link["url"]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, None),
        ({"tool_choice": {"type": "function", "function": {"name": "weather"}}}, {"type": "tool", "name": "weather"}),
    ],
)
def test_the_choice_of_tools(given: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert messages(tools=[CHAT_TOOL], **given).get("tool_choice") == expected


def test_structured_output_is_carried_both_ways() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
    config = {"format": {"type": "json_schema", "schema": SCHEMA}}

    assert messages(response_format=form)["output_config"] == config
    assert chat(output_config=config)["response_format"] == form


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 8000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9000}}, "high"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, "xhigh"),
        ({"thinking": {"type": "disabled"}}, None),
    ],
)
def test_thinking_is_asked_for_by_effort(given: dict[str, Any], expected: str | None) -> None:
    assert chat(**given).get("reasoning_effort") == expected


def test_effort_reaches_an_anthropic_model() -> None:
    assert messages(reasoning_effort="high")["output_config"] == {"effort": "high"}
    assert messages(reasoning_effort="none")["thinking"] == {"type": "disabled"}


def test_signed_thinking_goes_back_to_the_vendor_that_signed_it() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    hidden = {"type": "redacted_thinking", "data": "ZGF0"}
    use: dict[str, Any] = {"type": "tool_use", "id": "a", "name": "weather", "input": {}}
    upstream = {"content": [thought, hidden, use], "stop_reason": "tool_use"}
    request = CHAT.parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode())
    told = json.loads(CHAT.format_answer(MESSAGES.read_answer(upstream), request, answer_id="r", created=1))

    sent = messages(
        messages=[
            {"role": "user", "content": "x"},
            told["choices"][0]["message"],
            {"role": "tool", "tool_call_id": "a", "content": "rain"},
        ]
    )

    assert sent["messages"][1]["content"] == upstream["content"]


def test_unsigned_thinking_goes_back_where_it_is_taken() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": ""}
    history = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "y"}]},
        {"role": "user", "content": "z"},
    ]

    assert chat(messages=history)["messages"][1] == {"role": "assistant", "content": "y", "reasoning_content": "hm"}
    with pytest.raises(ApiError) as caught:
        chat(OPENAI, messages=history)
    assert caught.value.param == "messages[1].content[0]"


UNTRANSLATED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "untranslated.json").read_text())
"""What the other wire cannot carry: the wire asked on, what is given besides a minimal request, the field named."""


@pytest.mark.parametrize("case", UNTRANSLATED, ids=lambda case: f"{case['wire']}-{json.dumps(case['given'])[:60]}")
def test_what_cannot_be_carried_is_named(case: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        (messages if case["wire"] == "openai_chat" else chat)(**case["given"])

    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "unsupported_field", case["param"])


def test_a_later_system_message_stays_in_its_place() -> None:
    there = messages(messages=[USER, {"role": "system", "content": "y"}, USER])["messages"]

    assert [message["role"] for message in there] == ["user", "system", "user"]
