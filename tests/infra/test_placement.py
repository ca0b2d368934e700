"""Tenants live where their files say; what does not fit is refused before anything changes."""

import pytest

from infra.placement import PlacementError, check_zones, place, zone_of


def unplaced(*names: str) -> dict[str, str | None]:
    return dict.fromkeys(names)


MANY = [f"t{number:03}" for number in range(60)]


def test_a_file_s_cell_is_kept() -> None:
    declared = {"acme": "cell-7", "globex": None}
    assert place(declared, {"acme": "cell-1"}) == {"acme": "cell-7", "globex": "cell-1"}


def test_nothing_moves_when_a_tenant_comes_or_goes() -> None:
    before = place(unplaced(*MANY), {})
    assert set(before.values()) == {"cell-1", "cell-2"}
    after = place(unplaced("a-first", *MANY[10:]), before)
    assert {name: after[name] for name in MANY[10:]} == {name: before[name] for name in MANY[10:]}
    assert after["a-first"] == "cell-1"


def test_the_order_of_files_does_not_matter() -> None:
    assert place(unplaced(*MANY), {}) == place(unplaced(*reversed(MANY)), {})


def test_a_full_cell_is_refused_with_the_limit_and_the_remedy() -> None:
    place(dict.fromkeys(MANY[:50], "cell-1"), {})
    with pytest.raises(PlacementError, match=r"cell-1: 51 tenants in a cell, 50 are allowed .* another cell"):
        place(dict.fromkeys(MANY[:51], "cell-1"), {})


def test_a_zone_s_routes_and_domains_are_bounded() -> None:
    check_zones(["serai.example"] * 1000, [], ["serai.example"])
    with pytest.raises(PlacementError, match=r"serai\.example: 1001 routes in a zone, 1000 are allowed"):
        check_zones(["serai.example"] * 1001, [], ["serai.example"])
    domains = [f"d{number}.serai.example" for number in range(101)]
    with pytest.raises(PlacementError, match="101 custom domains in a zone, 100 are allowed"):
        check_zones([], domains, ["serai.example", "second.example"])


def test_the_longest_zone_holds_a_hostname() -> None:
    zones = ["example", "acme.example", "other.example"]
    assert zone_of("ai.acme.example", zones) == "acme.example"
    assert zone_of("acme.example", zones) == "acme.example"
    assert zone_of("notacme.example", ["acme.example"]) is None
