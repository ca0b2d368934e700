"""Messages answers: an upstream's read without trust, a caller's written."""

import json
from typing import cast

from handlers.inference.conversation import Answer, Parsed, Part, Refusal, StopReason, Text, Thinking, ToolCall
from handlers.inference.wires import Seen, UpstreamShapeError
from handlers.inference.wires.anthropic_messages.build import arguments_object
from handlers.inference.wires.anthropic_messages.failure import reported
from handlers.inference.wires.bounds import answer_size, estimate_tokens
from handlers.inference.wires.document import encode
from handlers.inference.wires.usage import UNKNOWN, count, merge, table
from shared.edge.ports import Json
from shared.prices.usage import Usage

STOPS: dict[str, StopReason] = {
    "end_turn": "end",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
}
STOP_REASONS: dict[StopReason, str] = {
    "end": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "pause": "pause_turn",
}


def read_answer(document: Json) -> Answer:
    fields = _object(document)
    content = fields.get("content")
    if not isinstance(content, list):
        raise UpstreamShapeError("content is no array")
    parts = tuple(_part(table(item), index) for index, item in enumerate(cast("list[Json]", content)))
    return Answer(
        id=text_of(fields.get("id")),
        model=text_of(fields.get("model")),
        parts=parts,
        stop_reason=stop_reason(fields.get("stop_reason")),
        usage=read_usage(fields.get("usage")),
        stop_sequence=fields["stop_sequence"] if isinstance(fields.get("stop_sequence"), str) else None,
    )


def read_passthrough(body: bytes) -> Seen:
    """Blocks of kinds unknown here pass too: only usage, stop reason and size matter."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise UpstreamShapeError("the answer is not JSON") from None
    fields = _object(document)
    content = fields.get("content")
    if not isinstance(content, list):
        raise UpstreamShapeError("content is no array")
    parts = [_known_part(table(item), index) for index, item in enumerate(cast("list[Json]", content))]
    answer = Answer("", "", tuple(part for part in parts if part), "end", UNKNOWN)
    usage, reason = read_usage(fields.get("usage")), stop_reason(fields.get("stop_reason"))
    return Seen(usage, reason, estimate_tokens(answer_size(answer)))


def _object(document: Json) -> dict[str, Json]:
    if not isinstance(document, dict):
        raise UpstreamShapeError("the answer is no object")
    fields = cast("dict[str, Json]", document)
    if fields.get("type") == "error" or (fields.get("error") and "content" not in fields):
        raise reported(fields)
    return fields


def _part(block: dict[str, Json], index: int) -> Part:
    part = _known_part(block, index)
    if part is None:
        raise UpstreamShapeError(f"content[{index}] is a block of a kind that was not asked for")
    return part


def _known_part(block: dict[str, Json], index: int) -> Part | None:
    match block.get("type"):
        case "text":
            return Text(required_text(block, "text", index))
        case "thinking":
            return Thinking(required_text(block, "thinking", index), text_of(block.get("signature")) or None)
        case "redacted_thinking":
            return Thinking(redacted=required_text(block, "data", index))
        case "tool_use":
            arguments = block.get("input")
            if not isinstance(arguments, dict):
                raise UpstreamShapeError(f"content[{index}].input is no object")
            return ToolCall(
                required_text(block, "id", index),
                required_text(block, "name", index),
                json.dumps(arguments, ensure_ascii=False),
            )
        case _:
            return None


def required_text(block: dict[str, Json], name: str, index: int) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise UpstreamShapeError(f"content[{index}].{name} is no text")
    return value


def text_of(value: Json) -> str:
    return value if isinstance(value, str) else ""


def stop_reason(value: Json) -> StopReason:
    return STOPS.get(value, "end") if isinstance(value, str) else "end"


def read_usage(given: Json, before: Usage = UNKNOWN) -> Usage:
    """`usage` of an answer or an event; a stream's last one gives cache writes in one sum, its first by duration."""
    usage = table(given)
    durations = table(usage.get("cache_creation"))
    short, long = (count(durations.get(f"ephemeral_{name}_input_tokens")) for name in ("5m", "1h"))
    written = count(usage.get("cache_creation_input_tokens"))
    if written is not None and written > (short or 0) + (long or 0):
        if written == (before.cache_write_5m or 0) + (before.cache_write_1h or 0):
            short, long = before.cache_write_5m, before.cache_write_1h
        else:
            short = written - (long or 0)  # 5 minutes are the default duration
    elif written is not None and short is None and long is None:
        short = 0
    read = Usage(
        input=count(usage.get("input_tokens")),
        cached_read=count(usage.get("cache_read_input_tokens")),
        cache_write_5m=short,
        cache_write_1h=long,
        output=count(usage.get("output_tokens")),
        reasoning=count(table(usage.get("output_tokens_details")).get("thinking_tokens")),
    )
    return merge(before, read)


def format_answer(answer: Answer, parsed: Parsed, *, answer_id: str, created: int) -> bytes:  # noqa: ARG001
    return encode(
        {
            "id": public_id(answer_id),
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": [_block(part) for part in answer.parts],
            "stop_reason": STOP_REASONS[answer.stop_reason],
            "stop_sequence": answer.stop_sequence,
            "usage": {**format_usage(answer.usage), **_cache_durations(answer.usage)},
        }
    )


def _cache_durations(usage: Usage) -> dict[str, Json]:
    if usage.cache_write_5m is None and usage.cache_write_1h is None:
        return {}
    durations = {
        "ephemeral_5m_input_tokens": usage.cache_write_5m or 0,
        "ephemeral_1h_input_tokens": usage.cache_write_1h or 0,
    }
    return {"cache_creation": durations}


def public_id(answer_id: str) -> str:
    return "msg_" + answer_id.removeprefix("req_")


def _block(part: Part) -> dict[str, Json]:
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text}
        case Thinking():
            if part.redacted is not None:
                return {"type": "redacted_thinking", "data": part.redacted}
            return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments_object(part.arguments)}
        case _:
            raise UpstreamShapeError("the answer holds a part that no answer can have")


def format_usage(usage: Usage) -> dict[str, Json]:
    document: dict[str, Json] = {
        "input_tokens": usage.input or 0,
        "cache_creation_input_tokens": (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0),
        "cache_read_input_tokens": usage.cached_read or 0,
        "output_tokens": usage.output or 0,
    }
    if usage.reasoning is not None:
        document["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return document
