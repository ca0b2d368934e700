"""Calls of Cloudflare's REST API: envelope, errors, and the retries of the real provider, bounded."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import httpx

from infra.twin.engine.results import ApiEndpoint

PATIENCE = 30.0
"""Seconds that one call may spend on waiting. The real provider goes on for three minutes."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
PER_PAGE = 100
UNSENT = 0
"""The status of a call that never left: there was no connection."""


class RefusedError(Exception):
    """The API answered that it will not."""

    def __init__(self, status: int, code: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def __str__(self) -> str:
        status = "" if self.status == UNSENT else f"{self.status}: "
        return f"{status}{self.message}" + (f" (code {self.code})" if self.code is not None else "")


class UnsureError(Exception):
    """No answer, or a 5xx: the work may have been done."""


class StoppedError(Exception):
    """The run ends: nothing new is begun."""


@dataclass(frozen=True, slots=True)
class Api:
    client: httpx.Client
    patience: float = PATIENCE
    stopped: threading.Event | None = None
    note: Callable[[str], None] | None = None
    """Told of every pause."""

    def noting(self, note: Callable[[str], None]) -> "Api":
        return replace(self, note=note)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return self.call("GET", path, query=query)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> Any:
        """`once`: raise UnsureError instead of repeating what may have been done."""
        pauses = Pauses(self)
        lost: UnsureError | None = None
        while True:
            try:
                return self._send(method, path, query, body, headers)
            except UnsureError as error:
                lost = error
                if once or not pauses.pause(str(error)):
                    raise
            except RefusedError as error:
                if error.status not in (UNSENT, 409, 429) or not pauses.pause(str(error), _retry_after(error)):
                    if lost and error.status == UNSENT:  # the call before this one may have done it
                        raise lost from error
                    raise

    def every(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        """All items of a list, page after page until one is empty, or not paged at all."""
        page, before = 1, None
        while True:
            found = _items(self.get(path, {**(query or {}), "page": str(page), "per_page": str(PER_PAGE)}))
            if not found or found == before:  # a list without pages answers the same again
                return
            yield from found
            page, before = page + 1, found

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        headers: Mapping[str, str] | None,
    ) -> Any:
        if self.stopped and self.stopped.is_set():
            raise StoppedError
        content = {} if body is None else {"json": body}
        try:
            response = self.client.request(method, path, params=query, headers=headers, **content)
        except httpx.ConnectError as error:
            raise RefusedError(UNSENT, None, f"no connection to {self.client.base_url} ({error})") from error
        except httpx.TransportError as error:
            raise UnsureError(f"the answer to {method} was lost ({type(error).__name__})") from error
        return _result(method, response)


class Pauses:
    """Growing pauses within the patience of one call."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._end = time.monotonic() + api.patience
        self._next = FIRST_PAUSE

    def pause(self, why: str, asked: float | None = None) -> bool:
        """Wait, or say that patience is at its end."""
        seconds = self._next if asked is None else asked
        self._next = min(self._next * 2, LONGEST_PAUSE)
        if time.monotonic() + seconds > self._end:
            return False
        if self._api.note:
            self._api.note(f"{why}; again in {seconds:.1f} s")
        if not self._api.stopped:
            time.sleep(seconds)
        elif self._api.stopped.wait(seconds):
            raise StoppedError
        return True


class _LimitedError(RefusedError):
    def __init__(self, error: RefusedError, retry_after: float | None) -> None:
        super().__init__(error.status, error.code, error.message)
        self.retry_after = retry_after


def connect(endpoint: ApiEndpoint) -> httpx.Client:
    return httpx.Client(
        base_url=endpoint.base_url.rstrip("/"),
        headers={"authorization": f"Bearer {endpoint.token}", "user-agent": "serai-engine"},
        timeout=httpx.Timeout(60, connect=10),
        trust_env=False,
    )


def _result(method: str, response: httpx.Response) -> Any:
    try:
        answer: Any = response.json()
    except ValueError:
        answer = None
    status = response.status_code
    if status < 300 and isinstance(answer, dict):
        return cast("dict[str, Any]", answer).get("result")
    if status >= 500 or status < 300:
        raise UnsureError(f"{method} was answered with {status}")
    error = _refusal(status, answer)
    if status == 429:
        raise _LimitedError(error, _seconds(response.headers.get("retry-after")))
    raise error


def _refusal(status: int, answer: Any) -> RefusedError:
    fields = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    errors: list[dict[str, Any]] = fields.get("errors") or []
    first = errors[0] if errors else {}
    message = "; ".join(str(error.get("message", error)) for error in errors) or "no reason given"
    return RefusedError(status, first.get("code"), message)


def _retry_after(error: RefusedError) -> float | None:
    return error.retry_after if isinstance(error, _LimitedError) else None


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None  # a date: too rare to be worth reading


def _items(result: Any) -> list[dict[str, Any]]:
    """A list is the result itself, or under a name of its own."""
    if isinstance(result, dict):
        fields = cast("dict[str, Any]", result)
        name = next((name for name in ("deployments", "items", "buckets", "schedules") if name in fields), None)
        return fields[name] or [] if name else []
    return cast("list[dict[str, Any]]", result or [])
