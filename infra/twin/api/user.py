"""Who the token belongs to."""

from infra.twin.api.call import Call, Reply, Route
from infra.twin.api.paging import page


def verify(call: Call) -> Reply:
    return Reply({"id": call.account_id, "status": "active", "not_before": None, "expires_on": None})


def accounts(call: Call) -> Reply:
    return page(call, [_account(call)], most=50)


def account(call: Call) -> Reply:
    return Reply(_account(call))


def _account(call: Call) -> dict[str, object]:
    return {
        "id": call.account_id,
        "name": "serai",
        "type": "standard",
        "settings": {"enforce_twofactor": False},
        "created_on": "2026-01-01T00:00:00Z",
    }


ROUTES = (
    Route("GET", "/user/tokens/verify", verify),
    Route("GET", "/accounts/{account}/tokens/verify", verify),
    Route("GET", "/accounts", accounts),
    Route("GET", "/accounts/{account}", account),
)
