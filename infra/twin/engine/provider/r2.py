"""R2 buckets: the one API here in an older spelling, with settings in headers."""

from pathlib import Path
from typing import Any

from infra.twin.engine.provider.kind import Kind
from infra.twin.engine.values import Values, reveal


def body(kind: Kind, inputs: Values, base: Path) -> Any:  # noqa: ARG001
    names = {"location": "locationHint", "name": "name", "storageClass": "storageClass"}
    return {theirs: reveal(inputs[ours]) for ours, theirs in names.items() if ours in inputs}


def headers(inputs: Values) -> dict[str, str]:
    """The jurisdiction is a namespace of its own; the storage class is what a PATCH changes."""
    given = {"cf-r2-jurisdiction": inputs.get("jurisdiction"), "cf-r2-storage-class": inputs.get("storageClass")}
    return {name: str(reveal(value)) for name, value in given.items() if value is not None}
