"""The fixed windows of limits: the UTC minute, the UTC calendar month, and `total`, which never resets. Pure."""

from datetime import UTC, datetime
from functools import lru_cache

MINUTE_MS = 60_000
DAY_MS = 86_400_000
TOTAL = 0


def minute_of(now_ms: int) -> int:
    """The number of the minute since 1970."""
    return now_ms // MINUTE_MS


def month_of(now_ms: int) -> int:
    """The month as a number, 202611 for November 2026."""
    return _month_of_day(now_ms // DAY_MS)


@lru_cache(maxsize=64)
def _month_of_day(day: int) -> int:
    moment = datetime.fromtimestamp(day * (DAY_MS // 1000), UTC)
    return moment.year * 100 + moment.month


def month_start_ms(now_ms: int) -> int:
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return _ms(datetime(moment.year, moment.month, 1, tzinfo=UTC))


def period_of(window: str, now_ms: int) -> int:
    """The period of a window (`minute`, `month`, `total`, `open`) that a moment falls into."""
    if window == "minute":
        return minute_of(now_ms)
    return month_of(now_ms) if window == "month" else TOTAL


def resets_at_ms(window: str, now_ms: int) -> int | None:
    """When the window ends; None: never."""
    if window == "minute":
        return (minute_of(now_ms) + 1) * MINUTE_MS
    if window == "month":
        month = month_of(now_ms)
        year, month = divmod(month, 100)
        return _ms(datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC))
    return None


def format_time(at_ms: int) -> str:
    """RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> int:
    """Milliseconds of an RFC 3339 time, or of a date's midnight UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if len(text) > len("2026-11-24"):
            raise ValueError(f"{text!r} has no time zone; end it with Z")
        moment = moment.replace(tzinfo=UTC)
    return _ms(moment)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
