"""Hold and settle: nothing lost, nothing overspent. One ledger per tenant database (docs/metering.md)."""

import json
import re
from functools import lru_cache

from handlers.errors import ApiError
from handlers.metering.admission import Admission, Attempt, Candidate, Held, Outcome, Principal
from handlers.metering.expiry import expire, late_before
from handlers.metering.limits import end_user_scope
from handlers.metering.measure import measure, worst_nano_usd
from handlers.metering.retention import prune_sometimes
from handlers.metering.room import Room, ratelimit_headers, read_room, refusal
from handlers.metering.schema import ready
from handlers.metering.statements import HELD, HOLD, ROOM, SETTLE, TOTAL, TOUCH_KEY
from handlers.metering.windows import DAY_MS, MINUTE_MS, minute_of, month_of, parse_time, period_of
from handlers.tenants.keys import authenticate, invalid_key
from shared.edge.ports import Database, DatabaseBusyError, DatabaseError, Rows, Statement, Value
from shared.spec.compiled import Tenant

_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

REFUSED = re.compile(r"limit:([a-z_]+)")
"""What a guard raised, in SQLite's words or in D1's (`D1_ERROR: limit:spend: SQLITE_CONSTRAINT ...`)."""

SETTLE_TRIES = 4
"""The adapter waits five seconds for a locked database in each."""


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
        await ready(self._database, self._tenant, admission.now_ms)
        closed = self._closed(admission)
        if closed is not None:
            await authenticate(self._tenant, self._database, admission.key_hash, admission.now_ms)
            raise closed
        try:
            return await self._reserve(admission, admission.max_output)
        except DatabaseError as error:
            refused_by = _refused_by(error)
        room = await self._room(admission)
        fitting = self._fitting(room, admission)
        if fitting is None:
            raise refusal(room, admission, refused_by)
        try:
            return await self._reserve(admission, fitting)
        except DatabaseError as error:  # somebody else was quicker
            refused_by = _refused_by(error)
        raise refusal(await self._room(admission), admission, refused_by)

    async def settle(self, held: Held, outcome: Outcome, now_ms: int) -> int:
        """Replace the hold by what was really used; returns the request's total in nano-dollars.

        Always succeeds, any repetition included: an overrun is recorded, and what has been settled stays as it is.
        """
        request_id = held.admission.request_id
        total = (await self._patiently(self._settlement(held, outcome, now_ms)))[0].rows
        if not total:  # settled before
            total = (await self._patiently([Statement(TOTAL, (request_id,))]))[0].rows
        if not total:
            raise LookupError(f"request {request_id} has no hold in this database")
        await prune_sometimes(self._database, self._tenant.metadata_days, now_ms)
        return int(total[0][0] or 0)

    async def _patiently(self, statements: list[Statement]) -> list[Rows]:
        for _ in range(SETTLE_TRIES - 1):
            try:
                return await self._database.batch(statements)
            except DatabaseBusyError:
                continue
        return await self._database.batch(statements)

    def _closed(self, admission: Admission) -> ApiError | None:
        """Why the tenant lets nobody in, or not to this model, whatever its limits are."""
        tenant = self._tenant
        no_retry = {"x-should-retry": "false"}
        if tenant.state == "suspended":
            return ApiError(403, "suspended", f"Tenant {tenant.name} is suspended.", headers=no_retry)
        if tenant.trial_ends is not None and admission.now_ms >= parse_time(tenant.trial_ends) + DAY_MS:
            message = f"The trial of {tenant.name} ended on {tenant.trial_ends}; a paid plan goes on from here."
            return ApiError(402, "trial_expired", message, headers=no_retry)
        if not admission.included and not tenant.limits.tokens_beyond_included:
            message = (
                f"Plan {tenant.plan} has included tokens only, and they pay for workers_ai models: "
                f"{admission.price.model} is not included."
            )
            return ApiError(402, "token_limit", message, headers=no_retry)
        return None

    async def _reserve(self, admission: Admission, max_output: int) -> Held:
        answers = await self._database.batch(
            [
                self._hold(admission, max_output),
                Statement(HELD, (admission.request_id, admission.key_hash, late_before(admission.now_ms))),
            ]
        )
        if not answers[1].rows:
            raise invalid_key()
        return self._held(admission, max_output, answers[1])

    @staticmethod
    def _fitting(room: Room, admission: Admission) -> int | None:
        """What a second try may hold: all of it when late holds made room, less when the caller named no maximum."""
        if room.fits(admission, admission.max_output):
            return admission.max_output
        return None if admission.max_output_asked else room.clamp(admission)

    def _hold(self, admission: Admission, max_output: int) -> Statement:
        limits = self._tenant.limits
        now_ms = admission.now_ms
        end_user = limits.per_end_user
        params: tuple[Value, ...] = (
            admission.key_hash,
            now_ms,
            admission.request_id,
            admission.deadline_ms,
            minute_of(now_ms),
            month_of(now_ms),
            period_of(limits.included_window, now_ms),
            admission.end_user,
            end_user_scope(limits, admission.end_user),
            int(admission.stream),
            int(admission.included),
            int(limits.tokens_beyond_included),
            limits.message_nano_usd,
            admission.input_bound,
            max_output,
            worst_nano_usd(admission, max_output, limits.markup_percent),
            admission.price.version,
            admission.price.model,
            _asked(admission.wire, admission.model, admission.candidates),
            limits.requests_per_minute,
            limits.tokens_per_minute,
            limits.concurrent_streams,
            limits.included_messages,
            limits.included_tokens,
            limits.spend_nano_usd_per_month,
            end_user.requests_per_minute if end_user else None,
            end_user.spend_nano_usd_per_month if end_user else None,
        )
        return Statement(HOLD, params)

    def _held(self, admission: Admission, max_output: int, answer: Rows) -> Held:
        key_id, name, role, last_used_ms, hold_nano, requests, tokens, tokens_fund, message_nano, late = answer.rows[0]
        limits = self._tenant.limits
        used = ((limits.requests_per_minute, int(requests or 0)), (limits.tokens_per_minute, int(tokens or 0)))
        return Held(
            admission=admission,
            principal=Principal(str(key_id), str(name), str(role)),
            max_output=max_output,
            clamped=max_output != admission.max_output,
            hold_nano_usd=int(hold_nano or 0),
            ratelimit=ratelimit_headers(*used, admission.now_ms),
            included_tokens=int(tokens_fund or 0),
            message_nano_usd=int(message_nano or 0),
            late=bool(late),
            key_unused=last_used_ms is None or int(last_used_ms) < admission.now_ms - MINUTE_MS,
        )

    async def _room(self, admission: Admission) -> Room:
        """Where the limits stand once late holds are expired, for a caller whose key is valid."""
        limits = self._tenant.limits
        scope = end_user_scope(limits, admission.end_user)
        now_ms = admission.now_ms
        periods = (minute_of(now_ms), month_of(now_ms), period_of(limits.included_window, now_ms))
        statement = Statement(ROOM, (admission.key_hash, now_ms, *periods, scope))
        _, rows = await self._database.batch([expire(now_ms), statement])
        room = read_room(limits, rows, has_end_user=scope is not None)
        if room is None:
            raise invalid_key()
        return room

    def _settlement(self, held: Held, outcome: Outcome, now_ms: int) -> list[Statement]:
        answered = outcome.answered_by is not None
        measured = measure(held, outcome, self._tenant.limits.markup_percent)
        usage = measured.usage
        request_id = held.admission.request_id
        params: tuple[Value, ...] = (
            request_id,
            "settled" if answered else "refunded",
            now_ms,
            outcome.answered_by,
            measured.source,
            usage.input,
            usage.cached_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            usage.output,
            usage.reasoning,
            measured.price.version,
            measured.price.model,
            int(answered),
            int(outcome.included),
            measured.nano_usd,
            _attempts(outcome.attempts),
        )
        statements = [Statement(SETTLE, params)]
        if held.late:
            statements.append(expire(now_ms))
        if held.key_unused:
            statements.append(Statement(TOUCH_KEY, (held.principal.key_id, held.admission.now_ms)))
        return statements


def _refused_by(error: DatabaseError) -> str:
    """The kind of limit whose guard refused. Raises ApiError 503 when the database was busy, else the error itself."""
    if isinstance(error, DatabaseBusyError):
        message = "The tenant's database is busy; try again."
        raise ApiError(503, "unavailable", message, headers={"retry-after": "1"}) from error
    refused = REFUSED.search(str(error))
    if refused is None:
        raise error
    return refused[1]


@lru_cache(maxsize=256)
def _asked(wire: str, model: str, candidates: tuple[Candidate, ...]) -> str:
    """Callers ask for the same few models again and again."""
    named = [{"model": one.model, "why": one.why} for one in candidates]
    return _json({"wire": wire, "model": model, "candidates": named})


def _attempts(attempts: tuple[Attempt, ...]) -> str:
    rows = [
        {
            "model": one.model,
            "status": one.status,
            "first_token_ms": one.first_token_ms,
            "total_ms": one.total_ms,
            "billed": one.billed,
        }
        | ({} if one.error is None else {"error": one.error})
        for one in attempts
    ]
    return _json(rows)
