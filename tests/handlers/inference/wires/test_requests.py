"""Given a request, when its wire reads it, then it is understood or refused at the field at fault."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.errors import ApiError
from handlers.inference.conversation import (
    Image,
    ResponseFormat,
    Text,
    Thinking,
    ThinkingMode,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from handlers.inference.wires import NAMES, load

OPENAI: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": "Hi"}]}
ANTHROPIC: dict[str, Any] = {**OPENAI, "max_tokens": 100}
MINIMAL = {"openai_chat": OPENAI, "anthropic_messages": ANTHROPIC}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKED: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [CALL]}]
PNG = "iVBORw0KGgo="
LONE = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\\ud83d"}]}'


def refusal(name: str, body: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        load(name).parse(body)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON: Expecting property name"),
        (b"\xff{}", "not valid UTF-8 (byte 0)"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"[]", "must be a JSON object, not an array"),
        (b"null", "must be a JSON object, not null"),
        (b'{"model": NaN}', "NaN is no JSON number"),
        (b'{"temperature": 1e999}', "out of range"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"model": "a", "model": "b"}', 'the field "model" is given twice'),
        (b'{"a": {"\\u0062": 1, "b": 2}}', 'the field "b" is given twice'),
        (b"[" * 200_000, "nested more than 100 levels"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "nested more than 100 levels"),
        (LONE, "messages[0].content holds half of a character"),
        (b'{"\\udc00": 1}', "holds half of a character"),
    ],
)
def test_a_broken_body_is_refused(name: str, body: bytes, says: str) -> None:
    error = refusal(name, body)

    assert error.code == "invalid_request"
    assert says.lower() in error.message.lower()


def test_brackets_in_text_are_no_nesting() -> None:
    body = json.dumps({**OPENAI, "messages": [{"role": "user", "content": '[{"' * 1000}]}).encode()

    assert load("openai_chat").parse(body).model == "default"


REFUSED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "refused.json").read_text())
"""What is given besides a minimal request, the field at fault, the code."""


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case['wire']}-{json.dumps(case['given'])[:60]}")
def test_the_field_at_fault_is_named(case: dict[str, Any]) -> None:
    error = refusal(case["wire"], json.dumps({**MINIMAL[case["wire"]], **case["given"]}).encode())

    assert (error.param, error.code) == (case["param"], case["code"])
    assert error.message.startswith(case["param"])


def test_a_misspelt_field_is_offered_its_name() -> None:
    assert (
        "did you mean temperature?" in refusal("openai_chat", json.dumps({**OPENAI, "temprature": 1}).encode()).message
    )


def test_values_that_mean_nothing_special_are_taken() -> None:
    harmless = {"n": 1, "logprobs": False, "store": False, "service_tier": "auto", "modalities": ["text"], "stop": None}

    assert load("openai_chat").parse(json.dumps({**OPENAI, **harmless}).encode()).stream is False


def test_an_answer_may_be_sent_back_as_it_came() -> None:
    echoed = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "reasoning_content": "hm",
        "thinking_blocks": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        ],
        "tool_calls": [{**CALL, "index": 0}],
    }
    messages = [OPENAI["messages"][0], echoed, {"role": "tool", "tool_call_id": "c1", "content": "ok"}]

    conversation = load("openai_chat").parse(json.dumps({**OPENAI, "messages": messages}).encode()).conversation

    assert conversation.messages[1].parts == (
        Thinking("hm", "c2ln"),
        Thinking(redacted="ZGF0YQ=="),
        ToolCall("c1", "f", "{}"),
    )
    assert conversation.messages[2].parts == (ToolResult("c1", (Text("ok"),)),)


def test_everything_of_a_chat_request_is_understood() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}
    schema = {"type": "object"}
    parsed = load("openai_chat").parse(
        json.dumps(
            {
                "model": "smart",
                "messages": [
                    {"role": "developer", "content": "Be brief."},
                    {"role": "user", "content": [{"type": "text", "text": "What?"}, image], "name": "ann"},
                ],
                "stream": True,
                "stream_options": {"include_usage": True},
                "max_completion_tokens": 50,
                "temperature": 1,
                "top_p": 0.5,
                "seed": -3,
                "stop": "END",
                "tools": [TOOL],
                "tool_choice": {"type": "function", "function": {"name": "f"}},
                "parallel_tool_calls": False,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": schema, "strict": True},
                },
                "reasoning_effort": "low",
                "user": "u",
                "safety_identifier": "s",
                "logit_bias": {"50256": -100},
            }
        ).encode()
    )
    conversation = parsed.conversation

    assert (parsed.model, parsed.stream, parsed.include_usage) == ("smart", True, True)
    assert (parsed.max_output, parsed.end_user) == (50, "s")
    assert conversation.messages[0].role == "system"
    assert conversation.messages[1].parts == (Text("What?"), Image(media_type="image/png", data=PNG, detail="low"))
    assert conversation.tool_choice == ToolChoice("tool", "f")
    assert conversation.parallel_tools is False
    assert conversation.response_format == ResponseFormat("json_schema", schema=schema, name="a", strict=True)
    assert conversation.stop == ("END",)
    assert conversation.only_here == ("logit_bias",)


def test_everything_of_a_messages_request_is_understood() -> None:
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    use = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}}
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    result = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [{"type": "text", "text": "no"}, picture],
        "is_error": True,
    }
    parsed = load("anthropic_messages").parse(
        json.dumps(
            {
                "model": "m",
                "max_tokens": 2000,
                "system": [{"type": "text", "text": "Be brief.", **mark}],
                "messages": [
                    {"role": "user", "content": "Hi"},
                    {
                        "role": "assistant",
                        "content": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}, use],
                    },
                    {"role": "user", "content": [result, {"type": "text", "text": "So?"}]},
                ],
                "tools": [{"name": "f", "input_schema": {"type": "object"}, **mark}],
                "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "output_config": {"effort": "high"},
                "stop_sequences": ["a", "b", "c", "d", "e"],
                "top_k": 5,
                "metadata": {"user_id": "u"},
            }
        ).encode()
    )
    conversation = parsed.conversation

    assert [message.role for message in conversation.messages] == ["system", "user", "assistant", "user"]
    assert conversation.messages[2].parts == (Thinking("hm", "c2ln"), ToolCall("t1", "f", '{"a":1}'))
    image = Image(url="https://example.org/a.png")
    assert conversation.messages[3].parts == (ToolResult("t1", (Text("no"), image), is_error=True), Text("So?"))
    assert conversation.tool_choice == ToolChoice("required")
    assert conversation.parallel_tools is False
    assert conversation.thinking == ThinkingMode("enabled", 1024)
    assert conversation.only_here == ("system[0].cache_control", "tools[0].cache_control")
    assert (parsed.end_user, parsed.include_usage) == ("u", True)


@pytest.mark.parametrize("name", NAMES)
def test_the_input_bound_covers_text_in_bytes_images_and_tools(name: str) -> None:
    wire = load(name)

    def bound(**fields: Any) -> int:
        return wire.input_bound(wire.parse(json.dumps({**MINIMAL[name], **fields}).encode()), 5000)

    plain = bound()
    text = bound(messages=[{"role": "user", "content": "é" * 1000}])
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    image = {
        "openai_chat": {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        "anthropic_messages": {"type": "image", "source": source},
    }[name]
    tool = {"openai_chat": TOOL, "anthropic_messages": {"name": "f", "input_schema": {"description": "y" * 500}}}[name]

    assert text - plain == 2000 - 2
    assert bound(messages=[{"role": "user", "content": [image]}]) - plain == 5000 - 2
    assert bound(tools=[tool]) - plain > (500 if name == "anthropic_messages" else 10)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SEEDS: list[dict[str, Any]] = [
    {**OPENAI, "tools": [TOOL], "tool_choice": "auto", "stop": ["a"], "stream": True, "stream_options": {}},
    {
        **OPENAI,
        "messages": [*ASKED, {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "x"}]}],
    },
    {
        **ANTHROPIC,
        "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://x"}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]},
        ],
        "tools": [{"name": "b", "input_schema": {}}],
        "tool_choice": {"type": "tool", "name": "b"},
        "thinking": {"type": "adaptive"},
        "output_config": {"format": {"type": "json_schema", "schema": {}}},
        "metadata": {"user_id": "u"},
    },
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    container: Any = value
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(cast("dict[str, Any]", value))
    elif isinstance(value, list):
        keys = list(range(len(cast("list[Any]", value))))
    return [(container, key) for key in keys] + [place for key in keys for place in places(container[key])]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_but_an_api_error_comes_of_a_mutated_request(data: st.DataObject) -> None:
    document = json.loads(json.dumps(data.draw(st.sampled_from(SEEDS))))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(document)))
        container[key] = data.draw(JSON_VALUES)
    attempt(json.dumps(document).encode())


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | JSON_VALUES.map(json.dumps).map(str.encode)
)
def test_nothing_but_an_api_error_comes_of_random_bytes(body: bytes) -> None:
    attempt(body)


def attempt(body: bytes) -> None:
    for name in NAMES:
        wire = load(name)
        try:
            parsed = wire.parse(body)
        except ApiError as error:
            assert error.status == 400
            assert error.code in ("invalid_request", "unsupported_field")
            wire.format_error(error, "req_1").decode()
        else:
            assert wire.input_bound(parsed) > 0
