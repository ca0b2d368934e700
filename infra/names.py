"""Names of what the program makes: logical ones, by which Pulumi tells resources apart, and those in the account.

Both come from tenants, zones and cells alone, never from the order of files: a rename here replaces resources.
"""

CONTROL = "control"


def script(worker: str) -> str:
    """The Worker `control`, or a cell's."""
    return f"serai-{worker}"


def tenant_database(tenant: str, tenant_id: str) -> str:
    """The id is part of it, so that a new tenant of an old name does not get the old one's data."""
    return f"serai-{tenant}-{tenant_id}"


CONTROL_DATABASE = "serai-control"


def api_host(zone: str) -> str:
    return f"api.{zone}"


def control_host(zone: str) -> str:
    return f"control.{zone}"


def route_pattern(host: str, tenant: str) -> str:
    return f"{host}/{tenant}/*"


# Logical names: unique within a stack whatever the resource's type, so that `serai:adopt` can name one.


def database_resource(owner: str) -> str:
    return f"{owner}-db"


def worker_resource(worker: str) -> str:
    return f"{worker}-worker"


def version_resource(worker: str) -> str:
    return f"{worker}-version"


def deployment_resource(worker: str) -> str:
    return f"{worker}-deployment"


def route_resource(tenant: str) -> str:
    return f"{tenant}-route"


def domain_resource(owner: str, hostname: str) -> str:
    return f"{owner}-domain-{hostname}"


def record_resource(zone: str) -> str:
    return f"{zone}-api"
