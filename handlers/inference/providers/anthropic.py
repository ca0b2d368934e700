"""Anthropic (platform.claude.com/docs/en/api/messages)."""

import re
from collections.abc import Mapping

from handlers.errors import ApiError
from handlers.inference.providers import _failure
from handlers.inference.wires import Upstream
from handlers.inference.wires.anthropic_messages.failure import read_error as read_message
from shared.edge.ports import HttpRequest
from shared.spec import compiled

WIRE = "anthropic_messages"
USES_AI_PORT = False

VERSION = "2023-06-01"
"""The only one in use (platform.claude.com/docs/en/api/versioning)."""
_IMAGE_TOKENS = 4_784
"""At 2,576 pixels on the long edge, the most that any Claude model looks at (build-with-claude/vision)."""
_WORD_LIST = re.compile(r"[A-Za-z0-9._, -]{1,500}")
_PASSED_ON = ("anthropic-version", "anthropic-beta")


def upstream(model: str) -> Upstream:
    return Upstream(model, image_tokens=_IMAGE_TOKENS)


def request(config: compiled.Provider, key: str | None, document: bytes, headers: Mapping[str, str]) -> HttpRequest:
    sent = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "anthropic-version": VERSION,
    }
    for name in _PASSED_ON:
        if value := headers.get(name):
            if not _WORD_LIST.fullmatch(value):
                raise ApiError(400, "invalid_request", f"The header {name} holds characters it may not.", param=name)
            sent[name] = value
    if key:
        sent["x-api-key"] = key
    base = (config.base_url or "").rstrip("/").removesuffix("/v1")
    return HttpRequest("POST", f"{base}/v1/messages", tuple(sent.items()), document)


def read_error(config: compiled.Provider, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    return _failure.from_status(config.name, status, headers, read_message(body))
