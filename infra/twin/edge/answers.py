"""Answers the edge gives by itself, as whole HTTP messages in the error shape of the wire that was asked."""

import json
import secrets
from http import HTTPStatus

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def status_line(status: int) -> bytes:
    return STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()


def refusal(
    status: int, code: str, message: str, *, path: str = "", keep_alive: bool = False, with_body: bool = True
) -> bytes:
    """An error as OpenAI's wire writes it, or Anthropic's where the path is one of that wire."""
    request_id = f"req_{secrets.token_hex(12)}"
    kind = "server_error" if status >= 500 else "invalid_request_error"
    headers = f"content-type: application/json\r\nx-request-id: {request_id}\r\nx-serai-request-id: {request_id}\r\n"
    if path.endswith(("/v1/messages", "/v1/messages/count_tokens")):
        kind = "not_found_error" if status == 404 else "api_error" if status >= 500 else kind
        error = {"type": "error", "error": {"type": kind, "message": message, "code": code}, "request_id": request_id}
        headers += f"request-id: {request_id}\r\n"
    else:
        error = {"error": {"message": message, "type": kind, "code": code, "param": None}}
    body = json.dumps(error).encode()
    headers += f"content-length: {len(body)}\r\n" + ("" if keep_alive else "connection: close\r\n")
    return status_line(status) + headers.encode("latin-1") + b"\r\n" + (body if with_body else b"")


def no_route(host: bytes, path: str, *, keep_alive: bool, with_body: bool) -> bytes:
    where = (host.decode("latin-1") + path)[:200]
    message = f"no route matches {where!r}; a tenant answers at /<tenant>/v1/... or at the root of its own hostname"
    # a URL that belongs to no tenant belongs to no wire either: OpenAI's shape
    return refusal(404, "not_found", message, keep_alive=keep_alive, with_body=with_body)
