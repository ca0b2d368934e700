"""Given a running `serai dev`, when a file changes, then that and nothing else changes, and nobody is cut off."""

import threading
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import TenantAt, Twin, Upstream

PLAIN = """\
plan: starter
contact: ops@one.example
"""
PRICED = """\
plan: starter
contact: ops@one.example
models: {default: openai/gpt-5.4-mini}
"""


PROVIDERS = """\
workers_ai: {}
openai: {base_url: https://api.openai.com/v1, api_key: secret:openai}
"""
LAB = """\
lab:
  kind: openai_compatible
  base_url: URL
  models:
    MODEL:
      context_tokens: 8192
      max_output_tokens: 4096
      usd_per_million: {input: 0.10, output: 0.25}
      effective_from: 2026-01-01
"""


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory, upstream: "Upstream", start_twins: Any) -> Generator["Twin"]:
    """One for all of this file: each test has tenants of its own, and leaves the files valid."""
    folder = tmp_path_factory.mktemp("watching")
    (folder / "providers.yaml").write_text(PROVIDERS)
    (folder / "tenants").mkdir()
    (folder / "tenants" / "steady.yaml").write_text(PLAIN)
    with start_twins(lambda: folder) as start:
        yield start(
            folder=folder,
            arguments=["--providers", folder / "providers.yaml"],
            env={"OPENAI_API_KEY": "sk-openai", "OPENAI_BASE_URL": upstream.url},
        )


