"""Requests and answers between the raw ASGI application and its endpoints: bytes in, bytes out, no framework."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from handlers.cell import Cell
from handlers.errors import ApiError
from handlers.metering.ledger import Ledger
from shared.edge.ports import Database, Json, Platform, Receive, Scope
from shared.spec.compiled import Tenant

MAX_BODY = 10_000_000
"""Bytes of a request's body."""
BODY_SECONDS = 30.0
"""A body has to be complete by then."""
DISCARDED = 64_000_000
"""How much of a body that is too large is read and dropped, so that its sender gets to read the refusal."""

Headers = list[tuple[bytes, bytes]]
Write = Callable[[bytes], Awaitable[None]]
Stream = Callable[[Write], Awaitable[None]]
"""A body that is written as it comes into being; it ends by itself, and goes on for the ledger when nobody reads."""


class CallerGoneError(Exception):
    """The caller went away before its request was complete. Nobody is left to answer."""


@dataclass(slots=True)
class Request:
    method: str
    path: str
    """Below the tenant: `/v1/chat/completions`, decoded."""
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case; of a repeated header the last."""
    body: bytes
    tenant: Tenant
    database: Database
    ledger: Ledger
    cell: Cell
    request_id: str
    now_ms: int

    @property
    def platform(self) -> Platform:
        return self.cell.platform


@dataclass(slots=True)
class Response:
    status: int
    body: bytes | Stream = b""
    headers: Headers | None = None
    """What comes beside content-type, content-length and the request id."""
    content_type: bytes = b"application/json"


Endpoint = Callable[[Request], Awaitable[Response]]


def is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: JSON's escapes can say half a surrogate pair, which no database takes."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_response(document: Json, status: int = 200) -> Response:
    return Response(status, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))


def read_headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def read_query(scope: Scope) -> dict[str, str]:
    raw: bytes = scope.get("query_string", b"")
    if not raw:
        return {}
    try:
        return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=100))
    except ValueError as error:
        raise ApiError(400, "invalid_request", "The query string has too many parameters.") from error


def write_headers(headers: Mapping[str, str]) -> Headers:
    """Header values are written by this side; what came from elsewhere loses what HTTP cannot carry."""
    return [(name.encode("latin-1"), _printable(value)) for name, value in headers.items()]


def _printable(value: str) -> bytes:
    if value.isascii() and value.isprintable():
        return value.encode()
    return "".join(char if " " <= char <= "~" else "?" for char in value).encode()


def check_json_headers(headers: dict[str, str]) -> None:
    """What the head of a POST already tells about its body."""
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = f"The content-type must be application/json, not {_shown(kind)}."
        raise ApiError(400, "invalid_request", message, param="content-type")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        message = f"A body with content-encoding {_shown(encoding)} is not supported: send it uncompressed."
        raise ApiError(400, "invalid_request", message, param="content-encoding")


def _shown(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:60] + "...")


async def read_body(headers: dict[str, str], receive: Receive) -> bytes:
    """The whole body. Raises ApiError 408 and 413, and CallerGoneError."""
    length = headers.get("content-length", "0")
    announced = int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else 0
    if announced > DISCARDED or (announced > MAX_BODY and "expect" in headers):
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                body: bytes = message.get("body", b"")
            else:
                body = await _read_pieces(message, receive)
    except TimeoutError as error:
        message = f"The request's body was not complete within {BODY_SECONDS:.0f} seconds."
        raise ApiError(408, "invalid_request", message, headers={"connection": "close"}) from error
    if len(body) > MAX_BODY:
        raise _too_large()
    return body


async def _read_pieces(message: dict[str, Json], receive: Receive) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        piece = message.get("body", b"")
        size += len(piece)
        if size > DISCARDED:
            raise _too_large()
        if size <= MAX_BODY:
            pieces.append(piece)
        if not message.get("more_body"):
            if size > MAX_BODY:
                raise _too_large()
            return b"".join(pieces)
        message = await receive()
    raise CallerGoneError


def _too_large() -> ApiError:
    message = f"The request's body is larger than {MAX_BODY // 1_000_000} MB."
    return ApiError(413, "too_large", message, headers={"connection": "close"})


def read_json(request: Request) -> dict[str, Json]:
    """The body of an endpoint that is no wire's: a JSON object."""
    try:
        document = json.loads(request.body or b"{}")
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "invalid_request", f"The body is not valid JSON: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise ApiError(400, "invalid_request", "The body must be a JSON object.")
    return document  # pyright: ignore[reportUnknownVariableType]
