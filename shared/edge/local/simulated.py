"""The embedded default of the Ai port: a small deterministic model that says it is simulated.

It speaks Chat Completions as Workers AI does: streams word by word, counts tokens, honours max_tokens, stop, tools,
tool_choice and response_format. The same request always gets the same answer.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from shared.edge.local.json_shape import is_list, is_object
from shared.edge.local.simulated_reply import Reply, compose, pieces
from shared.edge.ports import AiError, Clock, Json
from shared.prices.book import load_book

PACE = 0.01
"""Seconds between two words of a stream: quick to read, slow enough to be seen streaming."""
MESSAGE_TOKENS = 3
"""What a message costs beside its text, as in OpenAI's chat template."""
IMAGE_TOKENS = 85


@dataclass(frozen=True, slots=True)
class _Turn:
    """One answer, ready to be told whole or in pieces."""

    id: str
    created: int
    model: str
    words: list[str]
    reply: Reply
    finish: str
    prompt_tokens: int
    completion_tokens: int

    @property
    def usage(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


class SimulatedAi:
    """`models`: the room for tokens of each model by its own name; by default those of the price book."""

    def __init__(self, clock: Clock, models: Mapping[str, int] | None = None, *, pace: float = PACE) -> None:
        self._clock = clock
        self._models = _models_of_book() if models is None else models
        self._pace = pace

    async def run(self, model: str, inputs: dict[str, Json]) -> dict[str, Json]:
        turn = self._answer(model, inputs)
        message: dict[str, Json] = {"role": "assistant", "content": "".join(turn.words) if turn.words else None}
        if turn.reply.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in turn.reply.calls
            ]
        return {
            "id": turn.id,
            "object": "chat.completion",
            "created": turn.created,
            "model": turn.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": turn.finish}],
            "usage": turn.usage,
        }

    async def stream(self, model: str, inputs: dict[str, Json]) -> AsyncIterator[bytes]:
        turn = self._answer(model, inputs)
        options = inputs.get("stream_options")
        with_usage = is_object(options) and options.get("include_usage") is True
        return self._events(turn, with_usage=with_usage)

    async def _events(self, turn: _Turn, *, with_usage: bool) -> AsyncIterator[bytes]:
        for delta in _deltas(turn):
            yield _event(turn, [{"index": 0, "delta": delta, "finish_reason": None}])
            if self._pace:
                await self._clock.sleep(self._pace)
        yield _event(turn, [{"index": 0, "delta": {}, "finish_reason": turn.finish}])
        if with_usage:
            yield _event(turn, [], turn.usage)
        yield b"data: [DONE]\n\n"

    def _answer(self, model: str, inputs: dict[str, Json]) -> _Turn:
        context = self._models.get(model)
        if context is None:
            raise AiError(404, f"No such model {model}: the simulated account has {', '.join(sorted(self._models))}")
        messages = _messages(inputs)
        prompt_tokens = _prompt_tokens(messages, inputs)
        if prompt_tokens > context:
            raise AiError(400, f"The prompt has {prompt_tokens} tokens; {model} has room for {context}")
        reply = compose(model, messages, inputs)
        words, finish = _cut(pieces(reply.text), _stops(inputs), _limit(inputs))
        calls = reply.calls
        if finish is None:
            finish = "tool_calls" if calls else "stop"
        elif calls:
            reply = Reply(reply.text, ())
        spoken = len(words) + sum(len(pieces(call.arguments)) + 4 for call in reply.calls)
        digest = hashlib.sha256(json.dumps([model, messages], sort_keys=True).encode()).hexdigest()
        return _Turn(
            id=f"chatcmpl-sim-{digest[:16]}",
            created=self._clock.now_ms() // 1000,
            model=model,
            words=words,
            reply=reply,
            finish=finish,
            prompt_tokens=prompt_tokens,
            completion_tokens=max(1, spoken),
        )


def _models_of_book() -> dict[str, int]:
    return {entry.upstream_model: entry.context_tokens for entry in load_book() if entry.provider == "workers_ai"}


def _messages(inputs: dict[str, Json]) -> list[dict[str, Json]]:
    messages = inputs.get("messages")
    if not is_list(messages) or not messages or not all(is_object(one) for one in messages):
        raise AiError(400, "messages: a list of at least one message is required")
    if inputs.get("n") not in (None, 1):
        raise AiError(400, "n: the simulated model gives one choice")
    return messages


def _limit(inputs: dict[str, Json]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        limit = inputs.get(name)
        if limit is None:
            continue
        if not isinstance(limit, int) or limit < 1:
            raise AiError(400, f"{name}: must be a whole number of at least 1")
        return limit
    return None


def _stops(inputs: dict[str, Json]) -> list[str]:
    stop = inputs.get("stop")
    if isinstance(stop, str):
        stop = [stop]
    return [one for one in stop or [] if isinstance(one, str) and one]


def _cut(words: list[str], stops: list[str], limit: int | None) -> tuple[list[str], str | None]:
    """What is left of an answer after stop sequences and the token limit, and the reason when something was cut."""
    text = "".join(words)
    ends = [at for at in (text.find(stop) for stop in stops) if at >= 0]
    finish = None
    if ends:
        words, finish = pieces(text[: min(ends)]), "stop"
    if limit is not None and len(words) > limit:
        words, finish = words[:limit], "length"
    return words, finish


def _prompt_tokens(messages: list[dict[str, Json]], inputs: dict[str, Json]) -> int:
    total = 0
    for message in messages:
        total += MESSAGE_TOKENS
        content = message.get("content")
        for part in content if is_list(content) else [{"text": content}]:
            text = part.get("text") if is_object(part) else None
            total += len(pieces(text)) if isinstance(text, str) else IMAGE_TOKENS if text is None and content else 0
        if message.get("tool_calls"):
            total += len(pieces(json.dumps(message["tool_calls"])))
    if inputs.get("tools"):
        total += len(pieces(json.dumps(inputs["tools"])))
    return total


def _deltas(turn: _Turn) -> Iterator[dict[str, Json]]:
    yield {"role": "assistant", "content": "" if turn.words else None}
    for word in turn.words:
        yield {"content": word}
    for index, call in enumerate(turn.reply.calls):
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        for piece in pieces(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _event(turn: _Turn, choices: list[dict[str, Json]], usage: dict[str, int] | None = None) -> bytes:
    document: dict[str, Json] = {
        "id": turn.id,
        "object": "chat.completion.chunk",
        "created": turn.created,
        "model": turn.model,
        "choices": choices,
    }
    if usage is not None:
        document["usage"] = usage
    return f"data: {json.dumps(document, separators=(',', ':'))}\n\n".encode()
