"""Fields of a request body: present, of the right type, within bounds; else refused with the caller's code."""

import re
from typing import Any, TypeGuard

from infra.twin.account.documents import Document
from infra.twin.api.errors import ApiError


def is_object(value: Any) -> TypeGuard[Document]:
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


class Fields:
    """A JSON object and the code with which the resource refuses a bad field."""

    def __init__(self, body: Document, code: int, *, prefix: str = "") -> None:
        self._body = body
        self._code = code
        self._prefix = prefix

    def refuse(self, name: str, problem: str) -> ApiError:
        return ApiError(400, self._code, f"{self._prefix}{name}: {problem}")

    def text(self, name: str, *, pattern: str | None = None, default: str | None = None) -> str:
        value = self._body.get(name, default)
        if value is None:
            raise self.refuse(name, "is required")
        if not isinstance(value, str):
            raise self.refuse(name, f"must be a string, not {_kind(value)}")
        if pattern and not re.fullmatch(pattern, value):
            raise self.refuse(name, f"{value!r} is invalid")
        return value

    def choice(self, name: str, choices: frozenset[str], *, default: str | None = None) -> str:
        value = self.text(name, default=default)
        if value not in choices:
            raise self.refuse(name, f"{value!r} is invalid, use one of: {', '.join(sorted(choices))}")
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        value = self._body.get(name, default)
        if not isinstance(value, bool):
            raise self.refuse(name, f"must be true or false, not {_kind(value)}")
        return value

    def number(self, name: str, *, low: float, high: float, default: float | None = None) -> Any:
        value = self._body.get(name, default)
        if value is None:
            raise self.refuse(name, "is required")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(name, f"must be a number, not {_kind(value)}")
        if not low <= value <= high:
            raise self.refuse(name, f"{value} is not between {low:g} and {high:g}")
        return value

    def items(self, name: str, *, default: list[Any] | None = None) -> list[Any]:
        value = self._body.get(name, default)
        if value is None:
            raise self.refuse(name, "is required")
        if not is_list(value):
            raise self.refuse(name, f"must be a list, not {_kind(value)}")
        return value

    def texts(self, name: str) -> list[str]:
        values = self.items(name, default=[])
        if not all(isinstance(value, str) for value in values):
            raise self.refuse(name, "must be a list of strings")
        return values

    def mapping(self, name: str, *, default: Document | None = None) -> Document:
        value = self._body.get(name, default)
        if value is None:
            raise self.refuse(name, "is required")
        if not is_object(value):
            raise self.refuse(name, f"must be an object, not {_kind(value)}")
        return value


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"
