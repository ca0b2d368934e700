"""A twin of an account on a real port: its state, its API, and tenant files to provision into it."""

import socket
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from infra.deploy import Target
from infra.twin.account import Account
from infra.twin.api.app import create_api
from infra.twin.engine import ApiEndpoint
from infra.twin.state import State, open_state

ZONES = ("serai.example", "second.example")


@dataclass(frozen=True)
class Twin:
    state: State
    api: ApiEndpoint
    account: Account

    def get(self, path: str, **query: str) -> Any:
        """The result of a call to the API, as any client of it gets it."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: Any) -> Any:
        return self._call("POST", path, json=body)

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    @property
    def account_path(self) -> str:
        return f"/accounts/{self.state.secrets.account_id}"

    def _call(self, method: str, path: str, **given: Any) -> Any:
        headers = {"authorization": f"Bearer {self.api.token}"}
        document = httpx.request(method, self.api.base_url + path, headers=headers, timeout=10, **given).json()
        assert document["success"], document["errors"]
        return document["result"]


@pytest.fixture
def twin(tmp_path: Path) -> Generator[Twin]:
    state = open_state(tmp_path / "state")
    account = Account(state.account_path, state.d1_path)
    for zone in ZONES:
        account.ensure_zone(zone)
    app = create_api(account, token=state.secrets.api_token, account_id=state.secrets.account_id)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = listener.getsockname()[1]
        yield Twin(state, ApiEndpoint(f"http://127.0.0.1:{port}/client/v4", state.secrets.api_token), account)
        server.should_exit = True
        thread.join()
    account.close()


@pytest.fixture
def target(twin: Twin, tmp_path: Path) -> Target:
    """acme and globex, without id and cell: the twin makes them up."""
    folder = tmp_path / "tenants"
    folder.mkdir()
    (folder / "acme.yaml").write_text("plan: pro\ncontact: ops@acme.example\ndomains: [ai.serai.example]\n")
    (folder / "globex.yaml").write_text("plan: starter\ncontact: ops@globex.example\n")
    providers = tmp_path / "providers.yaml"
    providers.write_text(
        "workers_ai: {}\nopenai: {base_url: https://api.openai.com/v1, api_key: secret:openai}\n"
        "groq: {kind: openai_compatible, base_url: https://api.groq.com/openai/v1, api_key: secret:groq}\n"
    )
    return Target(twin.state, twin.api, (folder,), providers, ZONES, environment={"OPENAI_API_KEY": "sk-openai-value"})
