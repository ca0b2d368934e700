"""One measurement: every target in turn, several rounds, medians."""

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.bench import targets
from scripts.bench.targets import Target

CONNECTIONS = (1, 16, 64)
BURST, PACED = "burst", "paced"

Say = Callable[[str], None]


@dataclass
class Measured:
    """The figures of one target; of every kind of load one report a round."""

    target: Target
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    idle_mb: float | None = None
    load_mb: float | None = None

    def median(self, load: str, figure: str) -> float:
        return statistics.median(float(report[figure]) for report in self.rounds[load])


async def measure(names: Sequence[str], folder: Path, *, seconds: float, rounds: int, say: Say) -> list[Measured]:
    """Targets are started one after another and stay for all rounds, so that drift of the machine meets all alike."""
    targets.pin(targets.LOAD)
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(targets.mock())
        measured: list[Measured] = []
        for name in names:
            say(f"starting {name}")
            target = await stack.enter_async_context(_start(name, folder, upstream))
            measured.append(Measured(target, idle_mb=targets.resident_mb(target.pid)))
        for one in measured:
            await _load(one.target, 4, 0.5)  # warm up: connections, caches, compiled code
        for number in range(rounds):
            for one in measured:
                say(f"round {number + 1} of {rounds}: {one.target.name}")
                await _round(one, seconds)
        for one in measured:
            one.load_mb = targets.resident_mb(one.target.pid)
    return measured


@asynccontextmanager
async def _direct(_folder: Path, upstream: str) -> AsyncGenerator[Target]:
    yield targets.direct(upstream)


def _start(name: str, folder: Path, upstream: str) -> AbstractAsyncContextManager[Target]:
    return {"direct": _direct, "serai": targets.serai, "litellm": targets.litellm}[name](folder, upstream)


async def _round(one: Measured, seconds: float) -> None:
    for connections in CONNECTIONS:
        one.rounds.setdefault(f"c{connections}", []).append(await _load(one.target, connections, seconds))
    one.rounds.setdefault(BURST, []).append(await _load(one.target, 16, seconds, "--stream"))
    one.rounds.setdefault(PACED, []).append(await _load(one.target, 4, 2.5, "--stream", "--paced"))


async def _load(target: Target, connections: int, seconds: float, *more: str) -> dict[str, Any]:
    before = targets.cpu_seconds(target.pid)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.bench.load", target.url, "--key", target.key, "--model", target.model),
        *("--connections", str(connections), "--seconds", str(seconds), *more),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=lambda: targets.pin(targets.LOAD),
    )
    output, _ = await process.communicate()
    report: dict[str, Any] = json.loads(output)
    if report["errors"] or not report["answers"]:
        raise RuntimeError(f"{target.name}: {report['errors']} errors, {report['answers']} answers: {report['sample']}")
    report["cpu_us"] = round(1e6 * (targets.cpu_seconds(target.pid) - before) / report["answers"], 1)
    return report


COLUMNS = (
    "target",
    "c1 p50 / p99 ms",
    "requests/s at 1 / 16 / 64",
    "CPU µs a request at 16",
    "streams/s at 16",
    "first byte ms, paced",
    "cold start s",
    "memory MB idle / load",
)


def table(measured: Sequence[Measured]) -> list[tuple[str, ...]]:
    return [COLUMNS, *(_row(one) for one in measured)]


def _row(one: Measured) -> tuple[str, ...]:
    cold = one.target.cold_seconds
    return (
        one.target.name,
        f"{one.median('c1', 'p50_ms'):.2f} / {one.median('c1', 'p99_ms'):.2f}",
        " / ".join(f"{one.median(f'c{connections}', 'per_second'):,.0f}" for connections in CONNECTIONS),
        f"{one.median('c16', 'cpu_us'):,.0f}" if one.target.pid else "",
        f"{one.median(BURST, 'per_second'):,.0f}",
        f"{one.median(PACED, 'first_byte_p50_ms'):.2f}",
        "" if cold is None else f"{cold:.2f}",
        "" if one.idle_mb is None else f"{one.idle_mb:.0f} / {one.load_mb or 0:.0f}",
    )


def ratios(measured: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """How many times a peer's requests/s this gateway serves, by peer and concurrency."""
    by_name = {one.target.name: one for one in measured}
    ours = by_name.get("serai")
    if ours is None:
        return {}
    return {
        name: {
            load: round(ours.median(load, "per_second") / peer.median(load, "per_second"), 1)
            for load in (*(f"c{connections}" for connections in CONNECTIONS), BURST)
        }
        for name, peer in by_name.items()
        if name not in ("serai", "direct")
    }


def document(measured: Sequence[Measured]) -> dict[str, Any]:
    return {
        "targets": [
            {
                "name": one.target.name,
                "cold_seconds": one.target.cold_seconds,
                "idle_mb": one.idle_mb,
                "load_mb": one.load_mb,
                "loads": one.rounds,
            }
            for one in measured
        ],
        "ratios": ratios(measured),
    }
