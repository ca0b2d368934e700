"""What an account has, asked by name through Cloudflare's API."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import httpx

PER_PAGE = 100


class AccountApiError(Exception):
    """Cloudflare's API could not tell what the account has."""


class AccountApi:
    """A reader of one account. Use it in a `with` block."""

    def __init__(self, base_url: str, token: str, account_id: str) -> None:
        self.account_id = account_id
        self._answers: dict[tuple[str, str], list[dict[str, Any]]] = {}
        """One question is asked once: every tenant's route is in the same list."""
        self._client = httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {token}"}, timeout=30)

    def __enter__(self) -> "AccountApi":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def zone_id(self, name: str) -> str | None:
        return next((zone["id"] for zone in self._pages("/zones", name=name)), None)

    def databases(self, name: str) -> Iterator[dict[str, Any]]:
        return self._pages(f"/accounts/{self.account_id}/d1/database", name=name)

    def workers(self) -> Iterator[dict[str, Any]]:
        return self._pages(f"/accounts/{self.account_id}/workers/workers")

    def routes(self, zone_id: str) -> Iterator[dict[str, Any]]:
        yield from self._get(f"/zones/{zone_id}/workers/routes", {})  # not paged

    def records(self, zone_id: str, name: str) -> Iterator[dict[str, Any]]:
        return self._pages(f"/zones/{zone_id}/dns_records", name=name)

    def _pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        page = 1
        while found := self._get(path, {**query, "page": str(page), "per_page": str(PER_PAGE)}):
            yield from found
            page += 1

    def _get(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        question = (path, str(query))
        if question not in self._answers:
            self._answers[question] = self._ask(path, query)
        return self._answers[question]

    def _ask(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        try:
            answer = self._client.get(path, params=query)
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise AccountApiError(f"Cloudflare's API at {self._client.base_url} did not answer: {error!r}") from None
        if not document.get("success"):
            what = "; ".join(f"{fault['message']} ({fault['code']})" for fault in document.get("errors", ()))
            raise AccountApiError(f"Cloudflare's API refused GET {path} with {answer.status_code}: {what}")
        return document["result"]
