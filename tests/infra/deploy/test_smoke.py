"""After an apply every tenant is asked once: active ones answer, suspended ones refuse, others are reported."""

import socket
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from infra.deploy import TenantEndpoint, smoke

Answers = dict[str, list[tuple[int, str]]]
"""Path -> answers in order; the last one stays."""


@pytest.fixture
def serve() -> Generator[Callable[[Answers], tuple[str, list[tuple[str, str]]]]]:
    """Serves such answers; gives the URL, and the list of (path, authorization) asked."""
    servers: list[HTTPServer] = []

    def start(answers: Answers) -> tuple[str, list[tuple[str, str]]]:
        asked: list[tuple[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked.append((self.path, self.headers["authorization"]))
                left = answers[self.path]
                status, text = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Quiet."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def tenant(name: str, state: str = "active") -> TenantEndpoint:
    return TenantEndpoint(name, "cell-1", state, f"https://api.serai.example/{name}", "uuid", f"sk-serai-{name}-00")


def test_each_tenant_is_asked_with_its_own_key(serve: Any) -> None:
    url, asked = serve({"/acme/v1/models": [(200, "")], "/globex/v1/models": [(403, "")]})
    seen: list[str] = []
    results = smoke(url, [tenant("acme"), tenant("globex", "suspended")], on_result=lambda one: seen.append(one.tenant))
    assert [(result.tenant, result.ok, result.status) for result in results] == [
        ("acme", True, 200),
        ("globex", True, 403),
    ]
    assert seen == ["acme", "globex"]
    assert asked == [(f"/{name}/v1/models", f"Bearer sk-serai-{name}-00") for name in seen]


def test_an_edge_that_does_not_know_the_tenant_yet_is_waited_for(serve: Any) -> None:
    url, asked = serve({"/acme/v1/models": [(404, ""), (503, ""), (200, "")]})
    [result] = smoke(url, [tenant("acme")])
    assert (result.ok, len(asked)) == (True, 3)


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        (
            "active",
            401,
            "answered 401, not 200 (its keys.epoch is lower than it was before: raise it above that): who?",
        ),
        ("suspended", 200, "answered 200, not 403: who?"),
    ],
)
def test_a_wrong_answer_is_told_after_some_patience(serve: Any, state: str, status: int, reason: str) -> None:
    url, _ = serve({"/acme/v1/models": [(status, "who?")]})
    [result] = smoke(url, [tenant("acme", state)], patience=0.2)
    assert (result.ok, result.status, result.reason) == (False, status, reason)


def test_no_answer_at_all_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    [result] = smoke(f"http://127.0.0.1:{port}", [tenant("acme")], patience=0.1)
    assert (result.ok, result.status) == (False, 0)
    assert "refused" in result.reason


def test_a_key_does_not_show_in_a_repr() -> None:
    assert "sk-serai" not in repr(tenant("acme"))
