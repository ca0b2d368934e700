"""The tenant database brings itself up to date on first use, and learns the version's admin keys.

Migrations only expand: older code runs on a newer schema. Each is one atomic batch that begins by claiming its number,
so that of two isolates that try, one applies it and the other's batch is rolled back whole.
"""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from weakref import WeakKeyDictionary

from handlers.tenants.admin_keys import enrol
from shared.edge.ports import Database, DatabaseError, Statement
from shared.spec.compiled import AdminKeyHash, Tenant

CREATE = Statement("create table if not exists migrations (version integer primary key, applied_ms integer not null)")
VERSION = Statement("select coalesce(max(version), 0) from migrations")
CLAIM = "insert into migrations (version, applied_ms) values (?, ?)"

_ready: WeakKeyDictionary[Database, tuple[AdminKeyHash, ...]] = WeakKeyDictionary()
"""Databases that this isolate has seen to, each with the admin keys it was told of. Facts, not state of a request."""


async def ready(database: Database, tenant: Tenant, now_ms: int) -> None:
    """Bring the schema up to date and the admin keys in, once for a Database object in an isolate."""
    if _ready.get(database) == tenant.admin_keys:
        return
    await migrate(database, now_ms)
    await enrol(database, tenant.admin_keys, now_ms)
    _ready[database] = tenant.admin_keys


async def migrate(database: Database, now_ms: int) -> int:
    """Apply the migrations that the database lacks; returns its version."""
    version = await _version(database)
    for number, statements in migrations().items():
        if number <= version:
            continue
        try:
            await database.batch([Statement(CLAIM, (number, now_ms)), *statements])
        except DatabaseError:
            if await _version(database) < number:
                raise
        version = number
    return version


async def _version(database: Database) -> int:
    _, answer = await database.batch([CREATE, VERSION])
    return int(answer.rows[0][0] or 0)


@cache
def migrations() -> dict[int, tuple[Statement, ...]]:
    """Number -> statements of every file `NNNN_name.sql`, in order."""
    found = {int(name.partition("_")[0]): tuple(map(Statement, split(text))) for name, text in _files()}
    return dict(sorted(found.items()))


def split(script: str) -> Iterator[str]:
    """The statements of a migration file; its first lines say how one ends."""
    lines: list[str] = []
    for line in script.splitlines():
        code = line.partition("--")[0].rstrip()
        if not code:
            continue
        lines.append(code)
        in_trigger = lines[0].startswith("create trigger")
        if code == "end;" if in_trigger else code.endswith(";"):
            yield "\n".join(lines).removesuffix(";")
            lines = []
    if lines:
        raise ValueError(f"a migration's last statement does not end: {lines[0]}")


def _files() -> Iterator[tuple[str, str]]:
    package = import_module("shared.migrations")
    folder = Path(str(package.__file__)).parent
    if folder.is_dir():
        root = folder
    else:  # inside a zip
        from importlib import resources  # noqa: PLC0415 - costs more to import than the files to read

        root = resources.files(package)
    for file in root.iterdir():
        if file.name.endswith(".sql"):
            yield file.name, file.read_text(encoding="utf-8")
