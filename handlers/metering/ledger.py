"""Hold and settle: nothing lost, nothing overspent. One ledger per tenant database (docs/metering.md)."""

from handlers.metering.admission import Admission, Held, Outcome
from shared.edge.ports import Database
from shared.spec.compiled import Tenant


class Ledger:
    """The ledger of one tenant, in its own database."""

    def __init__(self, tenant: Tenant, database: Database) -> None:
        self._tenant = tenant
        self._database = database

    async def hold(self, admission: Admission) -> Held:
        """Authenticate the key and reserve the worst case, in one round trip.

        Raises ApiError: 401 invalid_key, 402 spend_limit / message_limit / token_limit / trial_expired, 403 suspended,
        429 rate_limit with `retry-after` and the limit named. Nothing is written then.
        """
        raise NotImplementedError

    async def settle(self, held: Held, outcome: Outcome, now_ms: int) -> int:
        """Replace the hold by what was really used; returns the request's total in nano-dollars. Always succeeds, any repetition included."""
        raise NotImplementedError
