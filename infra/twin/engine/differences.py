"""What differs between two sets of inputs, by property, and the paths that resource options name."""

import re
from collections.abc import Iterable
from typing import Any, cast

from infra.twin.engine.results import SECRET, PropertyChange
from infra.twin.engine.values import Secret, Unknown, Values, has_secret, masked, reveal

_STEP = re.compile(r'\.?([A-Za-z_$][\w$-]*)|\[(\d+|\*)\]|\["([^"]+)"\]')
_ABSENT = object()


def differences(old: Any, new: Any, path: str = "") -> list[PropertyChange]:
    """Neither holds nulls: what is absent was not given."""
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("Values", old), cast("Values", new)
        found: list[PropertyChange] = []
        for key in [*before, *(key for key in after if key not in before)]:
            where = f"{path}.{key}" if path else key
            found += differences(before.get(key, _ABSENT), after.get(key, _ABSENT), where)
        return found
    if isinstance(old, list) and isinstance(new, list):
        return _of_lists(cast("list[Any]", old), cast("list[Any]", new), path)
    if not isinstance(new, Unknown) and reveal(old) == reveal(new):
        return []
    return [_change(path, old, new)]


def _of_lists(old: list[Any], new: list[Any], path: str) -> list[PropertyChange]:
    found: list[PropertyChange] = []
    for index in range(max(len(old), len(new))):
        before = old[index] if index < len(old) else _ABSENT
        after = new[index] if index < len(new) else _ABSENT
        found += differences(before, after, f"{path}[{index}]")
    return found


def _change(path: str, old: Any, new: Any) -> PropertyChange:
    # One side secret makes both so: a value that was plain before may be the same one.
    secret = isinstance(old, Secret) or isinstance(new, Secret)
    before = None if old is _ABSENT else SECRET if secret and not has_secret(old) else masked(old)
    after = None if new is _ABSENT else SECRET if secret and not has_secret(new) else masked(new)
    return PropertyChange(path, before, after)


def ignoring(old: Values, new: Values, paths: Iterable[str]) -> Values:
    """`new` with the values of `old` at the paths of `ignore_changes`."""
    for path in paths:
        new = _kept(old, new, _steps(path))
    return new


def _kept(old: Any, new: Any, steps: list[str]) -> Any:
    if not steps:
        return old
    step, rest = steps[0], steps[1:]
    if isinstance(new, list):
        items, before = list(cast("list[Any]", new)), cast("list[Any]", old) if isinstance(old, list) else []
        for index in range(len(items)):
            if step in ("*", str(index)) and index < len(before):
                items[index] = _kept(before[index], items[index], rest)
        return items
    if not isinstance(new, dict):
        return new
    fields, before = dict(cast("Values", new)), cast("Values", old) if isinstance(old, dict) else {}
    keys = list({**fields, **before}) if step == "*" else [step]
    for key in keys:
        if rest and key in fields:
            fields[key] = _kept(before.get(key), fields[key], rest)
        elif not rest and key in before:
            fields[key] = before[key]
        elif not rest:
            fields.pop(key, None)
    return fields


def touches(changes: Iterable[PropertyChange], paths: Iterable[str]) -> bool:
    """Whether a change lies at, below or above one of the paths of `replace_on_changes`."""
    wanted = [_steps(path) for path in paths]
    return any(_overlap(_steps(change.path), steps) for change in changes for steps in wanted)


def top_level(changes: Iterable[PropertyChange]) -> set[str]:
    return {_steps(change.path)[0] for change in changes if change.path}


def _overlap(one: list[str], other: list[str]) -> bool:
    return all(a == b or "*" in (a, b) for a, b in zip(one, other, strict=False))


def _steps(path: str) -> list[str]:
    return [name or index or quoted for name, index, quoted in _STEP.findall(path)]
