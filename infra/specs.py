"""Tenant files -> what the program and the Workers take from them. Read without the SDK, so that it costs no import."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from infra.config import BaseConfig, CellConfig, StackConfig
from infra.names import control_host
from infra.placement import check_zones, place
from shared.keys import derive_admin_key
from shared.prices.book import load_book
from shared.spec.compile import admin_key_hashes, compile_directory, compile_tenants
from shared.spec.findings import Finding
from shared.spec.load import LoadedTenant, load_tenants
from shared.spec.plans import load_plans
from shared.spec.providers import ProviderConfig, load_providers


class SpecError(Exception):
    """Files that people wrote have faults: all of them, one line each."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(finding.render() for finding in findings))
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True)
class Specs:
    """Tenants, each with its cell, and the operator's providers."""

    tenants: tuple[LoadedTenant, ...]
    providers: Mapping[str, ProviderConfig]

    def of_cell(self, cell: str) -> tuple[LoadedTenant, ...]:
        return tuple(tenant for tenant in self.tenants if tenant.cell == cell)


def load_specs(config: StackConfig) -> Specs:
    """Raises SpecError with every finding of every file, PlacementError when tenants do not fit."""
    providers = load_providers(config.providers_file)
    loaded = load_tenants(
        config.tenant_folders,
        book=load_book(),
        providers=providers.providers,
        zones=config.zones,
        placement_required=not config.places_tenants,
    )
    if findings := (*providers.findings, *loaded.findings):
        raise SpecError(findings)
    cells = place({tenant.name: tenant.spec.cell for tenant in loaded.specs}, config.placement)
    placed = tuple(replace(tenant, cell=cells[tenant.name]) for tenant in loaded.specs)
    return Specs(placed, providers.providers)


def directory_document(config: BaseConfig, specs: Specs) -> bytes:
    """`directory.json` of the control Worker."""
    zones = {tenant.cell: config.cells.get(tenant.cell, config.zones[0]) for tenant in specs.tenants}
    cells = [tenant.cell for tenant in specs.tenants]
    domains = [domain for tenant in specs.tenants for domain in tenant.spec.domains]
    domains.append(control_host(config.zones[0]))
    check_zones([zones[cell] for cell in cells], domains, config.zones)
    return compile_directory(specs.tenants, {cell: config.api_host(cell) for cell in zones})


def tenants_document(config: CellConfig, specs: Specs) -> bytes:
    """`tenants.json` of a cell's Worker: admin keys as hashes only, providers with what is missing."""
    providers = [_overridden(provider, config) for provider in specs.providers.values()]
    tenants = specs.of_cell(config.stack)
    return compile_tenants(
        config.stack,
        config.api_host,
        tenants,
        load_plans(),
        providers,
        {provider.name: _has_key(provider, config) for provider in providers},
        {provider.name: _remedy(provider, config) for provider in providers},
        {tenant.name: admin_key_hashes(tenant, config.platform_secret, config.key_pepper) for tenant in tenants},
    )


def provider_keys(config: CellConfig, specs: Specs) -> str:
    """The binding PROVIDER_KEYS: a JSON object from provider to key. Secret."""
    keys = {
        provider.name: key
        for provider in specs.providers.values()
        if provider.secret_name and (key := config.secret(provider.secret_name))
    }
    return json.dumps(keys, sort_keys=True)


def admin_key(config: CellConfig, tenant: LoadedTenant) -> str:
    return derive_admin_key(config.platform_secret, tenant.name, tenant.id, tenant.spec.keys.epoch)


def _overridden(provider: ProviderConfig, config: CellConfig) -> ProviderConfig:
    override = config.overrides.get(provider.name)
    return replace(provider, base_url=override.base_url) if override and override.base_url else provider


def _has_key(provider: ProviderConfig, config: CellConfig) -> bool:
    return provider.secret_name is None or bool(config.secret(provider.secret_name))


def _remedy(provider: ProviderConfig, config: CellConfig) -> str:
    override = config.overrides.get(provider.name)
    command = f"pulumi config set --secret serai:secret.{provider.secret_name} KEY --stack {config.stack}"
    return override.remedy if override and override.remedy else f"Run {command} and apply the stack."
