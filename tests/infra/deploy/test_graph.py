"""The whole graph, as the embedded engine sees it, against a golden file.

Written anew by `SERAI_WRITE_GOLDEN=1 pytest tests/infra/deploy/test_graph.py`, and by nothing else.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from infra.config import ROOT
from infra.deploy import Target, apply, plan
from infra.twin.engine import Engine

GOLDEN = Path(__file__).parents[1] / "golden" / "graph.json"


def graph(target: Target) -> dict[str, Any]:
    """Every resource and output of all stacks, with ids and paths of this run named by what they belong to."""
    engine = Engine(target.state, target.api, ROOT)
    resources = {stack: engine.resources(stack) for stack in target.state.stacks()}
    document = {
        stack: {
            "resources": [
                {
                    "urn": one.urn,
                    "inputs": one.inputs,
                    "dependencies": sorted(one.dependencies),
                    "parent": one.parent,
                    "protect": one.protect,
                    "retain_on_delete": one.retain_on_delete,
                }
                for one in sorted(found, key=lambda one: one.urn)
            ],
            "outputs": engine.outputs(stack),
        }
        for stack, found in resources.items()
    }
    text = json.dumps(document, indent=1, sort_keys=True)
    text = text.replace(target.state.secrets.account_id, "<account>")
    text = re.sub(r'("contentSha256": )"[0-9a-f]{64}"', r'\1"<of the file>"', text)
    for zone, zone_id in engine.outputs("base")["zoneIds"].items():
        text = text.replace(zone_id, f"<id of {zone}>")
    for found in resources.values():
        for one in found:
            if one.id and one.id not in (one.name, one.urn):
                text = text.replace(one.id, f"<id of {one.name}>")
    return json.loads(text)


@pytest.fixture
def applied(target: Target) -> dict[str, Any]:
    apply(target)
    return graph(target)


def test_the_graph_is_the_golden_one(applied: dict[str, Any]) -> None:
    if os.environ.get("SERAI_WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps(applied, indent=1, sort_keys=True) + "\n")
    assert applied == json.loads(GOLDEN.read_text())


def test_no_secret_shows_in_the_graph(target: Target, applied: dict[str, Any]) -> None:
    text = json.dumps(applied)
    secrets = target.state.secrets
    for secret in (secrets.platform_secret, secrets.key_pepper, secrets.operator_token, "sk-openai-value", "sk-serai-"):
        assert secret not in text


def test_a_second_look_sees_no_change(target: Target, applied: dict[str, Any]) -> None:
    assert applied
    for refresh in (False, True):
        assert [outcome.stack for outcome in plan(target, refresh=refresh).stacks if not outcome.unchanged] == []
