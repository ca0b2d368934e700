"""What the account has and a stack lacks: databases of tenants that come back, and creates whose answer was lost.

The real provider sends a create again when its answer is lost, is refused (names are unique), and fails on every later
run until someone imports the resource. So it is looked up by name first, and the program is told to adopt it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from infra import names
from infra.config import BASE
from infra.deploy.account import AccountApi, open_account
from infra.twin.engine import ApiEndpoint
from shared.spec.load import LoadedTenant

TAG = "serai"
"""Of our Workers. A Worker of the right name without it is somebody else's: it is left alone, and the create fails."""
NOWHERE = "100::"


@dataclass(frozen=True, slots=True)
class Database:
    """A D1 database of the program: its logical name, and its name in the account."""

    logical: str
    name: str

    def find(self, api: AccountApi) -> str | None:
        ids = (database["uuid"] for database in api.databases(self.name) if database["name"] == self.name)
        return next((f"{api.account_id}/{uuid}" for uuid in ids), None)


@dataclass(frozen=True, slots=True)
class Script:
    logical: str
    name: str

    def find(self, api: AccountApi) -> str | None:
        ids = (worker["id"] for worker in api.workers() if worker["name"] == self.name and TAG in worker["tags"])
        return next((f"{api.account_id}/{identifier}" for identifier in ids), None)


@dataclass(frozen=True, slots=True)
class Route:
    logical: str
    zone: str
    pattern: str
    script: str

    def find(self, api: AccountApi) -> str | None:
        zone_id = api.zone_id(self.zone)
        if zone_id is None:
            return None
        ours = (self.pattern, self.script)
        ids = (route["id"] for route in api.routes(zone_id) if (route["pattern"], route.get("script")) == ours)
        return next((f"{zone_id}/{identifier}" for identifier in ids), None)


@dataclass(frozen=True, slots=True)
class Record:
    logical: str
    zone: str
    name: str

    def find(self, api: AccountApi) -> str | None:
        zone_id = api.zone_id(self.zone)
        if zone_id is None:
            return None
        ours = (self.name, NOWHERE)
        ids = (
            record["id"] for record in api.records(zone_id, self.name) if (record["name"], record["content"]) == ours
        )
        return next((f"{zone_id}/{identifier}" for identifier in ids), None)


Wanted = Database | Script | Route | Record


def wanted_in(stack: str, tenants: Sequence[LoadedTenant], zones: Sequence[str]) -> list[Wanted]:
    """What the stack makes that can be found by name. Custom domains are not among it: their create is an upsert."""
    if stack == BASE:
        return [
            Database(names.database_resource(names.CONTROL), names.CONTROL_DATABASE),
            Script(names.worker_resource(names.CONTROL), names.script(names.CONTROL)),
            *(Record(names.record_resource(zone), zone, names.api_host(zone)) for zone in zones),
        ]
    zone, script = zones[0], names.script(stack)
    return [
        Script(names.worker_resource(stack), script),
        *(Database(names.database_resource(one.name), names.tenant_database(one.name, one.id)) for one in tenants),
        *(
            Route(names.route_resource(one.name), zone, names.route_pattern(names.api_host(zone), one.name), script)
            for one in tenants
        ),
    ]


def find_adoptions(
    endpoint: ApiEndpoint, account_id: str, wanted: Iterable[Wanted], known: Collection[str]
) -> dict[str, str]:
    """Logical name -> import id of what is there, less what the stack has: imported again, it would be replaced."""
    missing = [item for item in wanted if item.logical not in known]
    if not missing:
        return {}
    with open_account(endpoint, account_id) as api:
        found = {item.logical: item.find(api) for item in missing}
    return {name: import_id for name, import_id in found.items() if import_id}
