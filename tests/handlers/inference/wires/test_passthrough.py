"""Given caller and upstream of one wire, when bytes pass, then nothing changes but what has to."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.inference.wires import Upstream, UpstreamShapeError, load
from handlers.inference.wires.splice import members, replace
from shared.prices.usage import Usage

CHAT = load("openai_chat")
MESSAGES = load("anthropic_messages")
BOTH = {"max_completion_tokens": 20, "max_tokens": None}
HELLO = [{"role": "user", "content": 'say "model": "x" and {"max_tokens": 1}'}]


def chat(**fields: Any) -> bytes:
    return json.dumps({"messages": HELLO, "model": "default", **fields}).encode()


def prepared(body: bytes, upstream: Upstream | None = None, max_output: int = 50) -> bytes:
    return CHAT.prepare_passthrough(body, CHAT.parse(body), upstream or Upstream("up/model"), max_output)


def test_only_the_model_and_the_limit_change() -> None:
    body = b'\n{ "model" : "default" ,"max_tokens": 50, "messages":[{"role":"user","content":"\\u00e9 h\xc3\xa9"}]} '

    assert prepared(body) == body.replace(b'"default"', b'"up/model"')
    assert prepared(body, max_output=9) == body.replace(b'"default"', b'"up/model"').replace(b"50", b"9")


def test_a_model_in_texts_and_schemas_is_left_alone() -> None:
    parameters = {"type": "object", "properties": {"model": {"type": "string"}, "max_tokens": {"default": "model"}}}
    body = chat(tools=[{"type": "function", "function": {"name": "f", "parameters": parameters}}])

    assert json.loads(prepared(body)) == {**json.loads(body), "model": "up/model", "max_tokens": 50}


def test_a_key_in_disguise_is_found() -> None:
    """An upstream must not be handed the caller's own choice of model: another one was priced."""
    disguised = (
        b'{"m\\u006fdel": "default", "logit_bias": {"model": "default"}, "messages": [{"role":"user","content":"x"}]}'
    )

    assert json.loads(prepared(disguised))["model"] == "up/model"
    assert json.loads(prepared(disguised))["logit_bias"] == {"model": "default"}


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({}, "max_tokens", {"max_tokens": 50}),
        ({}, "max_completion_tokens", {"max_completion_tokens": 50}),
        ({"max_tokens": 80}, "max_tokens", {"max_tokens": 50}),
        ({"max_tokens": 80}, "max_completion_tokens", {"max_completion_tokens": 50}),
        ({"max_completion_tokens": 50}, "max_tokens", {"max_tokens": 50}),
        ({**BOTH}, "max_tokens", {"max_completion_tokens": None, "max_tokens": 50}),
    ],
)  # fmt: skip
def test_the_limit_goes_by_the_name_that_the_upstream_knows(
    given: dict[str, Any], field: str, expected: dict[str, Any]
) -> None:
    sent = json.loads(prepared(chat(**given), Upstream("m", max_output_field=field)))

    assert {name: value for name, value in sent.items() if name.startswith("max_")} == expected


@pytest.mark.parametrize(
    ("given", "supported", "expected"),
    [
        ({"stream": False}, True, None),
        ({"stream": True}, False, None),
        ({"stream": True}, True, {"include_usage": True}),
        ({"stream": True, "stream_options": None}, True, {"include_usage": True}),
        ({"stream": True, "stream_options": {"include_usage": False}}, True, {"include_usage": True}),
        (
            {"stream": True, "stream_options": {"include_obfuscation": False}},
            True,
            {"include_obfuscation": False, "include_usage": True},
        ),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, {"include_usage": True}),
    ],
)
def test_usage_is_asked_for_on_the_callers_behalf(
    given: dict[str, Any], *, supported: bool, expected: dict[str, bool] | None
) -> None:
    upstream = Upstream("m", stream_options=supported)
    body = chat(**given)

    assert json.loads(prepared(body, upstream)).get("stream_options") == expected
    assert CHAT.prepare_document(CHAT.parse(body), upstream, 50).get("stream_options") == expected


