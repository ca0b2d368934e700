"""An upstream's message events, read into events (platform.claude.com/docs/en/build-with-claude/streaming)."""

import json
from typing import cast

from handlers.inference.conversation import (
    End,
    Event,
    PartEnd,
    Start,
    Stop,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from handlers.inference.wires.anthropic_messages.answer import read_usage, required_text, stop_reason, text_of
from handlers.inference.wires.anthropic_messages.failure import reported
from handlers.inference.wires.errors import UpstreamShapeError
from handlers.inference.wires.sse import Events
from handlers.inference.wires.usage import UNKNOWN, count, table
from shared.edge.ports import Json


class _Reader:
    def __init__(self) -> None:
        self._events = Events()
        self._usage = UNKNOWN
        self._calls: dict[int, int] = {}
        """The upstream's block index -> our index among the tool calls."""
        self._ended = False

    def feed(self, piece: bytes) -> list[Event]:
        return [event for _, data in self._events.feed(piece) for event in self._read(data)]

    def finish(self) -> list[Event]:
        return [event for _, data in self._events.finish() for event in self._read(data)]

    def _read(self, data: bytes) -> list[Event]:
        if self._ended:
            return []
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            raise UpstreamShapeError("an event of the stream is not JSON") from None
        if not isinstance(document, dict):
            raise UpstreamShapeError("an event of the stream is no object")
        fields = cast("dict[str, Json]", document)
        index = count(fields.get("index")) or 0
        match fields.get("type"):
            case "content_block_delta":
                return self._delta(table(fields.get("delta")), index)
            case "content_block_start":
                return self._block_start(table(fields.get("content_block")), index)
            case "content_block_stop":
                return [PartEnd()]
            case "message_start":
                return self._start(table(fields.get("message")))
            case "message_delta":
                return self._message_delta(fields)
            case "message_stop":
                self._ended = True
                return [End()]
            case "error":
                raise reported(fields)
            case _:
                return []  # ping, and what may be added ("new event types", streaming guide)

    def _start(self, message: dict[str, Json]) -> list[Event]:
        # Its output_tokens is a beginning, not a count: taken for one, a cut stream would cost next to nothing.
        self._usage = read_usage({**table(message.get("usage")), "output_tokens": None})
        return [Start(text_of(message.get("id")), text_of(message.get("model"))), UsageReport(self._usage)]

    def _block_start(self, block: dict[str, Json], index: int) -> list[Event]:
        match block.get("type"):
            case "text":
                return [TextDelta(text)] if (text := text_of(block.get("text"))) else []
            case "thinking":
                return [ThinkingDelta(text)] if (text := text_of(block.get("thinking"))) else []
            case "redacted_thinking":
                return [ThinkingDelta(redacted=required_text(block, "data", index))]
            case "tool_use":
                place = self._calls[index] = len(self._calls)
                start = ToolCallStart(place, required_text(block, "id", index), required_text(block, "name", index))
                given = block.get("input")
                return [start, ToolCallDelta(place, json.dumps(given))] if given else [start]
            case _:
                raise UpstreamShapeError(f"content[{index}] is a block of a kind that was not asked for")

    def _delta(self, delta: dict[str, Json], index: int) -> list[Event]:
        match delta.get("type"):
            case "text_delta":
                return [TextDelta(required_text(delta, "text", index))]
            case "thinking_delta":
                return [ThinkingDelta(required_text(delta, "thinking", index))]
            case "signature_delta":
                return [ThinkingDelta(signature=required_text(delta, "signature", index))]
            case "input_json_delta":
                if index not in self._calls:
                    raise UpstreamShapeError(f"content[{index}] gets arguments, but is no tool call")
                piece = required_text(delta, "partial_json", index)
                return [ToolCallDelta(self._calls[index], piece)] if piece else []
            case _:
                raise UpstreamShapeError(f"content[{index}] gets a delta of a kind that was not asked for")

    def _message_delta(self, fields: dict[str, Json]) -> list[Event]:
        events: list[Event] = []
        if fields.get("usage") is not None:
            self._usage = read_usage(fields.get("usage"), self._usage)
            events.append(UsageReport(self._usage))
        delta = table(fields.get("delta"))
        if delta.get("stop_reason") is not None:
            sequence = delta.get("stop_sequence")
            reason = stop_reason(delta.get("stop_reason"))
            events.append(Stop(reason, sequence if isinstance(sequence, str) else None))
        return events


def stream_reader() -> _Reader:
    return _Reader()
