"""JSON documents of callers, read with suspicion: what is refused here never reaches a wire's own checks."""

import json
import math
import re
from collections.abc import Iterator
from typing import NoReturn, cast

from handlers.errors import ApiError
from shared.edge.ports import Json

MAX_DEPTH = 100
"""Deeper nesting is refused before the parser, whose C stack is small on Pyodide, sees it."""

_BRACKETS_OUTSIDE_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # json.dumps would make one each time


class _RefusedValueError(ValueError):
    pass


def decode(body: bytes) -> dict[str, Json]:
    """The JSON object in a request body. Raises ApiError(400, invalid_request)."""
    text = _decode_text(body)
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and depth(body) > MAX_DEPTH:
        raise _refusal(f"the body is nested more than {MAX_DEPTH} levels deep")
    try:
        document = _DECODER.decode(text)
    except _RefusedValueError as error:
        raise _refusal(str(error)) from None
    except json.JSONDecodeError as error:
        message = f"the body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise _refusal(message) from None
    except RecursionError:
        raise _refusal(f"the body is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError:  # int() refuses thousands of digits
        raise _refusal("the body holds a number with too many digits") from None
    if not isinstance(document, dict):
        raise _refusal(f"the body must be a JSON object, not {kind(document)}")
    if b"\\ud" in body or b"\\uD" in body:
        _refuse_lone_surrogates(document)
    return cast("dict[str, Json]", document)


def encode(document: Json) -> bytes:
    """Compact UTF-8. Half a character (an upstream split an emoji into two events) stays an escape."""
    try:
        return _ENCODER.encode(document).encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":")).encode()


def depth(body: bytes) -> int:
    """How deep brackets nest, strings aside."""
    level = deepest = 0
    for match in _BRACKETS_OUTSIDE_STRINGS.finditer(body):
        first = body[match.start()]
        if first in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif first in b"]}":
            level -= 1
    return deepest


def kind(value: Json) -> str:
    """The JSON word for a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def _decode_text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise _refusal(f"the body is not valid UTF-8 (byte {error.start})") from None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    # A duplicate would be metered as one value here and read as the other upstream: the bytes pass through untouched.
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RefusedValueError(f"the field {short(twice)} is given twice in one object")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise _RefusedValueError(f"{name} is no JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _RefusedValueError(f"the number {short(text)} is out of range")
    return value


# Made once: json.loads would make one for every request.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite_float)


def _refuse_lone_surrogates(document: Json) -> None:
    for path, text in _strings(document, ""):
        try:
            text.encode()
        except UnicodeEncodeError:
            where = path.encode("ascii", "backslashreplace").decode()
            message = f"{where or 'the body'} holds half of a character (a lone surrogate)"
            raise ApiError(400, "invalid_request", message, param=where or None) from None


def _strings(value: Json, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Json]", value).items():
            inner = f"{path}.{name}" if path else name
            yield inner, name
            yield from _strings(item, inner)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Json]", value)):
            yield from _strings(item, f"{path}[{index}]")


def short(value: Json) -> str:
    """A value as it may stand in a message: quoted, and cut where it is long."""
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _refusal(message: str) -> ApiError:
    return ApiError(400, "invalid_request", message[0].upper() + message[1:] + ".")
