"""What an account has, asked by name through Cloudflare's API."""

import contextlib
import json
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from infra.deploy.fetch import Fetcher, FetchError, open_fetcher
from infra.twin.engine import ApiEndpoint

PER_PAGE = 100
TIMEOUT_SECONDS = 30.0


class AccountApiError(Exception):
    """Cloudflare's API could not tell what the account has."""


class AccountApi:
    """A reader of one account. One question is asked once: every tenant's route is in the same list."""

    def __init__(self, fetcher: Fetcher, endpoint: ApiEndpoint, account_id: str) -> None:
        self.account_id = account_id
        self._fetcher = fetcher
        self._endpoint = endpoint
        self._answers: dict[tuple[str, str], list[dict[str, Any]]] = {}

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

    def _get(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        question = (path, str(query))
        if question not in self._answers:
            self._answers[question] = self._ask(path, query)
        return self._answers[question]

    def _ask(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        try:
            answer = self._fetcher.get(path, token=self._endpoint.token, query=query)
            document = json.loads(answer.body)
        except (FetchError, ValueError) as error:
            raise AccountApiError(f"Cloudflare's API at {self._endpoint.base_url} did not answer: {error}") from None
        if not document.get("success"):
            what = "; ".join(f"{fault['message']} ({fault['code']})" for fault in document.get("errors", ()))
            raise AccountApiError(f"Cloudflare's API refused GET {path} with {answer.status}: {what}")
        return document["result"]


@contextlib.contextmanager
def open_account(endpoint: ApiEndpoint, account_id: str) -> Generator[AccountApi]:
    with open_fetcher(endpoint.base_url, TIMEOUT_SECONDS) as fetcher:
        yield AccountApi(fetcher, endpoint, account_id)
