"""What goes wrong upstream, told to a caller: what is the request's fault as such, the rest vaguely."""

import re
from collections.abc import Mapping

from handlers.errors import ApiError
from handlers.inference.wires import UpstreamReportedError, UpstreamShapeError
from shared.edge.ports import AiError, HttpError, HttpTimeoutError

_SECRETS = re.compile(
    r"\b(?:sk|key|org|proj|gsk|xai|acct|user)[-_][A-Za-z0-9_*.-]{4,}|\b[0-9a-f]{32,}\b", re.IGNORECASE
)
_CONTEXT = re.compile(
    r"context[ _](?:length|window)|maximum context|prompt is too long|too many (?:input )?tokens", re.IGNORECASE
)
_REQUESTS_FAULT = frozenset((400, 409, 415, 422))
MAX_RETRY_AFTER = 3_600


def from_status(provider: str, status: int, headers: Mapping[str, str], message: str) -> ApiError:
    """An answer other than 2xx. `message` is what the provider's body said."""
    said = f": {scrubbed(message)}" if message else ""
    if status in _REQUESTS_FAULT:
        code = "context_too_long" if _CONTEXT.search(message) else "invalid_request"
        return ApiError(400, code, f"{provider} refused the request{said or f' with status {status}.'}")
    if status == 413:
        return ApiError(413, "too_large", f"The request is too large for {provider}{said or '.'}")
    if status in (401, 403):
        return ApiError(502, "upstream_failed", f"{provider} refused the platform's key.")
    if status == 402:
        return ApiError(502, "upstream_failed", f"{provider} does not serve the platform's account at the moment.")
    if status == 404:
        return ApiError(502, "upstream_failed", f"{provider} does not know this model{said or '.'}")
    if status in (408, 504):
        return ApiError(504, "upstream_timeout", f"{provider} took too long to answer.")
    if status in (429, 503, 529):
        busy = f"{provider} is {'limiting the platform' if status == 429 else 'overloaded'}; try again later."
        return ApiError(503, "unavailable", busy, headers={"retry-after": retry_after(headers)})
    return ApiError(502, "upstream_failed", f"{provider} failed with status {status}.")


def from_exception(provider: str, error: Exception) -> ApiError:
    """A failure below HTTP, or inside an answer that had begun well."""
    match error:
        case UpstreamReportedError() | AiError():
            return from_status(provider, error.status, {}, str(error))
        case UpstreamShapeError():
            return ApiError(502, "upstream_failed", f"{provider} gave an answer that cannot be read: {error}.")
        case HttpTimeoutError():
            return ApiError(504, "upstream_timeout", f"{provider} took too long to answer.")
        case HttpError():
            return ApiError(502, "upstream_failed", f"The connection to {provider} failed.")
        case _:
            return ApiError(502, "upstream_failed", f"{provider} failed.")


def retry_after(headers: Mapping[str, str]) -> str:
    """Whole seconds; a date or nonsense counts as 1."""
    given = headers.get("retry-after", "").strip()
    whole = given.split(".", 1)[0]
    return str(min(int(whole), MAX_RETRY_AFTER)) if whole.isdecimal() and len(whole) < 10 else "1"


def scrubbed(message: str) -> str:
    """Providers quote keys and account ids in their messages."""
    return _SECRETS.sub("[removed]", message)
