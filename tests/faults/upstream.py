"""A model provider with prices: answers Chat Completions as long as it is asked to, and counts what it says."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

INPUT_TOKENS = 20
PACE_SECONDS = 0.004


def words_of(text: str) -> int:
    """The prompt `say 12 words` asks for 12."""
    return int(text.split()[1])


@asynccontextmanager
async def upstream() -> AsyncGenerator[str]:
    """Its base URL while it runs."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", _complete)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def _complete(request: web.Request) -> web.StreamResponse:
    asked: dict[str, Any] = await request.json()
    content = asked["messages"][-1]["content"]
    count = words_of(content if isinstance(content, str) else content[0]["text"])
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": count, "total_tokens": INPUT_TOKENS + count}
    head = {"id": "chatcmpl-fault", "created": 1_790_000_000, "model": asked["model"]}
    if not asked.get("stream"):
        await asyncio.sleep(count * PACE_SECONDS)
        message = {"role": "assistant", "content": "word " * count}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return web.json_response({**head, "object": "chat.completion", "choices": choices, "usage": usage})
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    with contextlib.suppress(ConnectionError):  # the gateway was killed in the middle
        await response.prepare(request)
        await _stream(
            response, {**head, "object": "chat.completion.chunk"}, count, usage if _wants_usage(asked) else None
        )
    return response


def _wants_usage(asked: dict[str, Any]) -> bool:
    wishes: dict[str, Any] = asked.get("stream_options") or {}
    return bool(wishes.get("include_usage"))


async def _stream(response: web.StreamResponse, head: dict[str, Any], count: int, usage: dict[str, int] | None) -> None:
    for number in range(count):
        delta = {"content": "word "} if number else {"role": "assistant", "content": "word "}
        await _send(response, {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        await asyncio.sleep(PACE_SECONDS)
    await _send(response, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage:
        await _send(response, {**head, "choices": [], "usage": usage})
    await response.write(b"data: [DONE]\n\n")


async def _send(response: web.StreamResponse, document: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(document).encode() + b"\n\n")
