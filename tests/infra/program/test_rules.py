"""The rules that the real Pulumi CLI and Cloudflare provider were seen to need (docs/program.md), one by one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.config import ROOT

Register = Callable[..., list[Any]]
SECRET = "4dabf18193072939515e22adb298388d"
STACKS = ["base", "cell-1"]


def of_type(registered: list[Any], kind: str) -> list[Any]:
    return [resource for resource in registered if resource.type.endswith(f":{kind}")]


def one(registered: list[Any], name: str) -> Any:
    [found] = [resource for resource in registered if resource.name == name]
    return found


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and SECRET in value


def test_a_cell_has_these_resources_by_these_names(register: Register) -> None:
    assert sorted((resource.type.split(":")[-1], resource.name) for resource in register("cell-1")) == [
        ("D1Database", "acme-db"),
        ("D1Database", "globex-db"),
        ("StackReference", "organization/serai/base"),
        ("Tenant", "acme"),
        ("Tenant", "globex"),
        ("Worker", "cell-1-worker"),
        ("WorkerVersion", "cell-1-version"),
        ("WorkersCustomDomain", "acme-domain-ai.serai.example"),
        ("WorkersDeployment", "cell-1-deployment"),
        ("WorkersRoute", "acme-route"),
        ("WorkersRoute", "globex-route"),
    ]


def test_base_has_these_resources_by_these_names(register: Register) -> None:
    assert sorted((resource.type.split(":")[-1], resource.name) for resource in register("base")) == [
        ("D1Database", "control-db"),
        ("DnsRecord", "second.example-api"),
        ("DnsRecord", "serai.example-api"),
        ("Worker", "control-worker"),
        ("WorkerVersion", "control-version"),
        ("WorkersCustomDomain", "control-domain-control.serai.example"),
        ("WorkersDeployment", "control-deployment"),
    ]


def test_a_cell_s_bindings_are_sorted_and_these(register: Register) -> None:
    [version] = of_type(register("cell-1"), "WorkerVersion")
    assert [(binding["name"], binding["type"]) for binding in version.inputs["bindings"]] == [
        ("AI", "ai"),
        ("CELL", "plain_text"),
        ("DB_ACME", "d1"),
        ("DB_GLOBEX", "d1"),
        ("KEY_PEPPER", "secret_text"),
        ("PROVIDER_KEYS", "secret_text"),
    ]


def test_base_s_bindings_are_sorted_and_these(register: Register) -> None:
    [version] = of_type(register("base"), "WorkerVersion")
    assert [(binding["name"], binding["type"]) for binding in version.inputs["bindings"]] == [
        ("CONTROL_DB", "d1"),
        ("KEY_PEPPER", "secret_text"),
        ("OPERATOR_TOKEN", "secret_text"),
    ]


def test_hyphens_in_a_tenant_s_name_are_underscores_in_its_binding(register: Register) -> None:
    [version] = of_type(register("cell-2", zone="second.example"), "WorkerVersion")
    assert {"name": "DB_FAR_AWAY", "type": "d1", "databaseId": "uuid-of-far-away-db"} in version.inputs["bindings"]


@pytest.mark.parametrize("stack", STACKS)
def test_every_text_is_a_secret(register: Register, stack: str) -> None:
    [version] = of_type(register(stack), "WorkerVersion")
    texts = [binding["text"] for binding in version.inputs["bindings"] if binding["type"].endswith("_text")]
    assert texts
    assert all(is_secret(text) for text in texts)


def test_provider_keys_are_one_object_of_what_is_set(register: Register) -> None:
    [version] = of_type(register("cell-1"), "WorkerVersion")
    [keys] = [binding["text"]["value"] for binding in version.inputs["bindings"] if binding["name"] == "PROVIDER_KEYS"]
    assert json.loads(keys) == {"openai": "sk-openai-value"}


@pytest.mark.parametrize("stack", STACKS)
def test_modules_are_files_relative_to_infra_and_carry_no_hash(register: Register, stack: str) -> None:
    [version] = of_type(register(stack), "WorkerVersion")
    for module in version.inputs["modules"]:
        assert module.keys() == {"name", "contentType", "contentFile"}
        assert module["contentFile"].startswith("../.serai/bundle/")
        assert (ROOT / "infra" / module["contentFile"]).is_file()
    assert version.inputs["mainModule"] == version.inputs["modules"][0]["name"]
    assert version.inputs["compatibilityFlags"] == ["python_workers"]
    assert version.inputs["compatibilityDate"] >= "2026-09-08"


@pytest.mark.parametrize("stack", STACKS)
def test_databases_are_retained_unprotected_and_say_what_the_api_answers(register: Register, stack: str) -> None:
    for database in of_type(register(stack), "D1Database"):
        assert database.request.retainOnDelete is True
        assert not database.request.protect
        assert database.inputs["readReplication"] == {"mode": "disabled"}
        assert "primaryLocationHint" not in database.inputs
    assert one(register("cell-1"), "acme-db").inputs["name"] == "serai-acme-k3v9qd"


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_is_adopted_unless_asked(register: Register, stack: str) -> None:
    assert not [resource.name for resource in register(stack) if getattr(resource.request, "importId", "")]


@pytest.mark.parametrize(
    ("stack", "name"),
    [
        ("base", "control-db"),
        ("base", "control-worker"),
        ("base", "serai.example-api"),
        ("cell-1", "acme-db"),
        ("cell-1", "acme-route"),
        ("cell-1", "cell-1-worker"),
    ],
)
def test_what_is_named_is_adopted_and_nothing_else(register: Register, stack: str, name: str) -> None:
    registered = register(stack, adopt=json.dumps({name: "owner/thing"}))
    assert {
        resource.name: resource.request.importId for resource in registered if getattr(resource.request, "importId", "")
    } == {name: "owner/thing"}


def test_only_workers_are_tagged(register: Register) -> None:
    tagged = {resource.name: resource.inputs["tags"] for resource in register("cell-1") if "tags" in resource.inputs}
    tagged |= {resource.name: resource.inputs["tags"] for resource in register("base") if "tags" in resource.inputs}
    assert tagged == {"cell-1-worker": ["cell-1", "serai"], "control-worker": ["control", "serai"]}


def test_addresses_open_after_there_is_something_that_answers(register: Register) -> None:
    registered = register("cell-1")
    addresses = [*of_type(registered, "WorkersRoute"), *of_type(registered, "WorkersCustomDomain")]
    assert len(addresses) == 3
    for address in addresses:
        assert any(urn.endswith("::cell-1-deployment") for urn in address.request.dependencies)


def test_a_tenant_s_resources_are_its_children(register: Register) -> None:
    registered = register("cell-1")
    for name in ("acme-db", "acme-route", "acme-domain-ai.serai.example"):
        assert one(registered, name).request.parent.endswith("serai:index:Tenant::acme")


def test_routes_and_domains_lie_in_their_zones(register: Register) -> None:
    registered = register("cell-1")
    assert one(registered, "acme-route").inputs == {
        "pattern": "api.serai.example/acme/*",
        "script": "serai-cell-1",
        "zoneId": "id-of-serai.example",
    }
    far = register("cell-2", zone="serai.example")
    assert one(far, "far-away-domain-far.second.example").inputs["zoneId"] == "id-of-second.example"


def test_the_api_record_is_proxied_and_leads_nowhere(register: Register) -> None:
    assert one(register("base"), "serai.example-api").inputs == {
        "content": "100::",
        "name": "api.serai.example",
        "proxied": True,
        "ttl": 1.0,
        "type": "AAAA",
        "zoneId": "id-of-serai.example",
    }


@pytest.mark.parametrize("stack", STACKS)
def test_an_earlier_version_can_be_deployed(register: Register, stack: str) -> None:
    [deployment] = of_type(register(stack), "WorkersDeployment")
    assert deployment.inputs["versions"][0]["versionId"].startswith("id-of-")
    [rolled_back] = of_type(register(stack, deployVersion="earlier"), "WorkersDeployment")
    assert rolled_back.inputs["versions"] == [{"percentage": 100.0, "versionId": "earlier"}]


def test_the_order_and_the_place_of_files_change_nothing(register: Register, project: Any, tmp_path: Path) -> None:
    before = [(resource.name, resource.inputs) for resource in register("cell-1")]
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in sorted(project.folder.iterdir(), reverse=True):
        path.rename(moved / path.name)
    folders = json.dumps([str(project.folder), str(moved)])
    after = [(resource.name, resource.inputs) for resource in register("cell-1", tenants=folders)]
    assert sorted(after, key=str) == sorted(before, key=str)


def test_tenants_json_holds_no_secret(register: Register) -> None:
    register("cell-1")
    text = (ROOT / ".serai" / "bundle" / "cell-1" / "tenants.json").read_text()
    for secret in ("pepper-value", "platform-value", "sk-openai-value", "operator-value", "sk-serai-"):
        assert secret not in text
    providers = json.loads(text)["providers"]
    assert (providers["openai"]["available"], providers["anthropic"]["available"]) == (True, False)
    assert "pulumi config set --secret serai:secret.anthropic" in providers["anthropic"]["remedy"]
