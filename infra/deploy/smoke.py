"""One unbilled request to every tenant after an apply: the endpoint answers, with its key, as its state demands."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import httpx

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
    with httpx.Client(base_url=base_url, timeout=patience, trust_env=False) as client:
        for tenant in tenants:
            result = _smoke_one(client, tenant, deadline)
            results.append(result)
            if on_result:
                on_result(result)
    return results


def _smoke_one(client: httpx.Client, tenant: TenantEndpoint, deadline: float) -> SmokeResult:
    started = time.monotonic()
    wanted = 403 if tenant.state == "suspended" else 200
    while True:
        status, reason = _ask(client, tenant, wanted)
        if not reason or time.monotonic() >= deadline:
            return SmokeResult(tenant.name, not reason, status, reason, time.monotonic() - started)
        time.sleep(PAUSE_SECONDS)


def _ask(client: httpx.Client, tenant: TenantEndpoint, wanted: int) -> tuple[int, str]:
    try:
        answer = client.get(f"/{tenant.name}/v1/models", headers={"authorization": f"Bearer {tenant.key}"})
    except httpx.HTTPError as error:
        return 0, f"no answer from {client.base_url}: {error or type(error).__name__}"
    if answer.status_code == wanted:
        return wanted, ""
    return answer.status_code, f"answered {answer.status_code}, not {wanted}: {answer.text[:200]}"
