"""Fields of the tenant spec that no code honours yet. Each is refused until the code that does comes with it."""

from collections.abc import Callable, Iterator
from typing import Any, cast

from shared.spec.document import Document, Path_

_FIELDS: tuple[Path_, ...] = (
    ("owners",),
    ("providers",),
    ("assistant",),
    ("agreement",),
    ("keys", "initial"),
    ("models", "fallback"),
)
_VALUES: tuple[tuple[Path_, Callable[[Any], bool], str], ...] = (
    (("plan",), lambda value: value == "enterprise", "Choose trial, starter, pro or business."),
    (("cell",), lambda value: value == "dedicated", "Name a shared cell, such as cell-1."),
    (("retention", "content"), lambda value: type(value) is int and 1 <= value <= 90, "Write `content: none`."),
)


def refuse_later(document: Document) -> frozenset[Path_]:
    """Report what is not supported yet and take it out, so that it is not called unknown as well. Returns the paths."""
    found = list(_later(document.data))
    for path, value, remedy in found:
        document.add(path, "is not supported yet", remedy, value=value)
        _take_out(document.data, path)
    return frozenset(path for path, _, _ in found)


def _later(data: dict[str, Any]) -> Iterator[tuple[Path_, Any, str]]:
    for path in _FIELDS:
        parent = _at(data, path[:-1])
        if isinstance(parent, dict) and path[-1] in parent:
            yield path, None, "Remove it for now."
    for path, applies, remedy in _VALUES:
        value = _at(data, path)
        if applies(value):
            yield path, value, remedy
    aliases = _at(data, ("models", "aliases"))
    if isinstance(aliases, dict):
        for name, target in cast("dict[str, Any]", aliases).items():
            if isinstance(target, list | dict):
                yield ("models", "aliases", name), target, "Name one model, without weights."


def _at(data: dict[str, Any], path: Path_) -> Any:
    value: Any = data
    for part in path:
        value = cast("dict[str | int, Any]", value).get(part) if isinstance(value, dict) else None
    return value


def _take_out(data: dict[str, Any], path: Path_) -> None:
    del _at(data, path[:-1])[path[-1]]
