"""Given what the real Cloudflare provider sent over a stack's life, when it is sent again, then the answers agree.

`data/provider-exchanges.jsonl` holds the requests of provider 6.17.0 under Pulumi 3.259, and answers under which its
plans stayed clean.
"""

import json
import re
from pathlib import Path
from typing import Any

import httpx

from infra.twin.account import Account
from infra.twin.api import create_api
from infra.twin.api.fields import is_list, is_object

EXCHANGES = Path(__file__).parent / "data" / "provider-exchanges.jsonl"
ACCOUNT_ID = "a" * 32
RECORDED_ZONE = "b" * 32
TOKEN = "replay-token-of-forty-characters-01234567"
IDENTIFIER = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TOKENS = {"internal_id", "value", "http_url", "http_body"}
"""Drawn at random by Cloudflare; the recording has placeholders."""
OWN_CODE = {"/workers/routes/": (10020, 10009)}
"""The recording's stand-in answered 10020 for a route that is gone, which at Cloudflare means a duplicate."""


class Replay:
    def __init__(self, client: httpx.AsyncClient, live_zone: str) -> None:
        self._client = client
        self._ids = {RECORDED_ZONE: live_zone, ACCOUNT_ID: ACCOUNT_ID}
        self.differences: list[str] = []

    async def play(self, number: int, exchange: dict[str, Any]) -> None:
        path = self._live(exchange["path"])
        response = await self._client.request(
            exchange["method"],
            f"/client/v4{path}",
            params=exchange.get("query"),
            **({"json": json.loads(self._live(json.dumps(exchange["body"])))} if "body" in exchange else {}),
        )
        where = f"{number} {exchange['phase']}: {exchange['method']} {exchange['path']}"
        if response.status_code != exchange["status"]:
            self.differences.append(f"{where}: {response.status_code} {response.text[:300]}")
            return
        recorded = exchange["answer"]
        for part, codes in OWN_CODE.items():
            if recorded["errors"] and part in path:
                assert recorded["errors"][0]["code"] == codes[0]
                recorded["errors"][0]["code"] = codes[1]
        self._compare(where, recorded, response.json())

    def _live(self, text: str) -> str:
        return IDENTIFIER.sub(lambda match: self._ids.get(match[0], match[0]), text)

    def _compare(self, where: str, recorded: Any, live: Any) -> None:
        if is_object(recorded):
            self._compare_objects(where, recorded, live)
        elif is_list(recorded):
            if not is_list(live) or len(live) != len(recorded):
                self.differences.append(f"{where}: {live!r} instead of {recorded!r}")
                return
            for position, (one, other) in enumerate(zip(recorded, live, strict=True)):
                self._compare(f"{where}[{position}]", one, other)
        elif isinstance(recorded, str) and IDENTIFIER.fullmatch(recorded):
            if not IDENTIFIER.fullmatch(str(live)) or self._ids.setdefault(recorded, live) != live:
                self.differences.append(f"{where}: id {live!r} for {recorded!r}")
        elif isinstance(recorded, str) and TIME.fullmatch(recorded):
            if not TIME.fullmatch(str(live)):
                self.differences.append(f"{where}: {live!r} is no time")
        elif recorded != live or type(recorded) is not type(live):
            self.differences.append(f"{where}: {live!r} instead of {recorded!r}")

    def _compare_objects(self, where: str, recorded: dict[str, Any], live: Any) -> None:
        for key, value in recorded.items():
            if not is_object(live) or key not in live:
                self.differences.append(f"{where}.{key}: missing")
            elif key in TOKENS or (key == "message" and "code" in recorded):
                assert live[key]
            elif key == "per_page":
                assert live[key] == 20, "Cloudflare's own default for zones; the recording's stand-in had another"
            else:
                self._compare(f"{where}.{key}", value, live[key])


def by_hand(number: int, exchanges: list[dict[str, Any]]) -> bool:
    """Whether something was deleted behind the program's back before this exchange: the first 404 of a resource."""
    exchange = exchanges[number]
    earlier = [other for other in exchanges[:number] if other["path"] == exchange["path"]]
    return exchange["status"] == 404 and not any(other["status"] == 404 for other in earlier)


async def test_the_providers_exchanges_are_answered_as_recorded(account: Account) -> None:
    zone = account.ensure_zone("serai.example")
    app = create_api(account, token=TOKEN, account_id=ACCOUNT_ID)
    exchanges = [json.loads(line) for line in EXCHANGES.read_text("utf-8").splitlines()]
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://twin", headers=headers) as client:
        replay = Replay(client, zone)
        for number, exchange in enumerate(exchanges):
            if by_hand(number, exchanges):
                deletion = {"phase": "by hand", "method": "DELETE", "path": exchange["path"], "status": 200}
                await replay.play(number, deletion | {"answer": {"success": True, "errors": []}})
            await replay.play(number, exchange)
    assert len(exchanges) == 132
    assert replay.differences == []
