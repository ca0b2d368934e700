"""A tenant in the account: its database, its route, its custom domains."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_cloudflare as cf

from infra import names
from infra.config import CellConfig
from infra.placement import zone_of
from infra.worker import ServingWorker


class Tenant(pulumi.ComponentResource):
    """Logical names come from the tenant's name alone, so the order of files changes nothing."""

    def __init__(self, name: str, tenant_id: str, domains: Sequence[str], config: CellConfig) -> None:
        super().__init__("serai:index:Tenant", name)
        self.name = name
        self.domains = sorted(domains)
        self.config = config
        self.endpoint = f"https://{config.api_host}/{name}"
        self.database = cf.D1Database(
            names.database_resource(name),
            account_id=config.account_id,
            name=names.tenant_database(name, tenant_id),
            # No location hint: the API does not answer it, so an adopted database would be replaced.
            read_replication={"mode": "disabled"},
            opts=pulumi.ResourceOptions(
                parent=self,
                # Not `protect`: that would fail every run once the tenant has left (docs/adr/0003).
                retain_on_delete=True,
                # Only what the caller found in the account and missed in the stack: imported a second time, it
                # would be replaced.
                import_=config.adopt.get(names.database_resource(name)),
            ),
        )

    def publish(self, worker: ServingWorker, zone_ids: pulumi.Output[Mapping[str, str]]) -> None:
        """Open the tenant's addresses, once there is a deployment that answers them."""
        after = pulumi.ResourceOptions(parent=self, depends_on=[worker.deployment])
        route = names.route_resource(self.name)
        cf.WorkersRoute(
            route,
            zone_id=zone_id(zone_ids, self.config.zone),
            pattern=names.route_pattern(self.config.api_host, self.name),
            script=worker.script,
            opts=pulumi.ResourceOptions.merge(after, pulumi.ResourceOptions(import_=self.config.adopt.get(route))),
        )
        for domain in self.domains:
            cf.WorkersCustomDomain(
                names.domain_resource(self.name, domain),
                account_id=self.config.account_id,
                hostname=domain,
                service=worker.script,
                zone_id=zone_id(zone_ids, zone_of(domain, self.config.zones) or self.config.zone),
                opts=after,
            )
        self.register_outputs({"endpoint": self.endpoint, "databaseId": self.database.uuid})


def zone_id(zone_ids: pulumi.Output[Mapping[str, str]], zone: str) -> pulumi.Output[str]:
    def find(ids: Mapping[str, str]) -> str:
        if zone not in ids:
            raise pulumi.RunError(
                f"The base stack does not know the zone {zone}. Add it to serai:zones of base and apply base first."
            )
        return ids[zone]

    return zone_ids.apply(find)
