"""An upstream's chat completion, read without trust."""

import json
from typing import cast

from handlers.inference.conversation import Answer, Part, Refusal, StopReason, Text, Thinking, ToolCall
from handlers.inference.wires import Seen, UpstreamShapeError
from handlers.inference.wires.bounds import answer_size, estimate_tokens
from handlers.inference.wires.errors import UpstreamReportedError
from handlers.inference.wires.openai_chat.failure import reported
from handlers.inference.wires.usage import count, table
from shared.edge.ports import Json
from shared.prices.usage import Usage

_STOPS: dict[str, StopReason] = {
    "stop": "end",
    "length": "length",
    "model_length": "length",  # Mistral
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refusal",
}
_FAILED = {"error": 502, "insufficient_system_resource": 503}  # OpenRouter; DeepSeek


def read_answer(document: Json) -> Answer:
    fields = _object(document)
    if "choices" not in fields and "response" in fields:
        return _read_response_shape(fields)
    choices = fields.get("choices")
    if not isinstance(choices, list) or not choices:
        raise UpstreamShapeError("choices is missing or empty")
    choice = table(cast("list[Json]", choices)[0])
    message = choice.get("message")
    if not isinstance(message, dict):
        raise UpstreamShapeError("choices[0].message is no object")
    answer_id = text_of(fields.get("id"))
    parts = _parts(cast("dict[str, Json]", message), answer_id)
    called = any(isinstance(part, ToolCall) for part in parts)
    return Answer(
        id=answer_id,
        model=text_of(fields.get("model")),
        parts=parts,
        stop_reason=stop_reason(choice.get("finish_reason"), called=called),
        usage=answer_usage(fields),
    )


def read_passthrough(body: bytes) -> Seen:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise UpstreamShapeError("the answer is not JSON") from None
    answer = read_answer(document)
    return Seen(answer.usage, answer.stop_reason, estimate_tokens(answer_size(answer)))


def _object(document: Json) -> dict[str, Json]:
    if not isinstance(document, dict):
        raise UpstreamShapeError("the answer is no object")
    fields = cast("dict[str, Json]", document)
    if fields.get("error") and not fields.get("choices"):
        raise reported(fields)
    return fields


def _read_response_shape(fields: dict[str, Json]) -> Answer:
    """Workers AI's older shape: `{"response": text or object, "tool_calls": [{name, arguments}], "usage"}`."""
    response = fields.get("response")
    parts: list[Part] = []
    if isinstance(response, str) and response:
        parts.append(Text(response))
    elif isinstance(response, dict | list):  # JSON mode answers with the decoded document
        parts.append(Text(json.dumps(response, ensure_ascii=False)))
    parts += tool_calls(fields.get("tool_calls"), text_of(fields.get("id")))
    called = any(isinstance(part, ToolCall) for part in parts)
    return Answer(
        id=text_of(fields.get("id")),
        model=text_of(fields.get("model")),
        parts=tuple(parts),
        stop_reason=stop_reason(fields.get("finish_reason"), called=called),
        usage=answer_usage(fields),
    )


def _parts(message: dict[str, Json], answer_id: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    if thought := reasoning_text(message):
        parts.append(Thinking(thought))
    parts += content_parts(message.get("content"))
    if refusal := text_of(message.get("refusal")):
        parts.append(Refusal(refusal))
    parts += tool_calls(message.get("tool_calls"), answer_id)
    return tuple(parts)


def reasoning_text(message: dict[str, Json]) -> str:
    """`reasoning_content` (DeepSeek, xAI, Z.ai, Moonshot) or `reasoning` (Groq, Ollama, OpenRouter)."""
    return text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))


def content_parts(content: Json) -> list[Text | Thinking]:
    """A string, or Mistral's list of `text` and `thinking` parts."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise UpstreamShapeError("content is neither text nor parts")
    parts: list[Text | Thinking] = []
    for item in cast("list[Json]", content):
        piece = table(item)
        if piece.get("type") == "thinking":
            inner = piece.get("thinking")
            listed = cast("list[Json]", inner) if isinstance(inner, list) else [{"text": inner}]
            parts.append(Thinking("".join(text_of(table(part).get("text")) for part in listed)))
        elif isinstance(piece.get("text"), str):
            parts.append(Text(piece["text"]))
        else:
            raise UpstreamShapeError("content holds a part that is neither text nor thinking")
    return parts


def tool_calls(listed: Json, answer_id: str) -> list[ToolCall]:
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise UpstreamShapeError("tool_calls is no array")
    calls: list[ToolCall] = []
    for index, item in enumerate(cast("list[Json]", listed)):
        call = table(item)
        function = table(call.get("function")) or call
        name = text_of(function.get("name"))
        if not name:
            raise UpstreamShapeError(f"tool_calls[{index}] has no name")
        call_id = text_of(call.get("id")) or made_up_id(answer_id, index)
        calls.append(ToolCall(call_id, name, arguments_text(function.get("arguments"))))
    return calls


def made_up_id(answer_id: str, index: int) -> str:
    """Gemini and Workers AI's older models give none, yet the result has to name its call."""
    return f"call_{answer_id or 'serai'}_{index}"


def arguments_text(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def text_of(value: Json) -> str:
    return value if isinstance(value, str) else ""


def stop_reason(finish: Json, *, called: bool) -> StopReason:
    if isinstance(finish, str) and finish in _FAILED:
        raise UpstreamReportedError(_FAILED[finish], f"the provider ended the answer with {finish}")
    reason = _STOPS.get(finish, "end") if isinstance(finish, str) else "end"
    # Some servers say `stop` after a tool call; a caller's loop would then never run the tool.
    return "tool_calls" if called and reason == "end" else reason


def answer_usage(fields: dict[str, Json]) -> Usage:
    """`usage`, or what Groq puts into `x_groq` of a stream's last chunk."""
    given = fields.get("usage")
    return read_usage(given if isinstance(given, dict) else table(fields.get("x_groq")).get("usage"))


def read_usage(given: Json) -> Usage:
    usage = table(given)
    prompt, output, total = (count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    prompt_details = table(usage.get("prompt_tokens_details"))
    reasoning = count(table(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    cached = first(
        prompt_details.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"), usage.get("cached_tokens")
    )
    written = count(prompt_details.get("cache_write_tokens"))
    if prompt is not None and output is not None and total is not None and total > prompt + output:
        # xAI and Gemini leave reasoning out of completion_tokens, but bill it, and count it in the total.
        reasoning = total - prompt - output if reasoning is None else reasoning
        output = total - prompt
    return Usage(
        input=None if prompt is None else max(0, prompt - (cached or 0) - (written or 0)),
        cached_read=cached,
        cache_write_5m=written,
        output=output,
        reasoning=reasoning,
    )


def first(*values: Json) -> int | None:
    return next((number for value in values if (number := count(value)) is not None), None)
