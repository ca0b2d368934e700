"""`/v1/keys` and `GET /v1/config`: for admin keys."""

from handlers.http import Request, Response, json_response, read_json
from handlers.inference.routing import allowed
from handlers.metering import limits
from handlers.tenants import keys
from handlers.tenants.credentials import identify


async def list_keys(request: Request) -> Response:
    keys.require_admin(await identify(request))
    return json_response(await keys.listing(request.database, request.query))


async def create_key(request: Request) -> Response:
    """The answer is the only place where the key is ever shown."""
    keys.require_admin(await identify(request))
    caller = keys.Caller(request.platform.crypto, request.cell.pepper, request.now_ms)
    made = await keys.create(request.tenant, request.database, read_json(request), caller)
    return json_response(made, status=201)


async def revoke_key(request: Request) -> Response:
    keys.require_admin(await identify(request))
    await keys.revoke(request.database, request.path.removeprefix("/v1/keys/"), request.now_ms)
    return Response(204)


async def config(request: Request) -> Response:
    """Plan, limits with what is left of them, and the models that may be named."""
    principal = await identify(request)
    keys.require_admin(principal)
    tenant = request.tenant
    names = ["default", *sorted(tenant.aliases), *allowed(tenant, request.cell.book)]
    return json_response(
        {
            "tenant": tenant.name,
            "plan": tenant.plan,
            "state": tenant.state,
            "models": names,
            "default": tenant.default,
            "aliases": tenant.aliases,
            "limits": await limits.status(request.database, tenant, principal, request.now_ms),
        }
    )
