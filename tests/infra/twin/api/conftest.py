"""An account in a temporary folder, its API, and a client that speaks to it in process."""

import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.twin.account import Account
from infra.twin.api import create_api

ACCOUNT_ID = "a" * 32
TOKEN = "twin-token-of-forty-characters-0123456789"
ZONE = "serai.example"
MODULE = {
    "name": "cell.py",
    "content_type": "text/x-python",
    "content_base64": base64.b64encode(b"application = None\n").decode(),
}
VERSION = {
    "main_module": "cell.py",
    "modules": [MODULE],
    "compatibility_date": "2026-09-08",
    "compatibility_flags": ["python_workers"],
}


class Api:
    """Calls below /client/v4; `A` and `Z` at the front of a path stand for the account and the zone."""

    def __init__(self, client: httpx.AsyncClient, zone_id: str) -> None:
        self.client = client
        self.zone_id = zone_id

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        prefixes = {"A/": f"/accounts/{ACCOUNT_ID}/", "Z/": f"/zones/{self.zone_id}/"}
        path = prefixes[path[:2]] + path[2:] if path[:2] in prefixes else path
        content: dict[str, Any] = {} if body is None else {"json": body}
        return await self.client.request(method, f"/client/v4{path}", **content, **options)

    async def made(self, method: str, path: str, body: Any = None) -> Any:
        """The result of a call that has to succeed."""
        response = await self(method, path, body)
        assert response.status_code == 200, response.text
        return response.json()["result"]

    async def refused(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, int]:
        """Status and code of a call that has to fail, in the envelope."""
        response = await self(method, path, body, **options)
        document = response.json()
        assert document["success"] is False
        assert document["result"] is None
        assert document["messages"] == []
        (error,) = document["errors"]
        assert error["message"]
        return response.status_code, error["code"]

    async def worker(self, name: str = "cell-1") -> Any:
        """A Worker with one deployed version."""
        worker = await self.made("POST", "A/workers/workers", {"name": name})
        version = await self.made("POST", f"A/workers/workers/{worker['id']}/versions", VERSION)
        await self.deploy(name, version["id"])
        return worker

    async def deploy(self, name: str, version_id: str) -> Any:
        body = {"strategy": "percentage", "versions": [{"percentage": 100, "version_id": version_id}]}
        return await self.made("POST", f"A/workers/scripts/{name}/deployments", body)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    account = Account(tmp_path / "account.db", lambda uuid: tmp_path / "d1" / f"{uuid}.sqlite", busy_seconds=1)
    yield account
    account.close()


@pytest.fixture
def changes() -> list[str]:
    """What the API reported to `on_change`."""
    return []


@pytest.fixture
async def api(account: Account, changes: list[str]) -> AsyncIterator[Api]:
    zone_id = account.ensure_zone(ZONE)
    app = create_api(account, token=TOKEN, account_id=ACCOUNT_ID, on_change=changes.append)
    headers = {"authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://twin", headers=headers) as client:
        yield Api(client, zone_id)