def test_a_document_for_the_ai_port_holds_no_model() -> None:
    body = chat(max_tokens=80, temperature=0)

    document = CHAT.prepare_document(CHAT.parse(body), Upstream("m"), 50)

    assert document == {"messages": HELLO, "temperature": 0, "max_tokens": 50}


def test_messages_keep_their_bytes() -> None:
    body = b'{"max_tokens": 50, "messages":[{"role":"user","content":"x"}],\t"model":"default"}'

    sent = MESSAGES.prepare_passthrough(body, MESSAGES.parse(body), Upstream("claude"), 50)
    assert sent == body.replace(b'"default"', b'"claude"')
    clamped = MESSAGES.prepare_passthrough(body, MESSAGES.parse(body), Upstream("claude"), 7)
    assert clamped == sent.replace(b"50", b"7")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6) | st.sampled_from(["model", '"model":', "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["model", "a", '"', "é"]), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(["model", "max_tokens", "x", "é", '"model"', "model\\"]) | st.text(max_size=5)


@given(
    document=st.dictionaries(KEYS, VALUES, min_size=1),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    named=st.lists(st.sampled_from(["model", "max_tokens", "x"]), unique=True),
)
def test_splicing_equals_setting(
    document: dict[str, Any],
    indent: int | None,
    ascii_only: bool,
    named: list[str],
) -> None:
    body = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    values = dict.fromkeys(named, b'"new"')

    assert json.loads(replace(body, document, values)) == {**document, **dict.fromkeys(named, "new")}
    assert {key: json.loads(body[span.start : span.end]) for key, span in members(body).items()} == document


# Streams


def chunk(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "choices": [choice], "usage": None, **fields}).encode() + b"\n\n"


USAGE = {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}
FRONT = chunk({"role": "assistant"}) + chunk({"content": 'about "usage": {}'}) + chunk({}, "stop")
HIDDEN = b"data: " + json.dumps({"id": "c", "choices": [], "usage": USAGE}).encode() + b"\n\n"
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 3, 50, 1000])
def test_the_usage_that_only_this_side_asked_for_is_hidden(size: int, line_end: bytes) -> None:
    front, hidden, done = (part.replace(b"\n", line_end) for part in (FRONT, HIDDEN, DONE))
    tap = CHAT.passthrough_stream(CHAT.parse(chat(stream=True)))
    data = front + hidden + done

    out = b"".join(tap.feed(data[at : at + size]) for at in range(0, len(data), size)) + tap.finish()

    assert out == front + done
    assert tap.usage == Usage(input=8, output=2)
    assert (tap.stop_reason, tap.ended) == ("end", True)


def test_usage_in_an_event_with_content_is_not_hidden() -> None:
    tap = CHAT.passthrough_stream(CHAT.parse(chat(stream=True)))
    data = chunk({"content": "x"}, "stop", usage=USAGE) + DONE

    assert tap.feed(data) + tap.finish() == data
    assert tap.usage == Usage(input=8, output=2)


def test_events_are_forwarded_when_they_are_whole() -> None:
    tap = CHAT.passthrough_stream(CHAT.parse(chat(stream=True)))

    assert tap.feed(FRONT + HIDDEN[:5]) == FRONT
    assert tap.feed(HIDDEN[5:]) == b""
    asking = CHAT.passthrough_stream(CHAT.parse(chat(stream=True, stream_options={"include_usage": True})))
    assert asking.feed(FRONT[:30]) == FRONT[:30]


def test_a_cut_stream_has_no_end_and_an_estimate() -> None:
    tap = CHAT.passthrough_stream(CHAT.parse(chat(stream=True)))
    words = b"".join(chunk({"content": "word " * 30}) for _ in range(40))
    tap.feed(chunk({"role": "assistant", "content": ""}) + words)
    tap.finish()

    assert (tap.ended, tap.usage) == (False, Usage())
    assert 1200 <= tap.output_estimate <= 3000


