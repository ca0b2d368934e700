"""Tenant files, and the config of the stacks over them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ACCOUNT = "a" * 32
ZONES = ("serai.example", "second.example")
TENANTS = {
    "acme": "plan: pro\ncontact: ops@acme.example\nid: k3v9qd\ncell: cell-1\ndomains: [ai.serai.example]\n",
    "globex": "plan: starter\ncontact: ops@globex.example\nid: p7w2xa\ncell: cell-1\nstate: suspended\n",
    "far-away": "plan: pro\ncontact: ops@far.example\nid: z1z1z1\ncell: cell-2\ndomains: [far.second.example]\n",
}
PROVIDERS = """\
workers_ai: {}
openai: {base_url: https://api.openai.com/v1, api_key: secret:openai}
anthropic: {base_url: https://api.anthropic.com, api_key: secret:anthropic}
"""


@dataclass(frozen=True)
class Project:
    """Tenant files and the config of the stacks over them."""

    folder: Path
    values: dict[str, str]

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.yaml").write_text(text)

    def get(self, **changes: str) -> Callable[[str], str | None]:
        return {**self.values, **changes}.get


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "tenants"
    folder.mkdir()
    providers = tmp_path / "providers.yaml"
    providers.write_text(PROVIDERS)
    values: dict[str, Any] = {
        "accountId": ACCOUNT,
        "zones": json.dumps(ZONES),
        "zone": ZONES[0],
        "cells": json.dumps({"cell-2": ZONES[1]}),
        "keyPepper": "pepper-value",
        "platformSecret": "platform-value",
        "operatorToken": "operator-value",
        "tenants": json.dumps([str(folder)]),
        "providers": str(providers),
        "secret.openai": "sk-openai-value",
    }
    made = Project(folder, values)
    for name, text in TENANTS.items():
        made.write(name, text)
    return made
