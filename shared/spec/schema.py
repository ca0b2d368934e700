"""The JSON Schema of tenant files, for editors: `python -m shared.spec.schema docs/tenant.schema.json` writes it."""

import json
import sys
from pathlib import Path
from typing import Any, cast

from shared.spec.model import TenantSpec


def tenant_schema() -> dict[str, Any]:
    schema = _without_null(TenantSpec.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _without_null(schema: Any) -> Any:
    """A field may be left out, but not be empty: what pydantic writes as `X or null` is X."""
    if isinstance(schema, list):
        return [_without_null(item) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    fields = {name: _without_null(value) for name, value in cast("dict[str, Any]", schema).items()}
    if fields.get("default", ...) is None:
        del fields["default"]
    kinds = [kind for kind in fields.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del fields["anyOf"]
        fields = {**kinds[0], **fields}
    return fields


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
