"""An answer written as a chat completion."""

from handlers.inference.conversation import Answer, Parsed, Refusal, StopReason, Text, Thinking, ToolCall
from handlers.inference.wires.document import encode
from shared.edge.ports import Json
from shared.prices.usage import Usage

FINISHES: dict[StopReason, str] = {
    "end": "stop",
    "length": "length",
    "stop_sequence": "stop",
    "tool_calls": "tool_calls",
    "refusal": "content_filter",
    "pause": "stop",
}


def format_answer(answer: Answer, parsed: Parsed, *, answer_id: str, created: int) -> bytes:  # noqa: ARG001
    message: dict[str, Json] = {"role": "assistant", "content": None, "refusal": None}
    texts = [part.text for part in answer.parts if isinstance(part, Text)]
    refusals = [part.text for part in answer.parts if isinstance(part, Refusal)]
    thoughts = [part for part in answer.parts if isinstance(part, Thinking)]
    calls = [part for part in answer.parts if isinstance(part, ToolCall)]
    if texts or not (calls or refusals):
        message["content"] = "".join(texts)
    if refusals:
        message["refusal"] = "".join(refusals)
    if thoughts:
        message["reasoning_content"] = "".join(part.text for part in thoughts)
        if any(part.signature or part.redacted for part in thoughts):
            message["thinking_blocks"] = [thinking_block(part) for part in thoughts]
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in calls
        ]
    return encode(
        {
            "id": public_id(answer_id),
            "object": "chat.completion",
            "created": created,
            "model": answer.model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": FINISHES[answer.stop_reason],
                }
            ],
            "usage": format_usage(answer.usage),
        }
    )


def public_id(answer_id: str) -> str:
    return "chatcmpl-" + answer_id.removeprefix("req_")


def thinking_block(part: Thinking) -> dict[str, Json]:
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}


def format_usage(usage: Usage) -> dict[str, Json]:
    """OpenAI's `prompt_tokens` counts cached tokens too."""
    written = (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0)
    prompt = (usage.input or 0) + (usage.cached_read or 0) + written
    document: dict[str, Json] = {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output or 0,
        "total_tokens": prompt + (usage.output or 0),
    }
    if usage.cached_read is not None or written:
        document["prompt_tokens_details"] = {"cached_tokens": usage.cached_read or 0}
    if written:
        document["prompt_tokens_details"]["cache_write_tokens"] = written
    if usage.reasoning is not None:
        document["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return document
