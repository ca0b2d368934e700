"""A vendor on a real port: OpenAI's and Anthropic's protocols, strict about requests, and able to misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from anthropic.types import message_create_params
from openai.types.chat import completion_create_params
from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from shared.edge.local.clock import SystemClock
from shared.edge.local.simulated import SimulatedAi

CHAT = TypeAdapter[Any](completion_create_params.CompletionCreateParams)
CHAT_FIELDS = {
    *completion_create_params.CompletionCreateParamsBase.__annotations__,
    "stream",
}
MESSAGES = TypeAdapter[Any](message_create_params.MessageCreateParams)
MESSAGES_FIELDS = {*message_create_params.MessageCreateParamsBase.__annotations__, "stream"}


@dataclass
class Vendor:
    """`mode` is how it behaves; `seen` are the requests it accepted; `sent` the answers, as bytes."""

    address: str = ""
    mode: str = "well"
    seen: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    sent: list[bytes] = field(default_factory=list[bytes])
    released: asyncio.Event = field(default_factory=asyncio.Event)
    drained: asyncio.Event = field(default_factory=asyncio.Event)

    async def chat(self, request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer sk-openai-operator":
            return _openai_error(401, "Incorrect API key provided: sk-openai-****", "invalid_api_key")
        body = await request.json()
        refused = _refused(CHAT, CHAT_FIELDS, body)
        if refused:
            return _openai_error(400, refused, "invalid_request_error")
        return await self._behave(body, _openai_error, _OpenAi())

    async def messages(self, request: Request) -> Response:
        if request.headers.get("x-api-key") != "sk-ant-operator":
            return _anthropic_error(401, "invalid x-api-key", "authentication_error")
        if not request.headers.get("anthropic-version"):
            return _anthropic_error(400, "anthropic-version: header is required", "invalid_request_error")
        body = await request.json()
        refused = _refused(MESSAGES, MESSAGES_FIELDS, body)
        if refused:
            return _anthropic_error(400, refused, "invalid_request_error")
        return await self._behave(body, _anthropic_error, _Anthropic())

    async def _behave(self, body: dict[str, Any], error: Callable[[int, str, str], Response], model: Any) -> Response:
        self.seen.append(body)
        if self.mode.isdigit():
            return error(int(self.mode), "something is wrong with key sk-openai-operator", "some_error")
        if self.mode == "stall":
            await self.released.wait()
        if self.mode == "garbage":
            return Response(b"<html>Bad gateway</html>", media_type="text/html")
        if not body.get("stream"):
            document = await model.whole(body)
            if self.mode == "no_usage":
                document.pop("usage")
            self.sent.append(json.dumps(document, separators=(", ", ":  ")).encode())
            return Response(self.sent[-1], media_type="application/json")
        pieces = [piece async for piece in model.pieces(body)]
        return StreamingResponse(self._stream(pieces, model), media_type="text/event-stream")

    async def _stream(self, pieces: list[bytes], model: Any) -> AsyncIterator[bytes]:
        for index, piece in enumerate(pieces):
            if self.mode == "no_usage" and model.tells_usage(piece):
                continue
            if self.mode == "error_first" or (self.mode == "error_later" and index == 6):
                yield model.error_event
                return
            if self.mode == "cut" and index == 6:
                raise ConnectionResetError
            if self.mode == "short" and index == 6:
                return
            if self.mode == "stall_later" and index == 6:
                await self.released.wait()
            self.sent.append(piece)
            yield piece
            await asyncio.sleep(0.001)  # so that pieces arrive one by one, as they do from a model
        self.drained.set()


def _refused(adapter: TypeAdapter[Any], fields: set[str], body: dict[str, Any]) -> str:
    """What the vendor's own types do not have. Their iterables are lazy, so they are read through."""
    unknown = set(body) - fields
    if unknown:
        return f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}"
    try:
        _read_through(adapter.validate_python(body))
    except ValidationError as error:
        return str(error)[:500]
    return ""


