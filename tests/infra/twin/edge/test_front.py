"""Given a cell that ends at the worst moment, the front answers, and has nothing left under way."""

import asyncio
import contextlib
import socket
from pathlib import Path

from infra.twin.edge.front import Front, Upstream

ROUTES = {"patterns": [["api.serai.example/acme/*", "serai-acme"]], "domains": []}


class HastyFront(Front):
    """Comes back to the request only when the cell has closed the connection that was made for it."""

    async def connect(self, path: str) -> Upstream:
        upstream = await super().connect(path)
        while not upstream.closed:  # noqa: ASYNC110 - what is forced here is the order of two callbacks
            await asyncio.sleep(0)
        return upstream


async def test_a_connection_to_a_cell_that_is_lost_before_its_request_is_a_502(tmp_path: Path) -> None:
    path = str(tmp_path / "acme.sock")
    cell = await asyncio.start_unix_server(lambda _, writer: writer.close(), path)
    control, ours = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    front = HastyFront(listener, control, 600.0)
    front.apply({**ROUTES, "cells": {"serai-acme": path}})
    running = asyncio.create_task(front.run())
    with contextlib.closing(ours):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET /acme/ HTTP/1.1\r\nHost: api.serai.example\r\n\r\n")
        async with asyncio.timeout(30):
            assert (await reader.read()).startswith(b"HTTP/1.1 502 ")
        assert front.calls == set()
        writer.close()
        cell.close()
    async with asyncio.timeout(30):
        await running  # the host is gone: it ends
