"""Workers KV namespaces. Their values are not here: no Worker of Serai reads any."""

from infra.twin.account.documents import Document, TakenError, Transaction
from infra.twin.api.call import Call, Reply, Route, new_id
from infra.twin.api.errors import ApiError
from infra.twin.api.fields import Fields
from infra.twin.api.paging import page

TITLE_CODE = 10019
TAKEN = ApiError(400, 10014, "a namespace with this account ID and title already exists")


def create(call: Call) -> Reply:
    title = _title(call)
    namespace: Document = {"id": new_id(), "title": title, "supports_url_encoding": True}
    with call.write() as tx:
        try:
            tx.insert("kv", namespace["id"], title, namespace)
        except TakenError as error:
            raise TAKEN from error
    return Reply(namespace)


def listing(call: Call) -> Reply:
    with call.read() as tx:
        return page(call, tx.all("kv"))


def one(call: Call) -> Reply:
    with call.read() as tx:
        return Reply(_namespace(call, tx))


def update(call: Call) -> Reply:
    title = _title(call)
    with call.write() as tx:
        namespace = _namespace(call, tx) | {"title": title}
        try:
            tx.replace("kv", namespace["id"], title, namespace)
        except TakenError as error:
            raise TAKEN from error
    return Reply(namespace)


def delete(call: Call) -> Reply:
    with call.write() as tx:
        namespace = _namespace(call, tx)
        tx.delete("kv", namespace["id"])
    return Reply({"id": namespace["id"]})


def _title(call: Call) -> str:
    return Fields(call.body(), TITLE_CODE).text("title", pattern=r".{1,512}")


def _namespace(call: Call, tx: Transaction) -> Document:
    namespace = tx.get("kv", call.path["namespace"])
    if namespace is None:
        raise ApiError(404, 10013, f"get namespace: 'namespace not found' ({call.path['namespace']})")
    return namespace


ROUTES = (
    Route("POST", "/accounts/{account}/storage/kv/namespaces", create),
    Route("GET", "/accounts/{account}/storage/kv/namespaces", listing),
    Route("GET", "/accounts/{account}/storage/kv/namespaces/{namespace}", one),
    Route("PUT", "/accounts/{account}/storage/kv/namespaces/{namespace}", update),
    Route("DELETE", "/accounts/{account}/storage/kv/namespaces/{namespace}", delete),
)
