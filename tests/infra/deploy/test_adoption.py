"""What an account has already is found by its exact name, and only when it is ours."""

from typing import Any

import pytest

from infra.deploy.account import AccountApiError
from infra.deploy.adoption import Database, Record, Route, Script, find_adoptions
from infra.twin.engine import ApiEndpoint


def adoptions(twin: Any, *wanted: Any, known: tuple[str, ...] = ()) -> dict[str, str]:
    return find_adoptions(twin.api, twin.state.secrets.account_id, wanted, known)


def test_a_retained_database_is_found_among_many(twin: Any) -> None:
    names = [f"serai-t{number}-abc" for number in range(12)]
    made = {name: twin.post(f"{twin.account_path}/d1/database", {"name": name})["uuid"] for name in names}
    found = adoptions(twin, Database("t7-db", "serai-t7-abc"), Database("t1-db", "serai-t1-abc"))
    account = twin.state.secrets.account_id
    assert found == {
        "t7-db": f"{account}/{made['serai-t7-abc']}",
        "t1-db": f"{account}/{made['serai-t1-abc']}",
    }


def test_a_name_that_only_begins_alike_is_another_database(twin: Any) -> None:
    twin.post(f"{twin.account_path}/d1/database", {"name": "serai-acme-abcdef"})
    assert adoptions(twin, Database("acme-db", "serai-acme-abc")) == {}


def test_what_the_stack_has_is_not_looked_for(twin: Any) -> None:
    twin.post(f"{twin.account_path}/d1/database", {"name": "serai-acme-abc"})
    assert adoptions(twin, Database("acme-db", "serai-acme-abc"), known=("acme-db",)) == {}


def test_somebody_else_s_worker_is_left_alone(twin: Any) -> None:
    twin.post(f"{twin.account_path}/workers/workers", {"name": "serai-cell-2", "tags": ["theirs"]})
    ours = twin.post(f"{twin.account_path}/workers/workers", {"name": "serai-cell-1", "tags": ["cell-1", "serai"]})
    found = adoptions(twin, Script("cell-1-worker", "serai-cell-1"), Script("cell-2-worker", "serai-cell-2"))
    assert found == {"cell-1-worker": f"{twin.state.secrets.account_id}/{ours['id']}"}


def test_a_record_that_leads_somewhere_is_not_ours(twin: Any) -> None:
    zones = {zone["name"]: zone["id"] for zone in twin.get("/zones")}
    for zone, content in (("serai.example", "100::"), ("second.example", "2001:db8::1")):
        record = {"name": f"api.{zone}", "type": "AAAA", "content": content, "proxied": True, "ttl": 1}
        twin.post(f"/zones/{zones[zone]}/dns_records", record)
    found = adoptions(twin, *(Record(f"{zone}-api", zone, f"api.{zone}") for zone in zones))
    assert list(found) == ["serai.example-api"]
    assert found["serai.example-api"].startswith(zones["serai.example"] + "/")


def test_a_route_is_ours_when_it_leads_to_our_script(twin: Any) -> None:
    zone = twin.get("/zones", name="serai.example")[0]["id"]
    pattern = "api.serai.example/acme/*"
    route = twin.post(f"/zones/{zone}/workers/routes", {"pattern": pattern})
    assert adoptions(twin, Route("acme-route", "serai.example", pattern, "serai-cell-1")) == {}
    assert adoptions(twin, Route("acme-route", "unknown.example", pattern, "serai-cell-1")) == {}
    assert route["pattern"] == pattern


def test_an_api_that_refuses_or_is_away_is_one_sentence(twin: Any) -> None:
    wrong_token = ApiEndpoint(twin.api.base_url, "x" * 40)
    account_id = twin.state.secrets.account_id
    with pytest.raises(AccountApiError, match=r"refused GET .* with 40\d"):
        find_adoptions(wrong_token, account_id, [Database("acme-db", "serai-acme-abc")], ())
    away = ApiEndpoint("http://127.0.0.1:1/client/v4", "x" * 40)
    with pytest.raises(AccountApiError, match="did not answer"):
        find_adoptions(away, account_id, [Database("acme-db", "serai-acme-abc")], ())
