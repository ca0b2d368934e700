"""From the bindings that a Worker version declares to the ports its code is given, on CPython."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.edge.local.addresses import PROXY_VARIABLES
from shared.edge.local.background import TaskBackground
from shared.edge.local.clock import SystemClock
from shared.edge.local.compatible import local_ai
from shared.edge.local.crypto import SystemCrypto
from shared.edge.local.database import SqliteDatabase
from shared.edge.local.http import LocalHttp
from shared.edge.local.proxied import ProxiedHttp
from shared.edge.local.simulated import SimulatedAi
from shared.edge.ports import Ai, Database, Json, Log, Platform


@dataclass(frozen=True, slots=True)
class LocalPlatform:
    """The platform and what has to be finished and closed when the process ends."""

    platform: Platform
    background: TaskBackground
    http: LocalHttp | ProxiedHttp
    databases: tuple[SqliteDatabase, ...]

    async def close(self, seconds: float) -> None:
        await self.background.finish(seconds)
        await self.http.close()
        for database in self.databases:
            database.close()


def build_platform(
    bindings: Sequence[Mapping[str, Json]],
    modules: Path,
    d1_path: Callable[[str], Path],
    *,
    log: Log,
    environ: Mapping[str, str],
    durability: str = "normal",
) -> LocalPlatform:
    """Raises DatabaseError when a bound database is not there, ValueError for a binding of an unknown type."""
    http = ProxiedHttp() if any(environ.get(name) for name in PROXY_VARIABLES) else LocalHttp()
    background = TaskBackground(log)
    databases: dict[str, Database] = {}
    opened: list[SqliteDatabase] = []
    text: dict[str, str] = {}
    ai: Ai | None = None
    for binding in bindings:
        match binding["type"]:
            case "d1":
                database = SqliteDatabase(d1_path(binding["database_id"]), durability=durability, create=False)
                databases[binding["name"]] = database
                opened.append(database)
            case "plain_text" | "secret_text":
                text[binding["name"]] = binding["text"]
            case "ai":
                ai = local_ai(http, environ) or SimulatedAi(SystemClock())
            case other:
                raise ValueError(f"binding {binding['name']}: the twin's edge has no type {other!r} yet")
    return LocalPlatform(
        Platform(
            databases=databases,
            text=text,
            modules=_reader(modules),
            ai=ai,
            http=http,
            clock=SystemClock(),
            background=background,
            crypto=SystemCrypto(),
            log=log,
        ),
        background,
        http,
        tuple(opened),
    )


def _reader(folder: Path) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise KeyError(name) from error

    return read
