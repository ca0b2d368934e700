"""Errors in Anthropic's shape, both ways (platform.claude.com/docs/en/api/errors)."""

import json

from handlers.errors import ApiError
from handlers.inference.wires.document import encode
from handlers.inference.wires.errors import UpstreamReportedError
from handlers.inference.wires.usage import table
from shared.edge.ports import Json

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 503,
}
MAX_MESSAGE = 2_000


def format_error(error: ApiError, request_id: str) -> bytes:
    return encode(_document(error, request_id))


def format_stream_error(error: ApiError, request_id: str) -> bytes:
    return b"event: error\ndata: " + encode(_document(error, request_id)) + b"\n\n"


def _document(error: ApiError, request_id: str) -> dict[str, Json]:
    inner: dict[str, Json] = {
        "type": _TYPES.get(error.status, "api_error"),
        "message": error.message,
        "code": error.code,
    }
    if error.param is not None:
        inner["param"] = error.param
    return {"type": "error", "error": inner, "request_id": request_id}


def read_error(body: bytes) -> str:
    try:
        document = json.loads(body[:100_000])
    except (ValueError, RecursionError):
        return ""
    message = table(table(document).get("error")).get("message")
    return message[:MAX_MESSAGE] if isinstance(message, str) else ""


def reported(document: dict[str, Json]) -> UpstreamReportedError:
    error = table(document.get("error"))
    kind, message = error.get("type"), error.get("message")
    status = _STATUSES.get(kind, 502) if isinstance(kind, str) else 502
    text = message[:MAX_MESSAGE] if isinstance(message, str) and message else "the provider reported an error"
    return UpstreamReportedError(status, text)
