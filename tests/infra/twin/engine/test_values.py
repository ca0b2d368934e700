"""Property values: differences, paths, names."""

from typing import Any

import pytest

from infra.twin.engine.differences import differences, ignoring, touches
from infra.twin.engine.provider.names import camel, from_api, snake, to_api
from infra.twin.engine.results import SECRET, UNKNOWN, PropertyChange
from infra.twin.engine.urns import Alias, earlier_urns, make_urn
from infra.twin.engine.values import UNKNOWN_VALUE, Secret, masked, reveal
from infra.twin.engine.wire import from_struct, to_struct


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": 2}, [PropertyChange("a", 1, 2)]),
        ({}, {"a": {"b": 1}}, [PropertyChange("a", None, {"b": 1})]),
        ({"a": [1, 2]}, {"a": [1]}, [PropertyChange("a[1]", 2, None)]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, [PropertyChange("a[0].b", 1, 2)]),
        ({"a": Secret("x")}, {"a": "x"}, []),
        ({"a": Secret("x")}, {"a": "y"}, [PropertyChange("a", SECRET, SECRET)]),
        ({"a": "x"}, {"a": UNKNOWN_VALUE}, [PropertyChange("a", "x", UNKNOWN)]),
    ],
)
def test_differences(old: Any, new: Any, expected: list[PropertyChange]) -> None:
    assert differences(old, new) == expected


def test_ignoring_keeps_the_old_value_or_its_absence() -> None:
    assert ignoring({"a": 1}, {"a": 2, "b": 3}, ["a", "b"]) == {"a": 1}
    assert ignoring({"a": [{"b": 1}]}, {"a": [{"b": 2, "c": 3}]}, ["a[*].b"]) == {"a": [{"b": 1, "c": 3}]}
    assert ignoring({"a": {"b-c": 1}}, {"a": {"b-c": 2}}, ['a["b-c"]']) == {"a": {"b-c": 1}}


def test_touches() -> None:
    changes = [PropertyChange("settings.delay", 1, 2)]
    assert touches(changes, ["settings"])
    assert touches(changes, ["settings.delay"])
    assert not touches(changes, ["settings.other"])
    assert not touches(changes, [])


def test_wire_carries_secrets_unknowns_and_whole_numbers() -> None:
    values: dict[str, Any] = {"a": Secret({"b": [1, 2.5, True, None]}), "c": UNKNOWN_VALUE, "d": {}, "e": []}
    assert from_struct(to_struct(values)) == values
    assert isinstance(from_struct(to_struct({"a": 3}))["a"], int)


def test_secrets_do_not_show() -> None:
    value = {"a": [Secret("x")], "b": UNKNOWN_VALUE}
    assert masked(value) == {"a": [SECRET], "b": UNKNOWN}
    assert "'x'" not in repr(value)
    assert reveal({"a": Secret({"b": Secret(1)})}) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("accountId", "account_id"),
        ("maxWaitTimeMs", "max_wait_time_ms"),
        ("tls13", "tls_1_3"),
        ("workersTriggeredBy", "workers/triggered_by"),
    ],
)
def test_names(ours: str, theirs: str) -> None:
    assert snake(ours) == theirs
    assert camel(theirs) == ours


def test_users_own_keys_are_left_alone() -> None:
    inputs = {"customMetadata": {"aB_c": "1"}}
    assert to_api(inputs) == {"custom_metadata": {"aB_c": "1"}}
    assert from_api(to_api(inputs)) == inputs


def test_the_stack_is_not_part_of_the_qualified_type() -> None:
    stack = make_urn("s", "p", "", "pulumi:pulumi:Stack", "p-s")
    tenant = make_urn("s", "p", stack, "serai:index:Tenant", "acme")
    assert tenant == "urn:pulumi:s::p::serai:index:Tenant::acme"
    assert make_urn("s", "p", tenant, "t:t:T", "db") == "urn:pulumi:s::p::serai:index:Tenant$t:t:T::db"


def test_earlier_urns() -> None:
    urn = make_urn("s", "p", "", "t:t:T", "new")
    assert earlier_urns(urn, "", "t:t:T", [Alias(name="old"), Alias(type="u:u:U")], {}) == [
        "urn:pulumi:s::p::t:t:T::old",
        "urn:pulumi:s::p::u:u:U::new",
    ]
