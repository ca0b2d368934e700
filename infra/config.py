"""The configuration of a stack: one model, read from Pulumi's config. Plain Python: it is read without the SDK too."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from infra import names

ROOT = Path(__file__).resolve().parent.parent
BASE = "base"

Get = Callable[[str], str | None]
"""A value of the stack's config by its key without the namespace `serai:`."""


class ConfigError(Exception):
    """The configuration cannot be used. The message names the key and the command that sets it."""


@dataclass(frozen=True, slots=True)
class ProviderOverride:
    """What the caller's environment changes about a model provider (the twin: OPENAI_BASE_URL and the like)."""

    base_url: str | None = None
    remedy: str | None = None
    """How its key is set, when it is not by `pulumi config set`."""


@dataclass(frozen=True, slots=True)
class StackConfig:
    stack: str
    account_id: str
    zones: tuple[str, ...]
    """Every zone of the account that serves tenants; the first one carries the control endpoint."""
    key_pepper: str = field(repr=False)
    tenant_folders: tuple[Path, ...]
    providers_file: Path
    placement: Mapping[str, str]
    """Cells of tenants whose files name none. Only the twin places tenants for itself."""
    places_tenants: bool
    """Whether a tenant's file may leave out `id` and `cell`."""
    adopt: Mapping[str, str]
    """Logical resource name -> import id, for what the account has and the stack lacks."""
    deploy_version: str | None
    """An earlier Worker version to serve instead of the new one."""


@dataclass(frozen=True, slots=True)
class BaseConfig(StackConfig):
    operator_token: str = field(repr=False)
    cells: Mapping[str, str]
    """The zone of each cell; a cell that is not named lives in the first zone."""

    def api_host(self, cell: str) -> str:
        return names.api_host(self.cells.get(cell, self.zones[0]))


@dataclass(frozen=True, slots=True)
class CellConfig(StackConfig):
    zone: str
    platform_secret: str = field(repr=False)
    overrides: Mapping[str, ProviderOverride]
    secret: Get = field(repr=False)
    """A provider's key by the NAME of `secret:NAME`."""

    @property
    def api_host(self) -> str:
        return names.api_host(self.zone)


def read_base_config(get: Get) -> BaseConfig:
    values = _Values(BASE, get)
    zones = values.names("zones")
    cells = values.mapping("cells")
    for cell, zone in cells.items():
        _check_zone(f"serai:cells, {cell}", zone, zones)
    return BaseConfig(
        **_common(values, zones), operator_token=values.require("operatorToken", secret=True), cells=cells
    )


def read_cell_config(stack: str, get: Get) -> CellConfig:
    if not re.fullmatch(r"cell-[1-9][0-9]{0,3}", stack):
        raise ConfigError(f"Stack {stack!r} is neither {BASE!r} nor a cell. Name a cell's stack cell-1, cell-2, ...")
    values = _Values(stack, get)
    zones = values.names("zones")
    zone = values.require("zone")
    _check_zone("serai:zone", zone, zones)
    return CellConfig(
        **_common(values, zones),
        zone=zone,
        platform_secret=values.require("platformSecret", secret=True),
        overrides={name: _override(name, fields) for name, fields in values.json_object("overrides").items()},
        secret=lambda name: get(f"secret.{name}"),
    )


def _common(values: "_Values", zones: tuple[str, ...]) -> dict[str, Any]:
    account_id = values.require("accountId")
    if not re.fullmatch(r"[0-9a-f]{32}", account_id):
        raise values.wrong("accountId", account_id, "32 hex digits")
    return {
        "stack": values.stack,
        "account_id": account_id,
        "zones": zones,
        "key_pepper": values.require("keyPepper", secret=True),
        "tenant_folders": tuple(ROOT / folder for folder in values.names("tenants", default=("tenants",))),
        "providers_file": ROOT / (values.get("providers") or "infra/providers.yaml"),
        "placement": values.mapping("placement"),
        "places_tenants": values.get("placement") is not None,
        "adopt": values.mapping("adopt"),
        "deploy_version": values.get("deployVersion") or None,
    }


@dataclass(frozen=True, slots=True)
class _Values:
    stack: str
    get: Get

    def require(self, key: str, *, secret: bool = False) -> str:
        if value := self.get(key):
            return value
        raise ConfigError(f"serai:{key} is not set in stack {self.stack}. Set it: {self._command(key, secret=secret)}")

    def names(self, key: str, *, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A JSON list of strings that is not empty."""
        text = self.get(key)
        if text is None and default is not None:
            return default
        value = self._json(key, self.require(key))
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(name, str) for name in cast("list[object]", value))
        ):
            raise self.wrong(key, text, 'a JSON list of names such as ["example.com"]')
        return tuple(cast("list[str]", value))

    def mapping(self, key: str) -> dict[str, str]:
        value = self.json_object(key)
        if not all(isinstance(item, str) for item in value.values()):
            raise self.wrong(key, self.get(key), "a JSON object of strings")
        return cast("dict[str, str]", value)

    def json_object(self, key: str) -> dict[str, object]:
        text = self.get(key)
        value: object = self._json(key, text) if text else {}
        if not isinstance(value, dict):
            raise self.wrong(key, text, "a JSON object")
        return cast("dict[str, object]", value)

    def wrong(self, key: str, value: str | None, wanted: str) -> ConfigError:
        return ConfigError(
            f"serai:{key} of stack {self.stack} is {value!r}, not {wanted}. Set it: {self._command(key, secret=False)}"
        )

    def _json(self, key: str, text: str) -> object:
        try:
            return json.loads(text)
        except ValueError:
            raise self.wrong(key, text, "JSON") from None

    def _command(self, key: str, *, secret: bool) -> str:
        return f"pulumi config set {'--secret ' if secret else ''}serai:{key} VALUE --stack {self.stack}"


def _override(name: str, fields: object) -> ProviderOverride:
    try:
        override = ProviderOverride(**cast("dict[str, Any]", fields))
    except TypeError:
        raise ConfigError(f"serai:overrides, {name}: {fields!r} is not an object of base_url and remedy.") from None
    if not (override.base_url or "https://").startswith(("http://", "https://")):
        raise ConfigError(
            f"The address of provider {name} is {override.base_url!r}, not a URL such as https://host/v1."
        )
    return override


def _check_zone(key: str, zone: str, zones: tuple[str, ...]) -> None:
    if zone not in zones:
        raise ConfigError(f"{key} is {zone!r}, which is not one of serai:zones ({', '.join(zones)}). Add it there.")
