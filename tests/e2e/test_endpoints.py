"""Given a provisioned tenant, when asked for keys, receipts, usage and config, then the books are right."""

import json
import re
import socket
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import TenantAt, Twin

NOBODY = "key_000000000000000000000000"
IDS = ("x-request-id", "x-serai-request-id")


@pytest.fixture
def globex(twin: "Twin") -> "TenantAt":
    return twin.tenant("globex")


def make_key(tenant: "TenantAt", **fields: Any) -> dict[str, Any]:
    answer = tenant.request("POST", "/v1/keys", json={"name": "test", "role": "inference", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_receipt_tells_all_of_a_request(globex: "TenantAt"):
    answer = globex.ask("What does it cost?", user="ann")
    receipt = globex.get(f"/v1/receipts/{answer.headers['x-request-id']}")
    assert receipt["id"] == answer.headers["x-request-id"]
    assert (receipt["status"], receipt["tenant"], receipt["wire"]) == ("settled", "globex", "openai_chat")
    assert (receipt["model"], receipt["stream"], receipt["end_user"]) == ("default", False, "ann")
    assert receipt["route"]["candidates"] == [{"model": "workers_ai/gpt-oss-120b", "why": "default"}]
    (attempt,) = receipt["attempts"]
    assert (attempt["model"], attempt["status"], attempt["billed"]) == ("workers_ai/gpt-oss-120b", 200, True)
    usage = answer.json()["usage"]
    assert (receipt["usage"]["input"], receipt["usage"]["output"]) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    assert receipt["usage_source"] == "provider"
    assert receipt["prices"]["entry"] == "workers_ai/gpt-oss-120b"
    assert receipt["hold_nano_usd"] >= receipt["cost"]["total_nano_usd"]
    assert receipt["cost"]["messages"] == 1
    assert float(receipt["cost"]["total_usd"]) == float(answer.headers["x-serai-cost-usd"])


def test_both_wires_and_a_stream_get_receipts(globex: "TenantAt"):
    with (
        globex.anthropic() as client,
        client.messages.stream(model="default", max_tokens=50, messages=[{"role": "user", "content": "Hi"}]) as stream,
    ):
        output = stream.get_final_message().usage.output_tokens
        request_id = stream.response.headers["request-id"]
    receipt = globex.get(f"/v1/receipts/{request_id}")
    assert (receipt["status"], receipt["wire"], receipt["stream"]) == ("settled", "anthropic_messages", True)
    assert receipt["usage"]["output"] == output


def test_usage_adds_the_receipts_up(twin: "Twin"):
    acme = twin.tenant("acme")
    key = make_key(acme, name="usage")
    mine = acme.with_key(key["key"])
    receipts = [acme.get(f"/v1/receipts/{mine.ask().headers['x-request-id']}") for _ in range(3)]

    report = acme.get("/v1/usage", params={"group_by": "key"})
    (row,) = [row for row in report["data"] if row["key"] == key["id"]]
    assert (row["requests"], row["messages"]) == (3, 3)
    assert row["tokens"]["output"] == sum(receipt["usage"]["output"] for receipt in receipts)
    assert row["cost_nano_usd"] == sum(receipt["cost"]["total_nano_usd"] for receipt in receipts)
    assert report["total"]["requests"] == sum(row["requests"] for row in report["data"])
    for group in ("model", "day"):
        grouped = acme.get("/v1/usage", params={"group_by": group})
        assert grouped["total"]["requests"] == report["total"]["requests"]
        assert all(group in row for row in grouped["data"])
    assert code_of(acme.request("GET", "/v1/usage", params={"group_by": "weather"})) == (400, "invalid_request")


def test_config_tells_what_is_left(globex: "TenantAt"):
    before = globex.get("/v1/config")
    assert (before["tenant"], before["plan"], before["state"]) == ("globex", "pro", "active")
    assert {"default", "workers_ai/gpt-oss-120b", "openai/gpt-5.4-mini"} <= set(before["models"])
    globex.get(f"/v1/receipts/{globex.ask().headers['x-request-id']}")  # settled by then

    limits = {limit["kind"]: limit for limit in globex.get("/v1/config")["limits"]}
    earlier = {limit["kind"]: limit for limit in before["limits"]}
    assert limits["spend"]["cap"] == 100 * 10**9
    assert limits["messages"]["spent"] == earlier["messages"]["spent"] + 1
    assert limits["included_tokens"]["left"] < earlier["included_tokens"]["left"]
    for limit in limits.values():
        assert set(limit) >= {"kind", "window", "cap", "spent", "held", "left", "resets_at"}
        assert limit["left"] == limit["cap"] - limit["spent"] - limit["held"]


def test_a_key_is_made_shown_once_used_and_revoked(twin: "Twin"):
    acme = twin.tenant("acme")
    made = make_key(acme, name="app", role="inference")
    assert set(made) >= {"id", "name", "role", "created_at", "expires_at", "key"}
    assert re.fullmatch(r"sk-serai-acme-[A-Za-z0-9_-]{40,}", made["key"])
    assert acme.with_key(made["key"]).ask().status_code == 200

    listing = acme.get("/v1/keys")
    assert made["key"] not in json.dumps(listing)
    (row,) = [row for row in listing["data"] if row["id"] == made["id"]]
    assert set(row) >= {"id", "name", "role", "created_at", "expires_at", "revoked_at", "last_used_at"}
    assert row["last_used_at"]
    assert row["revoked_at"] is None

    assert acme.request("DELETE", f"/v1/keys/{made['id']}").status_code == 204
    assert code_of(acme.with_key(made["key"]).ask()) == (401, "invalid_key")
    assert code_of(acme.request("DELETE", f"/v1/keys/{NOBODY}")) == (404, "not_found")


def test_an_inference_key_sees_its_own_receipts_and_no_administration(globex: "TenantAt"):
    made = make_key(globex)
    app = globex.with_key(made["key"])
    mine, others = app.ask(), globex.ask()
    assert app.get(f"/v1/receipts/{mine.headers['x-request-id']}")["key"] == made["id"]
    assert code_of(app.request("GET", f"/v1/receipts/{others.headers['x-request-id']}")) == (404, "not_found")
    assert globex.get(f"/v1/receipts/{mine.headers['x-request-id']}")["status"] == "settled"
    for method, path in (
        ("GET", "/v1/keys"),
        ("POST", "/v1/keys"),
        ("DELETE", f"/v1/keys/{made['id']}"),
        ("GET", "/v1/config"),
    ):
        body: dict[str, Any] = {"json": {"name": "more", "role": "admin"}} if method == "POST" else {}
        assert code_of(app.request(method, path, **body)) == (403, "forbidden"), (method, path)
    globex.request("DELETE", f"/v1/keys/{made['id']}")


def test_a_refused_role_is_the_sdks_permission_denied_error(globex: "TenantAt"):
    made = make_key(globex)
    app = globex.with_key(made["key"])
    with app.openai() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.get("/config", cast_to=object)
    assert caught.value.code == "forbidden"
    with app.anthropic() as client, pytest.raises(anthropic.PermissionDeniedError):
        client.get("/v1/config", cast_to=object)
    globex.request("DELETE", f"/v1/keys/{made['id']}")


def test_a_keys_own_limit_is_named_when_it_is_reached(globex: "TenantAt"):
    made = make_key(globex, limits={"requests_per_minute": 1})
    app = globex.with_key(made["key"])
    answers = [app.ask() for _ in range(3)]  # one of them may fall into the next minute
    assert answers[0].status_code == 200
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    for answer in refused:
        assert code_of(answer) == (429, "rate_limit")
        assert "key" in answer.json()["error"]["message"]
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert globex.ask().status_code == 200
    globex.request("DELETE", f"/v1/keys/{made['id']}")


def test_another_tenants_key_opens_nothing(twin: "Twin"):
    acme, globex = twin.tenant("acme"), twin.tenant("globex")
    receipt = acme.ask().headers["x-request-id"]
    stranger = acme.with_key(globex.key)
    for path in ("/v1/models", "/v1/keys", "/v1/config", "/v1/usage", f"/v1/receipts/{receipt}"):
        assert code_of(stranger.request("GET", path)) == (401, "invalid_key"), path
    assert code_of(globex.request("GET", f"/v1/receipts/{receipt}")) == (404, "not_found")


def test_every_answer_carries_its_ids_whatever_was_asked(twin: "Twin"):
    acme = twin.tenant("acme")
    answers = [
        acme.ask(),
        acme.ask(model="nobody"),
        acme.with_key("wrong").ask(),
        acme.request("GET", "/v1/models"),
        acme.request("GET", "/v1/nothing"),
        acme.request("PUT", "/v1/models"),
        acme.request("OPTIONS", "/v1/chat/completions"),
        acme.request("POST", "/v1/responses", json={}),
        acme.request("POST", "/v1/chat/completions", content=b"{", headers={"content-type": "application/json"}),
    ]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == len(answers)
    for answer in answers:
        assert answer.headers["x-request-id"] == answer.headers["x-serai-request-id"]
    assert [answer.status_code for answer in answers] == [200, 404, 401, 200, 404, 405, 204, 404, 400]


def raw(twin: "Twin", request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", twin.port), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_a_stream_on_a_bare_socket_is_chunks_of_events(twin: "Twin"):
    body = json.dumps({"model": "default", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}).encode()
    head = f"POST /acme/v1/chat/completions HTTP/1.1\r\nHost: localhost:{twin.port}\r\nConnection: close\r\n"
    key = f"Authorization: Bearer {twin.tenant('acme').key}\r\n"
    rest = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = raw(twin, (head + key + rest).encode() + body)
    lines, _, content = answer.partition(b"\r\n\r\n")
    assert lines.startswith(b"HTTP/1.1 200")
    assert b"content-type: text/event-stream" in lines.lower()
    assert content.count(b"data: {") > 3
    assert b"data: [DONE]" in content
    assert content.endswith(b"0\r\n\r\n")


def test_a_host_that_is_not_ours_is_not_served(twin: "Twin"):
    key = f"Authorization: Bearer {twin.tenant('acme').key}"
    asked = f"GET /acme/v1/models HTTP/1.1\r\nHost: elsewhere.example\r\n{key}\r\nConnection: close\r\n\r\n"
    assert raw(twin, asked.encode()).split(b" ")[1] != b"200"
    own = asked.replace("elsewhere.example", "api.serai.example")
    assert raw(twin, own.encode()).split(b" ")[1] == b"200"
