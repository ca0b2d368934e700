"""`/v1/keys`: made once, listed without their secret, revoked for good."""

import asyncio
import re
from typing import Any

import pytest

from handlers.errors import ApiError
from handlers.metering.admission import Principal
from handlers.tenants import keys
from shared.edge.ports import Statement
from shared.keys import hash_key

DAY_MS = 86_400_000


async def who(ring: Any, key: str) -> Principal:
    return await keys.authenticate(ring.tenant, ring.database, hash_key("pepper", key), ring.now_ms)


async def refused(ring: Any, key: str) -> bool:
    with pytest.raises(ApiError) as caught:
        await who(ring, key)
    assert (caught.value.status, caught.value.code) == (401, "invalid_key")
    return True


async def test_a_new_key_is_shown_once_and_works(ring: Any) -> None:
    made = await ring.create(limits={"spend_usd_per_month": 12.345678901, "requests_per_minute": 5})
    assert re.fullmatch(r"sk-serai-acme-[0-9a-f]{64}", made.pop("key"))
    assert made == {
        "id": made["id"],
        "name": "phone",
        "role": "inference",
        "created_at": "2026-11-24T10:00:00Z",
        "expires_at": None,
        "limits": {"spend_usd_per_month": 12.345678901, "requests_per_minute": 5},
    }
    [rows] = await ring.database.batch([Statement("select spend_cap, requests_cap from keys where epoch is null")])
    assert rows.rows == [(12_345_678_901, 5)]


async def test_the_database_holds_no_key(ring: Any) -> None:
    secret = (await ring.create())["key"]
    [rows] = await ring.database.batch([Statement("select * from keys")])
    assert secret.rpartition("-")[2] not in str(rows.rows)


async def test_it_authenticates_with_its_role(ring: Any) -> None:
    made = await ring.create(role="admin")
    assert await who(ring, made["key"]) == Principal(made["id"], "phone", "admin")
    keys.require_admin(await who(ring, made["key"]))


async def test_an_inference_key_is_no_admin(ring: Any) -> None:
    principal = await who(ring, (await ring.create())["key"])
    with pytest.raises(ApiError) as caught:
        keys.require_admin(principal)
    assert (caught.value.status, caught.value.code) == (403, "forbidden")


@pytest.mark.parametrize("key", ["", "x", "sk-serai-globex-" + "0" * 64, "sk-serai-acme-" + "0" * 64, "\ud800", "\0"])
async def test_unknown_keys_are_all_the_same(ring: Any, key: str) -> None:
    assert await refused(ring, key)


async def test_it_expires(ring: Any) -> None:
    made = await ring.create(expires_at="2026-11-25T10:00:00Z")
    ring.now_ms += DAY_MS - 1
    await who(ring, made["key"])
    ring.now_ms += 1
    assert await refused(ring, made["key"])


async def test_revoking_is_final_and_may_be_repeated(ring: Any) -> None:
    made = await ring.create()
    await keys.revoke(ring.database, made["id"], ring.now_ms)
    assert await refused(ring, made["key"])
    ring.now_ms += 1_000
    await keys.revoke(ring.database, made["id"], ring.now_ms)
    [row] = [one for one in (await keys.listing(ring.database, {}))["data"] if one["id"] == made["id"]]
    assert row["revoked_at"] == "2026-11-24T10:00:00Z"


async def test_revoking_what_is_not_there(ring: Any) -> None:
    await ring.create()
    with pytest.raises(ApiError) as caught:
        await keys.revoke(ring.database, "key_unknown", ring.now_ms)
    assert caught.value.status == 404


async def test_the_admin_key_of_the_spec_is_rotated_not_revoked(ring: Any) -> None:
    await ring.create()
    with pytest.raises(ApiError, match=r"keys\.epoch"):
        await keys.revoke(ring.database, "key_admin_1", ring.now_ms)
    await keys.authenticate(ring.tenant, ring.database, "hash-admin", ring.now_ms)


async def test_the_plan_bounds_how_many(ring: Any) -> None:
    made = await asyncio.gather(*(ring.create() for _ in range(3)))
    with pytest.raises(ApiError, match="allows 3 keys") as caught:
        await ring.create()
    assert caught.value.status == 400
    await keys.revoke(ring.database, made[0]["id"], ring.now_ms)
    await ring.create()


async def test_lists_go_page_by_page(ring: Any) -> None:
    await keys.authenticate(ring.tenant, ring.database, "hash-admin", ring.now_ms)
    made = []
    for name in ("a", "b", "c"):
        ring.now_ms += 1_000
        made.append((await ring.create(name=name))["id"])
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = await keys.listing(ring.database, query)
        seen += [row["id"] for row in page["data"]]
        assert all("key" not in row for row in page["data"])
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen == ["key_admin_1", *made]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1e3"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "9" * 5_000}, "limit"),
        ({"after": "key_x"}, "after"),
    ],
)
async def test_bad_lists_name_the_field(ring: Any, query: dict[str, str], field: str) -> None:
    await ring.create()
    with pytest.raises(ApiError) as caught:
        await keys.listing(ring.database, query)
    assert (caught.value.status, caught.value.param) == (400, field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], None),
        (None, None),
        ({}, "name"),
        ({"name": " ", "role": "admin"}, "name"),
        ({"name": "x" * 101, "role": "admin"}, "name"),
        ({"name": "a\nb", "role": "admin"}, "name"),
        ({"name": 7, "role": "admin"}, "name"),
        ({"name": "a"}, "role"),
        ({"name": "a", "role": "owner"}, "role"),
        ({"name": "a", "role": ["admin"]}, "role"),
        ({"name": "a", "role": "admin", "scope": 1}, "scope"),
        ({"name": "a", "role": "admin", "limits": [1]}, "limits"),
        ({"name": "a", "role": "admin", "limits": {"tokens_per_minute": 1}}, "limits.tokens_per_minute"),
        ({"name": "a", "role": "admin", "limits": {"spend_usd_per_month": -1}}, "limits.spend_usd_per_month"),
        ({"name": "a", "role": "admin", "limits": {"spend_usd_per_month": float("nan")}}, "limits.spend_usd_per_month"),
        ({"name": "a", "role": "admin", "limits": {"spend_usd_per_month": True}}, "limits.spend_usd_per_month"),
        ({"name": "a", "role": "admin", "limits": {"spend_usd_per_month": 1e30}}, "limits.spend_usd_per_month"),
        ({"name": "a", "role": "admin", "limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
        ({"name": "a", "role": "admin", "limits": {"requests_per_minute": 1.5}}, "limits.requests_per_minute"),
        ({"name": "a", "role": "admin", "expires_at": "soon"}, "expires_at"),
        ({"name": "a", "role": "admin", "expires_at": 5}, "expires_at"),
        ({"name": "a", "role": "admin", "expires_at": "2026-11-24T10:00:00Z"}, "expires_at"),
        ({"name": "a", "role": "admin", "expires_at": "2027-01-01T00:00:00"}, "expires_at"),
    ],
)
async def test_a_bad_body_names_the_field(ring: Any, body: Any, field: str | None) -> None:
    with pytest.raises(ApiError) as caught:
        await ring.create_from(body)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "invalid_request", field)
