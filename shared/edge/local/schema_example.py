"""A value that fits a JSON schema: what the simulated model fills tool arguments and structured answers with."""

import re

from shared.edge.local.json_shape import is_list, is_object
from shared.edge.ports import Json

_DEPTH = 12
_NAME = re.compile(r"(?<=\s)[A-Z][\w-]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def example(schema: Json, text: str) -> Json:
    """Deterministic; takes names and numbers out of `text` where the schema leaves the choice."""
    root = schema if is_object(schema) else {}
    return _value({"type": "object", **root}, root, text, "", _DEPTH)


def _value(schema: Json, root: dict[str, Json], text: str, name: str, depth: int) -> Json:
    if not is_object(schema) or depth == 0:
        return None
    fixed = _fixed(schema)
    if fixed is not _NOTHING:
        return fixed
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _value(_resolve(reference, root), root, text, name, depth - 1)
    for union in ("anyOf", "oneOf", "allOf"):
        options = schema.get(union)
        if is_list(options) and options:
            useful = [one for one in options if is_object(one) and one.get("type") != "null"]
            return _value((useful or options)[0], root, text, name, depth - 1)
    return _of_kind(schema, root, text, name, depth)


_NOTHING = object()


def _fixed(schema: dict[str, Json]) -> Json:
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    for word in ("enum", "examples"):
        options = schema.get(word)
        if is_list(options) and options:
            return options[0]
    return _NOTHING


def _of_kind(schema: dict[str, Json], root: dict[str, Json], text: str, name: str, depth: int) -> Json:
    kind = schema.get("type")
    if is_list(kind):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    match kind:
        case "object":
            return _object(schema, root, text, depth)
        case "array":
            count = schema.get("minItems")
            count = count if isinstance(count, int) and not isinstance(count, bool) else 1
            return [_value(schema.get("items", {}), root, text, name, depth - 1) for _ in range(min(max(count, 0), 20))]
        case "integer" | "number":
            return _number(schema, text, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _string(schema, text, name)


def _object(schema: dict[str, Json], root: dict[str, Json], text: str, depth: int) -> dict[str, Json]:
    properties = schema.get("properties")
    if not is_object(properties):
        return {}
    required = schema.get("required")
    wanted = properties if not is_list(required) else [name for name in properties if name in required]
    return {name: _value(properties[name], root, text, name, depth - 1) for name in wanted}


def _number(schema: dict[str, Json], text: str, *, whole: bool) -> int | float:
    found = _NUMBER.search(text[:2000])
    value = float(found[0][:15]) if found else 1.0
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if isinstance(low, int | float) and value < low:
        value = low + (1 if "exclusiveMinimum" in schema else 0)
    if isinstance(high, int | float) and value > high:
        value = high
    return int(value) if whole else value


def _string(schema: dict[str, Json], text: str, name: str) -> str:
    match schema.get("format"):
        case "date":
            return "2026-01-01"
        case "date-time":
            return "2026-01-01T00:00:00Z"
        case "email":
            return "someone@example.com"
        case "uri":
            return "https://example.com/"
        case _:
            pass
    names = _NAME.findall(text[:2000])
    found = names[-1] if names else (text[:80] or name or "simulated")
    longest = schema.get("maxLength")
    return found[:longest] if isinstance(longest, int) and longest >= 0 else found


def _resolve(reference: str, root: dict[str, Json]) -> Json:
    """`#/$defs/Name` and the like within the same schema."""
    node: Json = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            node = node.get(part) if is_object(node) else None
    return node
