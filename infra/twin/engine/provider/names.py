"""Names of properties: camelCase in Pulumi, snake_case in Cloudflare's API, with the exceptions of both."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from infra.twin.engine.values import Secret, reveal

_SPECIAL = {
    "tls13": "tls_1_3",
    "workersMessage": "workers/message",
    "workersTag": "workers/tag",
    "workersTriggeredBy": "workers/triggered_by",
}
_SPECIAL_BACK = {theirs: ours for ours, theirs in _SPECIAL.items()}
_FREE = {"customMetadata", "custom_metadata"}
"""Maps whose keys are the user's own."""


def snake(name: str) -> str:
    return _SPECIAL.get(name) or re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)


def camel(name: str) -> str:
    return _SPECIAL_BACK.get(name) or re.sub(r"[_/]([a-z0-9])", lambda match: match[1].upper(), name)


def to_api(value: Any, renamed: Mapping[str, str] | None = None) -> Any:
    """Inputs as the API wants them: plain values under its own names. `renamed` holds for the first level."""
    if isinstance(value, Secret):
        return to_api(reveal(value))
    if isinstance(value, list):
        return [to_api(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    return {
        (renamed or {}).get(key) or snake(key): reveal(item) if key in _FREE else _json(key, to_api(item))
        for key, item in fields.items()
    }


def from_api(value: Any, renamed: Mapping[str, str] | None = None) -> Any:
    """An answer under Pulumi's names. `renamed` is the one of `to_api`."""
    back = {theirs: ours for ours, theirs in (renamed or {}).items()}
    if isinstance(value, list):
        return [from_api(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    return {
        back.get(key) or camel(key): item if key in _FREE or key == "json" else from_api(item)
        for key, item in fields.items()
    }


def _json(key: str, value: Any) -> Any:
    """A `json` binding's value is text in the program and an object in the API."""
    if key != "json" or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
