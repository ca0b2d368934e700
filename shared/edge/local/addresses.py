"""Where outgoing requests go: their URLs, taken apart once each, and what says that a proxy is between."""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy")
"""How the environment says that a proxy leads out of this machine."""


class Address(NamedTuple):
    """Where to connect, and what to ask for there."""

    scheme: str
    host: str
    port: int
    authority: str
    """The Host header."""
    target: str
    """Path and query."""


@lru_cache(maxsize=256)
def read_address(url: str) -> Address:
    """Raises ValueError for what is no http or https URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"the scheme is {parts.scheme!r}, not http or https")
    if not parts.hostname:
        raise ValueError("there is no host")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or any(char <= " " or char == "\x7f" for char in target):
        raise ValueError("path or query has characters that a URL must escape")
    shown = f"[{host}]" if ":" in host else host
    return Address(parts.scheme, host, port, shown if parts.port is None else f"{shown}:{port}", target)


def origin_of(url: str) -> str:
    """Scheme and host only: a path or query may carry what must not be logged."""
    return "/".join(url.split("/", 3)[:3]).rpartition("@")[2]
