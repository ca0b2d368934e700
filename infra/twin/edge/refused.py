"""A request that no route leads to a script."""

from typing import Protocol

from infra.twin.edge.answers import no_route
from infra.twin.edge.connection import Connection, Head


class Process(Protocol):
    draining: bool


class NoRoute:
    """404 once its body, which is not kept, is there. See connection.Exchange."""

    def __init__(self, process: Process, connection: Connection, head: Head) -> None:
        self._process = process
        self._connection: Connection | None = connection
        self._head = head
        self._turn = self._complete = False

    def start(self) -> None:
        self._turn = True
        self._answer()

    def feed(self, chunk: bytes) -> None: ...

    def end(self) -> None:
        self._complete = True
        self._answer()

    def lost(self) -> None:
        self._connection = None

    def answered(self) -> bool:
        return False

    def writable(self) -> None: ...

    def _answer(self) -> None:
        connection, head = self._connection, self._head
        if connection is None or not (self._turn and self._complete):
            return
        keep_alive = head.keep_alive and head.version != "1.0" and not self._process.draining
        connection.write(no_route(head.host, head.path, keep_alive=keep_alive, with_body=head.method != "HEAD"))
        connection.done(keep_alive=keep_alive)