def changes(event: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """Stack -> what was done to which resource."""
    return {stack["stack"]: {(one["op"], one["name"]) for one in stack["changes"]} for stack in event["stacks"]}


BASE = {("replace", "control-version"), ("replace", "control-deployment")}
CELL = {("replace", "cell-1-version"), ("replace", "cell-1-deployment")}


def status(tenant: "TenantAt") -> tuple[int, str]:
    answer = tenant.request("GET", "/v1/models")
    return answer.status_code, "" if answer.status_code == 200 else answer.json()["error"]["code"]


def test_a_new_file_is_an_endpoint_and_the_diff_names_only_what_is_new(watching: "Twin"):
    started = time.monotonic()
    event = watching.save("added", PLAIN)
    took = time.monotonic() - started
    assert event["added"] == ["added"]
    assert event["removed"] == []
    assert changes(event) == {
        "base": BASE,
        "cell-1": {("create", "added"), ("create", "added-db"), ("create", "added-route"), *CELL},
    }
    assert watching.tenant("added").ask().status_code == 200
    assert took < 30  # a second or two on an idle machine
    assert event["tenants"] == sorted(event["tenants"], key=lambda one: one["name"])


def test_an_edit_replaces_the_version_and_nothing_else(watching: "Twin"):
    watching.save("edited", PLAIN)
    before = watching.tenant("edited")
    event = watching.save("edited", PLAIN + "limits: {requests_per_minute: 7}\n")
    assert changes(event) == {"base": set(), "cell-1": CELL}
    assert (event["added"], event["removed"]) == ([], [])
    assert before.ask().headers["x-ratelimit-limit-requests"] == "7"
    version = next(one for one in event["stacks"][1]["changes"] if one["name"] == "cell-1-version")
    assert [one["path"] for one in version["diff"]] == ["modules[2].contentSha256"]  # tenants.json
    assert before.key not in str(event["stacks"])


def test_a_file_saved_without_a_change_changes_nothing(watching: "Twin"):
    watching.save("same", PLAIN)
    event = watching.save("same", PLAIN + "# a comment\n")
    assert changes(event) == {"base": set(), "cell-1": set()}


def test_a_broken_file_is_refused_with_its_place_and_the_old_version_serves(watching: "Twin"):
    watching.save("broken", PLAIN)
    databases = watching.databases()
    watching.write("broken", "plan: starter\ncontact: ops@broken.example\nmodels:\n  default: workers_ai/gpt-oss-20\n")
    event = watching.event("refused", "provisioned", "failed")
    serving = watching.tenant("broken").ask().status_code
    watching.write("broken", "plan: [\n")
    second = watching.event("refused", "provisioned", "failed")
    watching.save("broken", PLAIN)  # before anything can fail: the next test needs valid files

    assert (event["event"], second["event"]) == ("refused", "refused")
    (finding,) = event["findings"]
    assert finding["file"] == str(watching.tenants / "broken.yaml")
    assert (finding["line"], finding["column"], finding["field"]) == (4, 3, "models.default")
    assert "workers_ai/gpt-oss-20" in finding["value"]
    assert "workers_ai/gpt-oss-20b" in finding["remedy"]
    assert finding["reason"]
    assert second["findings"][0]["line"] in (1, 2)
    assert serving == 200
    assert watching.databases() == databases
    assert watching.tenant("broken").ask().status_code == 200


def test_a_removed_tenant_is_gone_and_comes_back_with_all_it_had(watching: "Twin"):
    watching.save("back", PLAIN)
    tenant = watching.tenant("back")
    made = tenant.request("POST", "/v1/keys", json={"name": "app", "role": "inference"}).json()
    request_id = tenant.with_key(made["key"]).ask().headers["x-request-id"]
    receipt = tenant.get(f"/v1/receipts/{request_id}")
    databases = watching.databases()

    event = watching.remove("back")
    assert event["removed"] == ["back"]
    assert changes(event)["cell-1"] == {("delete", "back"), ("retain", "back-db"), ("delete", "back-route"), *CELL}
    assert status(tenant) == (404, "not_found")
    assert watching.databases() == databases

    event = watching.save("back", PLAIN)
    assert ("import", "back-db") in changes(event)["cell-1"]
    assert watching.databases() == databases
    assert watching.tenant("back") == tenant
    assert tenant.get(f"/v1/receipts/{request_id}") == receipt
    assert [row["id"] for row in tenant.get("/v1/keys")["data"] if row["name"] == "app"] == [made["id"]]
    assert tenant.with_key(made["key"]).ask().status_code == 200


def test_a_stream_in_flight_survives_and_is_settled(watching: "Twin", upstream: "Upstream"):
    watching.save("stream", PRICED)
    tenant = watching.tenant("stream")
    upstream.gate.clear()
    words: list[str] = []
    first = threading.Event()
    ids: list[str] = []

    def read() -> None:
        with tenant.openai() as client:
            create: Any = client.chat.completions.with_raw_response.create
            raw = create(model="default", messages=[{"role": "user", "content": "Slowly"}], stream=True)
            ids.append(raw.headers["x-request-id"])
            for chunk in raw.parse():
                words.extend(choice.delta.content for choice in chunk.choices if choice.delta.content)
                first.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert first.wait(60)
        watching.save("stream", PRICED + "limits: {requests_per_minute: 9}\n")
        assert tenant.get("/v1/receipts/" + ids[0])["status"] == "pending"
        limits = {one["kind"]: one["cap"] for one in tenant.get("/v1/config")["limits"]}
        assert limits["requests"] == 9  # the new version answers while the old one still streams
        assert words == ["It"]
    finally:
        upstream.gate.set()
        reader.join(60)
    assert "".join(words) == "It answers."
    receipt = tenant.get("/v1/receipts/" + ids[0])
    assert (receipt["status"], receipt["usage_source"]) == ("settled", "provider")
    assert (receipt["usage"]["input"], receipt["usage"]["output"]) == (20, 30)
    assert watching.reconcile()["clean"] is True


def test_requests_during_a_provisioning_are_all_answered(watching: "Twin"):
    watching.save("busy", PLAIN)
    steady = watching.tenant("steady")
    answers: list[int] = []
    stopping = threading.Event()

    def hammer() -> None:
        while not stopping.is_set():
            answers.append(steady.request("GET", "/v1/models").status_code)

    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in (3, 4):
            watching.save("busy", PLAIN + f"limits: {{requests_per_minute: {number}}}\n")
    finally:
        stopping.set()
        for thread in threads:
            thread.join(60)
    assert set(answers) == {200}
    assert len(answers) > 20


def test_a_provider_is_added_and_changed_by_saving_its_file(watching: "Twin", upstream: "Upstream"):
    watching.replace(watching.providers, PROVIDERS + LAB.replace("URL", upstream.url).replace("MODEL", "llama-9"))
    assert changes(watching.provisioned())["cell-1"] == CELL
    watching.save("lab", PLAIN + "models: {default: lab/llama-9, allow: [lab/*]}\n")
    assert watching.tenant("lab").ask().headers["x-serai-model"] == "lab/llama-9"

    model = LAB.partition("models:\n")[2]
    both = LAB.replace("URL", upstream.url).replace("MODEL", "llama-9") + model.replace("MODEL", "llama-10")
    watching.replace(watching.providers, PROVIDERS + both)  # the file that is watched has been replaced once by now
    assert changes(watching.provisioned())["cell-1"] == CELL
    assert watching.tenant("lab").ask(model="lab/llama-10").headers["x-serai-model"] == "lab/llama-10"


def test_a_renamed_file_is_another_tenant_and_the_old_data_stays(watching: "Twin"):
    watching.save("before", PLAIN)
    old = watching.tenant("before")
    (watching.tenants / "before.yaml").rename(watching.tenants / "after.yaml")
    event = watching.provisioned()
    assert (event["added"], event["removed"]) == (["after"], ["before"])
    assert status(old) == (404, "not_found")
    assert watching.tenant("after").ask().status_code == 200
    assert status(watching.tenant("after").with_key(old.key)) == (401, "invalid_key")
    names = {name.rpartition("-")[0] for name in watching.databases()}
    assert {"serai-before", "serai-after"} <= names


def test_a_suspended_tenant_is_refused_until_it_is_active_again(watching: "Twin"):
    watching.save("paused", PLAIN)
    tenant = watching.tenant("paused")
    event = watching.save("paused", PLAIN + "state: suspended\n")
    assert changes(event) == {"base": BASE, "cell-1": CELL}  # the directory tells the state too
    refused = tenant.ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "suspended")
    assert status(tenant.with_key("sk-serai-paused-" + "0" * 64))[0] == 401
    watching.save("paused", PLAIN)
    assert tenant.ask().status_code == 200


def test_a_raised_epoch_rotates_the_admin_key(watching: "Twin"):
    def rotated(epoch: int, hours: int) -> str:
        now = datetime.now(UTC) - timedelta(seconds=1)
        return f"{PLAIN}keys: {{epoch: {epoch}, rotated_at: {now:%Y-%m-%dT%H:%M:%SZ}, overlap_hours: {hours}}}\n"

    watching.save("rotated", PLAIN)
    first = watching.tenant("rotated")
    assert first.ask().status_code == 200

    watching.save("rotated", rotated(2, 24))
    second = watching.tenant("rotated")
    assert second.key != first.key
    assert [tenant.ask().status_code for tenant in (first, second)] == [200, 200]

    watching.save("rotated", rotated(3, 0))
    third = watching.tenant("rotated")
    assert [tenant.ask().status_code for tenant in (first, second, third)] == [401, 401, 200]
