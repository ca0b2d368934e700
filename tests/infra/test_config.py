"""A stack's configuration: read as one model, refused with the command that repairs it."""

import json
from typing import Any

import pytest

from infra.config import ROOT, ConfigError, read_base_config, read_cell_config

BASE = {
    "accountId": "a" * 32,
    "zones": json.dumps(["serai.example", "second.example"]),
    "keyPepper": "pepper",
    "operatorToken": "token",
}
CELL = {**BASE, "zone": "serai.example", "platformSecret": "platform"}


def base(**changes: Any) -> Any:
    return read_base_config({**BASE, **changes}.get)


def cell(stack: str = "cell-1", **changes: Any) -> Any:
    return read_cell_config(stack, {**CELL, **changes}.get)


def test_what_is_not_said_has_a_default() -> None:
    config = cell()
    assert config.tenant_folders == (ROOT / "tenants",)
    assert config.providers_file == ROOT / "infra" / "providers.yaml"
    assert (config.adopt, config.deploy_version, config.places_tenants) == ({}, None, False)
    assert config.api_host == "api.serai.example"


def test_a_cell_lives_in_the_first_zone_unless_base_says_otherwise() -> None:
    config = base(cells=json.dumps({"cell-2": "second.example"}))
    assert config.api_host("cell-1") == "api.serai.example"
    assert config.api_host("cell-2") == "api.second.example"


@pytest.mark.parametrize("key", ["accountId", "zones", "keyPepper", "operatorToken"])
def test_a_missing_value_of_base_names_the_command(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"pulumi config set (--secret )?serai:{key} VALUE --stack base"):
        base(**{key: None})


@pytest.mark.parametrize("key", ["keyPepper", "platformSecret"])
def test_a_missing_secret_is_set_as_one(key: str) -> None:
    with pytest.raises(ConfigError, match=f"pulumi config set --secret serai:{key} VALUE --stack cell-1"):
        cell(**{key: ""})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("accountId", "<32 hex digits, on the account's overview page>"),
        ("zones", "serai.example"),
        ("zones", "[]"),
        ("zones", "[1]"),
        ("zones", '{"a": 1}'),
        ("adopt", '["acme-db"]'),
        ("adopt", '{"acme-db": 1}'),
        ("placement", "cell-1"),
        ("zone", "third.example"),
        ("overrides", '{"openai": {"address": "x"}}'),
        ("overrides", '{"openai": 1}'),
    ],
)
def test_an_odd_value_is_named_with_its_key(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"serai:{key}"):
        cell(**{key: value})


@pytest.mark.parametrize("stack", ["dev", "cell", "cell-", "Cell-1", "cell-1/x", "cell-01", "base2"])
def test_a_stack_is_base_or_a_cell(stack: str) -> None:
    with pytest.raises(ConfigError, match="neither 'base' nor a cell"):
        cell(stack)


def test_secrets_do_not_show_in_a_repr() -> None:
    shown = repr(base()) + repr(cell())
    assert "pepper" not in shown.replace("key_pepper", "")
    assert "token" not in shown.replace("operator_token", "")
    assert "platform'" not in shown
