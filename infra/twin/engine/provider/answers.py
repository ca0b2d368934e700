"""From a program's inputs and the API's answer to outputs, and to what a refresh finds changed."""

import json
from typing import Any, cast

from infra.twin.engine.provider.kind import Kind
from infra.twin.engine.values import Secret, Values


def fill(kind: Kind, inputs: Values) -> Values:
    """Inputs with the provider's defaults."""
    within = {name: value for name, value in kind.defaults_within.items() if name in inputs}
    return cast("Values", _under(_under(dict(inputs), kind.defaults), within))


def overlay(kind: Kind, inputs: Values, answer: Values) -> Values:
    """Outputs: what the API answers, else what was given, else null. Secrets stay secrets."""
    known = {name: answer.get(name) for name in kind.all_properties}
    known |= {name: json.dumps(known[name]) for name in kind.told_as_json if known.get(name) is not None}
    return known | cast("Values", _merge(fill(kind, inputs), known, keep=False))


def drifted(kind: Kind, inputs: Values, answer: Values) -> Values:
    """The inputs that would give what is there: those given, as the API tells them now, and the undeclared ones."""
    now = cast("Values", _merge(inputs, answer, keep=True))
    for path in kind.undeclared:
        _learn(now, answer, path.split("."))
    return now


def _under(given: Any, defaults: Any) -> Any:
    if not isinstance(given, dict) or not isinstance(defaults, dict):
        return cast("Any", given)
    fields = dict(cast("Values", given))
    for name, default in cast("Values", defaults).items():
        fields[name] = _under(fields[name], default) if name in fields else default
    return fields


def _merge(given: Any, told: Any, *, keep: bool) -> Any:
    """What was given, as it is told. `keep`: with nothing that was not given."""
    if told is None:
        return given
    if isinstance(given, Secret):
        return Secret(_merge(given.value, told, keep=keep))
    if isinstance(given, dict) and isinstance(told, dict):
        mine, theirs = cast("Values", given), cast("Values", told)
        merged = {name: _merge(value, theirs.get(name), keep=keep) for name, value in mine.items()}
        return merged if keep else {name: value for name, value in theirs.items() if value is not None} | merged
    if isinstance(given, list) and isinstance(told, list):
        mine, theirs = cast("list[Any]", given), cast("list[Any]", told)
        if len(mine) == len(theirs):
            # By position, like the real provider: lists that the API sorts have to be written sorted.
            return [_merge(a, b, keep=keep) for a, b in zip(mine, theirs, strict=True)]
        return theirs
    if isinstance(given, str) and isinstance(told, (dict, list)):  # a `json` binding
        return given if _parsed(given) == told else json.dumps(told)
    return cast("Any", given if given == told else told)


def _learn(inputs: Values, answer: Values, path: list[str]) -> None:
    name, rest = path[0], path[1:]
    told, mine = answer.get(name), inputs.get(name)
    if told is None:
        return
    if not rest and mine is None:
        inputs[name] = told
    elif rest and isinstance(mine, dict) and isinstance(told, dict):
        inputs[name] = dict(cast("Values", mine))
        _learn(inputs[name], cast("Values", told), rest)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
