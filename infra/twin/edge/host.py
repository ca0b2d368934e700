"""The edge in the process of `serai dev`: holds the sockets, and keeps to what the account says is deployed.

With one cell its process owns the data port; with more, or none, a front process does and passes requests on over unix
sockets. The control Worker has a port of its own.
"""

import asyncio
import contextlib
import errno
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.twin.account.account import Version
from infra.twin.edge.channel import Message
from infra.twin.edge.logs import ProcessLog
from infra.twin.edge.process import Program, ServingProcess
from infra.twin.edge.slot import Slot
from infra.twin.edge.source import EdgeError, EdgeSource, EdgeState, OnEvent
from infra.twin.edge.unpack import UnpackError, remove_unused, unpack

BACKLOG = 4096
BIND_SECONDS = 3.0
"""How long processes of a host that was killed may take to give up its port."""
TEND_SECONDS = 30.0
UNIX_PATH_BYTES = 100
"""The system takes 108 (unix(7)), macOS 104."""
FRONT = "front"
DRAIN_SECONDS = 16 * 60.0
"""A little longer than a process gives itself (serving.py)."""


class EdgeHost:
    """`environ` is what the AI binding's adapter may see (SERAI_LOCAL_MODELS, SERAI_LOCAL_MODELS_KEY)."""

    def __init__(
        self,
        state: EdgeState,
        source: EdgeSource,
        *,
        port: int,
        control_port: int | None = None,
        address: str = "127.0.0.1",
        durability: str = "normal",
        idle_seconds: float = 600.0,
        on_event: OnEvent,
        control_script: str = "serai-control",
        environ: dict[str, str] | None = None,
    ) -> None:
        self._state = state
        self._source = source
        self._ports = (port, control_port or 0)
        self._address = address
        self._durability = durability
        self._idle_seconds = idle_seconds
        self._on_event = on_event
        self._control_script = control_script
        self._environ = environ or {}
        self._started = False
        self._lock = asyncio.Lock()
        self._generation: int | None = None
        self._table: dict[str, Any] = {"patterns": [], "domains": [], "cells": {}}
        self._programs: dict[str, Program] = {}
        self._logs: dict[str, ProcessLog] = {}
        self._cells: dict[str, Slot] = {}
        self._retiring: set[Slot] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._sockets = state.path / "edge"

    async def start(self) -> None:
        """Bind the ports and serve what is deployed. Raises EdgeError."""
        data = await self._bind(self._ports[0], "--port")
        try:
            control = await self._bind(self._ports[1], "--control-port")
        except EdgeError:
            data.close()
            raise
        self._data, self._control = self._slot(data), self._slot(control)
        self._started = True
        self.port, self.control_port = data.getsockname()[1], control.getsockname()[1]
        await self.reconcile()
        self._in_background(self._tend())

    @property
    def url(self) -> str:
        return f"http://{self._address}:{self.port}"

    @property
    def control_url(self) -> str:
        return f"http://{self._address}:{self.control_port}"

    async def reconcile(self) -> list[str]:
        """Serve what the account says now. When it returns, new requests meet the new versions and routes.

        What could not be started, one sentence each: the version before it goes on serving.
        """
        async with self._lock:
            generation = self._source.generation()
            if generation == self._generation:
                return []
            failures = await self._follow()
            self._generation = generation
            self._remove_unused()
            return failures

    async def stop(self, seconds: float = 10.0) -> None:
        """End all processes, leaving them `seconds` to finish what is under way."""
        if not self._started:
            return
        for work in list(self._work):
            work.cancel()
        async with self._lock:
            # the front goes first: it needs the cells for what it has under way
            await asyncio.gather(self._data.close(seconds), self._control.close(seconds))
            await asyncio.gather(*self._work, return_exceptions=True)
            behind = [*self._cells.values(), *self._retiring]
            await asyncio.gather(*(slot.close(seconds) for slot in behind))
            for slot in behind:
                _unlink(slot)
        with contextlib.suppress(OSError):
            self._sockets.rmdir()

    def processes(self) -> list[ServingProcess]:
        """Those that run, the ones that are giving way included."""
        return [process for slot in self._slots() for process in slot.processes]

    async def status(self) -> list[dict[str, Any]]:
        """Every process: script, version, pid, state, and its requests and open connections."""
        found: list[dict[str, Any]] = []
        for process in self.processes():
            stats = await process.stats() or {}
            found.append(
                {
                    "script": process.program.script,
                    "version": process.program.version,
                    "pid": process.pid,
                    "state": process.state,
                    "requests": stats.get("requests"),
                    "connections": stats.get("connections"),
                }
            )
        return found

    # what is deployed

    async def _follow(self) -> list[str]:
        patterns = [(entry.pattern, entry.script or "") for entry in self._source.route_table()]
        domains = [(domain.hostname, domain.script) for domain in self._source.custom_domains()]
        routed = {script for _, script in (*patterns, *domains)} - {"", self._control_script}
        failures: list[str] = []
        programs: dict[str, Program] = {}
        for script in sorted(routed | {self._control_script}):
            program = await self._program(script, failures)
            if program is not None:
                programs[script] = program
        self._programs = programs
        cells = sorted(set(programs) - {self._control_script})
        for script in cells if len(cells) > 1 else ():
            if script not in self._cells:
                self._cells[script] = self._slot(self._bind_unix(script))
        sockets = {script: self._cells[script].listener.getsockname() for script in cells if script in self._cells}
        self._table = {"patterns": patterns, "domains": domains, "cells": sockets}
        await asyncio.gather(*(slot.route(self._routes()) for slot in self._slots()))
        await self._deploy(cells, failures)
        return failures

    async def _deploy(self, cells: Sequence[str], failures: list[str]) -> None:
        """Cells before the front that leads to them; what is no longer led to ends after the front has let go of it."""
        deployments = [(self._cells[script], self._programs[script]) for script in cells if script in self._cells]
        if self._control_script in self._programs:
            deployments.append((self._control, self._programs[self._control_script]))
        await self._deploy_all(deployments, failures)
        only = self._programs[cells[0]] if len(cells) == 1 else Program(FRONT, FRONT, FRONT, self._common())
        await self._deploy_all([(self._data, only)], failures)
        # when the only cell does not start on the data port, the front stays there and needs it
        fronted = self._data.program is not None and self._data.program.kind == FRONT
        for script in set(self._cells) - set(cells if fronted else ()):
            slot = self._cells.pop(script)
            self._retiring.add(slot)
            self._in_background(self._retire_cell(slot))

    async def _deploy_all(self, deployments: Sequence[tuple[Slot, Program]], failures: list[str]) -> None:
        reasons = await asyncio.gather(*(slot.deploy(program) for slot, program in deployments))
        for (slot, program), reason in zip(deployments, reasons, strict=True):
            if reason is not None:
                serving = slot.program  # on the data port it may be another script's, or the front
                if serving is not None and serving.script == program.script:
                    self._programs[program.script] = serving
                failures.append(f"{program.script}: version {program.version} does not start: {reason}")

    async def _program(self, script: str, failures: list[str]) -> Program | None:
        """What is deployed of `script`; what was, when that cannot be unpacked."""
        before = self._programs.get(script)
        if before is not None and before.version == self._source.deployed_version_id(script):
            return before
        version = self._source.deployed_version(script)
        if version is None:
            return None
        try:
            folder = await asyncio.to_thread(unpack, version, self._state.path / "versions")
        except (UnpackError, OSError) as error:
            failures.append(f"{script}: {error}")
            serving = before.version if before else None
            event = {"event": "start_failed", "script": script, "version": version.id, "pid": 0}
            self._on_event({**event, "reason": str(error), "serving": serving})
            return before
        return Program("cell", script, version.id, self._payload(version, folder))

    def _payload(self, version: Version, folder: Path) -> dict[str, Any]:
        databases = [binding["database_id"] for binding in version.bindings if binding["type"] == "d1"]
        return {
            **self._common(),
            "first_path": [str(folder)],
            "version_dir": str(folder),
            "main_module": version.main_module,
            "bindings": version.bindings,
            "databases": {database: str(self._state.d1_path(database)) for database in databases},
            "durability": self._durability,
            "environ": self._environ,
            "every_route": version.script == self._control_script,
        }

    def _common(self) -> dict[str, Any]:
        return {"first_path": [], "idle_seconds": self._idle_seconds}

    def _routes(self) -> Message:
        return dict(self._table)

    # slots

    def _slots(self) -> list[Slot]:
        return [self._data, self._control, *self._cells.values(), *self._retiring]

    def _slot(self, listener: socket.socket) -> Slot:
        return Slot(listener, self._routes, self._log, self._on_event)

    def _log(self, script: str) -> ProcessLog:
        return self._logs.setdefault(script, ProcessLog(self._state.path / "logs" / f"{script}.log"))

    async def _retire_cell(self, slot: Slot) -> None:
        await self._data.drained()
        await slot.close(DRAIN_SECONDS)
        self._retiring.discard(slot)
        # it may have come back meanwhile, on a new socket at the same path, and may even have gone again
        if slot.name not in {one.name for one in (*self._cells.values(), *self._retiring)}:
            _unlink(slot)

    def _in_background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_SECONDS)
            for script, log in self._logs.items():
                log.rotate(lambda fd, script=script: self._reopen(script, fd))
            self._remove_unused()

    def _reopen(self, script: str, fd: int) -> None:
        for process in self.processes():
            if process.program.script == script:
                process.write_to(fd)

    def _remove_unused(self) -> None:
        used = {program.version for program in self._programs.values()}
        used |= {process.program.version for process in self.processes()}
        remove_unused(self._state.path / "versions", used)

    # sockets

    async def _bind(self, port: int, option: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        end = asyncio.get_running_loop().time() + BIND_SECONDS
        while True:
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((self._address, port))
                listener.listen(BACKLOG)
            except (OSError, OverflowError) as error:
                listener.close()
                taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
                if taken and asyncio.get_running_loop().time() < end:
                    await asyncio.sleep(0.05)
                    continue
                why = "is in use by another program" if taken else f"cannot be bound: {error}"
                remedy = f"Stop that program, or choose another port with {option}." if taken else f"See {option}."
                raise EdgeError(f"Port {port} on {self._address} {why}. {remedy}") from error
            listener.setblocking(False)
            return listener

    def _bind_unix(self, script: str) -> socket.socket:
        self._sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(str(self._sockets / f"{script}.sock").encode()) > UNIX_PATH_BYTES:
            self._sockets = Path(tempfile.mkdtemp(prefix="serai-"))
        path = self._sockets / f"{script}.sock"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return listener


def _unlink(slot: Slot) -> None:
    Path(slot.name).unlink(missing_ok=True)
