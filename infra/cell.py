"""A cell stack: tenants with their databases, the Worker that serves them, and the addresses that lead to it."""

from collections.abc import Mapping
from typing import cast

import pulumi

from infra.bundle import worker_modules
from infra.config import BASE, CellConfig
from infra.specs import Specs, admin_key, load_specs, provider_keys, tenants_document
from infra.tenant import Tenant
from infra.worker import Binding, ai, database, plain_text, secret_text, serve
from shared.spec.compile import database_binding


def cell_stack(config: CellConfig) -> None:
    specs = load_specs(config)
    zone_ids = _zone_ids()
    tenants = [Tenant(loaded.name, loaded.id, loaded.spec.domains, config) for loaded in specs.of_cell(config.stack)]
    modules = worker_modules("cell", "tenants.json", tenants_document(config, specs))
    worker = serve(config.stack, config, modules, _bindings(config, specs, tenants))
    for tenant in tenants:
        tenant.publish(worker, zone_ids)
    _export(config, specs, tenants)


def _zone_ids() -> pulumi.Output[Mapping[str, str]]:
    base = pulumi.StackReference(f"{pulumi.get_organization()}/{pulumi.get_project()}/{BASE}")
    return cast("pulumi.Output[Mapping[str, str]]", base.require_output("zoneIds"))


def _bindings(config: CellConfig, specs: Specs, tenants: list[Tenant]) -> dict[str, Binding]:
    return {
        "AI": ai(),
        "CELL": plain_text(config.stack),
        "KEY_PEPPER": secret_text(config.key_pepper),
        "PROVIDER_KEYS": secret_text(provider_keys(config, specs)),
        **{database_binding(tenant.name): database(tenant.database.uuid) for tenant in tenants},
    }


def _export(config: CellConfig, specs: Specs, tenants: list[Tenant]) -> None:
    pulumi.export(
        "tenants",
        {tenant.name: {"endpoint": tenant.endpoint, "databaseId": tenant.database.uuid} for tenant in tenants},
    )
    keys = {loaded.name: admin_key(config, loaded) for loaded in specs.of_cell(config.stack)}
    pulumi.export("adminKeys", {name: pulumi.Output.secret(key) for name, key in keys.items()})
