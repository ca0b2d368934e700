"""What is provisioned where, and the configuration that each stack of the twin gets for it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.config import BASE, ROOT, ConfigError
from infra.twin.engine import ApiEndpoint, Config
from infra.twin.state import State
from shared.spec.providers import load_providers

NAMESPACE = "serai:"
ADDRESSES = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}
"""Environment variables of the vendors' own SDKs that move a provider's address."""
SECRET_KEYS = frozenset({"platformSecret", "keyPepper", "cellKey", "operatorToken"})


@dataclass(frozen=True, slots=True)
class Target:
    """A state directory, the API of its account, and the files that say what shall be in it."""

    state: State
    api: ApiEndpoint
    tenant_folders: tuple[Path, ...] = (ROOT / "tenants", ROOT / "tenants" / "examples")
    providers_file: Path = ROOT / "infra" / "providers.yaml"
    zones: tuple[str, ...] = ("serai.example",)
    """The account has to have them. Every cell of the twin lives in the first one."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    deploy_versions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Stack -> an earlier Worker version for it to serve."""


def key_variable(secret_name: str) -> str:
    """The environment variable of `secret:NAME`, by the vendors' convention: OPENAI_API_KEY."""
    return f"{secret_name.upper().replace('-', '_')}_API_KEY"


def stack_config(
    target: Target, stack: str, *, placement: Mapping[str, str], adopt: Mapping[str, str] | None = None
) -> Config:
    secrets = target.state.secrets
    values = {
        "accountId": secrets.account_id,
        "zones": json.dumps(target.zones),
        "keyPepper": secrets.key_pepper,
        "tenants": json.dumps([str(folder.absolute()) for folder in target.tenant_folders]),
        "providers": str(target.providers_file.absolute()),
        "placement": json.dumps(dict(placement), sort_keys=True),
        "adopt": json.dumps(dict(adopt or {}), sort_keys=True),
        "deployVersion": target.deploy_versions.get(stack, ""),
    }
    if stack == BASE:
        values |= {"operatorToken": secrets.operator_token}
    else:
        values |= {"zone": target.zones[0], "platformSecret": secrets.platform_secret, "cellKey": secrets.cell_key}
        values |= _providers(target)
    secret_keys = {key for key in values if key in SECRET_KEYS or key.startswith("secret.")}
    return Config({NAMESPACE + key: value for key, value in values.items()}, {NAMESPACE + key for key in secret_keys})


def _providers(target: Target) -> dict[str, str]:
    """Keys and addresses out of the environment; for a key that is missing, the variable to set."""
    values: dict[str, str] = {}
    overrides: dict[str, dict[str, str]] = {}
    for provider in load_providers(target.providers_file).providers.values():
        override: dict[str, str] = {}
        if address := _address(target, provider.name):
            override["base_url"] = address
        if provider.secret_name:
            variable = key_variable(provider.secret_name)
            override["remedy"] = f"Set {variable} in the environment and start Serai again."
            if key := target.environment.get(variable):
                values[f"secret.{provider.secret_name}"] = key
        overrides[provider.name] = override
    return {**values, "overrides": json.dumps(overrides, sort_keys=True)}


def _address(target: Target, provider: str) -> str | None:
    variable = ADDRESSES.get(provider, "")
    address = target.environment.get(variable)
    if address and not address.startswith(("http://", "https://")):
        raise ConfigError(f"{variable} is {address!r}, not a URL such as https://host/v1. Correct or unset it.")
    return address
