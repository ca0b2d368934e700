"""After an apply every tenant is asked once: active ones answer, suspended ones refuse, others are reported."""

import httpx
import pytest
from pytest_httpx import HTTPXMock

from infra.deploy import TenantEndpoint, smoke

URL = "http://127.0.0.1:8787"


def tenant(name: str, state: str = "active") -> TenantEndpoint:
    return TenantEndpoint(name, "cell-1", state, f"https://api.serai.example/{name}", "uuid", f"sk-serai-{name}-00")


def test_each_tenant_is_asked_with_its_own_key(httpx_mock: HTTPXMock) -> None:
    for name, status in (("acme", 200), ("globex", 403)):
        headers = {"authorization": f"Bearer sk-serai-{name}-00"}
        httpx_mock.add_response(url=f"{URL}/{name}/v1/models", status_code=status, match_headers=headers)
    seen: list[str] = []
    results = smoke(URL, [tenant("acme"), tenant("globex", "suspended")], on_result=lambda one: seen.append(one.tenant))
    assert [(result.tenant, result.ok, result.status) for result in results] == [
        ("acme", True, 200),
        ("globex", True, 403),
    ]
    assert seen == ["acme", "globex"]


def test_an_edge_that_is_not_there_yet_is_waited_for(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_exception(httpx.ConnectError("refused"))
    httpx_mock.add_response(status_code=404)
    httpx_mock.add_response(status_code=200)
    [result] = smoke(URL, [tenant("acme")])
    assert result.ok


@pytest.mark.httpx_mock(can_send_already_matched_responses=True)
@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [("active", 401, "answered 401, not 200: who?"), ("suspended", 200, "answered 200, not 403: who?")],
)
def test_a_wrong_answer_is_told_after_some_patience(
    httpx_mock: HTTPXMock, state: str, status: int, reason: str
) -> None:
    httpx_mock.add_response(status_code=status, text="who?")
    [result] = smoke(URL, [tenant("acme", state)], patience=0.2)
    assert (result.ok, result.status, result.reason) == (False, status, reason)
    assert "sk-serai" not in repr(tenant("acme"))


@pytest.mark.httpx_mock(can_send_already_matched_responses=True)
def test_no_answer_at_all_is_told(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_exception(httpx.ConnectError("refused"))
    [result] = smoke(URL, [tenant("acme")], patience=0.1)
    assert (result.ok, result.status) == (False, 0)
    assert "refused" in result.reason
