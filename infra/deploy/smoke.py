"""One unbilled request to every tenant after an apply: the endpoint answers, with its key, as its state demands."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from infra.deploy.fetch import Fetcher, FetchError, open_fetcher
from infra.deploy.results import TenantEndpoint

PATIENCE_SECONDS = 10.0
"""A deployment takes over within moments, not at once; until then its tenants may be unknown to the edge."""
PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class SmokeResult:
    tenant: str
    ok: bool
    status: int
    """Of the last answer; 0: there was none."""
    reason: str
    """Why it failed; empty when it did not."""
    seconds: float


def smoke(
    base_url: str,
    tenants: Iterable[TenantEndpoint],
    *,
    patience: float = PATIENCE_SECONDS,
    on_result: Callable[[SmokeResult], None] | None = None,
) -> list[SmokeResult]:
    """`GET <base_url>/<tenant>/v1/models` of each. A suspended tenant has to refuse."""
    results: list[SmokeResult] = []
    deadline = time.monotonic() + patience
    with open_fetcher(base_url, patience) as fetcher:
        for tenant in tenants:
            result = _smoke_one(fetcher, tenant, deadline)
            results.append(result)
            if on_result:
                on_result(result)
    return results


def _smoke_one(fetcher: Fetcher, tenant: TenantEndpoint, deadline: float) -> SmokeResult:
    started = time.monotonic()
    wanted = 403 if tenant.state == "suspended" else 200
    while True:
        status, reason = _ask(fetcher, tenant, wanted)
        if not reason or time.monotonic() >= deadline:
            return SmokeResult(tenant.name, not reason, status, reason, time.monotonic() - started)
        time.sleep(PAUSE_SECONDS)


def _ask(fetcher: Fetcher, tenant: TenantEndpoint, wanted: int) -> tuple[int, str]:
    try:
        answer = fetcher.get(f"/{tenant.name}/v1/models", token=tenant.key)
    except FetchError as error:
        return 0, f"no answer: {error}"
    if answer.status == wanted:
        return wanted, ""
    said = answer.body[:200].decode(errors="replace")
    hint = " (its keys.epoch is lower than it was before: raise it above that)" if answer.status == 401 else ""
    return answer.status, f"answered {answer.status}, not {wanted}{hint}: {said}"
