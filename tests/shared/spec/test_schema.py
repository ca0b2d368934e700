"""The published JSON Schema is the model's, and editors judge with it as loading does."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from shared.spec.load import Loaded
from shared.spec.schema import render, tenant_schema

PROJECT = Path(__file__).parents[3]
PUBLISHED = PROJECT / "docs" / "tenant.schema.json"
COMMAND = "python -m shared.spec.schema docs/tenant.schema.json"
EXAMPLES = sorted((PROJECT / "tenants" / "examples").glob("*.yaml"))


def faults(document: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(tenant_schema()).iter_errors(document)]


def test_the_published_schema_is_current() -> None:
    assert PUBLISHED.read_text() == render(), f"run: {COMMAND}"


def test_the_command_that_writes_it_works(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "shared.spec.schema", str(tmp_path / "schema.json")], check=True)
    assert (tmp_path / "schema.json").read_text() == PUBLISHED.read_text()


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(PUBLISHED.read_text()))


def test_every_field_is_described() -> None:
    schema = tenant_schema()
    sections = [schema, *schema["$defs"].values()]
    bare = [
        f"{section['title']}.{name}"
        for section in sections
        for name, field in section["properties"].items()
        if "description" not in field
        and "description" not in schema["$defs"].get(field.get("$ref", "").split("/")[-1], {})
    ]
    assert bare == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_fit_the_schema_that_they_name(path: Path) -> None:
    comment = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert comment
    assert (path.parent / comment[1]).resolve() == PUBLISHED
    assert faults(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
    "change",
    [
        {"plan": "gold"},
        {"plan": "enterprise"},
        {"contact": "nobody"},
        {"owners": ["a"]},
        {"id": "K3V9QD"},
        {"cell": "dedicated"},
        {"domains": ["AI.initech.example"]},
        {"limits": {"spend_usd_per_month": -1}},
        {"limits": {"requests_per_minute": 1.5}},
        {"limits": None},
        {"limits": {"spend_usd_per_month": None}},
        {"models": {"default": "gpt-oss-20b"}},
        {"models": {"aliases": {"a/b": "workers_ai/gpt-oss-20b"}}},
        {"models": {"aliases": {"a": [{"model": "workers_ai/gpt-oss-20b", "weight": 1}]}}},
        {"retention": {"content": 30}},
    ],
    ids=str,
)
def test_what_loading_refuses_an_editor_marks(change: dict[str, Any]) -> None:
    sound = {"plan": "starter", "contact": "ops@initech.example"}
    assert faults(sound) == []
    assert faults({**sound, **change}) != []


def test_a_guide_names_every_field() -> None:
    guide = (PROJECT / "docs" / "adding-a-tenant.md").read_text()
    schema = tenant_schema()
    names = {name for section in [schema, *schema["$defs"].values()] for name in section["properties"]}
    assert [name for name in sorted(names) if f"`{name}`" not in guide and f".{name}`" not in guide] == []


def test_the_guides_full_example_is_valid(load: Callable[..., Loaded]) -> None:
    guide = (PROJECT / "docs" / "adding-a-tenant.md").read_text()
    short, full, providers = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    loaded = load({"short": short, "full": full})
    assert [finding.render() for finding in loaded.findings] == []
    assert {*tenant_schema()["properties"]} - {*yaml.safe_load(full)} == {"trial_ends"}
    assert "lab" in yaml.safe_load(providers)
