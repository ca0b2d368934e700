"""The simulated model: an OpenAI-shaped answer that says what it is, and follows the request's rules."""

import json
from typing import Any

import jsonschema
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from shared.edge.local.clock import SystemClock
from shared.edge.local.simulated import SimulatedAi
from shared.edge.ports import AiError

MODEL = "@cf/openai/gpt-oss-20b"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 2},
            },
            "required": ["city", "unit", "days"],
        },
    },
}


@pytest.fixture
def ai() -> SimulatedAi:
    return SimulatedAi(SystemClock(), pace=0)


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


async def run(ai: SimulatedAi, text: str = "Hello", **inputs: Any) -> ChatCompletion:
    return ChatCompletion.model_validate(await ai.run(MODEL, {"messages": user(text), **inputs}), strict=True)


async def stream(ai: SimulatedAi, text: str = "Hello", **inputs: Any) -> list[ChatCompletionChunk]:
    raw = b"".join(
        [piece async for piece in await ai.stream(MODEL, {"messages": user(text), "stream": True, **inputs})]
    )
    *events, done, rest = raw.decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [ChatCompletionChunk.model_validate_json(event.removeprefix("data: ")) for event in events]


async def test_says_that_it_is_simulated_and_repeats_itself(ai: SimulatedAi) -> None:
    first, second = await run(ai), await run(ai)
    assert "simulated" in (first.choices[0].message.content or "")
    assert "Hello" in (first.choices[0].message.content or "")
    assert first.choices == second.choices
    assert first.choices[0].finish_reason == "stop"


async def test_counts_words_not_characters(ai: SimulatedAi) -> None:
    short, long = await run(ai, "one two three"), await run(ai, "one two three " * 100)
    assert short.usage and long.usage
    assert short.usage.prompt_tokens == 6
    assert long.usage.prompt_tokens == pytest.approx(300, abs=5)
    assert short.usage.total_tokens == short.usage.prompt_tokens + short.usage.completion_tokens


async def test_streams_word_by_word_what_it_says_whole(ai: SimulatedAi) -> None:
    whole = await run(ai)
    chunks = await stream(ai, stream_options={"include_usage": True})
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(words) > 5
    assert "".join(words) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage


async def test_reports_usage_in_a_stream_only_when_asked(ai: SimulatedAi) -> None:
    assert all(chunk.usage is None for chunk in await stream(ai))


async def test_honours_max_tokens(ai: SimulatedAi) -> None:
    answer = await run(ai, max_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage and answer.usage.completion_tokens == 3
    assert answer.choices[0].message.content == "This is a"


async def test_honours_stop(ai: SimulatedAi) -> None:
    answer = await run(ai, stop=["simulated"])
    assert answer.choices[0].message.content == "This is a "
    assert answer.choices[0].finish_reason == "stop"


async def test_calls_a_tool_it_is_asked_for_with_arguments_that_fit(ai: SimulatedAi) -> None:
    answer = await run(ai, "What is the weather in Paris?", tools=[WEATHER])
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "get_weather"
    arguments = json.loads(call.function.arguments)
    jsonschema.validate(arguments, WEATHER["function"]["parameters"])  # type: ignore[index]
    assert arguments["city"] == "Paris"


async def test_streams_a_tool_call_in_pieces(ai: SimulatedAi) -> None:
    whole = await run(ai, "Use get_weather", tools=[WEATHER])
    deltas = [
        call
        for chunk in await stream(ai, "Use get_weather", tools=[WEATHER])
        for choice in chunk.choices
        for call in choice.delta.tool_calls or []
    ]
    assert deltas[0].function and deltas[0].function.name == "get_weather"
    (call,) = whole.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert "".join(delta.function.arguments or "" for delta in deltas if delta.function) == call.function.arguments


@pytest.mark.parametrize(
    ("text", "choice", "called"),
    [
        ("Hello", "auto", False),
        ("Hello", "required", True),
        ("Hello", {"type": "function", "function": {"name": "get_weather"}}, True),
        ("Weather, please", "none", False),
        ("please call something", "auto", True),
    ],
)
async def test_tool_choice_decides(ai: SimulatedAi, text: str, choice: object, called: bool) -> None:
    answer = await run(ai, text, tools=[WEATHER], tool_choice=choice)
    assert bool(answer.choices[0].message.tool_calls) is called


async def test_answers_with_what_the_tool_said(ai: SimulatedAi) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        *user("What is the weather in Paris?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "18 degrees"},
    ]
    answer = ChatCompletion.model_validate(await ai.run(MODEL, {"messages": messages, "tools": [WEATHER]}))
    assert "18 degrees" in (answer.choices[0].message.content or "")
    assert not answer.choices[0].message.tool_calls


async def test_answers_in_json_when_asked(ai: SimulatedAi) -> None:
    answer = await run(ai, response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content or "")["simulated"] is True


async def test_structured_output_fits_its_schema(ai: SimulatedAi) -> None:
    schema = {
        "type": "object",
        "$defs": {"Item": {"type": "object", "properties": {"n": {"type": "number", "maximum": 5}}, "required": ["n"]}},
        "properties": {
            "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}, "minItems": 2},
            "when": {"type": "string", "format": "date"},
            "who": {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 3}]},
        },
        "required": ["items", "when", "who"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = await run(ai, "List 12 things", response_format=wanted)
    jsonschema.validate(json.loads(answer.choices[0].message.content or ""), schema)


@pytest.mark.parametrize(
    ("model", "inputs", "status"),
    [
        ("@cf/nobody/nothing", {"messages": user("Hi")}, 404),
        (MODEL, {"messages": []}, 400),
        (MODEL, {}, 400),
        (MODEL, {"messages": user("Hi"), "n": 2}, 400),
        (MODEL, {"messages": user("Hi"), "max_tokens": 0}, 400),
        (MODEL, {"messages": user("word " * 130_000)}, 400),
    ],
)
async def test_refuses_as_workers_ai_does(ai: SimulatedAi, model: str, inputs: dict[str, Any], status: int) -> None:
    with pytest.raises(AiError) as whole:
        await ai.run(model, inputs)
    with pytest.raises(AiError) as streamed:
        await ai.stream(model, inputs)
    assert (whole.value.status, streamed.value.status) == (status, status)
