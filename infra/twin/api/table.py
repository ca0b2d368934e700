"""Every path that the API answers."""

from infra.twin.api import (
    ai_gateways,
    custom_hostnames,
    d1,
    deployments,
    dns,
    domains,
    kv,
    queues,
    r2,
    routes,
    scripts,
    user,
    versions,
    workers,
    zones,
)
from infra.twin.api.call import Route

ROUTES: tuple[Route, ...] = (
    *user.ROUTES,
    *zones.ROUTES,
    *d1.ROUTES,
    *workers.ROUTES,
    *versions.ROUTES,
    *deployments.ROUTES,
    *scripts.ROUTES,
    *routes.ROUTES,
    *domains.ROUTES,
    *kv.ROUTES,
    *r2.ROUTES,
    *queues.ROUTES,
    *dns.ROUTES,
    *custom_hostnames.ROUTES,
    *ai_gateways.ROUTES,
)