def test_a_text_about_the_end_marker_is_not_the_end() -> None:
    tap = CHAT.passthrough_stream(CHAT.parse(chat(stream=True)))
    tap.feed(chunk({"content": "streams end with\ndata: [DONE]\n\n"}))
    other = MESSAGES.passthrough_stream(MESSAGES.parse(chat(max_tokens=9)))
    delta = {
        "type": "content_block_delta",
        "delta": {"text": '\ndata: {"type": "message_stop"}\n\nevent: message_stop'},
    }
    other.feed(f"event: content_block_delta\ndata: {json.dumps(delta)}\n\n".encode())

    assert not tap.ended
    assert not other.ended


def test_the_shortest_event_tells_how_much_of_each_is_text() -> None:
    tap = CHAT.passthrough_stream(CHAT.parse(chat(stream=True)))
    first = chunk({"role": "assistant", "content": ""}, system_fingerprint="f" * 300)
    for event in (first, *[chunk({"content": "word " * 30})] * 10, chunk({"content": ""})):
        tap.feed(event)

    assert 500 <= tap.output_estimate <= 700


def test_an_anthropic_stream_cut_after_its_start_costs_what_went_by() -> None:
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word " * 60}}
    tap = MESSAGES.passthrough_stream(MESSAGES.parse(chat(max_tokens=9)))
    for event in (start, delta, delta):
        tap.feed(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    tap.finish()

    assert tap.usage == Usage(input=9)
    assert 150 <= tap.output_estimate <= 300
    assert not tap.ended


def test_an_error_event_goes_by_and_is_seen() -> None:
    tap = CHAT.passthrough_stream(CHAT.parse(chat(stream=True)))
    event = b'data: {"error":{"message":"Tool call validation failed","type":"invalid_request_error"}}\n\n'
    assert tap.feed(FRONT + event) == FRONT + event
    assert tap.error is not None
    assert (tap.error.status, tap.error.message) == (400, "Tool call validation failed")

    other = MESSAGES.passthrough_stream(MESSAGES.parse(chat(max_tokens=9)))
    event = b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'
    assert other.feed(event) == event
    assert other.error is not None
    assert other.error.status == 503


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b'"usage":{', b"data: {", b"\n\n", b"[DONE]"])))
def test_odd_bytes_pass_as_they_are(pieces: list[bytes]) -> None:
    for wire in (CHAT, MESSAGES):
        tap = wire.passthrough_stream(wire.parse(chat(max_tokens=9)))
        assert b"".join(map(tap.feed, pieces)) + tap.finish() == b"".join(pieces)


def test_an_event_without_end_is_not_kept_forever() -> None:
    tap = CHAT.passthrough_stream(CHAT.parse(chat(stream=True)))
    out = b"".join(tap.feed(b"x" * 100_000) for _ in range(30)) + tap.finish()

    assert out == b"x" * 3_000_000


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"content":"x"}', b"[" * 100_000])
def test_an_answer_that_is_none_is_noticed(body: bytes) -> None:
    for wire in (CHAT, MESSAGES):
        with pytest.raises(UpstreamShapeError):
            wire.read_passthrough(body)


def test_usage_is_read_from_answers_that_pass() -> None:
    message = {"role": "assistant", "content": "a" * 300}
    seen = CHAT.read_passthrough(json.dumps({"choices": [{"message": message, "finish_reason": "length"}]}).encode())
    assert (seen.usage, seen.stop_reason, seen.output_estimate) == (Usage(), "length", 100)

    content = [{"type": "server_tool_use", "id": "x"}, {"type": "text", "text": "b" * 30}]
    answer = {"content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 2}}
    seen = MESSAGES.read_passthrough(json.dumps(answer).encode())
    assert (seen.usage, seen.stop_reason, seen.output_estimate) == (Usage(input=1, output=2), "end", 10)
