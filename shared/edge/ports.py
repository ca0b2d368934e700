"""What handlers may ask of the outside world. Adapters: `local/` on CPython, `cloudflare/` on Workers bindings.

Every port is small enough to be implemented twice. Errors an adapter may raise are declared here, so that handlers
never see an exception of a driver.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Value = str | int | float | bytes | None
"""What a database column holds. Booleans are stored as 1 and 0, as D1 does."""

Json = Any
"""A decoded JSON document. Its shape is checked where it is used."""


@dataclass(slots=True)
class Statement:
    """One SQL statement with positional parameters (`?` or `?1`)."""

    sql: str
    params: Sequence[Value] = ()


@dataclass(slots=True)
class Rows:
    """The answer to one statement: rows in the order of `columns`; `changes` counts what triggers changed too."""

    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    changes: int = 0

    def dicts(self) -> list[dict[str, Value]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class DatabaseError(Exception):
    """A statement failed; the whole batch is rolled back. `str(error)` is SQLite's message, a trigger's included."""


class DatabaseBusyError(DatabaseError):
    """The database stayed locked for longer than the adapter waits. Nothing was written; trying again is safe."""


class Database(Protocol):
    """One D1 database. A batch is one round trip and one transaction: all of it or nothing."""

    async def batch(self, statements: Sequence[Statement]) -> list[Rows]: ...


class HttpError(Exception):
    """The exchange failed below HTTP. `sent` is False when the request certainly did not reach the peer."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class HttpTimeoutError(HttpError):
    """Connecting, or waiting for the next byte, took longer than the request allows."""


@dataclass(slots=True)
class HttpRequest:
    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    timeout: float = 600.0
    """Seconds until the head of the answer, and between two pieces of its body."""
    connect_timeout: float = 10.0


class HttpResponse(Protocol):
    """An answer whose head has arrived. Either `read` or `chunks` is used, once; `close` may be called at any time."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case; repeated headers joined by a comma."""
        ...

    async def read(self, limit: int = 100 * 1024 * 1024) -> bytes:
        """The whole body. Raises HttpError when it is longer than `limit` bytes or the connection breaks."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, decompressed. Raises HttpError when the connection breaks."""
        ...

    async def close(self) -> None: ...


class Http(Protocol):
    async def send(self, request: HttpRequest) -> HttpResponse:
        """Raises HttpError, HttpTimeoutError. Redirects are not followed."""
        ...


class AiError(Exception):
    """Workers AI refused or failed. `status` is the HTTP status that its REST API would have answered."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Ai(Protocol):
    """The Workers AI binding: `run` takes the model's own name (`@cf/openai/gpt-oss-20b`) and its input.

    With `inputs["stream"]` true it gives the model's Server-Sent Events as bytes, else the decoded answer.
    Chat models take and give OpenAI's Chat Completions shape (developers.cloudflare.com/workers-ai).
    """

    async def run(self, model: str, inputs: dict[str, Json]) -> dict[str, Json]:
        """Raises AiError."""
        ...

    async def stream(self, model: str, inputs: dict[str, Json]) -> AsyncIterator[bytes]:
        """Raises AiError, before the first byte or while iterating."""
        ...


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never runs backwards."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class Background(Protocol):
    def run(self, work: Awaitable[None]) -> None:
        """Finish `work` after the response (waitUntil). A failure is reported by the adapter, never raised."""
        ...


class Crypto(Protocol):
    def random_bytes(self, count: int) -> bytes: ...


class Log(Protocol):
    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """One structured line. Callers pass allow-listed fields only: never bodies, keys or headers."""
        ...


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything an entry point hands to the application: the bindings its version declared, and nothing else."""

    databases: Mapping[str, Database]
    """D1 bindings by name, e.g. `DB_ACME`."""
    text: Mapping[str, str]
    """plain_text and secret_text bindings by name."""
    modules: Callable[[str], bytes]
    """A data module uploaded with the version, e.g. `tenants.json`. Raises KeyError."""
    ai: Ai | None
    http: Http
    clock: Clock
    background: Background
    crypto: Crypto
    log: Log


Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI 3 application."""
