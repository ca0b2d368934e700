"""Whatever arrives, one answer goes out, below 500, and nothing is left held."""

import json
import random
from typing import Any

import pytest

PATHS = [
    "/acme/v1/chat/completions",
    "/acme/v1/messages",
    "/acme/v1/models",
    "/acme/v1/models/default",
    "/acme/v1/keys",
    "/acme/v1/keys/key_x",
    "/acme/v1/usage",
    "/acme/v1/config",
    "/acme/v1/receipts/req_x",
    "/globex/v1/models",
    "/v1/chat/completions",
    "/",
]
METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "", "GET\u00e9"]
SEED_BODIES: list[dict[str, Any]] = [
    {
        "model": "default",
        "max_tokens": 20,
        "stream": True,
        "temperature": 0.5,
        "stop": ["x"],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Use get_weather"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "user": "u",
    },
    {
        "model": "fast",
        "max_tokens": 20,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "get_weather", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "18"}]},
        ],
        "tools": [{"name": "get_weather", "input_schema": {"type": "object"}}],
        "metadata": {"user_id": "u"},
        "thinking": {"type": "disabled"},
    },
    {"name": "ci", "role": "inference", "limits": {"requests_per_minute": 5}, "expires_at": None},
]
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    1e308,
    "",
    "x",
    "\ud800",
    "\x00",
    [],
    {},
    [[]],
    [None],
    {"": None},
    "auto",
]


def mutate(value: Any, chance: random.Random) -> Any:
    """The document with something in it replaced, removed or added, somewhere."""
    if not value or not isinstance(value, dict | list) or chance.random() < 0.15:
        return chance.choice(ODD)
    copy: Any = json.loads(json.dumps(value))
    named = bool(isinstance(value, dict))
    spot: Any = chance.choice(list(copy) if named else range(len(copy)))
    if named and chance.random() < 0.2:
        copy.pop(spot)
    elif named and chance.random() < 0.1:
        copy[chance.choice(["n", "logprobs", "store", "seed", "zzz", "top_k"])] = chance.choice(ODD)
    else:
        copy[spot] = mutate(copy[spot], chance)
    return copy


def body_of(chance: random.Random) -> bytes:
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(200))
    document: Any = chance.choice(SEED_BODIES)
    for _ in range(chance.randrange(4)):
        document = mutate(document, chance)
    raw = json.dumps(document).encode()
    if chance.random() < 0.15:
        cut = chance.randrange(len(raw) + 1)
        raw = raw[:cut] + chance.randbytes(3) + raw[cut:]
    return raw


def headers_of(chance: random.Random) -> dict[str, str]:
    odd = ["", "x", "é", "a" * 5000, "\x7f", "0", "-1", "9" * 30, "gzip", "application/json", "2023-06-01", "text/html"]
    names = ["content-type", "content-length", "content-encoding", "authorization", "x-api-key", "host", "expect"]
    names += ["anthropic-version", "anthropic-beta", "x-serai-end-user", "idempotency-key", "accept", "x-serai-lossy"]
    return {chance.choice(names): chance.choice(odd) for _ in range(chance.randrange(3))}


@pytest.mark.parametrize("seed", range(40))
async def test_no_request_is_answered_with_a_fault(house: Any, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    for _ in range(25):
        path = chance.choice(PATHS)
        if chance.random() < 0.2:
            path += chance.choice(["/", "//", "/../..", "\x00", "é", "?x", "/" + "a" * 3000, "%2e%2e", "\ud800"])
        posting = "completions" in path or "messages" in path
        method = "POST" if posting and chance.random() < 0.9 else chance.choice(METHODS)
        body, headers = body_of(chance), headers_of(chance)
        query = chance.choice(["", "limit=x", "from=9999&to=-1", "group_by=%00", "a=1&" * 200, "%ff=%fe", "after=x"])
        answer = await house.call(method, path, body, headers=headers, query=query)
        told = (method, path, headers, query, body)
        assert 200 <= answer.status < 500, (answer.status, answer.body, house.log.events[-3:], told)
        assert answer.headers["x-request-id"].startswith("req_"), told
        if answer.status >= 400 and method != "HEAD":
            assert answer.json()["error"]["code"], told
    await house.settled()
    assert not house.log.named("internal_error")
    assert not house.log.named("background_failed")
    config = (await house.call("GET", "/acme/v1/config")).json()
    assert all(limit["held"] == 0 for limit in config["limits"])
