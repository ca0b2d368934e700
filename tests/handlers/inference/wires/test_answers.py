"""Given what an upstream said, well or badly, when it is told to a caller, then nothing is lost."""

import json
from typing import Any

import pytest

from handlers.errors import ApiError
from handlers.inference.conversation import (
    End,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from handlers.inference.wires import UpstreamReportedError, UpstreamShapeError, load
from handlers.inference.wires.sse import Events
from shared.prices.usage import Usage

CHAT = load("openai_chat")
MESSAGES = load("anthropic_messages")
USER = {"role": "user", "content": "x"}


def test_broken_arguments_are_wrapped_not_lost() -> None:
    broken = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"city": "Be'}}
    answer = CHAT.read_answer({"choices": [{"message": {"tool_calls": [broken]}, "finish_reason": "length"}]})
    request = MESSAGES.parse(json.dumps({"model": "m", "max_tokens": 1, "messages": [USER]}).encode())

    told = json.loads(MESSAGES.format_answer(answer, request, answer_id="req_1", created=1))

    assert told["content"][0]["input"] == {"INVALID_JSON": '{"city": "Be'}
    assert (told["id"], told["stop_reason"]) == ("msg_1", "max_tokens")


def test_interleaved_tool_calls_become_blocks_one_after_the_other() -> None:
    request = MESSAGES.parse(json.dumps({"model": "m", "max_tokens": 1, "stream": True, "messages": [USER]}).encode())
    formatter = MESSAGES.stream_formatter(request, answer_id="req_1", created=1)
    events = [
        Start("", "m"),
        ToolCallStart(0, "a", "f"),
        ToolCallStart(1, "b", "f"),
        ToolCallDelta(1, "{}"),
        ToolCallDelta(0, "[]"),
        TextDelta("late"),
        UsageReport(Usage(input=3, output=4)),
        Stop("tool_calls"),
        End(),
    ]

    told = b"".join(map(formatter.feed, events)) + formatter.finish()

    seen = [(name, json.loads(data)) for name, data in Events().feed(told)]
    assert [name for name, _ in seen] == [
        *("message_start", "ping"),
        *("content_block_start", "content_block_delta", "content_block_stop") * 3,
        *("message_delta", "message_stop"),
    ]
    assert [data["index"] for _, data in seen if "index" in data] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert seen[-2][1]["usage"]["output_tokens"] == 4


@pytest.mark.parametrize("wanted", [True, False])
def test_the_usage_chunk_comes_when_asked_for(*, wanted: bool) -> None:
    fields = {"model": "m", "stream": True, "stream_options": {"include_usage": wanted}, "messages": [USER]}
    formatter = CHAT.stream_formatter(CHAT.parse(json.dumps(fields).encode()), answer_id="req_1", created=1)
    events = [Start("", "m"), TextDelta("x"), UsageReport(Usage(input=3, cached_read=2, output=4)), Stop("end"), End()]

    told = b"".join(map(formatter.feed, events)) + formatter.finish()

    *chunks, done = (data for _, data in Events().feed(told))
    documents = [json.loads(data) for data in chunks]
    assert done == b"[DONE]"
    assert [document["choices"] == [] for document in documents] == [False, False, False, *([True] if wanted else [])]
    assert all(("usage" in document) == wanted for document in documents)
    if wanted:
        assert documents[-1]["usage"]["prompt_tokens"] == 5
        assert documents[-1]["usage"]["total_tokens"] == 9


def test_half_a_character_from_upstream_breaks_nothing() -> None:
    reader = CHAT.stream_reader()
    events = reader.feed(b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n')
    request = MESSAGES.parse(json.dumps({"model": "m", "max_tokens": 1, "messages": [USER]}).encode())
    formatter = MESSAGES.stream_formatter(request, answer_id="r", created=1)

    assert b"\\ud83d" in b"".join(map(formatter.feed, events))


@pytest.mark.parametrize(
    ("name", "event", "status"),
    [
        ("openai_chat", b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}', 429),
        ("openai_chat", b'{"error": {"message": "slow down", "code": 503}}', 503),
        ("openai_chat", b'{"error": "boom"}', 502),
        ("openai_chat", b'{"choices": [{"delta": {}, "finish_reason": "error"}]}', 502),
        ("anthropic_messages", b'{"type": "error", "error": {"type": "overloaded_error", "message": "x"}}', 503),
        ("anthropic_messages", b'{"type": "error"}', 502),
    ],
)
def test_an_error_inside_a_stream_is_reported(name: str, event: bytes, status: int) -> None:
    with pytest.raises(UpstreamReportedError) as caught:
        load(name).stream_reader().feed(b"data: " + event + b"\n\n")

    assert caught.value.status == status
    assert caught.value.message


@pytest.mark.parametrize("name", ["openai_chat", "anthropic_messages"])
@pytest.mark.parametrize("event", [b"{", b"7", b"[]", b"\xff", b'{"a":' * 5000])
def test_nonsense_in_a_stream_is_noticed(name: str, event: bytes) -> None:
    with pytest.raises(UpstreamShapeError):
        load(name).stream_reader().feed(b"data: " + event + b"\n\n")


def test_a_stream_that_was_cut_has_no_end() -> None:
    reader = CHAT.stream_reader()
    events = reader.feed(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n') + reader.finish()

    assert not any(isinstance(event, Stop | End) for event in events)


def test_the_output_count_that_begins_an_anthropic_stream_is_none() -> None:
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}

    events = MESSAGES.stream_reader().feed(f"data: {json.dumps(start)}\n\n".encode())

    assert [event.usage for event in events if isinstance(event, UsageReport)] == [Usage(input=9)]


def test_a_stream_may_close_after_its_finish_reason() -> None:
    reader = CHAT.stream_reader()
    events = reader.feed(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}') + reader.finish()

    assert [event for event in events if isinstance(event, Stop | End)] == [Stop("end"), End()]


@pytest.mark.parametrize("name", ["openai_chat", "anthropic_messages"])
@pytest.mark.parametrize(
    "document",
    [
        "null",
        "5",
        "[]",
        "{}",
        '{"choices": []}',
        '{"choices": [{}]}',
        '{"choices": [{"message": {"content": 5}}]}',
        '{"choices": [{"message": {"tool_calls": [{}]}}]}',
        '{"content": [{}]}',
        '{"content": "x"}',
        '{"content": [{"type": "tool_use", "id": 5}]}',
    ],
)
def test_an_answer_that_is_none_is_noticed(name: str, document: str) -> None:
    with pytest.raises(UpstreamShapeError):
        load(name).read_answer(json.loads(document))


@pytest.mark.parametrize("name", ["openai_chat", "anthropic_messages"])
@pytest.mark.parametrize("count", [-1, 1.5, float("nan"), 1e300, "7", True, None, [], {}])
def test_a_count_that_is_none_is_unknown(name: str, count: Any) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": count, "input_tokens": count, "output_tokens": count}
    document = {"choices": [{"message": {"content": "x"}}], "content": [], "usage": usage}

    known = load(name).read_answer(document).usage

    assert known.input in (None, 1)
    assert known.output in (None, 1)
    assert (known.input == 1) == (count == 1.5)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (402, "billing_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
    ],
)
def test_errors_in_the_wires_own_shape(status: int, kind: str) -> None:
    error = ApiError(status, "the_code", "What to do.", param="messages[0]")

    assert json.loads(MESSAGES.format_error(error, "req_1")) == {
        "type": "error",
        "error": {"type": kind, "message": "What to do.", "code": "the_code", "param": "messages[0]"},
        "request_id": "req_1",
    }
    assert MESSAGES.format_stream_error(error, "req_1").startswith(b'event: error\ndata: {"type":"error"')
    chat_error = json.loads(CHAT.format_error(error, "req_1"))["error"]
    assert (chat_error["message"], chat_error["code"], chat_error["param"]) == (
        "What to do.",
        "the_code",
        "messages[0]",
    )
    assert CHAT.format_stream_error(error, "req_1").startswith(b'data: {"error":{"message":"What to do."')


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "m"}}', "m"),
        (b'[{"error": {"message": "m"}}]', "m"),
        (b'{"error": "m"}', "m"),
        (b'{"message": "m"}', "m"),
        (b'{"detail": "m"}', "m"),
        (b'{"success": false, "errors": [{"code": 1, "message": "m"}]}', "m"),
        (b'{"error": {"message": 5}}', ""),
        (b"<html>", ""),
        (b"", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_the_message_of_an_upstreams_error(body: bytes, message: str) -> None:
    assert CHAT.read_error(body) == message
    if b'"error": {' in body and not body.startswith(b"["):
        assert MESSAGES.read_error(body) == message
