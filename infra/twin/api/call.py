"""One request to the API, what an endpoint answers, and the table that joins the two."""

import contextlib
import json
import secrets
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.twin.account.account import Account
from infra.twin.account.documents import Document, Transaction
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import is_object


@dataclass(slots=True)
class Call:
    account: Account
    account_id: str
    path: Mapping[str, str]
    """The identifiers in the path, by the names the route gives them."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes
    touched: set[str] = field(default_factory=set[str])
    """Kinds of documents that this call has changed, and committed."""

    @contextlib.contextmanager
    def write(self) -> Generator[Transaction, None, None]:
        with self.account.write() as tx:
            yield tx
        self.touched |= tx.touched

    @contextlib.contextmanager
    def read(self) -> Generator[Transaction, None, None]:
        with self.account.read() as tx:
            yield tx

    def json(self) -> Any:
        if "json" not in self.headers.get("content-type", ""):
            raise ApiError(415, 10001, "Content-Type must be application/json.")
        try:
            return json.loads(self.content, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ApiError(400, 6007, f"Malformed JSON in request body: {error}") from error

    def body(self) -> Document:
        document = self.json()
        if not is_object(document):
            raise ApiError(400, 6007, "The request body must be a JSON object.")
        return document

    def zone(self, tx: Transaction) -> Document:
        zone = tx.get("zone", self.path["zone"])
        if zone is None:
            raise ApiError(403, 9109, "Unauthorized to access requested resource")
        return zone


@dataclass(frozen=True, slots=True)
class Reply:
    result: Any
    info: dict[str, Any] | None = None


Endpoint = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    """Below /client/v4; `{account}` and `{zone}` are checked before the endpoint runs."""
    endpoint: Endpoint


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def new_id() -> str:
    return secrets.token_hex(16)


def new_uuid() -> str:
    return str(uuid.uuid4())
