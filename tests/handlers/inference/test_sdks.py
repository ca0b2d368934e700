"""The official SDKs, unmodified, over a real server: answers, streams, tools, errors as their own exceptions."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anthropic
import openai
import pytest

MODELS = ["workers_ai/gpt-oss-20b", "openai/gpt-5.4-mini", "anthropic/claude-haiku-5-5"]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture
async def address(house: Any, serve: Callable[..., Any]) -> str:
    return await serve(house.app)


@pytest.fixture
async def chat(address: str, house: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{address}/acme/v1", api_key=house.key("acme"), max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(address: str, house: Any) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=f"{address}/acme", api_key=house.key("acme"), max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
async def test_openai_answers_and_streams(chat: openai.AsyncOpenAI, model: str) -> None:
    whole = await chat.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    assert "simulated" in (whole.choices[0].message.content or "")
    assert whole.usage and whole.usage.total_tokens > 0
    stream = await chat.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Hello"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    words = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert words == whole.choices[0].message.content
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


@pytest.mark.parametrize("model", MODELS)
async def test_anthropic_answers_and_streams(claude: anthropic.AsyncAnthropic, model: str) -> None:
    whole = await claude.messages.create(model=model, max_tokens=200, messages=[{"role": "user", "content": "Hello"}])
    (block,) = whole.content
    assert block.type == "text"
    assert "simulated" in block.text
    assert whole.stop_reason == "end_turn"
    async with claude.messages.stream(
        model=model, max_tokens=200, messages=[{"role": "user", "content": "Hello"}]
    ) as stream:
        words = "".join([text async for text in stream.text_stream])
        final = await stream.get_final_message()
    assert words == block.text
    assert final.usage.output_tokens == whole.usage.output_tokens


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_openai_calls_a_tool_and_hears_its_result(chat: openai.AsyncOpenAI, model: str, stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    tools: list[Any] = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
    if stream:
        async with chat.chat.completions.stream(model=model, messages=messages, tools=tools) as events:
            answer = await events.get_final_completion()
    else:
        answer = await chat.chat.completions.create(model=model, messages=messages, tools=tools)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    asked: Any = message.model_dump(exclude_none=True, exclude={"parsed": True})
    asked["tool_calls"] = [
        {"id": call.id, "type": "function", "function": {"name": "get_weather", "arguments": call.function.arguments}}
    ]
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
    final = await chat.chat.completions.create(model=model, messages=[*messages, asked, result], tools=tools)
    assert final.choices[0].finish_reason == "stop"
    assert final.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_anthropic_calls_a_tool_and_hears_its_result(
    claude: anthropic.AsyncAnthropic, model: str, stream: bool
) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    tools: list[Any] = [{"name": "get_weather", "input_schema": SCHEMA}]
    if stream:
        async with claude.messages.stream(model=model, max_tokens=500, messages=messages, tools=tools) as events:
            answer = await events.get_final_message()
    else:
        answer = await claude.messages.create(model=model, max_tokens=500, messages=messages, tools=tools)
    assert answer.stop_reason == "tool_use"
    call = next(block for block in answer.content if block.type == "tool_use")
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})
    asked = [
        block.model_dump(exclude_none=True, include={"type", "text", "id", "name", "input"}) for block in answer.content
    ]
    result = [{"type": "tool_result", "tool_use_id": call.id, "content": "18 degrees"}]
    messages += [{"role": "assistant", "content": asked}, {"role": "user", "content": result}]
    final = await claude.messages.create(model=model, max_tokens=500, messages=messages, tools=tools)
    assert final.stop_reason == "end_turn"


async def test_openai_raises_its_own_errors(chat: openai.AsyncOpenAI, address: str, vendor: Any) -> None:
    messages: list[Any] = [{"role": "user", "content": "Hello"}]
    with pytest.raises(openai.NotFoundError) as missing:
        await chat.chat.completions.create(model="no/model", messages=messages)
    assert missing.value.code == "unknown_model"
    assert missing.value.request_id and missing.value.request_id.startswith("req_")
    with pytest.raises(openai.AuthenticationError):
        await chat.with_options(api_key="sk-wrong").chat.completions.create(model="default", messages=messages)
    with pytest.raises(openai.BadRequestError):
        await chat.chat.completions.create(model="default", messages=[])
    vendor.mode = "500"
    with pytest.raises(openai.InternalServerError):
        await chat.chat.completions.create(model=MODELS[1], messages=messages)
    vendor.mode = "error_later"
    stream = await chat.chat.completions.create(model=MODELS[1], messages=messages, stream=True)
    with pytest.raises(openai.APIError):
        [chunk async for chunk in stream]
    stream = await chat.chat.completions.create(model=MODELS[2], messages=messages, stream=True)
    with pytest.raises(openai.APIError):
        [chunk async for chunk in stream]


async def test_anthropic_raises_its_own_errors(claude: anthropic.AsyncAnthropic, vendor: Any) -> None:
    messages: list[Any] = [{"role": "user", "content": "Hello"}]
    with pytest.raises(anthropic.NotFoundError) as missing:
        await claude.messages.create(model="no/model", max_tokens=5, messages=messages)
    assert missing.value.request_id and missing.value.request_id.startswith("req_")
    with pytest.raises(anthropic.AuthenticationError):
        await claude.with_options(api_key="sk-wrong").messages.create(model="default", max_tokens=5, messages=messages)
    with pytest.raises(anthropic.BadRequestError):
        await claude.messages.create(model="default", max_tokens=5, messages=[])
    vendor.mode = "500"
    with pytest.raises(anthropic.InternalServerError):
        await claude.messages.create(model=MODELS[2], max_tokens=5, messages=messages)
    vendor.mode = "error_later"
    for model in MODELS[1:]:
        with pytest.raises(anthropic.APIStatusError):
            async with claude.messages.stream(model=model, max_tokens=100, messages=messages) as stream:
                [text async for text in stream.text_stream]


async def test_both_list_models(chat: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    names = [model.id async for model in chat.models.list()]
    assert names == [model.id async for model in claude.models.list(limit=3)]
    assert (await chat.models.retrieve("workers_ai/gpt-oss-20b")).id == "workers_ai/gpt-oss-20b"
    assert (await claude.models.retrieve("workers_ai/gpt-oss-20b")).id == "workers_ai/gpt-oss-20b"


@pytest.mark.parametrize("model", MODELS[1:])
async def test_a_client_that_closes_its_stream_is_billed_to_its_end(
    chat: openai.AsyncOpenAI, house: Any, vendor: Any, model: str
) -> None:
    vendor.mode = "stall_later"
    stream = await chat.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    request_id = stream.response.headers["x-request-id"]
    async for _ in stream:
        break
    await stream.close()
    await asyncio.sleep(0.05)
    vendor.released.set()
    await asyncio.wait_for(vendor.drained.wait(), 5)
    receipt = (await house.call("GET", f"/acme/v1/receipts/{request_id}")).json()
    assert (receipt["status"], receipt["usage_source"]) == ("settled", "provider")


async def test_a_body_that_is_too_large_is_told_so_over_a_real_connection(chat: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "a" * 12_000_000}]
    with pytest.raises(openai.APIStatusError) as error:
        await chat.chat.completions.create(model="default", messages=messages)
    assert error.value.status_code == 413
