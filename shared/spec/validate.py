"""A document against a pydantic model: every fault as a finding, and as much of the content as is sound."""

from collections.abc import Mapping
from copy import deepcopy
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shared.spec.document import Document, Path_
from shared.spec.findings import did_you_mean

M = TypeVar("M", bound=BaseModel)
Placeholders = Mapping[Path_, Any]
"""What stands in for a faulty value, so that the rest can be checked; `-1` in a path is any index."""

_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def validate(model: type[M], document: Document, placeholders: Placeholders) -> tuple[M | None, frozenset[Path_]]:
    """The content as the model, and the paths of what is faulty in it. None: too little of it is sound."""
    data: Any = deepcopy(document.data)
    faulty: set[Path_] = set()
    adapter = TypeAdapter(model)
    for attempt in range(3):
        try:
            return adapter.validate_python(data), frozenset(faulty)
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            path = tuple(part for part in detail["loc"] if part != "[key]")
            if attempt == 0:
                _report(document, model, path, detail)
            faulty.add(path)
            _substitute(data, path, placeholders)
    return None, frozenset(faulty)


def _report(document: Document, model: type[BaseModel], path: Path_, detail: ErrorDetails) -> None:
    kind, given = detail["type"], detail["input"]
    limits: dict[str, Any] = detail.get("ctx", {})
    value = path[-1] if detail["loc"] and detail["loc"][-1] == "[key]" else given
    if kind == "missing" and path not in document.positions:
        document.add(path, "is missing", f"Add a line `{path[-1]}: ...`.")
    elif kind == "missing":
        return  # it is there without a value, and reported
    elif kind == "extra_forbidden":
        document.add(path, "is not a field", did_you_mean(str(path[-1]), _fields(model, path[:-1])), value=given)
    elif kind == "refused":
        document.add(path, limits["reason"], limits["remedy"], value=value)
    elif kind in _KINDS:
        document.add(path, f"must be {_KINDS[kind]}", _remedy(document, path, kind, given), value=given)
    elif kind == "literal_error":
        choices = str(limits["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        document.add(path, "is none of its values", did_you_mean(str(given), choices), value=given)
    else:
        document.add(path, _bound(kind, limits) or detail["msg"].lower(), "Change it to fit.", value=given)


def _bound(kind: str, limits: dict[str, Any]) -> str | None:
    match kind:
        case "greater_than_equal":
            return f"must be at least {limits['ge']:.10g}"
        case "less_than_equal":
            return f"must be at most {limits['le']:.10g}"
        case "too_long":
            return f"has more than {limits['max_length']} entries"
        case "too_short":
            return f"needs at least {limits['min_length']} entry"
        case "finite_number":
            return "must be a finite number"
        case _:
            return None


def _remedy(document: Document, path: Path_, kind: str, given: object) -> str:
    if kind == "string_type" and isinstance(given, int | float):
        return f'Put it in quotes: "{(document.position(path).text or str(given))[:40]}".'
    if isinstance(given, str) and kind in ("int_type", "float_type"):
        return "Write digits only, without quotes, units or separators."
    return f"Write {_KINDS[kind]}."


def _fields(model: type[BaseModel], path: Path_) -> list[str]:
    """The fields of the model at a path; none where there is no model."""
    at: list[Any] = [model]
    for part in path:
        at = [inner for annotation in at for inner in _inside(annotation, part)]
    return [
        name for annotation in at for plain in _plain(annotation) if _is_model(plain) for name in plain.model_fields
    ]


def _inside(annotation: Any, part: str | int) -> list[Any]:
    """The annotations of what stands under a field, key or index."""
    found: list[Any] = []
    for plain in _plain(annotation):
        if _is_model(plain) and part in plain.model_fields:
            found.append(plain.model_fields[part].annotation)
        elif get_origin(plain) in (dict, list):
            found.append(get_args(plain)[-1])
    return found


def _plain(annotation: Any) -> list[Any]:
    """Without Annotated, unions and root models."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [plain for option in get_args(annotation) for plain in _plain(option)]
    if _is_model(annotation) and issubclass(annotation, RootModel):
        return _plain(annotation.model_fields["root"].annotation)
    return [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _substitute(data: Any, path: Path_, placeholders: Placeholders) -> None:
    """Replace a faulty value by its placeholder, or take it out."""
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return
    pattern = tuple(-1 if isinstance(part, int) else part for part in path)
    if pattern in placeholders and (isinstance(data, dict) or isinstance(path[-1], int)):
        data[path[-1]] = placeholders[pattern]
    elif isinstance(data, dict) and path:
        data.pop(path[-1], None)
