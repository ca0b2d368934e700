"""Real twins: `serai dev` in a process of its own, with its own state and tenant files, spoken to over the network."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import anthropic
import httpx
import openai
import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0
"""Seconds for what takes two on an idle machine."""
HERE = Path(__file__).parent
OURS = ("OPENAI_", "ANTHROPIC_", "SERAI_", "LAB_")
"""Variables that would change what a twin does."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, **more, "PYTHONUNBUFFERED": "1"}


def serai(*arguments: str | Path, typed: str | None = None) -> "subprocess.CompletedProcess[str]":
    """One run of the command line, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.cli.main", *map(str, arguments)],
        env=environment(),
        input=typed,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@dataclass(frozen=True)
class TenantAt:
    """A tenant's endpoint and a key for it."""

    url: str
    key: str

    def with_key(self, key: str) -> "TenantAt":
        return TenantAt(self.url, key)

    def openai(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, **options)

    def anthropic(self, **options: Any) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.url, api_key=self.key, max_retries=0, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=PATIENCE, **options)

    def get(self, path: str, **options: Any) -> Any:
        """A JSON answer that has to be a 200."""
        answer = self.request("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, text: str = "Hello", **fields: Any) -> httpx.Response:
        body = {"model": "default", "messages": [{"role": "user", "content": text}], **fields}
        return self.request("POST", "/v1/chat/completions", json=body)


@dataclass
class Twin:
    """A running `serai dev --json`."""

    folder: Path
    process: "subprocess.Popen[str]"
    lines: "queue.Queue[dict[str, Any] | None]"
    ready: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def tenants(self) -> Path:
        return self.folder / "tenants"

    @property
    def providers(self) -> Path:
        return self.folder / "providers.yaml"

    @property
    def port(self) -> int:
        return int(self.ready["url"].rpartition(":")[2])

    def tenant(self, name: str) -> TenantAt:
        about = next(one for one in self.ready["tenants"] if one["name"] == name)
        return TenantAt(about["endpoint"], about["key"])

    def write(self, name: str, text: str) -> None:
        self.replace(self.tenants / f"{name}.yaml", text)

    def replace(self, file: Path, text: str) -> None:
        """As many an editor saves: whole or not at all, under a name that another file had."""
        scratch = self.folder / "scratch"
        scratch.write_text(text)
        scratch.replace(file)

    def event(self, *kinds: str) -> dict[str, Any]:
        """The next event of one of these kinds; others are skipped."""
        end = time.monotonic() + PATIENCE
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                line = self.lines.get(timeout=left)
                if line is None:
                    pytest.fail(f"the twin ended with {self.process.wait()}: {self.errors()}")
                if line.get("event") in kinds:
                    return line
        pytest.fail(f"no event {kinds} within {PATIENCE:.0f} s; {self.errors()}")

    def provisioned(self) -> dict[str, Any]:
        """The next run's diff. A run that failed or was refused is none."""
        event = self.event("provisioned", "refused", "failed")
        assert event["event"] == "provisioned", event
        self.ready["tenants"] = event["tenants"]
        return event

    def save(self, name: str, text: str) -> dict[str, Any]:
        """Save a tenant's file and wait for what comes of it."""
        self.write(name, text)
        return self.provisioned()

    def remove(self, name: str) -> dict[str, Any]:
        (self.tenants / f"{name}.yaml").unlink()
        return self.provisioned()

    def databases(self) -> dict[str, str]:
        """Name -> uuid, as Cloudflare's API lists them."""
        url = f"{self.ready['api']}/accounts/{self.ready['account_id']}/d1/database"
        answer = httpx.get(url, headers={"authorization": f"Bearer {self.ready['api_token']}"}, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return {one["name"]: one["uuid"] for one in answer.json()["result"]}

    def reconcile(self) -> dict[str, Any]:
        """`serai ledger reconcile` of this state; it has to be clean."""
        run = serai("ledger", "reconcile", "--json", "--state", self.state)
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads(run.stdout)

    def errors(self) -> str:
        return (self.folder / "errors.log").read_text()

    def stop(self, how: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


class StartTwin(Protocol):
    def __call__(
        self,
        tenants: Mapping[str, str] = ...,
        *,
        folder: Path | None = None,
        arguments: Iterable[str | Path] = (),
        env: Mapping[str, str] = ...,
    ) -> Twin: ...


EXAMPLES = {path.stem: path.read_text() for path in (ROOT / "tenants" / "examples").glob("*.yaml")}


def write_tenants(folder: Path, tenants: Mapping[str, str]) -> None:
    (folder / "tenants").mkdir(exist_ok=True)
    for name, text in tenants.items():
        (folder / "tenants" / f"{name}.yaml").write_text(text)


def launch(folder: Path, arguments: Iterable[str | Path], env: Mapping[str, str]) -> Twin:
    """A twin that may not be ready yet, or never will be."""
    command = [sys.executable, "-m", "scripts.cli.main", "dev", "--json"]
    options = ["--port", "0", "--state", folder / "state", "--tenants", folder / "tenants", *arguments]
    with (folder / "errors.log").open("a") as errors:
        process = subprocess.Popen(
            [*command, *map(str, options)], env=environment(**env), stdout=subprocess.PIPE, stderr=errors, text=True
        )
    lines: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def read() -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                lines.put(json.loads(line))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return Twin(folder, process, lines)


@contextlib.contextmanager
def twins(make_folder: Callable[[], Path]) -> Generator[StartTwin]:
    """Starts twins, and ends them: what was not stopped by a test has to stop by itself with 0."""
    started: list[Twin] = []

    def start(
        tenants: Mapping[str, str] = EXAMPLES,
        *,
        folder: Path | None = None,
        arguments: Iterable[str | Path] = (),
        env: Mapping[str, str] = {},
    ) -> Twin:
        place = folder or make_folder()
        write_tenants(place, tenants if folder is None else {})
        twin = launch(place, arguments, env)
        started.append(twin)
        first = twin.lines.get(timeout=PATIENCE)
        if first is None:
            pytest.fail(f"the twin ended with {twin.process.wait()}: {twin.errors()}")
        twin.ready = first
        return twin

    yield start
    running = [twin for twin in started if twin.process.poll() is None]
    ended = [twin.stop() for twin in running]
    assert ended == [0] * len(running)
    assert [twin.errors() for twin in started] == [""] * len(started)


class LaunchTwin(Protocol):
    def __call__(self, folder: Path, tenants: Mapping[str, str] = ...) -> Twin: ...


@pytest.fixture
def launch_twin() -> Generator[LaunchTwin]:
    """Starts twins that are not expected to become ready."""
    started: list[Twin] = []

    def start(folder: Path, tenants: Mapping[str, str] = {}) -> Twin:
        write_tenants(folder, tenants)
        started.append(launch(folder, [], {}))
        return started[-1]

    yield start
    for twin in started:
        if twin.process.poll() is None:
            twin.kill()


@pytest.fixture
def start_twin(tmp_path_factory: pytest.TempPathFactory) -> Generator[StartTwin]:
    with twins(lambda: tmp_path_factory.mktemp("twin")) as start:
        yield start


@pytest.fixture(scope="session")
def start_twins() -> Callable[[Callable[[], Path]], contextlib.AbstractContextManager[StartTwin]]:
    """For fixtures of a wider scope than a test."""
    return twins


class RunSerai(Protocol):
    def __call__(self, *arguments: str | Path, typed: str | None = None) -> "subprocess.CompletedProcess[str]": ...


@pytest.fixture(scope="session")
def run_serai() -> RunSerai:
    return serai


LAB = """\
workers_ai: {{}}
openai: {{base_url: https://api.openai.com/v1, api_key: secret:openai}}
anthropic: {{base_url: https://api.anthropic.com, api_key: secret:anthropic}}
lab:
  kind: openai_compatible
  base_url: {url}
  api_key: secret:lab
  models:
    llama-9:
      context_tokens: 8192
      max_output_tokens: 4096
      usd_per_million: {{input: 0.10, output: 0.25}}
      effective_from: 2026-01-01
"""
FEW = """\
plan: starter
contact: ops@few.example
limits: {requests_per_minute: 10}
"""
THRIFTY = """\
plan: starter
contact: ops@thrifty.example
models: {default: openai/gpt-5.4-mini}
limits: {spend_usd_per_month: 0.05}
"""
LABORATORY = """\
plan: pro
contact: ops@laboratory.example
models: {default: lab/llama-9, allow: [lab/*]}
"""


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory, upstream: "Upstream") -> Generator[Twin]:
    """One for all tests that do not change what it has: every test that spends has a tenant, or a key, of its own."""
    folder = tmp_path_factory.mktemp("shared")
    write_tenants(folder, {**EXAMPLES, "few": FEW, "thrifty": THRIFTY, "laboratory": LABORATORY})
    (folder / "providers.yaml").write_text(LAB.format(url=upstream.url))
    with twins(lambda: folder) as start:
        yield start(
            folder=folder,
            arguments=["--no-watch", "--providers", folder / "providers.yaml"],
            env={"OPENAI_API_KEY": "sk-openai", "OPENAI_BASE_URL": upstream.url, "LAB_API_KEY": "sk-lab"},
        )


# a model provider on this machine


class Upstream:
    """An OpenAI-compatible server that answers when it is let."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[dict[str, Any]] = []
        """What came, each body with the key under `authorization`."""
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                upstream.asked.append({**body, "authorization": self.headers["authorization"], "path": self.path})
                if body.get("stream"):
                    self._stream(body)
                else:
                    upstream.gate.wait(PATIENCE)
                    self._whole(body)

            def _whole(self, body: dict[str, Any]) -> None:
                message = {"role": "assistant", "content": "It answers."}
                choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
                document = {**_answer("chat.completion", body), "choices": [choice], "usage": USAGE}
                text = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def _stream(self, body: dict[str, Any]) -> None:
                """The first word at once, the rest when it is let."""
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                self._event(body, {"role": "assistant", "content": "It"})
                upstream.gate.wait(PATIENCE)
                self._event(body, {"content": " answers."})
                self._event(body, {}, "stop")
                usage: dict[str, Any] = {**_answer("chat.completion.chunk", body), "choices": [], "usage": USAGE}
                self.wfile.write(f"data: {json.dumps(usage)}\n\ndata: [DONE]\n\n".encode())
                self.close_connection = True

            def _event(self, body: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> None:
                choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
                document = {**_answer("chat.completion.chunk", body), "choices": choices}
                self.wfile.write(f"data: {json.dumps(document)}\n\n".encode())
                self.wfile.flush()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


USAGE = {"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50}


def _answer(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-lab", "object": kind, "created": 1_790_000_000, "model": body["model"]}


@pytest.fixture(scope="session")
def upstream() -> Generator[Upstream]:
    served = Upstream()
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield served
    served.gate.set()
    served.server.shutdown()
    served.server.server_close()
    thread.join()
