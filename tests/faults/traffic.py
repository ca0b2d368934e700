"""Traffic over a twin whose serving processes, host or both are killed at random moments."""

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from books import Books
from clients import PATIENCE_SECONDS, Client, Log
from failures import FailureError
from processes import Run, descendants, fork, spawn
from upstream import upstream

from infra.twin.state import open_state

CLIENTS = 12
READY_SECONDS = 30.0
TENANTS = {
    "acme": "plan: business",
    "globex": "plan: business",
    "tight": "plan: business\nlimits: {spend_usd_per_month: 0.003}",
}
SHOWN = 8
"""Problems of one stage that are told; more of them say the same."""
WAYS = ("cell",) * 6 + ("twice",) + ("host",) + ("all",) * 2
"""What is killed: the serving process; it and its successor; the host alone; the host and all that it started."""


@dataclass
class Stage:
    """One twin under traffic, with one cell or two."""

    folder: Path
    cells: int
    chance: random.Random
    say: Callable[[str], None]
    log: Log = field(default_factory=Log)
    kills: int = 0
    longest: float = 0.0
    """Seconds from a kill until every client had an answer to a request that it began afterwards."""
    expired: int = 0
    checked: int = 0
    _host: Run | None = None
    _port: int = 0
    _environ: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def options(self) -> list[str]:
        return ["--state", str(self.folder / "state"), "--tenants", str(self.folder / "tenants"), "--json"]

    def run(self, rounds: int) -> None:
        """Raises FailureError."""
        tenants = self.folder / "tenants"
        tenants.mkdir(parents=True)
        for number, (name, text) in enumerate(TENANTS.items()):
            cell = f"cell-{1 + number % self.cells}"
            lines = [
                text,
                "models: {allow: [workers_ai/*, openai/*]}",
                f"contact: ops@{name}.example",
                f"id: {name}000",
                f"cell: {cell}",
            ]
            (tenants / f"{name}.yaml").write_text("\n".join(lines) + "\n")
        self._port = _free_port()
        problems = asyncio.run(self._with_upstream(rounds))
        problems += self._settle_up()
        if problems:
            raise FailureError([f"traffic over {self.cells} cells in {self.folder}", *problems[:SHOWN]])

    async def _with_upstream(self, rounds: int) -> list[str]:
        async with upstream() as address:
            self._environ = {"OPENAI_API_KEY": "sk-fault", "OPENAI_BASE_URL": address}
            first = await asyncio.to_thread(self._provision)
            if first is not None:
                return [first]
            keys = await self._start()
            try:
                return await self._rounds(rounds, keys)
            finally:
                if self._host is not None:
                    self._host.kill_all()

    def _provision(self) -> str | None:
        run = fork(["up", *self.options], self.folder / "runs", self._environ)
        return None if run.wait(120) == 0 else f"the first `up` fails: {run.told()}"

    async def _start(self) -> dict[str, str]:
        """Start the host and wait until it is ready; the tenants' keys."""
        argv = ["dev", "--port", str(self._port), "--no-watch", *self.options]
        host = self._host = spawn(argv, self.folder / "runs", self._environ)
        end = time.monotonic() + READY_SECONDS
        while not (ready := [line for line in host.lines() if line.get("ready")]):
            if host.poll() is not None or time.monotonic() > end:
                raise FailureError([f"the host does not come up again: {host.told()}"])
            await asyncio.sleep(0.02)
        return {tenant["name"]: tenant["key"] for tenant in ready[0]["tenants"]}

    async def _rounds(self, rounds: int, keys: dict[str, str]) -> list[str]:
        books = Books(open_state(self.folder / "state"))
        url = f"http://127.0.0.1:{self._port}"
        clients = [Client(n, url, keys, self.log, self.chance) for n in range(CLIENTS)]
        stopped = asyncio.Event()
        running = [asyncio.create_task(client.run(stopped)) for client in clients]
        problems: list[str] = []
        since = 0
        try:
            for _ in range(rounds):
                await asyncio.sleep(self.chance.uniform(0.05, 0.8))
                await self._round(clients)
                answers, since = self.log.answers[since:], len(self.log.answers)
                problems += [*self.log.problems, *books.check_caps(), *books.check_answers(answers)]
                problems += await asyncio.to_thread(lambda: list(books.reconcile()))
                self.log.problems.clear()
                if problems:
                    break
        finally:
            stopped.set()
            await asyncio.gather(*running)
        if self._host is not None and self._host.stop() != 0:
            problems.append(f"the host does not end well: {self._host.told()}")
        self.checked = books.checked
        return [*problems, *self.log.problems]

    async def _round(self, clients: list[Client]) -> None:
        way = self.chance.choice(WAYS)
        before = len(self.log.answers)
        struck = time.monotonic()
        what = await self._strike(way)
        self.kills += 1
        # the patience of each client is what fails the round; this only waits for all of them
        while any(client.answered_at <= struck for client in clients):
            await asyncio.sleep(0.01)
            if time.monotonic() - struck > 3 * PATIENCE_SECONDS:
                raise FailureError([f"{way}: some client has had no answer for {3 * PATIENCE_SECONDS:.0f} s"])
        seconds = time.monotonic() - struck
        self.longest = max(self.longest, seconds)
        answers = len(self.log.answers) - before
        self.say(f"{self.cells} cells  {way:<6} {what:<34} all served after {seconds:.2f} s, {answers} answers")

    async def _strike(self, way: str) -> str:
        host = self._host
        if host is None:
            raise RuntimeError("no host runs")
        if way == "host":
            host.kill()
            await self._start()
            return f"host {host.pid}"
        if way == "all":
            host.kill_all()
            await self._start()
            return f"host {host.pid} and its children"
        victims = [self._kill_one(host)]
        if way == "twice":
            await asyncio.sleep(self.chance.uniform(0.05, 0.6))
            victims.append(self._kill_one(host))
        return ", ".join(victims)

    def _kill_one(self, host: Run) -> str:
        serving = {pid: name for pid in descendants(host.pid) if (name := _script(pid))}
        if not serving:
            return "(none was running)"
        pid = self.chance.choice(sorted(serving))
        os.kill(pid, signal.SIGKILL)
        return f"{serving[pid]} {pid}"

    def _settle_up(self) -> list[str]:
        """At the end, and as if it were later: the command, and every hold that a kill has left."""
        state = open_state(self.folder / "state")
        books = Books(state)
        run = fork(["ledger", "reconcile", "--state", str(state.path)], self.folder / "runs")
        problems = [] if run.wait(60) == 0 else [f"ledger reconcile: {run.out.read_text()}{run.told()}"]
        self.expired, left = books.expire()
        return [
            *problems,
            *left,
            *books.check_caps(),
            *books.check_answers(self.log.answers),
            *(f"after expiry: {problem}" for problem in books.reconcile()),
        ]

    def figures(self) -> dict[str, Any]:
        log = self.log
        return {
            "cells": self.cells,
            "kills": self.kills,
            "answers": len(log.answers),
            "broken_and_retried": log.broken,
            "told_to_retry": log.told_again,
            "limited": log.limited,
            "receipts_read": log.receipts,
            "longest_retry_seconds": round(log.longest, 2),
            "longest_until_all_served_seconds": round(self.longest, 2),
            "holds_expired_at_the_end": self.expired,
            "answers_compared": self.checked,
        }


def _script(pid: int) -> str | None:
    """Of a serving process; None for another one."""
    try:
        parts = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return None
    at = next((n for n, part in enumerate(parts) if part.endswith("runner.py")), None)
    return parts[at + 1] if at is not None and parts[at + 1] != "serai-control" else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
