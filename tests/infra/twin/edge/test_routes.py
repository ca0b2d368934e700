"""Given a route table as the API holds it, the most specific pattern names the script."""

import pytest

from infra.twin.edge.routes import Routes

REGULAR = [("api.a.example/acme/*", "one"), ("api.b.example/globex/*", "two"), ("chat.globex.example/*", "two")]
IRREGULAR = [*REGULAR, ("*.a.example/*", "wild"), ("api.a.example/acme/admin/*", "admin"), ("a.example/x*", "prefix")]


@pytest.mark.parametrize("table", [REGULAR, IRREGULAR], ids=["regular", "irregular"])
@pytest.mark.parametrize(
    ("host", "path", "script"),
    [
        ("api.a.example", "/acme/v1/models", "one"),
        ("api.a.example:443", "/acme/", "one"),
        ("API.A.Example", "/acme/v1", "one"),
        ("api.b.example", "/acme/v1", None),
        ("chat.globex.example", "/v1/models", "two"),
        ("own.acme.example", "/any/thing", "one"),
        ("127.0.0.1:8787", "/acme/v1", "one"),
        ("localhost", "/globex/v1", "two"),
        ("[::1]:8787", "/globex/v1", "two"),
        ("127.0.0.1", "/chat/v1", None),
        ("elsewhere.example", "/acme/v1", None),
        ("", "/acme/v1", None),
        ("\xff\xfe", "/acme/v1", None),
    ],
)
def test_patterns_and_domains(table: list[tuple[str, str]], host: str, path: str, script: str | None) -> None:
    routes = Routes(table, [("own.acme.example", "one")])
    assert routes.find(host.encode("latin-1"), path) == script
    assert routes.find(host.encode("latin-1"), path) == script  # the second time from what it remembers


@pytest.mark.parametrize(
    ("host", "path", "script"),
    [
        ("api.a.example", "/acme/admin/keys", "admin"),
        ("api.a.example", "/other", "wild"),
        ("a.example", "/xyz", "prefix"),
        ("a.example", "/y", None),
    ],
)
def test_irregular_patterns_go_by_specificity(host: str, path: str, script: str | None) -> None:
    assert Routes(IRREGULAR, []).find(host.encode(), path) == script


def test_a_route_without_a_script_passes_no_worker() -> None:
    routes = Routes([("api.a.example/*", "one"), ("api.a.example/acme/*", "")], [])
    assert not routes.find(b"api.a.example", "/acme/v1")
    assert routes.find(b"api.a.example", "/globex/v1") == "one"
