"""Where tenants live: tenant -> cell, and what Cloudflare allows a cell. Nothing moves by itself."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    cap: int
    what: str
    source: str
    remedy: str


TENANTS_PER_CELL = Limit(
    50,
    "tenants in a cell",
    "docs/program.md: an update's time grows faster than the number of bindings (measured 2026-11)",
    "Write another cell into some of their files (cell: cell-N) and add infra/stacks/Pulumi.cell-N.yaml.",
)
ROUTES_PER_ZONE = Limit(
    1000,
    "routes in a zone",
    "https://developers.cloudflare.com/workers/platform/limits/#routes-and-domains (2026-11)",
    "Put the next cell into another zone (serai:zone of its stack).",
)
DOMAINS_PER_ZONE = Limit(
    100,
    "custom domains in a zone",
    "https://developers.cloudflare.com/workers/platform/limits/#routes-and-domains (2026-11)",
    "Take domains of tenants in this zone away, or serve them from another zone.",
)


class PlacementError(Exception):
    """Tenants do not fit where they are to live. Nothing has been changed."""


def place(declared: Mapping[str, str | None], placement: Mapping[str, str]) -> dict[str, str]:
    """The cell of every tenant: what its file declares, else what `placement` says, else the first cell with room."""
    cells = {name: cell for name in declared if (cell := declared[name] or placement.get(name))}
    sizes = Counter(cells.values())
    for name in sorted(declared.keys() - cells.keys()):
        cells[name] = _with_room(sizes)
        sizes[cells[name]] += 1
    for cell, size in sorted(sizes.items()):
        check(size, TENANTS_PER_CELL, cell)
    return cells


def check_zones(tenant_zones: Iterable[str], domains: Iterable[str], zones: Sequence[str]) -> None:
    """Refuse what would cross a zone's limits. `tenant_zones`: of each tenant, the zone its cell lives in."""
    for zone, routes in sorted(Counter(tenant_zones).items()):
        check(routes, ROUTES_PER_ZONE, zone)
    held = Counter(zone for domain in domains if (zone := zone_of(domain, zones)))
    for zone, count in sorted(held.items()):
        check(count, DOMAINS_PER_ZONE, zone)


def check(used: int, limit: Limit, where: str) -> None:
    if used > limit.cap:
        raise PlacementError(f"{where}: {used} {limit.what}, {limit.cap} are allowed ({limit.source}). {limit.remedy}")


def zone_of(domain: str, zones: Sequence[str]) -> str | None:
    """The zone a hostname lies in: the longest that is a suffix of it."""
    holding = [zone for zone in zones if domain == zone or domain.endswith(f".{zone}")]
    return max(holding, key=len, default=None)


def _with_room(sizes: Mapping[str, int]) -> str:
    number = 1
    while sizes.get(f"cell-{number}", 0) >= TENANTS_PER_CELL.cap:
        number += 1
    return f"cell-{number}"
