"""What a decoded JSON value is, told to the type checker too."""

from typing import TypeGuard

from shared.edge.ports import Json


def is_object(value: Json) -> TypeGuard[dict[str, Json]]:
    return isinstance(value, dict)


def is_list(value: Json) -> TypeGuard[list[Json]]:
    return isinstance(value, list)
