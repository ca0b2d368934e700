"""Why a hold did not fit: where the limits stood, the error that says so, and the smaller hold that would fit."""

from collections.abc import Mapping
from dataclasses import dataclass

from handlers.errors import ApiError
from handlers.metering.admission import Admission, Principal
from handlers.metering.limits import KINDS, Kind, caps_of, window_of
from handlers.metering.measure import worst_nano_usd
from handlers.metering.money import format_usd
from handlers.metering.windows import format_time, resets_at_ms
from shared.edge.ports import Rows
from shared.spec.compiled import Limits

LEAST_OUTPUT = 16
"""A hold is not clamped below this many tokens: such an answer helps nobody."""


@dataclass(frozen=True, slots=True)
class Room:
    """Caps and what is used of them, as one caller meets them."""

    principal: Principal
    limits: Limits
    caps: Mapping[str, int | None]
    used: Mapping[str, int]

    def left(self, kind: str) -> int | None:
        cap = self.caps.get(kind)
        return None if cap is None else max(0, cap - self.used.get(kind, 0))

    def within(self, kind: str, wanted: int) -> bool:
        left = self.left(kind)
        return wanted <= 0 or left is None or wanted <= left

    def needs(self, admission: Admission, max_output: int) -> dict[str, int]:
        """What a hold of this size takes of every limit: the arithmetic of the HOLD statement."""
        limits = self.limits
        tokens = admission.input_bound + max_output
        fund = 0
        if admission.included:
            fund = min(tokens, self.left("included_tokens") or 0) if limits.tokens_beyond_included else tokens
        worst = worst_nano_usd(admission, max_output, limits.markup_percent)
        money = worst if tokens == 0 else -(-worst * (tokens - fund) // tokens)
        message_fund = 1
        if limits.message_nano_usd is not None:
            message_fund = min(1, self.left("messages") or 0)
            money += (1 - message_fund) * limits.message_nano_usd
        return {
            "requests": 1,
            "tokens": tokens,
            "streams": int(admission.stream),
            "messages": message_fund,
            "included_tokens": fund,
            "spend": money,
            "key_requests": 1,
            "key_spend": money,
            "end_user_requests": 1,
            "end_user_spend": money,
        }

    def fits(self, admission: Admission, max_output: int) -> bool:
        return all(self.within(kind, wanted) for kind, wanted in self.needs(admission, max_output).items())

    def clamp(self, admission: Admission) -> int | None:
        """The most output that fits now; None when even a short answer does not."""
        low, high = LEAST_OUTPUT, admission.max_output - 1
        if low > high or not self.fits(admission, low):
            return None
        while low < high:
            middle = (low + high + 1) // 2
            if self.fits(admission, middle):
                low = middle
            else:
                high = middle - 1
        return low


def read_room(limits: Limits, rows: Rows, *, has_end_user: bool) -> Room | None:
    """From the answer of the ROOM statement. None: the key is not, or no longer, valid."""
    if not rows.rows:
        return None
    key_id, name, role, requests_cap, spend_cap = rows.rows[0][:5]
    caps = caps_of(limits)
    if not has_end_user:
        caps |= {"end_user_requests": None, "end_user_spend": None}
    caps |= {"key_requests": _optional(requests_cap), "key_spend": _optional(spend_cap)}
    used = {str(row[5]): int(row[6] or 0) + int(row[7] or 0) for row in rows.rows if row[5] is not None}
    return Room(Principal(str(key_id), str(name), str(role)), limits, caps, used)


def _optional(value: object) -> int | None:
    return None if value is None else int(value)  # type: ignore[call-overload]


def refusal(room: Room, admission: Admission, kind_name: str) -> ApiError:
    """The error for a hold that `kind_name` refused: the limit, its cap, what is left of it, when it resets.

    When several have no room, one that waiting does not help is the better answer.
    """
    needs = room.needs(admission, admission.max_output)
    lasting = [one for one in KINDS.values() if one.status == 402 and not room.within(one.name, needs[one.name])]
    kind = lasting[0] if lasting else KINDS[kind_name]
    cap = room.caps.get(kind.name) or 0
    left = room.left(kind.name) or 0
    wanted = needs[kind.name]
    window = window_of(kind, room.limits)
    resets_ms = resets_at_ms(window, admission.now_ms)
    message = (
        f"The limit `{kind.name}` ({kind.label}) has no room: {_amount(kind, left)} of {_amount(kind, cap)} left, "
        f"this request may need {_amount(kind, wanted)}. {_remedy(window, resets_ms, wanted, cap)}"
    )
    requests, tokens = ((room.caps.get(one) or 0, room.used.get(one, 0)) for one in ("requests", "tokens"))
    headers = ratelimit_headers(requests, tokens, admission.now_ms)
    if kind.status == 402 or wanted > cap:
        headers["x-should-retry"] = "false"
    if kind.status == 429:
        headers["retry-after"] = str(seconds_until(resets_ms, admission.now_ms))
    return ApiError(kind.status, kind.code, message, headers=headers)


def _remedy(window: str, resets_ms: int | None, wanted: int, cap: int) -> str:
    if wanted > cap > 0:
        return "It can never fit: send less, or ask for fewer tokens with max_tokens."
    if resets_ms is not None:
        return f"It resets at {format_time(resets_ms)}."
    return "It frees when an open stream ends." if window == "open" else "It does not reset; a larger plan has more."


def _amount(kind: Kind, amount: int) -> str:
    return f"{format_usd(amount)} USD" if kind.unit == "nano_usd" else f"{amount} {kind.unit}"


def seconds_until(at_ms: int | None, now_ms: int) -> int:
    """Whole seconds to wait; 1 where nobody knows (a stream may end at any moment)."""
    return 1 if at_ms is None else max(1, -(-(at_ms - now_ms) // 1000))


def ratelimit_headers(requests: tuple[int, int], tokens: tuple[int, int], now_ms: int) -> dict[str, str]:
    """`x-ratelimit-*` as OpenAI's API has them, of (cap, used); the reset is the end of the minute."""
    reset = f"{60 - now_ms // 1000 % 60}s"
    return {
        "x-ratelimit-limit-requests": str(requests[0]),
        "x-ratelimit-remaining-requests": str(max(0, requests[0] - requests[1])),
        "x-ratelimit-reset-requests": reset,
        "x-ratelimit-limit-tokens": str(tokens[0]),
        "x-ratelimit-remaining-tokens": str(max(0, tokens[0] - tokens[1])),
        "x-ratelimit-reset-tokens": reset,
    }
