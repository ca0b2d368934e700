"""The operator's API: `/healthz` for anyone, `/v1/tenants` with the operator token."""

import hmac
import json
from dataclasses import asdict
from urllib.parse import parse_qs

from handlers.control.directory import Directory
from handlers.errors import ApiError
from shared.edge.ports import App, Crypto, Json, Receive, Scope, Send

MOST_PER_PAGE = 1000
DEFAULT_PER_PAGE = 100


def build_control(directory: Directory, operator_token: str, crypto: Crypto) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await respond(scope, send)

    async def respond(scope: Scope, send: Send) -> None:
        request_id = f"req_{crypto.random_bytes(16).hex()}"
        try:
            status, document, headers = 200, answer(scope), {}
        except ApiError as error:
            status, document, headers = error.status, _openai_shape(error), error.headers
        ids = {"x-request-id": request_id, "x-serai-request-id": request_id}
        body = json.dumps(document, separators=(",", ":")).encode()
        await _send(send, status, body, headers | ids, head_only=scope["method"] == "HEAD")

    def answer(scope: Scope) -> Json:
        if scope["path"] == "/healthz":
            _allow_reading(scope)
            return {"status": "ok"}
        _authenticate(scope, operator_token)
        if scope["path"] == "/v1/tenants":
            _allow_reading(scope)
            return _list_tenants(scope, directory)
        raise ApiError(404, "not_found", f"There is nothing at {scope['path']}. The control endpoint has /v1/tenants.")

    return app


def _authenticate(scope: Scope, operator_token: str) -> None:
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    # Compared as a whole and in constant time, so that an answer's delay tells nothing about the token.
    if not hmac.compare_digest(given, b"Bearer " + operator_token.encode()):
        raise ApiError(
            401,
            "invalid_key",
            "The operator token is missing or wrong. Send it as `Authorization: Bearer TOKEN`.",
            headers={"www-authenticate": "Bearer"},
        )


def _allow_reading(scope: Scope) -> None:
    if scope["method"] not in {"GET", "HEAD"}:
        raise ApiError(
            405,
            "invalid_request",
            f"{scope['method']} {scope['path']} is not supported. Use GET.",
            headers={"allow": "GET, HEAD"},
        )


def _list_tenants(scope: Scope, directory: Directory) -> Json:
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    after = query.get("after", [None])[-1]
    page = directory.page(_limit(query.get("limit", [str(DEFAULT_PER_PAGE)])[-1]), after)
    return {"data": [asdict(entry) for entry in page.data], "next": page.next}


def _limit(text: str) -> int:
    # isascii: int() would take digits of any script, and `isdigit` says yes to superscripts.
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
    if not 1 <= limit <= MOST_PER_PAGE:
        raise ApiError(
            400,
            "invalid_request",
            f"limit must be a whole number from 1 to {MOST_PER_PAGE}, not {text!r}.",
            param="limit",
        )
    return limit


def _openai_shape(error: ApiError) -> Json:
    kind = "authentication_error" if error.status == 401 else "invalid_request_error"
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


async def _send(send: Send, status: int, body: bytes, headers: dict[str, str], *, head_only: bool) -> None:
    fields = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        **headers,
    }
    raw = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if head_only else body})


async def _lifespan(receive: Receive, send: Send) -> None:
    """Nothing to start or stop; a server that asks gets its answers."""
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
