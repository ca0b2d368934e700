"""A request for a model's answer: authenticate -> route -> admit -> complete -> settle -> respond."""

import asyncio
from dataclasses import dataclass

from handlers.errors import ApiError
from handlers.http import Headers, Request, Response, is_text, write_headers
from handlers.inference import routing, upstream
from handlers.inference.conversation import Parsed
from handlers.inference.exchange import Exchange
from handlers.inference.relay import Relay
from handlers.inference.routing import Option, Route
from handlers.inference.upstream import FAILURES, Call
from handlers.inference.wires import Wire
from handlers.metering.admission import Admission, Held, Outcome
from handlers.metering.measure import expected_nano_usd
from handlers.metering.money import format_usd
from handlers.tenants import keys
from handlers.tenants.credentials import presented_hash

DEADLINE_MS = 600_000
"""From the hold to the last byte."""
MAX_END_USER = 256


@dataclass(slots=True)
class Asked:
    """What the caller asked for, read and routed."""

    parsed: Parsed
    route: Route
    end_user: str | None


async def answer(request: Request, wire: Wire) -> Response:
    key_hash = authenticate(request)
    asked, call = await route(request, wire, key_hash)
    held = await admit(request, wire, asked, key_hash)
    exchange = Exchange(request, call.option, held)
    call = fit(request, wire, asked, call, exchange)
    if asked.parsed.stream:
        return await stream(request, call, exchange, asked)
    body, outcome = await complete(request, call, exchange)
    return respond(request, body, asked, held, outcome)


def authenticate(request: Request) -> str:
    """The hash of the key presented; the hold looks it up, in the same round trip that reserves the cost."""
    return presented_hash(request.headers, request.tenant.name, request.cell.pepper)


async def route(request: Request, wire: Wire, key_hash: str) -> tuple[Asked, Call]:
    """Read the request, find who may answer it, and how large it can become. What is refused here costs no hold."""
    try:
        parsed = wire.parse(request.body)
        options = routing.choose(parsed.model, request.tenant, request.cell.config, request.cell.book, request.now_ms)
        bound = wire.input_bound(parsed, max(option.upstream.image_tokens for option in options))
        chosen = routing.size(options, bound, parsed.max_output, request.tenant.limits)
        asked = Asked(parsed, chosen, _end_user(request, parsed))
        return asked, upstream.prepare(wire, request.body, parsed, options[0], chosen.max_output)
    except ApiError:
        # Whoever has no key learns nothing of what the tenant has.
        await keys.authenticate(request.tenant, request.database, key_hash, request.now_ms)
        raise


async def admit(request: Request, wire: Wire, asked: Asked, key_hash: str) -> Held:
    """Let the request in, with its worst case reserved. Raises ApiError 401, 402, 403, 429."""
    parsed, chosen = asked.parsed, asked.route
    return await request.ledger.hold(
        Admission(
            request_id=request.request_id,
            now_ms=request.now_ms,
            deadline_ms=request.now_ms + DEADLINE_MS,
            key_hash=key_hash,
            wire=wire.NAME,
            model=parsed.model,
            stream=parsed.stream,
            end_user=asked.end_user,
            candidates=tuple([option.candidate for option in chosen.options]),
            price=chosen.dearest,
            included=chosen.included,
            input_bound=chosen.input_bound,
            max_output=chosen.max_output,
            max_output_asked=parsed.max_output is not None,
        )
    )


def fit(request: Request, wire: Wire, asked: Asked, call: Call, exchange: Exchange) -> Call:
    """The hold may have room for less output than was asked for: the upstream is told."""
    room = exchange.held.max_output
    if room == asked.route.max_output:
        return call
    try:
        return upstream.prepare(wire, request.body, asked.parsed, call.option, room)
    except ApiError as error:
        exchange.release(error)
        raise


async def complete(request: Request, call: Call, exchange: Exchange) -> tuple[bytes, Outcome]:
    """The provider's answer in the caller's wire, and what it will be billed as."""
    seconds = exchange.seconds_left()
    created = request.now_ms // 1000
    try:
        async with asyncio.timeout(seconds):
            body, seen = await upstream.complete(
                call, request.cell, request.headers, answer_id=request.request_id, created=created, seconds=seconds
            )
    except FAILURES as error:
        raise _fail(error, call.option, exchange) from error
    except asyncio.CancelledError:
        exchange.charge_hold()
        raise
    except Exception:
        exchange.release(ApiError(500, "internal", ""))
        raise
    return body, exchange.charge(seen.usage, seen.output_estimate)


async def stream(request: Request, call: Call, exchange: Exchange, asked: Asked) -> Response:
    """An answer whose body is written, and settled, as it comes."""
    relay = Relay(request, call, exchange)
    try:
        await relay.open()
    except FAILURES as error:
        raise _fail(error, call.option, exchange) from error
    except asyncio.CancelledError:
        exchange.charge_hold()
        raise
    except Exception:
        exchange.release(ApiError(500, "internal", ""))
        raise
    headers = _headers(asked, exchange.held, call.option.candidate.model)
    return Response(200, relay.run, [*headers, (b"cache-control", b"no-cache")], b"text/event-stream; charset=utf-8")


def respond(request: Request, body: bytes, asked: Asked, held: Held, outcome: Outcome) -> Response:
    headers = _headers(asked, held, outcome.answered_by or "")
    cost = expected_nano_usd(held, outcome, request.tenant.limits.markup_percent)
    headers.append((b"x-serai-cost-usd", format_usd(cost).encode()))
    return Response(200, body, headers)


def _headers(asked: Asked, held: Held, model: str) -> Headers:
    headers = write_headers(held.ratelimit)
    headers.append((b"x-serai-model", model.encode()))
    wanted = asked.parsed.max_output
    if held.clamped or (wanted is not None and held.max_output < wanted):
        headers.append((b"x-serai-max-tokens", b"%d" % held.max_output))
    return headers


def _fail(error: Exception, option: Option, exchange: Exchange) -> ApiError:
    """Nothing has gone out yet: the failure is an answer of its own, and nothing is billed."""
    failure = upstream.as_api_error(error, option)
    exchange.release(failure)
    return failure


def _end_user(request: Request, parsed: Parsed) -> str | None:
    end_user = request.headers.get("x-serai-end-user") or parsed.end_user
    if end_user is not None and (len(end_user) > MAX_END_USER or not is_text(end_user)):
        message = f"The end user must be valid text of at most {MAX_END_USER} characters."
        raise ApiError(400, "invalid_request", message, param="x-serai-end-user")
    return end_user
