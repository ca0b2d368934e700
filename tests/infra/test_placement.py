"""Tenants live where their files say; what does not fit is refused before anything changes."""

from dataclasses import dataclass

import pytest

from infra.placement import PlacementError, check_zones, place, zone_of


@dataclass(frozen=True)
class Spec:
    name: str
    cell: str | None = None
    domains: tuple[str, ...] = ()


def test_a_file_s_cell_is_kept() -> None:
    assert place([Spec("acme", "cell-7"), Spec("globex")], {"acme": "cell-1"}) == {"acme": "cell-7", "globex": "cell-1"}


def test_nothing_moves_when_a_tenant_comes_or_goes() -> None:
    many = [Spec(f"t{number:03}") for number in range(60)]
    before = place(many, {})
    assert set(before.values()) == {"cell-1", "cell-2"}
    after = place([Spec("a-first"), *many[10:]], before)
    assert {name: cell for name, cell in after.items() if name in before} == {
        name: before[name] for name in after if name in before
    }
    assert after["a-first"] == "cell-1"


def test_the_order_of_files_does_not_matter() -> None:
    many = [Spec(f"t{number:03}") for number in range(60)]
    assert place(many, {}) == place(list(reversed(many)), {})


def test_a_full_cell_is_refused_with_the_limit_and_the_remedy() -> None:
    place([Spec(f"t{number}", "cell-1") for number in range(50)], {})
    with pytest.raises(PlacementError, match=r"cell-1: 51 tenants in a cell, 50 are allowed .* another cell"):
        place([Spec(f"t{number}", "cell-1") for number in range(51)], {})


def test_a_zone_s_routes_and_domains_are_bounded() -> None:
    specs = [Spec(f"t{number}", f"cell-{number // 50}") for number in range(1001)]
    cells = {spec.name: spec.cell or "" for spec in specs}
    zones = dict.fromkeys(cells.values(), "serai.example")
    with pytest.raises(PlacementError, match=r"serai\.example: 1001 routes in a zone, 1000 are allowed"):
        check_zones(specs, cells, zones)
    crowded = [Spec("acme", "cell-1", tuple(f"d{number}.serai.example" for number in range(101)))]
    with pytest.raises(PlacementError, match="101 custom domains in a zone, 100 are allowed"):
        check_zones(crowded, {"acme": "cell-1"}, {"cell-1": "serai.example"})


def test_the_longest_zone_holds_a_hostname() -> None:
    zones = ["example", "acme.example", "other.example"]
    assert zone_of("ai.acme.example", zones) == "acme.example"
    assert zone_of("acme.example", zones) == "acme.example"
    assert zone_of("notacme.example", ["acme.example"]) is None
