"""The base stack: what all cells share. Zones, the record their endpoints hang on, and the control Worker."""

import pulumi
import pulumi_cloudflare as cf

from infra import names
from infra.bundle import worker_modules
from infra.config import BaseConfig
from infra.names import CONTROL
from infra.specs import directory_document, load_specs
from infra.worker import ServingWorker, database, secret_text, serve


def base_stack(config: BaseConfig) -> None:
    zone_ids = {zone: _zone_id(zone) for zone in config.zones}
    for zone, zone_id in zone_ids.items():
        _api_record(zone, zone_id, config)
    control = _control_worker(config)
    control_host = names.control_host(config.zones[0])
    cf.WorkersCustomDomain(
        names.domain_resource(CONTROL, control_host),
        account_id=config.account_id,
        hostname=control_host,
        service=control.script,
        zone_id=zone_ids[config.zones[0]],
        opts=pulumi.ResourceOptions(depends_on=[control.deployment]),
    )
    pulumi.export("accountId", config.account_id)
    pulumi.export("zoneIds", zone_ids)
    pulumi.export("apiHosts", {zone: names.api_host(zone) for zone in config.zones})
    pulumi.export("controlUrl", f"https://{control_host}")


def _zone_id(name: str) -> pulumi.Output[str]:
    # The SDK's type wants `match` too; given, it would only be sent along and change nothing.
    return cf.get_zone_output(filter={"name": name}).zone_id  # pyright: ignore[reportArgumentType]


def _api_record(zone: str, zone_id: pulumi.Output[str], config: BaseConfig) -> None:
    """A proxied name with no server behind it: routes of the zone's cells answer it before it is asked."""
    name = names.record_resource(zone)
    cf.DnsRecord(
        name,
        zone_id=zone_id,
        name=names.api_host(zone),
        type="AAAA",
        content="100::",  # the discard prefix (RFC 6666): nothing may ever arrive there
        proxied=True,
        ttl=1,  # automatic, the only one a proxied record takes
        opts=pulumi.ResourceOptions(import_=config.adopt.get(name)),
    )


def _control_worker(config: BaseConfig) -> ServingWorker:
    directory = directory_document(config, load_specs(config))
    control_db = cf.D1Database(
        names.database_resource(CONTROL),
        account_id=config.account_id,
        name=names.CONTROL_DATABASE,
        read_replication={"mode": "disabled"},
        opts=pulumi.ResourceOptions(retain_on_delete=True, import_=config.adopt.get(names.database_resource(CONTROL))),
    )
    bindings = {
        "CONTROL_DB": database(control_db.uuid),
        "KEY_PEPPER": secret_text(config.key_pepper),
        "OPERATOR_TOKEN": secret_text(config.operator_token),
    }
    return serve(CONTROL, config, worker_modules(CONTROL, "directory.json", directory), bindings)
