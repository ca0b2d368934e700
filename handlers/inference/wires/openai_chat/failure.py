"""Errors in OpenAI's shape, both ways."""

import json
from typing import cast

from handlers.errors import ApiError
from handlers.inference.wires.document import encode
from handlers.inference.wires.errors import UpstreamReportedError
from handlers.inference.wires.usage import table
from shared.edge.ports import Json

# platform.openai.com/docs/guides/error-codes
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
_STATUSES = {
    "invalid_request_error": 400,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "context_length_exceeded": 400,
    "server_is_overloaded": 503,
    "service_unavailable": 503,
}
MAX_MESSAGE = 2_000


def format_error(error: ApiError, request_id: str) -> bytes:
    return encode(_document(error, request_id))


def format_stream_error(error: ApiError, request_id: str) -> bytes:
    return b"data: " + encode(_document(error, request_id)) + b"\n\n"


def _document(error: ApiError, request_id: str) -> dict[str, Json]:
    return {
        "error": {
            "message": error.message,
            "type": _TYPES.get(error.status, "api_error"),
            "param": error.param,
            "code": error.code,
        },
        "request_id": request_id,
    }


def read_error(body: bytes) -> str:
    """`{"error": {"message"}}`, `{"error": "..."}`, `{"message"}`, `{"detail"}`, `{"errors": [{"message"}]}`."""
    try:
        document = json.loads(body[:100_000])
    except (ValueError, RecursionError):
        return ""
    if isinstance(document, list) and document:  # Gemini's compatible endpoint wraps its error in an array
        document = cast("list[Json]", document)[0]
    return message_of(document)


def message_of(document: Json) -> str:
    fields = table(document)
    listed = fields.get("errors")
    candidates = (
        table(fields.get("error")).get("message"),
        fields.get("error"),
        fields.get("message"),
        fields.get("detail"),
        table(listed[0]).get("message") if isinstance(listed, list) and listed else None,
    )
    found = next((text for text in candidates if isinstance(text, str) and text), "")
    return found[:MAX_MESSAGE]


def reported(document: dict[str, Json]) -> UpstreamReportedError:
    """The error object inside an answer or a stream whose status was 200."""
    error = table(document.get("error"))
    status = 502
    for word in (error.get("status_code"), error.get("code"), error.get("type"), document.get("status_code")):
        if isinstance(word, int) and not isinstance(word, bool) and 400 <= word <= 599:
            status = word
            break
        if isinstance(word, str) and word in _STATUSES:
            status = _STATUSES[word]
            break
    return UpstreamReportedError(status, message_of(document) or "the provider reported an error in its answer")
