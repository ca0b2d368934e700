"""Custom domains of Workers: hostnames in a zone of the account. PUT attaches, or moves what was attached."""

from infra.twin.account.documents import Document, Transaction
from infra.twin.api import dns, workers
from infra.twin.api.call import Call, Reply, Route, new_id
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields

CODE = 100115
NOT_FOUND = 100114
HOSTNAME = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}"


def attach(call: Call) -> Reply:
    body = call.body()
    fields = Fields(body, CODE)
    hostname = fields.text("hostname", pattern=rf"(?i){HOSTNAME}").lower()
    environment = fields.text("environment", default="production")
    service = fields.text("service")
    with call.write() as tx:
        zone = _zone(tx, body, hostname)
        workers.by_name(tx, service)
        before = tx.named("domain", hostname)
        if before is None:
            _check_records(tx, zone, hostname)
        domain: Document = before or {"id": new_id(), "cert_id": new_id()}
        domain |= {"hostname": hostname, "service": service, "zone_id": zone["id"], "zone_name": zone["name"]}
        domain |= {"environment": environment}
        if before:
            tx.replace("domain", domain["id"], hostname, domain)
        else:
            tx.insert("domain", domain["id"], hostname, domain)
    return Reply(domain)


def listing(call: Call) -> Reply:
    keys = ("hostname", "service", "zone_id", "zone_name", "environment")
    filters = {key: call.query[key] for key in keys if key in call.query}
    with call.read() as tx:
        domains = tx.all("domain")
    return Reply([domain for domain in domains if all(domain[key] == value for key, value in filters.items())])


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_found(call, tx))


def detach(call: Call) -> Reply:
    with call.write() as tx:
        tx.delete("domain", _found(call, tx)["id"])
    return Reply(None)


def _zone(tx: Transaction, body: Document, hostname: str) -> Document:
    """The zone that is named, or else the one with the longest name that the hostname lies in."""
    inside = [zone for zone in tx.all("zone") if hostname == zone["name"] or hostname.endswith("." + zone["name"])]
    wanted_id, wanted_name = body.get("zone_id"), body.get("zone_name")
    fitting = [zone for zone in inside if wanted_id in (None, zone["id"]) and wanted_name in (None, zone["name"])]
    if not fitting:
        wanted = wanted_name or wanted_id or "any zone of the account"
        raise ApiError(400, CODE, f"hostname: {hostname} is not in {wanted}")
    return max(fitting, key=lambda zone: len(zone["name"]))


def _check_records(tx: Transaction, zone: Document, hostname: str) -> None:
    for record in tx.all("dns", zone["id"]):
        if record["name"] == hostname and record["type"] in dns.ADDRESSES:
            message = f"Hostname {hostname} already has a DNS record ({record['type']}): delete that record first."
            raise ApiError(409, 100117, message)


def _found(call: Call, tx: Transaction) -> Document:
    domain = tx.get("domain", call.path["domain"])
    if domain is None:
        raise ApiError(404, NOT_FOUND, f"Domain does not exist: {call.path['domain']}")
    return domain


ROUTES = (
    Route("PUT", "/accounts/{account}/workers/domains", attach),
    Route("GET", "/accounts/{account}/workers/domains", listing),
    Route("GET", "/accounts/{account}/workers/domains/{domain}", one),
    Route("DELETE", "/accounts/{account}/workers/domains/{domain}", detach),
)
