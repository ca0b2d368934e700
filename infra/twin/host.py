"""The twin as one running thing: the account's REST API and its edge, over one state directory."""

import asyncio
import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import uvicorn

from infra.twin.account.account import Account
from infra.twin.api import create_api
from infra.twin.edge.host import EdgeHost
from infra.twin.edge.source import EdgeError, Event, OnEvent
from infra.twin.engine import ApiEndpoint
from infra.twin.state import State
from shared.edge.local.addresses import PROXY_VARIABLES

AI_VARIABLES = ("SERAI_LOCAL_MODELS", "SERAI_LOCAL_MODELS_KEY")
"""What of the environment the AI binding's stand-in may see, beside how this machine reaches model providers."""
LOCK_TRIES, LOCK_PAUSE = 10, 0.02


@dataclass(frozen=True, slots=True)
class HostInfo:
    """Where a running host answers: the content of `host.json`."""

    pid: int
    url: str
    control: str
    api: str
    started_at: str


class HostRunningError(EdgeError):
    """Another host serves this state directory."""

    def __init__(self, info: HostInfo | None, state: Path) -> None:
        self.info = info
        who = f"process {info.pid} at {info.url}, since {info.started_at}" if info else "another process"
        super().__init__(f"{state} is being served already by {who}. Use that one, or stop it first.")


def running_host(state: State) -> HostInfo | None:
    """The host that serves a state directory, or None. A file that a killed host left behind does not count."""
    with _lock_file(state).open("a+") as lock:
        if _try_lock(lock):
            return None
    return _read_info(state)


class TwinHost:
    """Starts and stops both; every change in the account reaches the edge without being asked for."""

    def __init__(
        self,
        state: State,
        *,
        port: int,
        control_port: int | None = None,
        zones: Sequence[str],
        durability: str = "normal",
        idle_seconds: float = 600.0,
        on_event: OnEvent,
    ) -> None:
        self._state = state
        self._zones = zones
        self._account = Account(state.account_path, state.d1_path)
        self._lock: IO[str] | None = None
        environ = {name: os.environ[name] for name in (*AI_VARIABLES, *PROXY_VARIABLES) if name in os.environ}
        self.edge = EdgeHost(
            state,
            self._account,
            port=port,
            control_port=control_port,
            durability=durability,
            idle_seconds=idle_seconds,
            on_event=self._on_edge_event,
            environ=environ,
        )
        self._reconciling: set[asyncio.Task[list[str]]] = set()
        self._crashes: dict[str, dict[str, Any]] = {}
        self._tell = on_event

    async def start(self) -> HostInfo:
        """Raises HostRunningError and EdgeError; nothing runs then."""
        self._lock = _lock_file(self._state).open("a+")
        if not await _lock_soon(self._lock):
            self._lock.close()
            raise HostRunningError(_read_info(self._state), self._state.path)
        # what a host that was killed has left says nothing of this one
        self._state.host_path.unlink(missing_ok=True)
        _edge_status_path(self._state).unlink(missing_ok=True)
        try:
            self.zone_ids = {zone: self._account.ensure_zone(zone) for zone in self._zones}
            await self.edge.start()
            loop = asyncio.get_running_loop()
            self._api = ApiServer(self._state, lambda: _call_in(loop, self._reconcile_soon))
            self._api.start()
        except BaseException:
            self._lock.close()
            raise
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.info = HostInfo(os.getpid(), self.edge.url, self.edge.control_url, self._api.endpoint.base_url, now)
        _write(self._state.host_path, asdict(self.info))
        return self.info

    @property
    def endpoint(self) -> ApiEndpoint:
        return self._api.endpoint

    async def stop(self) -> None:
        await asyncio.to_thread(self._api.stop)
        await self.edge.stop()
        self._account.close()
        self._state.host_path.unlink(missing_ok=True)
        _edge_status_path(self._state).unlink(missing_ok=True)
        if self._lock:
            self._lock.close()

    def _on_edge_event(self, event: Event) -> None:
        """Kept for `serai doctor`, which is another process, and passed on."""
        script = event.get("script", "")
        if event["event"] in ("crashed", "start_failed"):
            times = self._crashes.get(script, {}).get("times", 0) + 1
            at = datetime.now(UTC).isoformat(timespec="seconds")
            self._crashes[script] = {
                "script": script,
                "event": event["event"],
                "at": at,
                "times": times,
                "reason": crash_reason(event),
            }
        elif event["event"] == "deployed":  # a version that works has taken the place of one that did not
            self._crashes.pop(script, None)
        processes = [{"script": one.program.script, "pid": one.pid} for one in self.edge.processes()]
        status = {"processes": processes, "crashes": list(self._crashes.values())}
        _write(_edge_status_path(self._state), status)
        self._tell(event)

    def _reconcile_soon(self) -> None:
        task = asyncio.get_running_loop().create_task(self.edge.reconcile())
        self._reconciling.add(task)
        task.add_done_callback(self._reconciling.discard)


class ApiServer:
    """The REST API on a port of its own, in a thread of its own: a long upload must not hold back the edge."""

    def __init__(self, state: State, on_change: Callable[[], None]) -> None:
        self._account = Account(state.account_path, state.d1_path)
        secrets = state.secrets
        app = create_api(
            self._account, token=secrets.api_token, account_id=secrets.account_id, on_change=lambda _kind: on_change()
        )
        config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", server_header=False)
        self._server = uvicorn.Server(config)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, name="twin-api", daemon=True)
        port: int = self._socket.getsockname()[1]
        self.endpoint = ApiEndpoint(f"http://127.0.0.1:{port}/client/v4", secrets.api_token)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        with contextlib.suppress(OSError):
            self._socket.close()
        self._account.close()


def crash_reason(event: Event) -> str:
    """How a process ended and what it said last, on one line."""
    words = str(event.get("log") or event.get("reason") or "").strip().splitlines()
    return ": ".join(part for part in (str(event.get("exit", "")), words[-1] if words else "") if part)


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is gone when the host stops in the middle of an apply
        loop.call_soon_threadsafe(call)


def read_edge_status(state: State) -> dict[str, Any]:
    """The processes that the host last spoke of, and those that crashed since it started."""
    try:
        status: dict[str, Any] = json.loads(_edge_status_path(state).read_text())
    except (OSError, ValueError):
        return {}
    return status


def _write(path: Path, document: dict[str, Any]) -> None:
    """Whole or not at all: others read it at any moment."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(json.dumps(document) + "\n")
    scratch.replace(path)


def _edge_status_path(state: State) -> Path:
    return state.path / "edge.json"


def _lock_file(state: State) -> Path:
    return state.path / "host.lock"


async def _lock_soon(file: IO[str]) -> bool:
    """Whoever only asks whether a host runs holds the lock for a moment."""
    for _ in range(LOCK_TRIES):
        if _try_lock(file):
            return True
        await asyncio.sleep(LOCK_PAUSE)
    return False


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read_info(state: State) -> HostInfo | None:
    try:
        return HostInfo(**json.loads(state.host_path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
