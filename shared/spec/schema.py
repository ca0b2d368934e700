"""The JSON Schema of tenant files, for editors: `python -m shared.spec.schema docs/tenant.schema.json` writes it."""

import json
import sys
from pathlib import Path
from typing import Any

from shared.spec.model import TenantSpec


def tenant_schema() -> dict[str, Any]:
    schema = _strict(TenantSpec.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """As loading is: a field may be left out, but not be empty (pydantic writes `X or null`), and names have a form."""
    fields = dict(schema)
    for names in ("$defs", "properties", "patternProperties"):
        if names in fields:
            fields[names] = {name: _strict(field) for name, field in fields[names].items()}
    if isinstance(fields.get("default"), dict | None):
        fields.pop("default", None)
    if "patternProperties" in fields:
        fields["additionalProperties"] = False
    kinds = [kind for kind in fields.pop("anyOf", []) if kind != {"type": "null"}]
    return {**kinds[0], **fields} if kinds else fields


def render() -> str:
    return json.dumps(tenant_schema(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m shared.spec.schema FILE, e.g. docs/tenant.schema.json\n")
        return 2
    Path(arguments[0]).write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
