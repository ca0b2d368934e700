"""A serving process from the inside: what it was handed becomes a cell or a front, and runs on uvloop."""

import gc
import importlib.util
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import uvloop

from infra.twin.edge.asgi import App, Call
from infra.twin.edge.connection import Connection, Exchange, Head
from infra.twin.edge.refused import NoRoute
from infra.twin.edge.serving import Serving

Payload = dict[str, Any]


def serve(payload: Payload) -> None:
    """Serve what `payload` (process.py) describes until told to end."""
    uvloop.run(_serve(payload))


async def _serve(payload: Payload) -> None:
    listener = socket.socket(fileno=payload["listener"])
    control = socket.socket(fileno=payload["control"])
    if payload["kind"] == "front":
        from infra.twin.edge.front import Front  # noqa: PLC0415 - a cell does without

        serving: Serving = Front(listener, control, payload["idle_seconds"])
    else:
        serving = Cell(listener, control, payload)
    serving.apply(payload["routes"])
    # what exists now lives as long as the process: the collector need not look at it again
    gc.collect()
    gc.freeze()
    await serving.run()


class Cell(Serving):
    """The process of a Worker script: its application behind its routes."""

    def __init__(self, listener: socket.socket, control: socket.socket, payload: Payload) -> None:
        super().__init__(listener, control, payload["idle_seconds"])
        self._script: str = payload["script"]
        self._every_route: bool = payload["every_route"]
        self._local = _build_platform(payload)
        self.app = _load_application(payload, self._local.platform)

    def open(self, connection: Connection, head: Head) -> Exchange:
        self.requests += 1
        if self._every_route or self.routes.find(head.host, head.path) == self._script:
            return Call(self, connection, head)
        return NoRoute(self, connection, head)

    async def finish(self, seconds: float) -> None:
        await self._local.close(seconds)


def _build_platform(payload: Payload) -> Any:
    # the upload's `shared`, see runner.py: it is not the one that a type checker sees, hence the loose types
    local = importlib.import_module("shared.edge.local.platform")
    log = importlib.import_module("shared.edge.local.log")
    paths: dict[str, str] = payload["databases"]

    def d1_path(database_id: str) -> Path:
        return Path(paths[database_id])

    return local.build_platform(
        payload["bindings"],
        Path(payload["version_dir"]),
        d1_path,
        log=log.LineLog(sys.stderr),
        environ=payload["environ"],
        durability=payload["durability"],
    )


def _load_application(payload: Payload, platform: Any) -> App:
    name: str = payload["main_module"]
    application = cast("Callable[[Any], App] | None", getattr(_load_main(payload, name), "application", None))
    if application is None:
        raise SystemExit(f"{name} has no function application(platform)")
    return application(platform)


def _load_main(payload: Payload, name: str) -> ModuleType:
    path = Path(payload["version_dir"]) / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{name} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
