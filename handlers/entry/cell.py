"""Entry module of a cell's Worker: reads the version's tenants.json and wires the application. Nothing else."""

from handlers.app import build_app
from shared.edge.ports import App, Platform
from shared.spec.compiled import read_tenants


def application(platform: Platform) -> App:
    return build_app(read_tenants(platform.modules("tenants.json")), platform)
