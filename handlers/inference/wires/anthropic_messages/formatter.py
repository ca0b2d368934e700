"""Events written as Anthropic's stream: one block at a time, each opened, filled and closed."""

from handlers.inference.conversation import (
    Event,
    Parsed,
    PartEnd,
    RefusalDelta,
    Start,
    Stop,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from handlers.inference.wires.anthropic_messages.answer import STOP_REASONS, format_usage, public_id
from handlers.inference.wires.document import encode
from handlers.inference.wires.usage import UNKNOWN, merge
from shared.edge.ports import Json

_Content = TextDelta | RefusalDelta | ThinkingDelta | ToolCallStart | ToolCallDelta


class _Formatter:
    """Tool calls of other wires may come interleaved: while one is open, what belongs to others waits for its end."""

    def __init__(self, answer_id: str) -> None:
        self._id = answer_id
        self._usage = UNKNOWN
        self._stop = Stop("end")
        self._index = -1
        self._open: str | int | None = None
        """`text`, `thinking`, or the index of the tool call whose block is open."""
        self._waiting: list[_Content] = []

    def feed(self, event: Event) -> bytes:
        match event:
            case TextDelta() | RefusalDelta() | ThinkingDelta() | ToolCallStart() | ToolCallDelta():
                if isinstance(self._open, int) and _part_of(event) != self._open:
                    self._waiting.append(event)
                    return b""
                return self._write(event)
            case PartEnd():
                return self._close() + self._write_waiting()
            case Start():
                return self._start(event)
            case UsageReport():
                self._usage = merge(self._usage, event.usage)
            case Stop():
                self._stop = event
            case _:
                pass
        return b""

    def finish(self) -> bytes:
        end = self._close()
        while self._waiting:
            end += self._write_waiting() + self._close()
        delta = {"stop_reason": STOP_REASONS[self._stop.reason], "stop_sequence": self._stop.stop_sequence}
        usage = format_usage(self._usage)
        return end + _sse("message_delta", {"delta": delta, "usage": usage}) + _sse("message_stop", {})

    def _start(self, event: Start) -> bytes:
        message: dict[str, Json] = {
            "id": public_id(self._id),
            "type": "message",
            "role": "assistant",
            "model": event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": format_usage(self._usage),
        }
        return _sse("message_start", {"message": message}) + _sse("ping", {})

    def _write_waiting(self) -> bytes:
        waiting, self._waiting = self._waiting, []
        written = b""
        for event in waiting:
            written += self.feed(event)
        return written

    def _write(self, event: _Content) -> bytes:
        match event:
            case TextDelta() | RefusalDelta():
                opened = self._enter("text", {"type": "text", "text": ""})
                return opened + self._delta({"type": "text_delta", "text": event.text})
            case ThinkingDelta():
                return self._thinking(event)
            case ToolCallStart():
                block: dict[str, Json] = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
                return self._enter(event.index, block)
            case ToolCallDelta():
                return self._delta({"type": "input_json_delta", "partial_json": event.arguments})

    def _thinking(self, event: ThinkingDelta) -> bytes:
        if event.redacted is not None:
            block: dict[str, Json] = {"type": "redacted_thinking", "data": event.redacted}
            return self._close() + self._enter("redacted", block) + self._close()
        written = self._enter("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if event.text:
            written += self._delta({"type": "thinking_delta", "thinking": event.text})
        if event.signature is not None:
            written += self._delta({"type": "signature_delta", "signature": event.signature}) + self._close()
        return written

    def _enter(self, part: str | int, block: dict[str, Json]) -> bytes:
        if self._open == part:
            return b""
        closed = self._close()
        self._open = part
        self._index += 1
        return closed + _sse("content_block_start", {"index": self._index, "content_block": block})

    def _delta(self, delta: dict[str, Json]) -> bytes:
        return _sse("content_block_delta", {"index": self._index, "delta": delta})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return _sse("content_block_stop", {"index": self._index})


def _part_of(event: _Content) -> str | int:
    if isinstance(event, ToolCallStart | ToolCallDelta):
        return event.index
    return "thinking" if isinstance(event, ThinkingDelta) else "text"


def _sse(name: str, fields: dict[str, Json]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + encode({"type": name, **fields}) + b"\n\n"


def stream_formatter(parsed: Parsed, *, answer_id: str, created: int) -> _Formatter:  # noqa: ARG001
    return _Formatter(answer_id)
