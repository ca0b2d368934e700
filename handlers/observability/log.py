"""The request log: one line an answer, of an allow-list of fields. Never bodies, keys, headers or query strings."""

from shared.edge.ports import Log


def request_failed(
    log: Log, *, request_id: str, tenant: str | None, method: str, endpoint: str | None, status: int, code: str, ms: int
) -> None:
    """An answer that is an error. What was answered well is told by its receipt.

    `endpoint` is the URL table's entry, not the caller's path, which may carry anything.
    """
    log.event(
        "request_failed",
        request_id=request_id,
        tenant=tenant,
        method=method,
        endpoint=endpoint,
        status=status,
        code=code,
        ms=ms,
    )


def internal_error(log: Log, *, request_id: str, error: Exception) -> None:
    """A fault of this program. The place is told, the message is not: it may quote what it stumbled over."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    log.event("internal_error", request_id=request_id, error=type(error).__name__, place=place)
