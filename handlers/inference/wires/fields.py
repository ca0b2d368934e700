"""Fields of a caller's JSON object, checked one by one: each finding names its path, the value and what would do."""

from collections.abc import Collection, Mapping
from typing import cast

from handlers.errors import ApiError
from handlers.inference.wires.document import kind, short
from shared.edge.ports import Json

MAX_TOKENS = 10_000_000
"""No model generates or is asked for more; larger numbers are mistakes."""

Later = Mapping[str, tuple[Json, ...]]
"""Fields of the vendor that are not supported yet, with the values that mean the same as leaving them out."""


def invalid(path: str, reason: str) -> ApiError:
    return ApiError(400, "invalid_request", f"{path}: {reason}.", param=path)


def unsupported(path: str, reason: str = "not supported yet") -> ApiError:
    return ApiError(400, "unsupported_field", f"{path}: {reason}.", param=path)


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


class Fields:
    """One object at a path. Fields that are neither known nor harmless are refused when it is made."""

    __slots__ = ("_data", "path")

    def __init__(self, value: Json, path: str, known: Collection[str], later: Later | None = None) -> None:
        if not isinstance(value, dict):
            raise invalid(path, f"must be an object, not {kind(value)}")
        self._data = cast("dict[str, Json]", value)
        self.path = path
        for name in self._data:
            if name not in known:
                self._refuse(name, known, later or {})

    def _refuse(self, name: str, known: Collection[str], later: Later) -> None:
        path, value = join(self.path, name), self._data[name]
        if name not in later:
            import difflib  # noqa: PLC0415  an error's price, not every start's

            near = difflib.get_close_matches(name, [*known, *later], n=1)
            raise unsupported(path[:200], "unknown field" + (f"; did you mean {near[0]}?" if near else ""))
        if not any(type(value) is type(harmless) and value == harmless for harmless in later[name]):
            raise unsupported(path)

    def at(self, name: str) -> str:
        return join(self.path, name)

    def has(self, name: str) -> bool:
        """Whether a value other than null is given."""
        return self._data.get(name) is not None

    def raw(self, name: str) -> Json:
        return self._data.get(name)

    def required(self, name: str) -> Json:
        value = self._data.get(name)
        if value is None:
            raise invalid(self.at(name), "is required")
        return value

    def text(self, name: str) -> str | None:
        return None if (value := self._data.get(name)) is None else string(value, self.at(name))

    def required_text(self, name: str, limit: int = 1000) -> str:
        """A short text that is not empty: a name, an id."""
        value = string(self.required(name), self.at(name))
        if not value or len(value) > limit:
            raise invalid(self.at(name), "must not be empty" if not value else f"must have at most {limit} characters")
        return value

    def flag(self, name: str) -> bool | None:
        value = self._data.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise invalid(self.at(name), f"must be true or false, not {short(value)}")

    def integer(self, name: str, low: int, high: int) -> int | None:
        value = self._data.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise invalid(self.at(name), f"must be a whole number from {low} to {high}, not {short(value)}")
        return value

    def number(self, name: str, low: float, high: float) -> float | None:
        value = self._data.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise invalid(self.at(name), f"must be a number from {low:g} to {high:g}, not {short(value)}")
        return value

    def choice(self, name: str, options: Collection[str]) -> str | None:
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or value not in options:
            raise invalid(self.at(name), f"must be one of {', '.join(options)}, not {short(value)}")
        return value

    def object(self, name: str) -> dict[str, Json] | None:
        value = self._data.get(name)
        if value is None or isinstance(value, dict):
            return cast("dict[str, Json] | None", value)
        raise invalid(self.at(name), f"must be an object, not {kind(value)}")


def string(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise invalid(path, f"must be a string, not {kind(value)}")
    return value


def items(value: Json, path: str, *, least: int = 0) -> list[Json]:
    if not isinstance(value, list):
        raise invalid(path, f"must be an array, not {kind(value)}")
    if len(cast("list[Json]", value)) < least:
        raise invalid(path, "must not be empty")
    return cast("list[Json]", value)


def type_of(value: Json, path: str) -> str:
    """The `type` of a tagged object."""
    if not isinstance(value, dict):
        raise invalid(path, f"must be an object, not {kind(value)}")
    name = cast("dict[str, Json]", value).get("type")
    if not isinstance(name, str):
        raise invalid(f"{path}.type", "is required" if name is None else f"must be a string, not {kind(name)}")
    return name
