"""Secrets at rest: encrypted one by one, so that the rest of a journal can be read with sqlite3."""

import json
from typing import Any, cast

from cryptography.fernet import Fernet, InvalidToken

from infra.twin.engine.values import Secret, Unknown, Values

MARK = "serai:sealed"
UNKNOWN_MARK = "serai:unknown"


class SealError(Exception):
    """What is sealed was sealed with another key, or is damaged."""


class Seal:
    def __init__(self, key: str, *, unknowns: bool = False) -> None:
        """`unknowns`: let them pass, for the scratch journal of a preview."""
        self._fernet = Fernet(key)
        self._unknowns = unknowns

    def dumps(self, document: Values) -> str:
        return json.dumps(self._close(document), separators=(",", ":"))

    def loads(self, text: str) -> Values:
        return self._open(json.loads(text))

    def _close(self, value: Any) -> Any:
        if isinstance(value, Secret):
            # The text may hold secrets of its own: they need no second layer.
            return {MARK: self._fernet.encrypt(json.dumps(self._inner(value.value)).encode()).decode()}
        if isinstance(value, Unknown):
            return self._unknown()
        if isinstance(value, dict):
            return {key: self._close(item) for key, item in cast("Values", value).items()}
        if isinstance(value, (list, tuple)):
            return [self._close(item) for item in cast("list[Any]", value)]
        return value

    def _unknown(self) -> Values:
        if not self._unknowns:
            raise TypeError("A value that is not known reached the journal.")
        return {UNKNOWN_MARK: True}

    def _inner(self, value: Any) -> Any:
        if isinstance(value, Secret):
            return self._inner(value.value)
        if isinstance(value, Unknown):
            return self._unknown()
        if isinstance(value, dict):
            return {key: self._inner(item) for key, item in cast("Values", value).items()}
        return [self._inner(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value

    def _open(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._open(item) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        fields = cast("Values", value)
        if MARK not in fields:
            return {key: self._open(item) for key, item in fields.items()}
        try:
            return Secret(json.loads(self._fernet.decrypt(fields[MARK])))
        except (InvalidToken, TypeError) as error:
            raise SealError from error
