"""Events written as chat completion chunks."""

import json

from handlers.inference.conversation import (
    Event,
    Parsed,
    RefusalDelta,
    Start,
    Stop,
    StopReason,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from handlers.inference.wires.document import encode
from handlers.inference.wires.openai_chat.reply import FINISHES, format_usage, public_id, thinking_block
from handlers.inference.wires.usage import UNKNOWN, merge
from shared.edge.ports import Json


class _Formatter:
    def __init__(self, answer_id: str, created: int, *, include_usage: bool) -> None:
        self._head = f'data: {{"id":{json.dumps(public_id(answer_id))},"object":"chat.completion.chunk",'.encode()
        self._created = created
        self._model = ""
        self._include_usage = include_usage
        self._usage = UNKNOWN
        self._stop: StopReason = "end"
        self._thought = ""
        self._begin()

    def _begin(self) -> None:
        self._before = self._head + f'"created":{self._created},"model":{json.dumps(self._model)},"choices":['.encode()
        # With include_usage every chunk has the field, null until the last (API reference, stream_options).
        self._after = b'],"usage":null}\n\n' if self._include_usage else b"]}\n\n"

    def feed(self, event: Event) -> bytes:
        match event:
            case TextDelta():
                return self._delta({"content": event.text})
            case Start():
                self._model = event.model
                self._begin()
                return self._delta({"role": "assistant", "content": "", "refusal": None})
            case ToolCallStart():
                function: dict[str, Json] = {"name": event.name, "arguments": ""}
                call = {"index": event.index, "id": event.id, "type": "function", "function": function}
                return self._delta({"tool_calls": [call]})
            case ToolCallDelta():
                piece = {"index": event.index, "function": {"arguments": event.arguments}}
                return self._delta({"tool_calls": [piece]})
            case ThinkingDelta():
                return self._thinking(event)
            case RefusalDelta():
                return self._delta({"refusal": event.text})
            case UsageReport():
                self._usage = merge(self._usage, event.usage)
            case Stop():
                self._stop = event.reason
            case _:
                pass
        return b""

    def _thinking(self, event: ThinkingDelta) -> bytes:
        delta: dict[str, Json] = {}
        if event.text:
            self._thought += event.text
            delta["reasoning_content"] = event.text
        if event.signature or event.redacted:
            text, self._thought = ("" if event.redacted else self._thought), ""
            delta["thinking_blocks"] = [thinking_block(Thinking(text, event.signature, event.redacted))]
        return self._delta(delta) if delta else b""

    def finish(self) -> bytes:
        end = self._delta({}, FINISHES[self._stop])
        if self._include_usage:
            end += self._before + b'],"usage":' + encode(format_usage(self._usage)) + b"}\n\n"
        return end + b"data: [DONE]\n\n"

    def _delta(self, delta: dict[str, Json], finish: str | None = None) -> bytes:
        choice = b'{"index":0,"delta":' + encode(delta) + b',"logprobs":null,"finish_reason":'
        return (
            self._before + choice + (b"null" if finish is None else b'"' + finish.encode() + b'"') + b"}" + self._after
        )


def stream_formatter(parsed: Parsed, *, answer_id: str, created: int) -> _Formatter:
    return _Formatter(answer_id, created, include_usage=parsed.include_usage)
