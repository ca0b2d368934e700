"""The twin's stacks are configured from its state directory and the environment; keys stay secret."""

from dataclasses import replace
from typing import Any

import pytest

from infra.config import CellConfig, read_base_config, read_cell_config
from infra.deploy.target import NAMESPACE, key_variable, stack_config


def cell(target: Any) -> CellConfig:
    values = stack_config(target, "cell-1", placement={}).values
    return read_cell_config("cell-1", lambda key: values.get(NAMESPACE + key))


@pytest.mark.parametrize(
    ("name", "variable"),
    [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY"), ("my-groq", "MY_GROQ_API_KEY")],
)
def test_a_key_is_the_variable_of_the_vendor_s_convention(name: str, variable: str) -> None:
    assert key_variable(name) == variable


def test_what_is_made_for_a_stack_can_be_read_by_the_program(target: Any) -> None:
    config = stack_config(target, "base", placement={"acme": "cell-1"}, adopt={"control-db": "a/b"})
    base = read_base_config(lambda key: config.values.get(NAMESPACE + key))
    assert (base.zones, base.adopt, base.placement) == (target.zones, {"control-db": "a/b"}, {"acme": "cell-1"})
    assert base.operator_token == target.state.secrets.operator_token
    assert (base.places_tenants, base.deploy_version) == (True, None)
    assert cell(target).zone == "serai.example"


def test_each_stack_gets_its_own_secrets_and_says_which_they_are(target: Any) -> None:
    secrets = target.state.secrets
    base, in_cell = (stack_config(target, stack, placement={}) for stack in ("base", "cell-1"))
    assert secrets.platform_secret not in base.values.values()
    assert secrets.operator_token not in in_cell.values.values()
    assert base.secret_keys == {"serai:keyPepper", "serai:operatorToken"}
    assert in_cell.secret_keys == {
        "serai:keyPepper",
        "serai:platformSecret",
        "serai:cellKey",
        "serai:secret.openai",
    }


def test_keys_and_addresses_come_from_the_environment(target: Any) -> None:
    moved = replace(target, environment={**target.environment, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    config = cell(moved)
    assert config.secret("openai") == "sk-openai-value"
    assert config.secret("groq") is None
    assert config.overrides["openai"].base_url == "http://127.0.0.1:9/v1"
    assert config.overrides["groq"].remedy == "Set GROQ_API_KEY in the environment and start Serai again."
    assert config.overrides["workers_ai"].base_url is None


def test_an_earlier_version_goes_to_the_stack_it_is_for(target: Any) -> None:
    rolled_back = replace(target, deploy_versions={"cell-1": "earlier"})
    assert cell(rolled_back).deploy_version == "earlier"
    assert not stack_config(rolled_back, "base", placement={}).values["serai:deployVersion"]
