"""The REST API as an ASGI application: token, account, endpoint, envelope."""

import json
import logging
import re
import secrets
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.twin.account.account import Account
from infra.twin.api.call import Call, Reply, Route
from infra.twin.api.errors import ApiError, no_route
from infra.twin.api.faults import Faults
from infra.twin.api.table import ROUTES

LOG = logging.getLogger("serai.twin.api")
BASE = "/client/v4"
MAX_BODY = 100 * 1024 * 1024
IDENTIFIER = re.compile(r"[0-9a-f]{32}")

OnChange = Callable[[str], None]


def create_api(
    account: Account,
    *,
    token: str,
    account_id: str,
    on_change: OnChange | None = None,
    faults: Faults | None = None,
) -> ASGIApp:
    """`on_change(kind)` is called on the event loop after a commit: worker, version, deployment, route, domain, ..."""
    service = _Service(account, token, account_id, on_change)
    routes = [
        StarletteRoute(BASE + route.path, service.endpoint(route), methods=[route.method])
        for route in sorted(ROUTES, key=lambda route: "{" in route.path)
    ]
    handlers: dict[Any, Any] = {HTTPException: service.unrouted, Exception: _crashed}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return _Faulty(app, faults) if faults else app


class _Service:
    def __init__(self, account: Account, token: str, account_id: str, on_change: OnChange | None) -> None:
        self._account = account
        self._token = token
        self._account_id = account_id
        self._on_change = on_change

    def endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                self._authenticate(request)
                self._check_path(request)
                call = Call(
                    account=self._account,
                    account_id=self._account_id,
                    path=request.path_params,
                    query=request.query_params,
                    headers=request.headers,
                    content=await _read(request),
                )
                response = _envelope(200, await run_in_threadpool(route.endpoint, call))
            except ApiError as error:
                return _refused(error)
            except (UnicodeEncodeError, RecursionError) as error:
                # Half of a surrogate pair, or nesting that only just could be read: no text that JSON can carry on.
                return _refused(ApiError(400, 6007, f"Malformed JSON in request body: {error}"))
            except (sqlite3.Error, OSError) as error:
                LOG.warning("%s %s: %s", request.method, request.url.path, error)
                return _refused(ApiError(500, 10013, f"The twin's account cannot be read or written: {error}"))
            self._notify(call)
            return response

        return answer

    async def unrouted(self, request: Request, error: HTTPException) -> Response:
        """No such path, or not with that method. Whoever has no token is told nothing else."""
        path = request.url.path.removeprefix(BASE)
        try:
            self._authenticate(request)
        except ApiError as refusal:
            return _refused(refusal)
        if error.status_code == 405:
            return _refused(ApiError(405, 7001, f"Method {request.method} not available for that URI."))
        return _refused(no_route(path))

    def _authenticate(self, request: Request) -> None:
        header = request.headers.get("authorization")
        if header is None:
            raise ApiError(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        scheme, _, given = header.partition(" ")
        if scheme.lower() != "bearer" or not re.fullmatch(r"[!-~]{1,200}", given):
            chain = (6111, "Invalid format for Authorization header")
            raise ApiError(400, 6003, "Invalid request headers", chain=chain)
        if secrets.compare_digest(given.encode(), self._token.encode()):
            return
        path = request.url.path.removeprefix(BASE)
        if path.endswith("/tokens/verify"):
            raise ApiError(401, 1000, "Invalid API Token")
        if path.startswith("/zones"):
            raise ApiError(403, 9109, "Invalid access token")
        raise ApiError(401, 10000, "Authentication error")

    def _check_path(self, request: Request) -> None:
        for name in ("account", "zone"):
            given = request.path_params.get(name)
            if given is not None and not IDENTIFIER.fullmatch(given):
                raise no_route(request.url.path.removeprefix(BASE))
        if request.path_params.get("account", self._account_id) != self._account_id:
            raise ApiError(403, 10000, "Authentication error")

    def _notify(self, call: Call) -> None:
        if self._on_change:
            for kind in sorted(call.touched):
                self._on_change(kind)


async def _read(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY:
                raise ApiError(413, 10027, f"The request body is larger than {MAX_BODY} bytes.")
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise ApiError(400, 6007, "The request body ended too early.") from error
    return b"".join(chunks)


def _envelope(status: int, reply: Reply, errors: list[dict[str, object]] | None = None) -> Response:
    document: dict[str, Any] = {"success": not errors, "errors": errors or [], "messages": [], "result": reply.result}
    if reply.info is not None:
        document["result_info"] = reply.info
    return Response(json.dumps(document), status, media_type="application/json")


def _refused(error: ApiError) -> Response:
    return _envelope(error.status, Reply(None), [error.item()])


async def _crashed(request: Request, error: Exception) -> Response:
    LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _refused(ApiError(500, 10013, "An unknown error has occurred."))


class _Faulty:
    """The application, with the failures that a test asked for."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = scope["type"] == "http"
        fault = self._faults.strike(scope["method"], scope["path"].removeprefix(BASE)) if http else None
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.kind == "drop":
            await self._app(scope, receive, _nowhere)
            # A head whose body never comes: the server has to break the connection.
            headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        else:
            status, code = (429, 10429) if fault.kind == "rate_limit" else (500, 10013)
            response = _refused(ApiError(status, code, f"A {status} that the test asked for."))
            if status == 429:
                response.headers["retry-after"] = "1"
            await response(scope, receive, send)


async def _nowhere(message: Message) -> None:
    """What the application answers is lost."""
