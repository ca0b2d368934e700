"""One serving process as the host sees it: spawned on a listening socket, told what to do, waited for."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.twin.edge.channel import Channel, Message
from infra.twin.edge.logs import ProcessLog

RUNNER = Path(__file__).with_name("runner.py")
READY_SECONDS = 20.0
ANSWER_SECONDS = 5.0
ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""All that a process inherits of the environment: what its Worker is given, its version declares."""


@dataclass(frozen=True)
class Program:
    """What a process is to serve. Two programs are the same when script and version are."""

    kind: str
    """`cell` or `front`."""
    script: str
    version: str
    payload: dict[str, Any] = field(compare=False)


class ServingProcess:
    """Callbacks are set before `start`: messages that concern more than the process, and its end."""

    def __init__(
        self,
        program: Program,
        log: ProcessLog,
        on_message: Callable[["ServingProcess", Message, int | None], None],
        on_exit: Callable[["ServingProcess"], None],
    ) -> None:
        self.program = program
        self.log = log
        self.state = "starting"
        self.pid = 0
        self.served = False
        self.returncode: int | None = None
        self.started_at = time.monotonic()
        self.ended = asyncio.Event()
        self._silent = asyncio.Event()
        self._child: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None
        self._ready = asyncio.Event()
        self._on_message = on_message
        self._on_exit = on_exit
        self._answers: dict[tuple[str, int], asyncio.Future[Message]] = {}
        self._serial = 0
        self._log_start = log.size

    async def start(self, listener: socket.socket, routes: Message) -> bool:
        """True when it serves; False when it ended before, or took too long."""
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours, self._message, self._silent.set)
        try:
            with theirs:
                await self._spawn(listener, theirs, routes)
        except BaseException:
            if self._child is None:
                self._channel.close()
                self.ended.set()
            raise
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.ended.wait()
        if self.state == "ended":
            return False
        self.state = "serving"
        return True

    async def _spawn(self, listener: socket.socket, control: socket.socket, routes: Message) -> None:
        program = self.program
        descriptor = self.log.open()
        fds = (listener.fileno(), control.fileno())
        try:
            child = self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(RUNNER), program.script, program.version),
                stdin=asyncio.subprocess.PIPE,
                stdout=descriptor,
                stderr=descriptor,
                pass_fds=fds,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the host, which then drains its processes
            )
        finally:
            os.close(descriptor)
        self.pid = child.pid
        self._waiting = asyncio.create_task(self._wait(child))
        payload = {
            **program.payload,
            "kind": program.kind,
            "script": program.script,
            "listener": fds[0],
            "control": fds[1],
            "packages": sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}),
            "routes": routes,
        }
        pipe = child.stdin
        if pipe is not None:
            try:
                with contextlib.suppress(OSError):  # it is dead already, which `_wait` notices
                    pipe.write(json.dumps(payload).encode())
                    await pipe.drain()
            finally:
                pipe.close()  # else it would wait for the rest for ever

    async def _wait(self, child: asyncio.subprocess.Process) -> None:
        self.returncode = await child.wait()
        # its last words, and connections that it handed over, may still be in the channel
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._silent.wait()
        self.state = "ended"
        if self._channel is not None:
            self._channel.close()
        for answer in self._answers.values():
            answer.cancel()
        self._ready.set()
        self.ended.set()
        self._on_exit(self)

    def _message(self, message: Message, fd: int | None) -> None:
        kind = message["type"]
        answer = self._answers.pop((kind, message.get("serial", 0)), None)
        if answer is not None and not answer.done():
            answer.set_result(message)
        if kind == "ready":
            self.served = True
            self._ready.set()
        else:
            self._on_message(self, message, fd)

    async def route(self, routes: Message) -> None:
        """Give it a new route table. Returns when it goes by it."""
        self._serial += 1
        await self._ask({**routes, "type": "routes", "serial": self._serial}, "applied", self._serial)

    async def drain(self, *, successor: bool) -> None:
        """Stop accepting; finish what is under way. Returns when the next connection goes elsewhere."""
        if self.state != "ended":
            self.state = "draining"
        await self._ask({"type": "drain", "successor": successor}, "draining")

    async def stats(self) -> Message | None:
        return await self._ask({"type": "ping"}, "stats")

    async def _ask(self, message: Message, answer: str, serial: int = 0) -> Message | None:
        if self.state == "ended" or self._channel is None:
            return None
        future = self._answers[(answer, serial)] = asyncio.get_running_loop().create_future()
        self._channel.send(message)
        await asyncio.wait([future], timeout=ANSWER_SECONDS)
        self._answers.pop((answer, serial), None)
        # without an answer it is gone, or busy beyond measure: whoever asked goes on
        return future.result() if future.done() and not future.cancelled() else None

    def hand(self, fd: int) -> None:
        """Give it an open connection."""
        self._send({"type": "connection"}, fd)

    def write_to(self, log_fd: int) -> None:
        self._send({"type": "log"}, os.dup(log_fd))

    def _send(self, message: Message, fd: int) -> None:
        if self._channel is None:
            os.close(fd)
        else:
            self._channel.send(message, fd)

    def tail(self) -> str:
        return self.log.tail(self._log_start)

    @property
    def end(self) -> str:
        """How it ended, for a message."""
        code = self.returncode or 0
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    async def stop(self, seconds: float) -> None:
        """Drain, and after `seconds` end it."""
        if self._child is None:
            return
        await self.drain(successor=False)
        for sign, patience in ((None, seconds), (signal.SIGKILL, ANSWER_SECONDS)):
            if sign is not None:
                self._signal(sign)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self.ended.wait()
                    return

    def _signal(self, sign: signal.Signals) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(sign)


def _environment() -> dict[str, str]:
    names = (*ENVIRONMENT, *PROXIES, *(name.lower() for name in PROXIES))
    return {name: os.environ[name] for name in names if name in os.environ}
