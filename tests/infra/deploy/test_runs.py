"""A tenant's life in the account: provisioned, changed, suspended, gone, back with its data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.config import ConfigError
from infra.deploy import Event, Outcome, Target, apply, destroy, plan
from infra.placement import PlacementError
from infra.specs import SpecError
from infra.twin.engine import EngineError
from shared.keys import derive_admin_key
from shared.spec.load import made_up_id


def changes(outcome: Outcome) -> dict[str, set[tuple[str, str]]]:
    """Stack -> (operation, logical name) of what changed."""
    return {
        one.stack: {(step.op, step.name) for step in one.result.changes}
        for one in outcome.stacks
        if one.result and one.result.changes
    }


def tenant_file(target: Target, name: str) -> Path:
    return target.tenant_folders[0] / f"{name}.yaml"


@pytest.fixture
def databases(twin: Any) -> Any:
    def names() -> dict[str, str]:
        return {found["name"]: found["uuid"] for found in twin.get(f"{twin.account_path}/d1/database")}

    return names


def test_two_files_become_two_endpoints(twin: Any, target: Target, databases: Any) -> None:
    outcome = apply(target)
    assert [(one.name, one.cell, one.state, one.endpoint) for one in outcome.tenants] == [
        ("acme", "cell-1", "active", "https://api.serai.example/acme"),
        ("globex", "cell-1", "active", "https://api.serai.example/globex"),
    ]
    acme = outcome.tenants[0]
    assert acme.key == derive_admin_key(twin.state.secrets.platform_secret, "acme", made_up_id("acme"), 1)
    assert databases()[f"serai-acme-{made_up_id('acme')}"] == acme.database_id
    assert outcome.zone_ids == {zone: twin.account.ensure_zone(zone) for zone in target.zones}
    assert outcome.control_url == "https://control.serai.example"
    routes = {(route.pattern, route.script) for route in twin.account.route_table()}
    assert routes == {(f"api.serai.example/{name}/*", "serai-cell-1") for name in ("acme", "globex")}
    domains = {(domain.hostname, domain.script) for domain in twin.account.custom_domains()}
    assert domains == {("ai.serai.example", "serai-cell-1"), ("control.serai.example", "serai-control")}
    deployed = twin.account.deployed_version("serai-cell-1")
    assert [module.name for module in deployed.modules] == ["cell.py", "serai.zip", "tenants.json"]


def test_nothing_changed_runs_nothing(target: Target) -> None:
    apply(target)
    again = apply(target)
    assert [(one.stack, one.result) for one in again.stacks] == [("base", None), ("cell-1", None)]
    assert [tenant.name for tenant in again.tenants] == ["acme", "globex"]
    assert again.tenants[0].key.startswith("sk-serai-acme-")
    refreshed = apply(target, refresh=True)
    assert all(one.result is not None for one in refreshed.stacks)
    assert changes(refreshed) == {}


def test_an_edit_changes_only_what_it_says(target: Target) -> None:
    apply(target)
    path = tenant_file(target, "globex")
    path.write_text(path.read_text() + "limits: {requests_per_minute: 7}\n")
    assert changes(apply(target)) == {
        "cell-1": {("replace", "cell-1-version"), ("replace", "cell-1-deployment")},
    }


def test_a_tenant_leaves_and_comes_back_to_its_database(target: Target, databases: Any) -> None:
    before = apply(target)
    text = tenant_file(target, "acme").read_text()
    tenant_file(target, "acme").unlink()
    gone = changes(apply(target))["cell-1"]
    assert ("delete", "acme-route") in gone
    assert ("retain", "acme-db") in gone
    assert before.tenants[0].database_id in databases().values()
    tenant_file(target, "acme").write_text(text)
    back = apply(target)
    assert ("import", "acme-db") in changes(back)["cell-1"]
    assert back.tenants == before.tenants


def test_the_last_tenant_leaves_and_its_cell_stays(twin: Any, target: Target) -> None:
    apply(target)
    for name in ("acme", "globex"):
        tenant_file(target, name).unlink()
    outcome = apply(target)
    assert ([one.stack for one in outcome.stacks], outcome.tenants) == (["base", "cell-1"], ())
    assert twin.account.route_table() == []
    assert "serai-cell-1" in twin.account.scripts()


def test_a_suspended_tenant_stays_provisioned(target: Target) -> None:
    apply(target)
    path = tenant_file(target, "acme")
    path.write_text(path.read_text() + "state: suspended\n")
    outcome = apply(target)
    assert {name for _, name in changes(outcome)["cell-1"]} == {"cell-1-version", "cell-1-deployment"}
    assert outcome.tenants[0].state == "suspended"


def test_a_second_cell_is_a_stack_of_its_own(twin: Any, target: Target) -> None:
    path = tenant_file(target, "globex")
    path.write_text(path.read_text() + "cell: cell-2\n")
    outcome = apply(target)
    assert [one.stack for one in outcome.stacks] == ["base", "cell-1", "cell-2"]
    assert set(twin.account.scripts()) == {"serai-control", "serai-cell-1", "serai-cell-2"}
    tenant_file(target, "globex").unlink()
    assert [one.stack for one in apply(target).stacks] == ["base", "cell-1", "cell-2"]


def test_a_plan_changes_nothing(twin: Any, target: Target, databases: Any) -> None:
    planned = changes(plan(target))
    assert ("create", "control-worker") in planned["base"]
    assert ("create", "acme-db") in planned["cell-1"]
    assert (databases(), twin.account.scripts(), twin.account.route_table()) == ({}, [], [])
    applied = changes(apply(target))
    assert applied == planned


def test_faults_in_files_stop_everything(twin: Any, target: Target) -> None:
    path = tenant_file(target, "acme")
    path.write_text("plan: gold\n")
    for run in (plan, apply):
        with pytest.raises(SpecError) as raised:
            run(target)
        assert {finding.field for finding in raised.value.findings} >= {"plan", "contact"}
    target.providers_file.write_text("openai: {api_key: sk-oops}\n")
    with pytest.raises(SpecError, match="must refer to a secret"):
        apply(target)
    assert twin.account.scripts() == []


def test_a_full_cell_stops_everything(twin: Any, target: Target) -> None:
    for number in range(51):
        tenant_file(target, f"t{number}").write_text("plan: pro\ncontact: a@b.example\ncell: cell-1\n")
    with pytest.raises(PlacementError, match="50 are allowed"):
        apply(target)
    assert twin.account.scripts() == []


def test_a_run_that_did_not_finish_is_not_skipped(twin: Any, target: Target) -> None:
    apply(target)

    def stop(event: Event) -> None:
        if (event.kind, event.stack) == ("done", "cell-1"):
            raise KeyboardInterrupt

    path = tenant_file(target, "acme")
    changed = path.read_text() + "display_name: Other\n"
    original = path.read_text()
    path.write_text(changed)
    with pytest.raises(KeyboardInterrupt):
        apply(target, stop)
    path.write_text(original)
    outcome = apply(target)
    assert [one.stack for one in outcome.stacks if one.result is not None] == ["cell-1"]


def test_one_stack_alone_can_be_run(target: Target) -> None:
    assert [one.stack for one in apply(target, only="base").stacks] == ["base"]
    assert [one.stack for one in apply(target, only="cell-1").stacks] == ["cell-1"]
    for run in (plan, apply, destroy):
        with pytest.raises(ConfigError, match="no stack cell-9"):
            run(target, only="cell-9")


def test_everything_goes_down_but_the_databases(twin: Any, target: Target, databases: Any) -> None:
    before = apply(target)
    outcomes = destroy(target)
    assert [one.stack for one in outcomes] == ["cell-1", "base"]
    assert (twin.account.scripts(), twin.account.route_table(), twin.account.custom_domains()) == ([], [], [])
    assert {tenant.database_id for tenant in before.tenants} <= set(databases().values())
    assert apply(target).tenants == before.tenants


def test_an_earlier_version_is_deployed_and_the_next_apply_goes_forward(twin: Any, target: Target) -> None:
    apply(target)
    earlier = twin.account.deployed_version_id("serai-cell-1")
    path = tenant_file(target, "acme")
    path.write_text(path.read_text() + "display_name: Other\n")
    apply(target)
    newer = twin.account.deployed_version_id("serai-cell-1")
    assert newer != earlier
    apply(replace(target, deploy_versions={"cell-1": earlier}))
    assert twin.account.deployed_version_id("serai-cell-1") == earlier
    apply(target)
    assert twin.account.deployed_version_id("serai-cell-1") == newer


def test_progress_is_told_in_order(target: Target) -> None:
    events: list[Event] = []
    apply(target, events.append)
    kinds = [(event.kind, event.stack) for event in events if event.kind != "step"]
    assert kinds == [("specs", ""), ("start", "base"), ("done", "base"), ("start", "cell-1"), ("done", "cell-1")]
    steps = [event for event in events if event.kind == "step"]
    assert {event.stack for event in steps} == {"base", "cell-1"}


def test_what_a_lost_journal_knew_is_adopted_not_made_twice(twin: Any, target: Target, databases: Any) -> None:
    before = apply(target)
    routes = sorted(route.pattern for route in twin.account.route_table())
    for stack in ("base", "cell-1"):
        twin.state.stack_path(stack).unlink()
    after = changes(apply(target))
    imported = {name for stack in after.values() for op, name in stack if op == "import"}
    assert imported == {
        *("control-db", "control-worker", "serai.example-api", "second.example-api"),
        *("cell-1-worker", "acme-db", "globex-db", "acme-route", "globex-route"),
    }
    assert apply(target).tenants == before.tenants
    assert sorted(route.pattern for route in twin.account.route_table()) == routes
    assert len(databases()) == 3
    assert len(twin.account.scripts()) == 2


def test_a_zone_that_the_account_lacks_is_named(target: Target) -> None:
    with pytest.raises(EngineError, match=r"missing\.example"):
        apply(replace(target, zones=(*target.zones, "missing.example")))


def test_an_address_that_is_none_is_named(target: Target) -> None:
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL is 'localhost:9', not a URL"):
        apply(replace(target, environment={"OPENAI_BASE_URL": "localhost:9"}))
