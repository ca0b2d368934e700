"""Property values: plain JSON values, with secrets marked and, in a preview, unknowns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from infra.twin.engine.results import SECRET, UNKNOWN


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is encrypted in the journal and masked wherever it is shown."""

    value: Any = field(repr=False)


class Unknown:
    """What only the apply will tell. There is one: `UNKNOWN_VALUE`."""

    def __repr__(self) -> str:
        return UNKNOWN


UNKNOWN_VALUE: Final = Unknown()

Values = dict[str, Any]


def each(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same structure with every leaf, and every secret as a whole, replaced by `change` of it."""
    if isinstance(value, dict):
        return {key: each(item, change) for key, item in cast("Values", value).items()}
    if isinstance(value, list):
        return [each(item, change) for item in cast("list[Any]", value)]
    return change(value)


def reveal(value: Any) -> Any:
    """Secrets as their plain values, for the API alone and for whoever asked to see them."""
    return each(value, lambda leaf: reveal(leaf.value) if isinstance(leaf, Secret) else leaf)


def masked(value: Any) -> Any:
    """As it may be shown."""

    def show(leaf: Any) -> Any:
        if isinstance(leaf, Secret):
            return SECRET
        return UNKNOWN if isinstance(leaf, Unknown) else leaf

    return each(value, show)


def shown(value: Any, *, secrets: bool) -> Any:
    return reveal(value) if secrets else masked(value)


def without_nulls(value: Any) -> Any:
    """A null in a program's input is an input that was not given."""
    if isinstance(value, dict):
        items = cast("Values", value).items()
        return {key: without_nulls(item) for key, item in items if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in cast("list[Any]", value)]
    return value


def has_unknown(value: Any) -> bool:
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, dict):
        return any(has_unknown(item) for item in cast("Values", value).values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in cast("list[Any]", value))
    return isinstance(value, Unknown)


def has_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(has_secret(item) for item in cast("Values", value).values())
    if isinstance(value, list):
        return any(has_secret(item) for item in cast("list[Any]", value))
    return isinstance(value, Secret)
