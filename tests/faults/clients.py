"""Clients that never rest: each sends one request after the other and tries again what a kill broke."""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

PATIENCE_SECONDS = 10.0
"""From its first failure on, a request is to be answered within this."""
PAUSE_SECONDS = 0.05
MODELS = ("default", "openai/gpt-5.4-mini")
MAX_TOKENS = 64
LIMIT_STATUSES = (402, 429)
AGAIN_STATUSES = (502, 503, 504)
BROKEN = (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError)


@dataclass(frozen=True, slots=True)
class Answer:
    """One that was received to its end."""

    tenant: str
    request_id: str
    priced: bool
    output: int
    """Tokens, as the answer itself says."""
    stream: bool


@dataclass
class Log:
    """What all clients have seen."""

    answers: list[Answer] = field(default_factory=list[Answer])
    problems: list[str] = field(default_factory=list[str])
    limited: int = 0
    broken: int = 0
    told_again: int = 0
    longest: float = 0.0
    """Seconds from a request's first failure to its answer."""
    receipts: int = 0


class BrokenOffError(Exception):
    """The answer did not come to its end."""


@dataclass
class Client:
    number: int
    url: str
    keys: dict[str, str]
    log: Log
    chance: random.Random
    answered_at: float = 0.0
    """When the request that was last answered had been begun."""

    async def run(self, stopped: asyncio.Event) -> None:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS, connect=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while not stopped.is_set():
                await self._one(session, stopped)
                await asyncio.sleep(self.chance.uniform(0, 0.05))

    async def _one(self, session: aiohttp.ClientSession, stopped: asyncio.Event) -> None:
        tenant = self.chance.choice(sorted(self.keys))
        asked = _request(self.chance, self.keys[tenant])
        failed_at = 0.0
        begun = time.monotonic()
        while True:
            try:
                await self._try(session, tenant, *asked)
                break
            except (*BROKEN, BrokenOffError, TimeoutError) as error:
                failed_at = failed_at or time.monotonic()
                self.log.broken += 1
                waited = time.monotonic() - failed_at
                if stopped.is_set():
                    return
                if waited > PATIENCE_SECONDS or isinstance(error, TimeoutError):
                    waited = time.monotonic() - begun
                    self.log.problems.append(f"{tenant}: no answer within {waited:.1f} s: {error!r}")
                    return
                await asyncio.sleep(PAUSE_SECONDS)
        self.answered_at = begun
        if failed_at:
            self.log.longest = max(self.log.longest, time.monotonic() - failed_at)

    async def _try(self, session: aiohttp.ClientSession, tenant: str, path: str, body: Any, headers: Any) -> None:
        url = f"{self.url}/{tenant}{path}"
        async with session.post(url, json=body, headers=headers) as response:
            raw = await response.read()
            request_id = response.headers.get("x-serai-request-id", "")
            if response.status in LIMIT_STATUSES:
                self.log.limited += 1
                return
            if response.status in AGAIN_STATUSES:
                self.log.told_again += 1
                raise BrokenOffError(f"{response.status} {raw[:200]!r}")
            if response.status != 200 or not request_id:
                self.log.problems.append(f"{tenant}{path}: {response.status} {request_id!r} {raw[:300]!r}")
                return
        try:
            output = _read_stream(raw) if body.get("stream") else _output(json.loads(raw))
        except BrokenOffError:
            # the connection ended as if this were all: a client could not know that something is missing
            self.log.problems.append(f"{tenant}{path}: a stream ended properly and without its end: {raw[-200:]!r}")
            raise
        priced = body["model"] != "default"
        self.log.answers.append(Answer(tenant, request_id, priced, output, bool(body.get("stream"))))
        if self.chance.random() < 0.1:
            await self._receipt(session, tenant, request_id)

    async def _receipt(self, session: aiohttp.ClientSession, tenant: str, request_id: str) -> None:
        """It is there as soon as the answer is, whatever happened in between."""
        url = f"{self.url}/{tenant}/v1/receipts/{request_id}"
        try:
            async with session.get(url, headers={"authorization": f"Bearer {self.keys[tenant]}"}) as response:
                document = await response.json()
        except (*BROKEN, TimeoutError):
            return
        if response.status in AGAIN_STATUSES:
            return
        self.log.receipts += 1
        if response.status != 200 or document.get("status") not in ("pending", "settled", "expired"):
            self.log.problems.append(f"{tenant}: the receipt of an answered request: {response.status} {document}")


def _request(chance: random.Random, key: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    body: dict[str, Any] = {
        "model": chance.choice(MODELS),
        "messages": [{"role": "user", "content": f"say {chance.randint(3, 40)} words"}],
        "max_tokens": MAX_TOKENS,
        "stream": chance.random() < 0.5,
    }
    if chance.random() < 0.5:
        return "/v1/messages", body, {"x-api-key": key, "anthropic-version": "2023-06-01"}
    if body["stream"]:
        body["stream_options"] = {"include_usage": True}
    return "/v1/chat/completions", body, {"authorization": f"Bearer {key}"}


def _read_stream(raw: bytes) -> int:
    """The output tokens that the events tell. Raises BrokenOffError when the last of them is missing."""
    output, ended = 0, False
    for line in raw.decode().splitlines():
        if line == "data: [DONE]":
            ended = True
        elif line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            ended = ended or event.get("type") == "message_stop"
            output = _output(event) or output
    if not ended:
        raise BrokenOffError("the stream broke off")
    return output


def _output(document: dict[str, Any]) -> int:
    usage: dict[str, Any] = document.get("usage") or {}
    return int(usage.get("completion_tokens", usage.get("output_tokens", 0)))
