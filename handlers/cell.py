"""What a cell knows from its start on: its configuration, price book, provider keys and the platform's ports."""

import json
from dataclasses import dataclass, field

from handlers.metering.ledger import Ledger
from shared.edge.ports import Database, Platform
from shared.prices.book import PriceBook, load_book
from shared.spec.compiled import CellConfig, Tenant


@dataclass(frozen=True, slots=True)
class Site:
    """A tenant with its database: chosen once per request, by hostname or prefix."""

    tenant: Tenant
    database: Database
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class Cell:
    config: CellConfig
    platform: Platform
    book: PriceBook
    provider_keys: dict[str, str] = field(repr=False)
    pepper: str = field(repr=False)
    by_name: dict[str, Site]
    by_hostname: dict[str, Site]


def open_cell(config: CellConfig, platform: Platform) -> Cell:
    """Raises ValueError when the version's bindings do not fit its tenants.json."""
    sites = {tenant.name: _site(tenant, platform) for tenant in config.tenants}
    return Cell(
        config=config,
        platform=platform,
        book=config.price_book(load_book()),
        provider_keys=json.loads(platform.text.get("PROVIDER_KEYS") or "{}"),
        pepper=_text(platform, "KEY_PEPPER"),
        by_name=sites,
        by_hostname={name.lower(): sites[tenant.name] for tenant in config.tenants for name in tenant.hostnames},
    )


def _site(tenant: Tenant, platform: Platform) -> Site:
    database = platform.databases.get(tenant.binding)
    if database is None:
        raise ValueError(f"tenant {tenant.name}: this version has no D1 binding {tenant.binding}")
    return Site(tenant, database, Ledger(tenant, database))


def _text(platform: Platform, name: str) -> str:
    value = platform.text.get(name)
    if not value:
        raise ValueError(f"this version has no binding {name}")
    return value
