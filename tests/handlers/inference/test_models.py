"""The list of models in both vendors' shapes, as their own SDKs read it."""

from typing import Any

import pytest

ANTHROPIC = {"anthropic-version": "2023-06-01"}


async def test_lists_names_models_context_and_price(house: Any) -> None:
    document = (await house.call("GET", "/acme/v1/models")).json()
    assert document["object"] == "list"
    by_id = {one["id"]: one for one in document["data"]}
    assert list(by_id)[:2] == ["default", "fast"]
    assert by_id["default"]["model"] == "workers_ai/gpt-oss-20b"
    model = by_id["anthropic/claude-haiku-5-5"]
    assert (model["object"], model["owned_by"]) == ("model", "anthropic")
    assert model["max_output_tokens"] == 32_000
    assert model["context_tokens"] == 1_000_000
    assert model["usd_per_million_tokens"]["output"] > model["usd_per_million_tokens"]["input"] > 0
    assert "openai/gpt-5.4" not in by_id


async def test_says_which_models_have_no_key(build: Any) -> None:
    house = build(without="openai")
    data = (await house.call("GET", "/acme/v1/models")).json()["data"]
    available = {one["id"]: one["available"] for one in data}
    assert available["openai/gpt-5.4-mini"] is False
    assert available["workers_ai/gpt-oss-20b"] is True


@pytest.mark.parametrize("name", ["workers_ai/gpt-oss-20b", "default", "fast"])
async def test_shows_one(house: Any, name: str) -> None:
    openai = (await house.call("GET", f"/acme/v1/models/{name}")).json()
    anthropic = (await house.call("GET", f"/acme/v1/models/{name}", headers=ANTHROPIC)).json()
    assert openai["id"] == anthropic["id"] == name
    assert anthropic["type"] == "model"


@pytest.mark.parametrize(("name", "code"), [("no/model", "unknown_model"), ("openai/gpt-5.4", "model_not_allowed")])
async def test_a_model_that_is_not_there_is_not_found(house: Any, name: str, code: str) -> None:
    answer = await house.call("GET", f"/acme/v1/models/{name}")
    assert (answer.status, answer.json()["error"]["code"]) == (404, code)
    anthropic = await house.call("GET", f"/acme/v1/models/{name}", headers=ANTHROPIC)
    assert (anthropic.status, anthropic.json()["type"]) == (404, "error")


async def test_anthropics_list_is_paged_both_ways(house: Any) -> None:
    whole = (await house.call("GET", "/acme/v1/models", headers=ANTHROPIC, query="limit=1000")).json()
    names = [one["id"] for one in whole["data"]]
    assert whole["has_more"] is False
    walked: list[str] = []
    query = "limit=2"
    while True:
        page = (await house.call("GET", "/acme/v1/models", headers=ANTHROPIC, query=query)).json()
        walked += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
        query = f"limit=2&after_id={page['last_id']}"
    assert walked == names
    before = await house.call("GET", "/acme/v1/models", headers=ANTHROPIC, query=f"limit=2&before_id={names[3]}")
    assert [one["id"] for one in before.json()["data"]] == names[1:3]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=%C2%B2", "after_id=nothing"])
async def test_a_page_that_cannot_be_is_a_400(house: Any, query: str) -> None:
    answer = await house.call("GET", "/acme/v1/models", headers=ANTHROPIC, query=query)
    assert answer.status == 400
