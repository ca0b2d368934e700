"""One held request with its provider: timed, noted as an attempt, settled exactly once and off the caller's path."""

from handlers.errors import ApiError
from handlers.http import Request
from handlers.inference import estimate
from handlers.inference.routing import Option
from handlers.inference.upstream import upstream_status
from handlers.metering.admission import Attempt, Held, Outcome
from shared.edge.ports import DatabaseError
from shared.prices.usage import Usage

SETTLE_PAUSES = (0.05, 0.2, 1.0, 5.0)
"""Seconds between the tries to write a settlement. After the last, the hold runs out and is charged in full."""


class Exchange:
    def __init__(self, request: Request, option: Option, held: Held) -> None:
        self._request = request
        self._option = option
        self._held = held
        self._clock = request.platform.clock
        self._started = self._clock.monotonic()
        self._first_ms: int | None = None
        self._settled = False

    @property
    def held(self) -> Held:
        return self._held

    def seconds_left(self) -> float:
        """Until the deadline that the hold fixed."""
        spent = self._clock.monotonic() - self._started
        admission = self._held.admission
        return max(0.0, (admission.deadline_ms - admission.now_ms) / 1000 - spent)

    def first_token(self) -> None:
        if self._first_ms is None:
            self._first_ms = self._elapsed_ms()

    def release(self, error: ApiError) -> None:
        """Nothing reached the caller: nothing is billed."""
        self._settle(None, Usage(), "provider", self._attempt(upstream_status(error), billed=False, error=error.code))

    def charge(self, usage: Usage, output: int, *, whole: bool = True, error: str | None = None) -> Outcome:
        """Bill what the provider reported, and an estimate of what it did not: `output` tokens generated."""
        counted, source = estimate.complete(usage, self._held.admission.input_bound, output, whole=whole)
        return self._settle(self._option, counted, source, self._attempt(200, billed=True, error=error))

    def charge_hold(self) -> None:
        """Cut off from here while the upstream was at work: what it did is unknown."""
        self._settle(self._option, Usage(), "hold", self._attempt(0, billed=True, error="cancelled"))

    def _attempt(self, status: int, *, billed: bool, error: str | None) -> Attempt:
        return Attempt(self._option.candidate.model, status, self._first_ms, self._elapsed_ms(), billed, error)

    def _elapsed_ms(self) -> int:
        return int((self._clock.monotonic() - self._started) * 1000)

    def _settle(self, option: Option | None, usage: Usage, source: str, attempt: Attempt) -> Outcome:
        outcome = Outcome(
            attempts=(attempt,),
            answered_by=option.candidate.model if option else None,
            price=option.price if option else None,
            usage=usage,
            usage_source=source,
            included=option.included if option else False,
        )
        if not self._settled:
            self._settled = True
            self._request.platform.background.run(self._write(outcome))
        return outcome

    async def _write(self, outcome: Outcome) -> None:
        for pause in SETTLE_PAUSES:
            try:
                await self._request.ledger.settle(self._held, outcome, self._clock.now_ms())
            except DatabaseError:
                await self._clock.sleep(pause)
            else:
                return
        await self._request.ledger.settle(self._held, outcome, self._clock.now_ms())
