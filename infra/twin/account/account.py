"""One Cloudflare account on this machine. The API changes it, the edge reads it, each possibly in several processes."""

import contextlib
import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.twin.account.databases import DatabaseFiles
from infra.twin.account.documents import FORMAT, SCHEMA, Document, Transaction

BUSY_SECONDS = 10.0


class AccountError(Exception):
    """The account's file cannot be used. The message says what to do."""


@dataclass(frozen=True, slots=True)
class RouteEntry:
    pattern: str
    script: str | None
    """None: requests that match pass no Worker."""


@dataclass(frozen=True, slots=True)
class CustomDomain:
    hostname: str
    script: str


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Version:
    id: str
    script: str
    main_module: str
    modules: list[Module]
    bindings: list[dict[str, Any]]
    """As uploaded, texts of secrets included."""


class Account:
    """State in SQLite at `path`; each D1 database is a file of its own at `d1_path(uuid)`."""

    def __init__(self, path: Path, d1_path: Callable[[str], Path], *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self.databases = DatabaseFiles(d1_path)
        self._lock = threading.RLock()
        self._connection = _open(path, busy_seconds)
        with self.write() as tx:
            known = {database["uuid"] for database in tx.all("d1")}
            self.databases.sweep(known, tx.removed_databases())
            tx.forget_removed_databases()

    @contextlib.contextmanager
    def write(self) -> Generator[Transaction, None, None]:
        """Keep it short: it holds the account's write lock against every process."""
        with self._transaction("begin immediate") as tx:
            yield tx
        for work in tx.afterwards:
            work()

    @contextlib.contextmanager
    def read(self) -> Generator[Transaction, None, None]:
        with self._transaction("begin") as tx:
            yield tx

    def ensure_zone(self, name: str) -> str:
        """The id of the account's zone of that name, which is made when it is new. Ids follow from names."""
        with self.write() as tx:
            zone = tx.named("zone", name)
            if zone is None:
                zone = _new_zone(name)
                tx.insert("zone", zone["id"], name, zone)
        return zone["id"]

    def generation(self) -> int:
        """Rises with every commit that changes what the edge serves."""
        with self.read() as tx:
            return tx.generation()

    def route_table(self) -> list[RouteEntry]:
        with self.read() as tx:
            return [RouteEntry(route["pattern"], route.get("script")) for route in tx.all("route")]

    def custom_domains(self) -> list[CustomDomain]:
        with self.read() as tx:
            return [CustomDomain(domain["hostname"], domain["service"]) for domain in tx.all("domain")]

    def scripts(self) -> list[str]:
        with self.read() as tx:
            return [worker["name"] for worker in tx.all("worker")]

    def deployed_version_id(self, script: str) -> str | None:
        with self.read() as tx:
            return _deployed(tx, script)

    def deployed_version(self, script: str) -> Version | None:
        """What requests to the script get: of a deployment that splits traffic, the version with the largest share."""
        with self.read() as tx:
            identifier = _deployed(tx, script)
            return None if identifier is None else _version(tx, script, identifier)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Generator[Transaction, None, None]:
        with self._lock:
            self._connection.execute(begin)
            try:
                tx = Transaction(self._connection)
                yield tx
                tx.finish()
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _open(path: Path, busy_seconds: float) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Texts of secret bindings are in here, for the edge to have: nobody else may read the file, nor its -wal and -shm.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
    connection = sqlite3.connect(path, isolation_level=None, timeout=busy_seconds, check_same_thread=False)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("begin immediate")
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute("insert or ignore into meta values ('format', ?), ('generation', 0)", (FORMAT,))
        found = connection.execute("select value from meta where key = 'format'").fetchone()[0]
        connection.execute("commit")
    except sqlite3.Error as error:
        connection.close()
        raise AccountError(f"{path}: {error}. Move the file away to begin with an empty account.") from error
    if found > FORMAT:
        connection.close()
        raise AccountError(f"{path} has format {found}, this version of Serai reads {FORMAT}: install a newer one.")
    return connection


def _deployed(tx: Transaction, script: str) -> str | None:
    worker = tx.named("worker", script)
    deployment = tx.newest("deployment", worker["id"]) if worker else None
    if deployment is None:
        return None
    return max(deployment["versions"], key=lambda version: version["percentage"])["version_id"]


def _version(tx: Transaction, script: str, identifier: str) -> Version | None:
    version = tx.get("version", identifier)
    if version is None:
        return None
    modules = [Module(*module) for module in tx.modules(identifier)]
    return Version(identifier, script, version["main_module"], modules, version["bindings"])


def _new_zone(name: str) -> Document:
    made = now()
    return {
        "id": hashlib.sha256(f"serai zone {name}".encode()).hexdigest()[:32],
        "name": name,
        "status": "active",
        "paused": False,
        "type": "full",
        "development_mode": 0,
        "name_servers": ["a.ns.cloudflare.com"],
        "original_name_servers": [],
        "original_registrar": None,
        "original_dnshost": None,
        "modified_on": made,
        "created_on": made,
        "activated_on": made,
    }
