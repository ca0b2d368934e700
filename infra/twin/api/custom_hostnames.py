"""Custom hostnames (Cloudflare for SaaS): names outside the account's zones. Here they are active at once: there is no
DNS to wait for and no certificate to issue.
"""

from infra.twin.account.account import now
from infra.twin.account.documents import Document, TakenError, Transaction
from infra.twin.api.call import Call, Reply, Route, new_id, new_uuid
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields
from infra.twin.api.paging import page

CODE = 1407
HOSTNAME = r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}"
SSL_DEFAULTS: Document = {
    "bundle_method": "ubiquitous",
    "certificate_authority": "google",
    "wildcard": False,
    "settings": {},
    "method": "http",
    "type": "dv",
}
METHODS = frozenset({"http", "txt", "email"})


def create(call: Call) -> Reply:
    body = call.body()
    name = Fields(body, CODE).text("hostname", pattern=rf"(?i){HOSTNAME}").lower()
    token = new_uuid()
    problems: list[str] = []
    hostname: Document = {
        "id": new_id(),
        "hostname": name,
        "status": "active",
        "created_at": now(),
        "verification_errors": problems,
        "ssl": {"id": new_id(), "status": "active"} | SSL_DEFAULTS | _ssl(body),
        "ownership_verification": {"name": f"_cf-custom-hostname.{name}", "type": "txt", "value": token},
        "ownership_verification_http": {
            "http_url": f"http://{name}/.well-known/cf-custom-hostname-challenge/{token}",
            "http_body": token,
        },
    } | _settings(body)
    with call.write() as tx:
        zone = call.zone(tx)
        if name == zone["name"]:
            raise ApiError(400, 1411, "Custom hostnames may not be the name of the zone itself.")
        try:
            tx.insert("hostname", hostname["id"], name, hostname, zone["id"])
        except TakenError as error:
            raise ApiError(409, 1406, "Duplicate custom hostname found.") from error
    return Reply(hostname)


def listing(call: Call) -> Reply:
    name = call.query.get("hostname", call.query.get("hostname.exact"))
    with call.read() as tx:
        hostnames = tx.all("hostname", call.zone(tx)["id"])
    return page(call, [one for one in hostnames if name in (None, one["hostname"])], most=50)


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_hostname(call, tx))


def edit(call: Call) -> Reply:
    body = call.body()
    with call.write() as tx:
        hostname = _hostname(call, tx)
        hostname |= _settings(body)
        if "ssl" in body:
            hostname["ssl"] |= _ssl(body)
        tx.replace("hostname", hostname["id"], hostname["hostname"], hostname)
    return Reply(hostname)


def delete(call: Call) -> Reply:
    with call.write() as tx:
        hostname = _hostname(call, tx)
        tx.delete("hostname", hostname["id"])
    return Reply({"id": hostname["id"]})


def _ssl(body: Document) -> Document:
    given = Fields(body, CODE).mapping("ssl", default={})
    fields = Fields(given, CODE, prefix="ssl.")
    fields.choice("method", METHODS, default="http")
    fields.choice("type", frozenset({"dv"}), default="dv")
    fields.mapping("settings", default={})
    return given


def _settings(body: Document) -> Document:
    return {key: body[key] for key in ("custom_metadata", "custom_origin_server", "custom_origin_sni") if key in body}


def _hostname(call: Call, tx: Transaction) -> Document:
    zone = call.zone(tx)
    hostname = tx.get("hostname", call.path["hostname"])
    if hostname is None or hostname not in tx.all("hostname", zone["id"]):
        raise ApiError(404, 1436, "The custom hostname was not found.")
    return hostname


ROUTES = (
    Route("POST", "/zones/{zone}/custom_hostnames", create),
    Route("GET", "/zones/{zone}/custom_hostnames", listing),
    Route("GET", "/zones/{zone}/custom_hostnames/{hostname}", one),
    Route("PATCH", "/zones/{zone}/custom_hostnames/{hostname}", edit),
    Route("DELETE", "/zones/{zone}/custom_hostnames/{hostname}", delete),
)
