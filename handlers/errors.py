"""Errors a client sees: one type, rendered by each wire in its own shape. Codes are stable (docs/api.md)."""

from collections.abc import Mapping


class ApiError(Exception):
    """An answer that is an error: HTTP status, stable code, a message the caller can act on."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        """The field at fault, as a path such as `messages[0].content`."""
        self.headers = dict(headers or {})
