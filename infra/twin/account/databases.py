"""The files of D1 databases. One without a row in the account is what a killed process left behind."""

import contextlib
import logging
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from shared.edge.local.d1_rules import apply_limits

LOG = logging.getLogger("serai.twin.account")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
EMPTY_SIZE = 12_288
"""What Cloudflare answers as the size of a new database."""


class DatabaseFiles:
    def __init__(self, path_of: Callable[[str], Path]) -> None:
        self.path_of = path_of

    def create(self, uuid: str) -> None:
        path = self.path_of(uuid)
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("pragma journal_mode = wal")

    def remove(self, uuid: str) -> None:
        for file in self._files(uuid):
            file.unlink(missing_ok=True)

    def open(self, uuid: str) -> sqlite3.Connection:
        """Raises sqlite3.Error when the file is gone: a database never comes back empty by itself."""
        uri = f"{self.path_of(uuid).absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5, check_same_thread=False)
        connection.execute("pragma foreign_keys = on")
        apply_limits(connection)
        return connection

    def sweep(self, known: set[str], removed: set[str]) -> None:
        """Deal with files of databases that the account does not have. The caller holds the account's write lock.

        What an interrupted creation or deletion left is removed. A file with data that was never deleted belongs to an
        account that was lost: it is set aside and never destroyed.
        """
        folder = self.path_of("00000000-0000-0000-0000-000000000000").parent  # any database lies there
        names = [file.name for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []
        for uuid in sorted({match[0] for name in names if (match := UUID.match(name))} - known):
            if uuid in removed or not self._has_data(uuid):
                self.remove(uuid)
                LOG.warning("removed the file of D1 database %s: the account has no such database", uuid)
            else:
                LOG.error(
                    "set aside D1 database %s, of which the account knows nothing: %s", uuid, self._set_aside(uuid)
                )
        for uuid in sorted(known):
            if not self.path_of(uuid).exists():
                LOG.error("the file of D1 database %s is missing: %s", uuid, self.path_of(uuid))

    def _has_data(self, uuid: str) -> bool:
        if not self.path_of(uuid).exists():
            return False
        try:
            with contextlib.closing(self.open(uuid)) as connection:
                return connection.execute("select exists (select 1 from sqlite_schema)").fetchone()[0] == 1
        except sqlite3.Error:
            return True

    def _set_aside(self, uuid: str) -> Path:
        folder = self.path_of(uuid).parent / "orphaned"
        folder.mkdir(exist_ok=True)
        for file in self._files(uuid):
            if file.exists():
                file.rename(folder / file.name)
        return folder / self.path_of(uuid).name

    def _files(self, uuid: str) -> tuple[Path, Path, Path]:
        path = self.path_of(uuid)
        return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
