"""Given what a provider answered, when it is read, then it means what the file says, and can be told on either wire."""

import json
import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from anthropic.types import Message as AnthropicMessage
from anthropic.types import RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from handlers.inference.conversation import Answer, End, Event, Start
from handlers.inference.wires import NAMES, Upstream, Wire, load
from handlers.inference.wires.sse import Events

Exchange = dict[str, Any]
Meaning = dict[str, Any]
StreamBytes = Callable[[Exchange], bytes]
OfAnswer = Callable[[Answer], Meaning]
OfEvents = Callable[[Iterable[Event]], Meaning]

RAW_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
UPSTREAM = Upstream("the-model", reasoning_field="reasoning_content")


def minimal_request(wire: Wire, *, stream: bool) -> bytes:
    fields: dict[str, Any] = {"model": "default", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    if stream:
        fields["stream"] = True
        if wire.NAME == "openai_chat":
            fields["stream_options"] = {"include_usage": True}
    return json.dumps(fields).encode()


def read_all(wire: Wire, data: bytes, sizes: Iterable[int] = ()) -> list[Event]:
    reader, events, at = wire.stream_reader(), list[Event](), 0
    for size in sizes:
        events += reader.feed(data[at : at + size])
        at += size
    return events + reader.feed(data[at:]) + reader.finish()


def validate_stream(name: str, data: bytes) -> None:
    reader = Events()
    for event, payload in reader.feed(data) + reader.finish():
        if payload == b"[DONE]" or event == "ping":
            continue
        if name == "openai_chat":
            ChatCompletionChunk.model_validate_json(payload, strict=True)
        else:
            assert json.loads(payload)["type"] == event
            RAW_EVENT.validate_json(payload, strict=True)


def test_an_answer_means_what_the_file_says(answered: Exchange, meaning_of_answer: OfAnswer) -> None:
    assert meaning_of_answer(load(answered["wire"]).read_answer(answered["answer"])) == answered["expect"]


def test_a_stream_means_what_the_file_says(
    streamed: Exchange, stream_bytes: StreamBytes, meaning_of_events: OfEvents
) -> None:
    events = read_all(load(streamed["wire"]), stream_bytes(streamed))

    assert meaning_of_events(events) == streamed["expect"]
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], End)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_means_the_same_however_it_is_cut(
    streamed: Exchange, stream_bytes: StreamBytes, line_end: bytes
) -> None:
    wire, data = load(streamed["wire"]), stream_bytes(streamed).replace(b"\n", line_end)
    whole = read_all(wire, stream_bytes(streamed))
    source = random.Random(len(data))  # noqa: S311

    assert read_all(wire, data, [1] * len(data)) == whole
    for _ in range(5):
        assert read_all(wire, data, [source.randint(1, 40) for _ in range(len(data) // 20)]) == whole


def test_a_stream_may_lack_its_last_blank_line_and_hold_comments(streamed: Exchange, stream_bytes: StreamBytes) -> None:
    wire, data = load(streamed["wire"]), stream_bytes(streamed)
    commented = b": hello\n\n" + data.replace(b"\n\n", b"\n: keep-alive\nid: 7\nretry: 10\n\n").rstrip(b"\n")

    assert read_all(wire, commented) == read_all(wire, data)
    assert read_all(wire, data.replace(b"\ndata: ", b"\ndata:")) == read_all(wire, data)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_can_be_told_on_either_wire(answered: Exchange, name: str, meaning_of_answer: OfAnswer) -> None:
    wire = load(name)
    answer = load(answered["wire"]).read_answer(answered["answer"])

    told = wire.format_answer(answer, wire.parse(minimal_request(wire, stream=False)), answer_id="req_1", created=7)

    model = ChatCompletion if name == "openai_chat" else AnthropicMessage
    model.model_validate_json(told, strict=True)
    assert_same(meaning_of_answer(wire.read_answer(json.loads(told))), answered, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_can_be_told_on_either_wire(
    streamed: Exchange, name: str, stream_bytes: StreamBytes, meaning_of_events: OfEvents
) -> None:
    wire = load(name)
    formatter = wire.stream_formatter(wire.parse(minimal_request(wire, stream=True)), answer_id="req_1", created=7)

    told = b"".join(map(formatter.feed, read_all(load(streamed["wire"]), stream_bytes(streamed)))) + formatter.finish()

    validate_stream(name, told)
    assert_same(meaning_of_events(read_all(wire, told)), streamed, name)


def assert_same(told: Meaning, exchange: Exchange, name: str) -> None:
    """What was told says the same, but for refusals, stop sequences and cache writes, told in fewer words."""
    expected = dict(exchange["expect"])
    calls = [[one, two, json.loads(three)] for one, two, three in expected.pop("calls")]
    assert [[one, two, json.loads(three)] for one, two, three in told["calls"]] == calls
    assert told["text"] + told["refusal"] == expected["text"] + expected["refusal"]
    assert told["thinking"] == expected["thinking"]
    ends = {"stop_sequence": "end"} if name == "openai_chat" else {}
    assert told["stop"] == ends.get(expected["stop"], expected["stop"])
    for count in ("input", "cached_read", "output", "reasoning"):
        if count in expected["usage"]:
            assert told["usage"][count] == expected["usage"][count]
    assert written(told["usage"]) == written(expected["usage"])


def written(usage: dict[str, int]) -> int:
    return usage.get("cache_write_5m", 0) + usage.get("cache_write_1h", 0)


def test_requests_are_read_and_written_for_the_other_wire(asked: Exchange) -> None:
    wire = load(asked["wire"])
    body = json.dumps(asked["request"]).encode()
    parsed = wire.parse(body)

    assert wire.input_bound(parsed) >= sum(
        asked["expect"]["usage"].get(name, 0) for name in ("input", "cached_read", "cache_write_5m", "cache_write_1h")
    )
    assert json.loads(wire.prepare_passthrough(body, parsed, UPSTREAM, 50))["model"] == "the-model"
    for name in NAMES:
        document = load(name).build(parsed, UPSTREAM, 50)
        again = load(name).parse(json.dumps(document).encode())
        assert again.stream == parsed.stream
        assert [tool.name for tool in again.conversation.tools] == [tool.name for tool in parsed.conversation.tools]
        assert again.max_output == 50


def test_untouched_bytes_pass_and_are_counted(streamed: Exchange, stream_bytes: StreamBytes) -> None:
    wire, data = load(streamed["wire"]), stream_bytes(streamed)
    if streamed["provider_kind"] == "workers_ai":
        return  # never passed through: `Upstream.passthrough`
    parsed = wire.parse(minimal_request(wire, stream=True))
    source = random.Random(len(data))  # noqa: S311
    for most in (1, 7, 200, len(data)):
        tap, out, at = wire.passthrough_stream(parsed), b"", 0
        while at < len(data):
            size = source.randint(1, most)
            out += tap.feed(data[at : at + size])
            at += size
        out += tap.finish()

        assert out == data
        assert tap.ended
        assert tap.bytes_seen == len(data)
        assert {name: getattr(tap.usage, name) for name in streamed["expect"]["usage"]} == streamed["expect"]["usage"]
        assert tap.stop_reason == streamed["expect"]["stop"]
        assert tap.error is None
