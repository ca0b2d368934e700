"""Providers: upstreams that serve models, one module each, found by the file's name (`kind` in infra/providers.yaml).

A provider is facts and mapping: the wire it speaks, how a request is addressed and authenticated, what its errors mean.
"""

import functools
import importlib
import re
from collections.abc import Mapping
from typing import Protocol, cast

from handlers.errors import ApiError
from handlers.inference.wires import Upstream
from shared.edge.ports import HttpRequest
from shared.spec import compiled

_KIND = re.compile(r"[a-z][a-z0-9_]*")


class ProviderModule(Protocol):
    WIRE: str
    """The wire it speaks."""
    USES_AI_PORT: bool
    """True: called through the Ai port with `upstream(...).model` and the document, not through Http."""

    def upstream(self, model: str) -> Upstream:
        """The model's own name and quirks; `model` is what stands after `provider/`."""
        ...

    def request(
        self, config: compiled.Provider, key: str | None, document: bytes, headers: Mapping[str, str]
    ) -> HttpRequest:
        """`headers` are the caller's, lower-case; only the few that the provider's wire defines are passed on."""
        ...

    def read_error(self, config: compiled.Provider, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
        """What an upstream's answer other than 2xx means for the caller. Never carries keys or account data."""
        ...


def failure(config: compiled.Provider, error: Exception) -> ApiError:
    """What an exception of a port or of a wire's reader means for the caller. Never carries keys or account data."""
    from handlers.inference.providers import _failure  # noqa: PLC0415  it imports the wires, which need no provider

    return _failure.from_exception(config.name, error)


@functools.cache
def load(kind: str) -> ProviderModule:
    """The module of a kind. Raises KeyError for a kind that has no file."""
    if not _KIND.fullmatch(kind):
        raise KeyError(kind)
    try:
        module = importlib.import_module(f"handlers.inference.providers.{kind}")
    except ModuleNotFoundError as error:
        if error.name != f"handlers.inference.providers.{kind}":
            raise
        raise KeyError(kind) from error
    return cast("ProviderModule", module)
