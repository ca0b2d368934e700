"""The URL table of a cell: raw ASGI, no framework, one answer for every request."""

import asyncio
import contextlib
from dataclasses import dataclass

from handlers.cell import Cell, Site, open_cell
from handlers.errors import ApiError
from handlers.http import (
    CallerGoneError,
    Endpoint,
    Headers,
    Request,
    Response,
    check_json_headers,
    is_text,
    read_body,
    read_headers,
    read_query,
    write_headers,
)
from handlers.inference import models, pipeline, wires
from handlers.inference.wires import Wire
from handlers.metering import endpoints as metering
from handlers.observability import log
from handlers.tenants import endpoints as tenants
from handlers.tenants.credentials import presented_key
from shared.edge.ports import App, DatabaseError, Platform, Receive, Scope, Send
from shared.spec.compiled import CellConfig

CHAT = wires.load("openai_chat")
MESSAGES = wires.load("anthropic_messages")
LAST_BYTE = 5.0
"""Seconds for the end of a stream to be taken by a caller who has stopped reading."""


async def _chat(request: Request) -> Response:
    return await pipeline.answer(request, CHAT)


async def _messages(request: Request) -> Response:
    return await pipeline.answer(request, MESSAGES)


URLS: dict[str, dict[str, Endpoint]] = {
    "/v1/chat/completions": {"POST": _chat},
    "/v1/messages": {"POST": _messages},
    "/v1/models": {"GET": models.list_models},
    "/v1/usage": {"GET": metering.usage},
    "/v1/config": {"GET": tenants.config},
    "/v1/keys": {"GET": tenants.list_keys, "POST": tenants.create_key},
}
UNDER: dict[str, dict[str, Endpoint]] = {
    "/v1/models/": {"GET": models.show_model},
    "/v1/receipts/": {"GET": metering.receipt},
    "/v1/keys/": {"DELETE": tenants.revoke_key},
}
"""URLs with a name at their end."""
LATER = ("/v1/responses", "/v1/embeddings", "/v1/messages/count_tokens", "/v1/files", "/v1/batches", "/v1/completions")


@dataclass(slots=True)
class Arrival:
    """What is known of a request so far: enough to answer it with an error at any point."""

    request_id: str
    method: str
    now_ms: int
    wire: Wire = CHAT
    site: Site | None = None
    endpoint: str | None = None


