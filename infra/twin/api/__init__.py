"""Cloudflare's REST API v4, as far as Serai's program and tools use it. docs/twin-api.md says what it answers."""

from infra.twin.api.app import create_api as create_api
from infra.twin.api.faults import Fault as Fault
from infra.twin.api.faults import Faults as Faults
