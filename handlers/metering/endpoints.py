"""`GET /v1/receipts/{request id}` and `GET /v1/usage`."""

from handlers.http import Request, Response, json_response
from handlers.metering import receipts
from handlers.metering import usage as reports
from handlers.tenants.credentials import identify
from handlers.tenants.keys import require_admin


async def receipt(request: Request) -> Response:
    """An admin key reads every receipt, an inference key those of its own requests."""
    principal = await identify(request)
    request_id = request.path.removeprefix("/v1/receipts/")
    clock = request.platform.clock
    return json_response(await receipts.read(request.database, request.tenant, request_id, principal, clock))


async def usage(request: Request) -> Response:
    require_admin(await identify(request))
    return json_response(await reports.report(request.database, request.query, request.now_ms))
