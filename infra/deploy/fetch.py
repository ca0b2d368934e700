"""A blocking GET. The standard library's: importing httpx takes half a second of every start of `serai dev`."""

import contextlib
import http.client
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit


class FetchError(Exception):
    """There was no whole answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class Fetcher:
    """Requests to one origin over one kept connection; no proxies, no redirects."""

    def __init__(self, connection: http.client.HTTPConnection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix

    def get(self, path: str, *, token: str, query: Mapping[str, str] | None = None) -> Answer:
        target = self._prefix + path + (f"?{urlencode(query)}" if query else "")
        try:
            self._connection.request("GET", target, headers={"authorization": f"Bearer {token}"})
            answer = self._connection.getresponse()
            return Answer(answer.status, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request opens it anew
            raise FetchError(str(error) or type(error).__name__) from None


@contextlib.contextmanager
def open_fetcher(base_url: str, timeout: float) -> Generator[Fetcher]:
    parts = urlsplit(base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        yield Fetcher(connection, parts.path.rstrip("/"))
    finally:
        connection.close()