def build_app(config: CellConfig, platform: Platform) -> App:
    """Raises ValueError when the version's bindings do not fit its tenants.json."""
    cell = open_cell(config, platform)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await respond(cell, scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    return app


async def respond(cell: Cell, scope: Scope, receive: Receive, send: Send) -> None:
    platform = cell.platform
    arrival = Arrival(f"req_{platform.crypto.random_bytes(12).hex()}", scope["method"], platform.clock.now_ms())
    try:
        response = await _answer(cell, arrival, scope, receive)
    except ApiError as error:
        response = _refuse(platform, arrival, error)
    except DatabaseError as error:
        log.internal_error(platform.log, request_id=arrival.request_id, error=error)
        busy = ApiError(503, "unavailable", "The tenant's database did not answer.", headers={"retry-after": "1"})
        response = _refuse(platform, arrival, busy)
    except CallerGoneError:
        return
    except Exception as error:  # noqa: BLE001 - whatever it was, the caller gets an answer and the operator a line
        log.internal_error(platform.log, request_id=arrival.request_id, error=error)
        response = _refuse(platform, arrival, ApiError(500, "internal", "This gateway failed. The fault is logged."))
    await _send(arrival, response, send)


async def _answer(cell: Cell, arrival: Arrival, scope: Scope, receive: Receive) -> Response:
    headers = read_headers(scope)
    if not is_text(scope["path"]):
        raise ApiError(400, "invalid_request", "The path is not valid UTF-8.")
    site, path = _place(cell, headers.get("host", ""), scope["path"])
    arrival.site = site
    endpoint = _endpoint(arrival, site, path, headers)
    if endpoint is None:
        return Response(204, b"", [(b"allow", _allow(path).encode())])
    body = b""
    if arrival.method == "POST":
        presented_key(headers, site.tenant.name)
        if "idempotency-key" in headers:
            message = "Idempotency-Key is not supported yet."
            raise ApiError(400, "unsupported_field", message, param="idempotency-key")
        check_json_headers(headers)
        body = await read_body(headers, receive)
    return await endpoint(
        Request(
            method=arrival.method,
            path=path,
            query=read_query(scope),
            headers=headers,
            body=body,
            tenant=site.tenant,
            database=site.database,
            ledger=site.ledger,
            cell=cell,
            request_id=arrival.request_id,
            now_ms=arrival.now_ms,
        )
    )


def _place(cell: Cell, host: str, path: str) -> tuple[Site, str]:
    """A tenant's own hostname serves it at the root; any other host by the first segment of the path."""
    if cell.by_hostname:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        site = cell.by_hostname.get(name.lower().rstrip("."))
        if site is not None:
            return site, path
    name, _, rest = path[1:].partition("/")
    site = cell.by_name.get(name)
    if site is None:
        raise ApiError(404, "not_found", "There is no such endpoint. A tenant's is /<tenant>/v1/...")
    return site, f"/{rest}"


def _endpoint(arrival: Arrival, site: Site, path: str, headers: dict[str, str]) -> Endpoint | None:
    """None: an OPTIONS request, which only asks what there is."""
    if path.startswith("/v1/messages") or (path.startswith("/v1/models") and "anthropic-version" in headers):
        arrival.wire = MESSAGES
    arrival.endpoint, methods = _methods(path)
    if not methods:
        later = " It is not supported yet." if path.startswith(LATER) else ""
        raise ApiError(404, "not_found", f"{site.tenant.name} has no endpoint {_shown(path)}.{later}")
    method = "GET" if arrival.method == "HEAD" else arrival.method
    endpoint = methods.get(method)
    if endpoint is None and method != "OPTIONS":
        message = f"{_shown(arrival.method)} is not supported by {arrival.endpoint}. Use {_allow(path)}."
        raise ApiError(405, "invalid_request", message, headers={"allow": _allow(path)})
    return endpoint


def _methods(path: str) -> tuple[str | None, dict[str, Endpoint]]:
    methods = URLS.get(path)
    if methods is not None:
        return path, methods
    for prefix, under in UNDER.items():
        if path.startswith(prefix) and len(path) > len(prefix):
            return prefix, under
    return None, {}


def _allow(path: str) -> str:
    methods = list(_methods(path)[1])
    return ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"])


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "...")


def _refuse(platform: Platform, arrival: Arrival, error: ApiError) -> Response:
    log.request_failed(
        platform.log,
        request_id=arrival.request_id,
        tenant=arrival.site.tenant.name if arrival.site else None,
        method=arrival.method[:10],
        endpoint=arrival.endpoint,
        status=error.status,
        code=error.code,
        ms=platform.clock.now_ms() - arrival.now_ms,
    )
    headers = dict(error.headers)
    if error.status == 402:
        headers.setdefault("x-should-retry", "false")
    return Response(error.status, arrival.wire.format_error(error, arrival.request_id), write_headers(headers))


async def _send(arrival: Arrival, response: Response, send: Send) -> None:
    request_id = arrival.request_id.encode()
    headers: Headers = [
        (b"content-type", response.content_type),
        (b"x-request-id", request_id),
        (b"x-serai-request-id", request_id),
        *(response.headers or ()),
    ]
    if arrival.wire is MESSAGES:
        headers.append((b"request-id", request_id))
    if isinstance(response.body, bytes):
        if response.status != 204:
            headers.append((b"content-length", b"%d" % len(response.body)))
        body = b"" if arrival.method == "HEAD" else response.body
        with contextlib.suppress(OSError):
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        return
    with contextlib.suppress(OSError):
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await response.body(_writer(send))
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(LAST_BYTE):
            await send({"type": "http.response.body", "body": b""})


def _writer(send: Send):
    gone = False

    async def write(piece: bytes) -> None:
        """The stream goes on when its reader has left: what the upstream produces is still to be counted."""
        nonlocal gone
        if gone:
            return
        try:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        except OSError:
            gone = True

    return write


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
