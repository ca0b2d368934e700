"""What is measured: this gateway and its peers, each a single process in front of the same mock provider."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from infra.bundle import worker_modules
from infra.twin.account.account import CustomDomain, Module, RouteEntry, Version
from infra.twin.edge.host import EdgeHost
from infra.twin.state import State, open_state
from shared.edge.local.database import SqliteDatabase
from shared.keys import derive_admin_key
from shared.spec.compile import admin_key_hashes, compile_tenants
from shared.spec.load import LoadedTenant
from shared.spec.model import TenantSpec
from shared.spec.plans import load_plans
from shared.spec.providers import ProviderConfig

SERVED, LOAD = 0, 1
"""Cores: the process under test on one, mock provider and load generator on the other."""
MODEL = "openai/gpt-5.4-mini"
LITELLM = "1.106.2"
BOUNDLESS = 1_000_000_000
"""For limits that a measurement must not meet."""


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway that runs."""

    name: str
    url: str
    key: str = field(repr=False)
    model: str
    pid: int | None
    cold_seconds: float | None
    """From starting the process to its first answer."""


def pin(core: int) -> None:
    with suppress(OSError, AttributeError):  # one core, or no such call on this system
        os.sched_setaffinity(0, {core})


def pin_process(pid: int, core: int) -> None:
    with suppress(OSError, AttributeError):
        for thread in (Path("/proc") / str(pid) / "task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


def resident_mb(pid: int | None) -> float | None:
    """Resident memory of a process and its children."""
    if pid is None:
        return None
    total = 0
    for one in (pid, *_children(pid)):
        with suppress(OSError, ValueError):
            status = (Path("/proc") / str(one) / "status").read_text()
            total += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return round(total / 1024, 1) if total else None


def cpu_seconds(pid: int | None) -> float:
    """Processor time, user and system, of a process and its children so far (proc(5))."""
    total = 0
    for one in (pid, *_children(pid)) if pid is not None else ():
        with suppress(OSError, ValueError):
            fields = (Path("/proc") / str(one) / "stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(one) for one in (Path("/proc") / f"{pid}/task/{pid}/children").read_text().split()]
    return []


@asynccontextmanager
async def mock() -> AsyncGenerator[str]:
    """The mock provider's base URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.bench.mock", stdout=asyncio.subprocess.PIPE, preexec_fn=lambda: pin(LOAD)
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    port = int(await process.stdout.readline())
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def serai(folder: Path, upstream: str) -> AsyncGenerator[Target]:
    """The serving process of a cell: keys, holds, settlements and receipts are on; the plan's limits are raised."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        async with _serving(open_state(Path(scratch)), upstream) as target:
            yield target


@asynccontextmanager
async def _serving(state: State, upstream: str) -> AsyncGenerator[Target]:
    uuid = "00000000-0000-4000-8000-000000000001"
    SqliteDatabase(state.d1_path(uuid)).close()
    key = derive_admin_key(state.secrets.platform_secret, "bench", "bench1", 1)
    source = _Deployed(_version(state.secrets.platform_secret, state.secrets.key_pepper, uuid, upstream))
    host = EdgeHost(state, source, port=0, on_event=lambda _event: None)
    await host.start()
    try:
        started = time.perf_counter()
        url = f"{host.url}/bench/v1"
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            (await client.get(f"{url}/models", headers={"authorization": f"Bearer {key}"})).raise_for_status()
        cold = time.perf_counter() - started
        pid = host.processes()[0].pid
        pin_process(pid, SERVED)
        yield Target("serai", f"{url}/chat/completions", key, MODEL, pid, cold)
    finally:
        await host.stop(2)


class _Deployed:
    """An account that holds nothing but one Worker: the edge needs no more."""

    def __init__(self, version: Version) -> None:
        self._version = version

    def generation(self) -> int:
        return 1

    def route_table(self) -> list[RouteEntry]:
        return [RouteEntry("api.serai.example/bench/*", self._version.script)]

    def custom_domains(self) -> list[CustomDomain]:
        return []

    def deployed_version_id(self, script: str) -> str | None:
        return self._version.id if script == self._version.script else None

    def deployed_version(self, script: str) -> Version | None:
        return self._version if script == self._version.script else None


def _version(platform_secret: str, pepper: str, database: str, upstream: str) -> Version:
    spec = TenantSpec.model_validate(
        {
            "plan": "business",
            "contact": "bench@serai.example",
            "models": {"default": MODEL, "allow": ["openai/*"]},
        }
    )
    tenant = LoadedTenant("bench", Path("bench.yaml"), spec, "bench1", "cell-1")
    plan = load_plans()["business"].model_copy(
        update=dict.fromkeys(
            ("requests_per_minute", "tokens_per_minute", "concurrent_streams", "spend_usd", "most_spend_usd"), BOUNDLESS
        )
        | {"spend_usd": 1_000_000, "most_spend_usd": 1_000_000}
    )
    document = compile_tenants(
        "cell-1",
        "api.serai.example",
        [tenant],
        {"business": plan},
        [ProviderConfig("openai", "openai", upstream, "openai")],
        {},
        {},
        {"bench": admin_key_hashes(tenant, platform_secret, pepper)},
    )
    modules = worker_modules("cell", "tenants.json", document)
    bindings: list[dict[str, Any]] = [
        {"name": "AI", "type": "ai"},
        {"name": "CELL", "type": "plain_text", "text": "cell-1"},
        {"name": "DB_BENCH", "type": "d1", "database_id": database},
        {"name": "KEY_PEPPER", "type": "secret_text", "text": pepper},
        {"name": "PROVIDER_KEYS", "type": "secret_text", "text": json.dumps({"openai": "mock"})},
    ]
    return Version(
        id="00000000-0000-4000-8000-000000000002",
        script="serai-cell-1",
        main_module="cell.py",
        modules=[Module(one.name, one.content_type, one.content) for one in modules],
        bindings=bindings,
    )


@asynccontextmanager
async def litellm(folder: Path, upstream: str) -> AsyncGenerator[Target]:
    """LiteLLM's proxy in a virtual environment of its own: keys as its master key, no database."""
    venv = install_litellm(folder)
    config = folder / "litellm.yaml"
    config.write_text(
        json.dumps(
            {
                "model_list": [
                    {
                        "model_name": "bench",
                        "litellm_params": {"model": "openai/bench", "api_base": upstream, "api_key": "mock"},
                    }
                ],
                "general_settings": {"master_key": "sk-bench"},
                "litellm_settings": {"telemetry": False},
            }
        )
    )
    port = _free_port()
    environment = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "HOME": str(folder), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with (folder / "litellm.log").open("w") as log:
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            str(venv / "bin" / "litellm"),
            *("--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"),
            stdout=log,
            stderr=log,
            env=environment,
            preexec_fn=lambda: pin(SERVED),
        )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        await _until_answers(f"{url}/models", "sk-bench", process, folder / "litellm.log")
        cold = time.perf_counter() - started
        yield Target("litellm", f"{url}/chat/completions", "sk-bench", "bench", process.pid, cold)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def install_litellm(folder: Path) -> Path:
    """Its virtual environment, made on first use from the package index."""
    venv = folder / f"litellm-{LITELLM}"
    if not (venv / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(venv / "bin" / "python")),
                *(f"litellm[proxy]=={LITELLM}", "httptools"),
            ],
            check=True,
        )
        (venv / "ready").touch()
    return venv


async def _until_answers(url: str, key: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        for _ in range(1200):
            if process.returncode is not None:
                break
            with suppress(httpx.HTTPError):
                answer = await client.get(url, headers={"authorization": f"Bearer {key}"})
                if answer.status_code == 200:
                    return
            await asyncio.sleep(0.1)
    raise RuntimeError(f"{url} does not answer; its log: {log}")


def direct(upstream: str) -> Target:
    """The mock itself: what the machine and the load generator allow."""
    return Target("direct", f"{upstream}/chat/completions", "none", "bench", None, None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
