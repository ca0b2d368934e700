"""Token counts in an upstream's answer: read without trust."""

from dataclasses import fields
from typing import cast

from shared.edge.ports import Json
from shared.prices.usage import Usage

_CLASSES = tuple(field.name for field in fields(Usage))
UNKNOWN = Usage()


def count(value: Json) -> int | None:
    """A token count, or None where the provider gave nothing usable."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= 1e12:  # NaN compares false
        return None
    return int(value)


def table(value: Json) -> dict[str, Json]:
    return cast("dict[str, Json]", value) if isinstance(value, dict) else {}


def merge(before: Usage, after: Usage) -> Usage:
    """A later report replaces what it knows."""
    if before is UNKNOWN:
        return after
    known = {name: value for name in _CLASSES if (value := getattr(after, name)) is not None}
    return Usage(**{name: known.get(name, getattr(before, name)) for name in _CLASSES})