def _read_through(value: Any) -> None:
    if isinstance(value, dict):
        for one in cast("dict[str, Any]", value).values():
            _read_through(one)
    elif not isinstance(value, str | bytes) and hasattr(value, "__iter__"):
        for one in value:
            _read_through(one)


def _openai_error(status: int, message: str, code: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": code, "param": None, "code": code}}, status)


def _anthropic_error(status: int, message: str, kind: str) -> Response:
    return JSONResponse({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_v"}, status)


class _OpenAi:
    """The simulated model behind OpenAI's protocol."""

    error_event = b'data: {"error":{"message":"The server had an error","type":"server_error","code":null}}\n\n'

    def __init__(self) -> None:
        self._ai = SimulatedAi(SystemClock(), {"gpt-5.4-mini": 400_000}, pace=0)

    async def whole(self, body: dict[str, Any]) -> dict[str, Any]:
        document = await self._ai.run(body["model"], body)
        document["usage"]["prompt_tokens_details"] = {"cached_tokens": 2, "audio_tokens": 0}
        document["service_tier"] = "default"
        return document

    async def pieces(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        async for piece in await self._ai.stream(body["model"], body):
            yield piece

    @staticmethod
    def tells_usage(piece: bytes) -> bool:
        return b'"usage":' in piece


class _Anthropic:
    """A small model in Anthropic's own protocol (docs.anthropic.com/en/api/messages-streaming)."""

    error_event = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    usage: dict[str, Any] = {  # noqa: RUF012 - read only
        "input_tokens": 20,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 4,
        "output_tokens": 7,
    }

    async def whole(self, body: dict[str, Any]) -> dict[str, Any]:
        last = body["messages"][-1]
        answers_tool = isinstance(last["content"], list) and last["content"][0].get("type") == "tool_result"
        called = bool(body.get("tools")) and not answers_tool
        content: list[dict[str, Any]] = [{"type": "text", "text": "Hello from a simulated Claude."}]
        if called:
            tool = body["tools"][0]
            content.append({"type": "tool_use", "id": "toolu_01", "name": tool["name"], "input": {"city": "Paris"}})
        return {
            "id": "msg_01",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": "tool_use" if called else "end_turn",
            "stop_sequence": None,
            "usage": dict(self.usage),
        }

    async def pieces(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        message = await self.whole(body)
        start: dict[str, Any] = {
            **message,
            "content": [],
            "stop_reason": None,
            "usage": {**self.usage, "output_tokens": 1},
        }
        yield self._event({"type": "message_start", "message": start})
        yield self._event({"type": "ping"})
        for index, block in enumerate(message["content"]):
            empty: dict[str, Any] = {**block, "text": ""} if block["type"] == "text" else {**block, "input": {}}
            yield self._event({"type": "content_block_start", "index": index, "content_block": empty})
            text = block.get("text") or json.dumps(block.get("input"))
            for at in range(0, len(text), 5):
                piece = text[at : at + 5]
                delta = (
                    {"type": "text_delta", "text": piece}
                    if block["type"] == "text"
                    else {"type": "input_json_delta", "partial_json": piece}
                )
                yield self._event({"type": "content_block_delta", "index": index, "delta": delta})
            yield self._event({"type": "content_block_stop", "index": index})
        stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        yield self._event({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 7}})
        yield self._event({"type": "message_stop"})

    @staticmethod
    def _event(document: dict[str, Any]) -> bytes:
        return f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()

    @staticmethod
    def tells_usage(piece: bytes) -> bool:
        return b"message_start" in piece or b"message_delta" in piece


@pytest.fixture
async def vendor(serve: Callable[..., Any]) -> Vendor:
    vendor = Vendor()
    routes = [
        Route("/openai/v1/chat/completions", vendor.chat, methods=["POST"]),
        Route("/anthropic/v1/messages", vendor.messages, methods=["POST"]),
    ]
    vendor.address = await serve(Starlette(routes=routes))
    return vendor


@pytest.fixture
def house(build: Callable[..., Any], vendor: Vendor) -> Any:
    return build(upstream=vendor.address)
