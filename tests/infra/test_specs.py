"""Tenant files become the documents that the Workers read: what one side writes the other understands."""

import json
from typing import Any

import pytest

from handlers.control.directory import read_directory
from infra.config import BaseConfig, CellConfig, read_base_config, read_cell_config
from infra.placement import PlacementError
from infra.specs import SpecError, admin_key, directory_document, load_specs, provider_keys, tenants_document
from shared.keys import hash_key
from shared.spec.compiled import read_tenants


def base(project: Any, **changes: str) -> BaseConfig:
    return read_base_config(project.get(**changes))


def cell(project: Any, **changes: str) -> CellConfig:
    return read_cell_config("cell-1", project.get(**changes))


def test_the_control_worker_reads_every_tenant(project: Any) -> None:
    config = base(project)
    directory = read_directory(directory_document(config, load_specs(config)))
    assert [(entry.name, entry.cell, entry.state, entry.endpoint) for entry in directory.entries] == [
        ("acme", "cell-1", "active", "https://api.serai.example/acme"),
        ("far-away", "cell-2", "active", "https://api.second.example/far-away"),
        ("globex", "cell-1", "suspended", "https://api.serai.example/globex"),
    ]
    assert directory.entries[0].domains == ({"name": "ai.serai.example", "status": "active"},)


def test_a_cell_s_worker_reads_its_own_tenants_and_their_key_hashes(project: Any) -> None:
    config = cell(project)
    specs = load_specs(config)
    compiled = read_tenants(tenants_document(config, specs))
    assert (compiled.cell, compiled.api_host) == ("cell-1", "api.serai.example")
    assert [tenant.name for tenant in compiled.tenants] == ["acme", "globex"]
    acme = specs.of_cell("cell-1")[0]
    [hashed] = compiled.tenants[0].admin_keys
    assert hashed.hash == hash_key("pepper-value", admin_key(config, acme))


def test_a_provider_without_its_key_is_unavailable_with_the_way_to_set_it(project: Any) -> None:
    config = cell(project)
    specs = load_specs(config)
    providers = read_tenants(tenants_document(config, specs)).providers
    assert {name: provider.available for name, provider in providers.items()} == {
        "workers_ai": True,
        "openai": True,
        "anthropic": False,
    }
    assert providers["anthropic"].remedy == (
        "Run pulumi config set --secret serai:secret.anthropic KEY --stack cell-1 and apply the stack."
    )
    assert json.loads(provider_keys(config, specs)) == {"openai": "sk-openai-value"}


def test_the_caller_s_environment_moves_an_address_and_names_a_variable(project: Any) -> None:
    overrides = {"openai": {"base_url": "http://127.0.0.1:9/v1"}, "anthropic": {"remedy": "Set ANTHROPIC_API_KEY."}}
    config = cell(project, overrides=json.dumps(overrides))
    providers = read_tenants(tenants_document(config, load_specs(config))).providers
    assert providers["openai"].base_url == "http://127.0.0.1:9/v1"
    assert providers["anthropic"].remedy == "Set ANTHROPIC_API_KEY."


def test_a_real_stack_needs_id_and_cell_and_the_twin_does_without(project: Any) -> None:
    project.write("initech", "plan: pro\ncontact: ops@initech.example\n")
    with pytest.raises(SpecError) as raised:
        load_specs(cell(project))
    assert {finding.field for finding in raised.value.findings} == {"id", "cell"}
    placed = load_specs(cell(project, placement=json.dumps({"initech": "cell-2"})))
    assert {tenant.name: tenant.cell for tenant in placed.tenants}["initech"] == "cell-2"


def test_findings_of_all_files_come_at_once(project: Any) -> None:
    project.write("initech", "plan: gold\n")
    project.write("hooli", "plan: pro\ncontact: x\nid: abc123\ncell: cell-1\n")
    with pytest.raises(SpecError, match=r"(?s)hooli\.yaml.*initech\.yaml"):
        load_specs(base(project))


def test_a_zone_with_too_many_domains_is_refused(project: Any) -> None:
    for number in range(11):
        domains = ", ".join(f"d{number}-{index}.serai.example" for index in range(10))
        text = f"plan: business\ncontact: ops@t.example\nid: tenant{number}\ncell: cell-1\ndomains: [{domains}]\n"
        project.write(f"t{number}", text)
    config = base(project)
    with pytest.raises(PlacementError, match=r"serai\.example: 112 custom domains in a zone, 100 are allowed"):
        directory_document(config, load_specs(config))
