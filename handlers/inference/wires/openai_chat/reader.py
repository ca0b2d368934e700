"""An upstream's chat completion chunks, read into events; Workers AI's older `{"response": ...}` chunks too."""

import json
from typing import cast

from handlers.inference.conversation import (
    End,
    Event,
    RefusalDelta,
    Start,
    Stop,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from handlers.inference.wires.errors import UpstreamShapeError
from handlers.inference.wires.openai_chat.answer import (
    answer_usage,
    arguments_text,
    content_parts,
    made_up_id,
    reasoning_text,
    stop_reason,
    text_of,
)
from handlers.inference.wires.openai_chat.failure import reported
from handlers.inference.wires.sse import Events
from handlers.inference.wires.usage import UNKNOWN, count, table
from shared.edge.ports import Json


class _Reader:
    def __init__(self) -> None:
        self._events = Events()
        self._id = ""
        self._started = self._stopped = self._ended = False
        self._calls: list[str] = []
        """The upstream's id of each tool call so far, in our order."""
        self._places: dict[int, int] = {}
        """The upstream's index of a tool call -> ours."""

    def feed(self, piece: bytes) -> list[Event]:
        return [event for _, data in self._events.feed(piece) for event in self._read(data)]

    def finish(self) -> list[Event]:
        events = [event for _, data in self._events.finish() for event in self._read(data)]
        # Some servers close the stream after the last chunk, without `[DONE]`: the finish reason makes it whole.
        if self._stopped and not self._ended:
            self._ended = True
            events.append(End())
        return events

    def _read(self, data: bytes) -> list[Event]:
        if self._ended:
            return []
        text = data.strip()
        if text == b"[DONE]":
            self._ended = True
            return [*self._stop("stop" if not self._stopped else None), End()]
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise UpstreamShapeError("an event of the stream is not JSON") from None
        if not isinstance(document, dict):
            raise UpstreamShapeError("an event of the stream is no object")
        return self._chunk(cast("dict[str, Json]", document))

    def _chunk(self, chunk: dict[str, Json]) -> list[Event]:
        if chunk.get("error") and not chunk.get("choices"):
            raise reported(chunk)
        events: list[Event] = []
        if not self._started:
            self._started = True
            self._id = text_of(chunk.get("id"))
            events.append(Start(self._id, text_of(chunk.get("model"))))
        choices = chunk.get("choices")
        finish: Json = None
        if isinstance(choices, list) and choices:
            choice = table(cast("list[Json]", choices)[0])
            events += self._delta(table(choice.get("delta")))
            finish = choice.get("finish_reason")
        elif "response" in chunk:
            response = chunk.get("response")
            events += self._delta(
                {
                    "content": response if response is None or isinstance(response, str) else str(response),
                    "tool_calls": chunk.get("tool_calls"),
                }
            )
        if (usage := answer_usage(chunk)) != UNKNOWN:
            events.append(UsageReport(usage))
        return events + self._stop(finish)

    def _delta(self, delta: dict[str, Json]) -> list[Event]:
        events: list[Event] = []
        if thought := reasoning_text(delta):
            events.append(ThinkingDelta(thought))
        for part in content_parts(delta.get("content")):
            if isinstance(part, Thinking):
                events.append(ThinkingDelta(part.text))
            elif part.text:
                events.append(TextDelta(part.text))
        if refusal := text_of(delta.get("refusal")):
            events.append(RefusalDelta(refusal))
        calls = delta.get("tool_calls")
        if calls is not None and not isinstance(calls, list):
            raise UpstreamShapeError("tool_calls is no array")
        for item in cast("list[Json]", calls or []):
            events += self._tool_call(table(item))
        return events

    def _tool_call(self, call: dict[str, Json]) -> list[Event]:
        function = table(call.get("function")) or call
        call_id, name = text_of(call.get("id")), text_of(function.get("name"))
        theirs = count(call.get("index"))
        ours = self._place(theirs, call_id, name)
        events: list[Event] = []
        if ours is None:
            if not name:
                raise UpstreamShapeError("a tool call begins without a name")
            ours = len(self._calls)
            self._calls.append(call_id)
            self._places[ours if theirs is None else theirs] = ours
            events.append(ToolCallStart(ours, call_id or made_up_id(self._id, ours), name))
        if arguments := arguments_text(function.get("arguments")):
            events.append(ToolCallDelta(ours, arguments))
        return events

    def _place(self, theirs: int | None, call_id: str, name: str) -> int | None:
        """Which of our calls a fragment belongs to; None: a new one.

        Servers number calls, or repeat index 0 with new ids, or give no index at all.
        """
        if theirs is None:
            if call_id and call_id in self._calls:
                return self._calls.index(call_id)
            return len(self._calls) - 1 if self._calls and not name else None
        ours = self._places.get(theirs)
        if ours is not None and name and call_id and self._calls[ours] != call_id:
            return None
        return ours

    def _stop(self, finish: Json) -> list[Event]:
        if finish is None or self._stopped:
            return []
        self._stopped = True
        return [Stop(stop_reason(finish, called=bool(self._calls)))]


def stream_reader() -> _Reader:
    return _Reader()
