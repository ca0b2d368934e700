"""Zones are looked up only: an operator adds them at Cloudflare, the twin makes them from its configuration."""

from infra.twin.account.documents import Document
from infra.twin.api.call import Call, Reply, Route
from infra.twin.api.paging import page


def listing(call: Call) -> Reply:
    with call.read() as tx:
        zones = [_shown(zone, call.account_id) for zone in tx.all("zone")]
    name, status = call.query.get("name"), call.query.get("status")
    account = call.query.get("account.id")
    kept = [
        zone
        for zone in zones
        if name in (None, zone["name"]) and status in (None, zone["status"]) and account in (None, call.account_id)
    ]
    return page(call, kept, most=50)


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_shown(call.zone(tx), call.account_id))


def _shown(zone: Document, account_id: str) -> Document:
    plan = {
        "id": "p",
        "name": "Free Website",
        "price": 0,
        "currency": "USD",
        "frequency": "",
        "is_subscribed": False,
        "can_subscribe": False,
        "legacy_id": "free",
        "legacy_discount": False,
        "externally_managed": False,
    }
    return zone | {
        "meta": {"step": 4, "custom_certificate_quota": 0, "page_rule_quota": 3, "phishing_detected": False},
        "owner": {"id": None, "type": "user", "email": None},
        "account": {"id": account_id, "name": "serai"},
        "permissions": ["#zone:read"],
        "plan": plan,
    }


ROUTES = (Route("GET", "/zones", listing), Route("GET", "/zones/{zone}", one))
