"""One exchange with a provider: the request in its wire, its answer as the caller's bytes, its failures as ours."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from handlers.cell import Cell
from handlers.errors import ApiError
from handlers.inference import providers, wires
from handlers.inference.conversation import Parsed
from handlers.inference.routing import Option
from handlers.inference.translation import Translation
from handlers.inference.wires import PassthroughStream, Seen, UpstreamReportedError, UpstreamShapeError, Wire
from shared.edge.ports import (
    Ai,
    AiError,
    HttpError,
    HttpResponse,
    Json,
)

MAX_ANSWER = 100_000_000
"""Bytes of an unstreamed answer."""
MAX_ERROR = 1_000_000
NO_STREAM = ("application/json", "text/html")
"""What a stream is surely not, whatever its status says. Others are believed: servers are careless with the type."""
FAILURES = (ApiError, HttpError, AiError, UpstreamShapeError, UpstreamReportedError, TimeoutError)
"""What an exchange may end with; `as_api_error` says what each means to the caller."""


@dataclass(slots=True)
class Call:
    """A request as its provider wants it: bytes for Http, a document for the Ai port."""

    option: Option
    caller: Wire
    upstream: Wire
    parsed: Parsed
    content: bytes | dict[str, Json]

    @property
    def untouched(self) -> bool:
        """Whether the answer reaches the caller as the upstream wrote it."""
        return self.upstream is self.caller and self.option.upstream.passthrough


def prepare(caller: Wire, body: bytes, parsed: Parsed, option: Option, max_output: int) -> Call:
    """Raises ApiError 400 unsupported_field for what the provider's wire cannot carry."""
    upstream = wires.load(option.module.WIRE)
    as_document = option.module.USES_AI_PORT
    content: bytes | dict[str, Json]
    if upstream is not caller:
        document = upstream.build(parsed, option.upstream, max_output)
        content = document if as_document else json.dumps(document, separators=(",", ":")).encode()
    elif as_document:
        content = caller.prepare_document(parsed, option.upstream, max_output)
    else:
        content = caller.prepare_passthrough(body, parsed, option.upstream, max_output)
    return Call(option, caller, upstream, parsed, content)


async def complete(
    call: Call, cell: Cell, headers: Mapping[str, str], *, answer_id: str, created: int, seconds: float
) -> tuple[bytes, Seen]:
    """The whole answer for the caller, and what it says about itself. Raises FAILURES."""
    raw = await _fetch(call, cell, headers, seconds)
    if call.untouched:
        return raw, call.upstream.read_passthrough(raw)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UpstreamShapeError("the body is not JSON") from error
    answer = call.upstream.read_answer(document)
    body = call.caller.format_answer(answer, call.parsed, answer_id=answer_id, created=created)
    return body, Seen(answer.usage, answer.stop_reason, len(body) // 3)


async def _fetch(call: Call, cell: Cell, headers: Mapping[str, str], seconds: float) -> bytes:
    if isinstance(call.content, dict):
        document = await _ai(call, cell).run(call.option.upstream.model, call.content)
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    response = await _send(call, cell, headers, seconds)
    return await response.read(MAX_ANSWER)


async def open_stream(
    call: Call, cell: Cell, headers: Mapping[str, str], *, seconds: float
) -> tuple[AsyncIterator[bytes], HttpResponse | None]:
    """The upstream's stream, from its first byte on. Raises FAILURES."""
    if isinstance(call.content, dict):
        return await _ai(call, cell).stream(call.option.upstream.model, call.content), None
    response = await _send(call, cell, headers, seconds)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in NO_STREAM:
        body = await response.read(MAX_ERROR)
        said = call.upstream.read_error(body) if kind == "application/json" else ""
        raise UpstreamReportedError(502, said) if said else UpstreamShapeError(f"{kind} instead of a stream")
    return response.chunks(), response


def translate(call: Call, *, answer_id: str, created: int) -> PassthroughStream:
    """What turns the upstream's bytes into the caller's, and keeps account of them."""
    if call.untouched:
        return call.caller.passthrough_stream(call.parsed)
    formatter = call.caller.stream_formatter(call.parsed, answer_id=answer_id, created=created)
    return Translation(call.upstream.stream_reader(), formatter)


async def _send(call: Call, cell: Cell, headers: Mapping[str, str], seconds: float) -> HttpResponse:
    provider = call.option.provider
    assert isinstance(call.content, bytes)  # noqa: S101 - `prepare` and `_fetch` decide by the same field
    request = call.option.module.request(provider, cell.provider_keys.get(provider.name), call.content, headers)
    request.timeout = min(seconds, request.timeout)
    response = await cell.platform.http.send(request)
    if 200 <= response.status < 300:
        return response
    body = await response.read(MAX_ERROR)
    raise Refused(response.status, call.option.module.read_error(provider, response.status, response.headers, body))


def _ai(call: Call, cell: Cell) -> Ai:
    if cell.platform.ai is None:
        raise ApiError(503, "unavailable", f"The provider {call.option.provider.name} has no binding here.")
    return cell.platform.ai


class Refused(ApiError):  # noqa: N818 - an answer of the upstream, not a fault of this program
    """The upstream answered with an error of its own."""

    def __init__(self, upstream_status: int, error: ApiError) -> None:
        super().__init__(error.status, error.code, error.message, param=error.param, headers=error.headers)
        self.upstream_status = upstream_status


def as_api_error(error: Exception, option: Option) -> ApiError:
    """What the end of an exchange means to the caller."""
    name = option.provider.name
    match error:
        case ApiError():
            return error
        case TimeoutError():
            return ApiError(504, "upstream_timeout", f"{name} took too long to answer.")
        case AiError() | UpstreamReportedError():
            return Refused(error.status, providers.failure(option.provider, error))
        case _:
            return providers.failure(option.provider, error)


def upstream_status(error: Exception) -> int:
    """For the receipt: the upstream's status, 0 when it gave none."""
    return error.upstream_status if isinstance(error, Refused) else 0
