"""Given an account on disk, when processes come, go and die, then it holds what was committed and nothing else."""

import contextlib
import logging
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.twin.account import Account, AccountError

WRITER = """
import sys
import time
from pathlib import Path
from infra.twin.account import Account

folder, name = Path(sys.argv[1]), sys.argv[2]
account = Account(folder / "account.db", lambda uuid: folder / "d1" / f"{uuid}.sqlite")
number = 0
while True:
    uuid = f"00000000-0000-4000-8000-{name}{number:011d}"
    with account.write() as tx:
        tx.insert("d1", uuid, uuid, {"uuid": uuid})
        account.databases.create(uuid)
    with account.write() as tx:
        tx.insert("worker", uuid, uuid, {"id": uuid, "name": uuid})
    number += 1
    print(number, flush=True)
    time.sleep(0.001)
"""


@pytest.fixture
def d1_path(tmp_path: Path) -> Callable[[str], Path]:
    return lambda uuid: tmp_path / "d1" / f"{uuid}.sqlite"


def files(folder: Path) -> set[str]:
    return {path.name.removesuffix(".sqlite") for path in (folder / "d1").glob("*.sqlite")}


def test_only_its_owner_may_read_it(tmp_path: Path, d1_path: Callable[[str], Path]) -> None:
    account = Account(tmp_path / "account.db", d1_path)
    account.ensure_zone("serai.example")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir() if path.is_file()}
    account.close()
    assert modes == dict.fromkeys(("account.db", "account.db-wal", "account.db-shm"), 0o600)


def test_zones_are_made_once_with_ids_of_their_names(tmp_path: Path, d1_path: Callable[[str], Path]) -> None:
    account = Account(tmp_path / "account.db", d1_path)
    first = account.ensure_zone("serai.example")
    assert account.ensure_zone("serai.example") == first
    other = Account(tmp_path / "other.db", d1_path)
    assert other.ensure_zone("serai.example") == first
    assert other.ensure_zone("else.example") != first
    account.close()
    other.close()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path, d1_path: Callable[[str], Path]) -> None:
    account = Account(tmp_path / "account.db", d1_path)
    with pytest.raises(KeyError), account.write() as tx:
        tx.insert("worker", "1", "one", {"name": "one"})
        raise KeyError
    assert account.scripts() == []
    assert account.generation() == 0
    account.close()


def test_orphan_files_are_swept_and_named(
    tmp_path: Path, d1_path: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    kept, orphan = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
    account = Account(tmp_path / "account.db", d1_path)
    for uuid in (kept, orphan):
        account.databases.create(uuid)
    with account.write() as tx:
        tx.insert("d1", kept, "acme", {"uuid": kept})
    account.close()
    (tmp_path / "d1" / "notes.txt").write_text("not a database")
    (tmp_path / "d1" / f"{orphan}.sqlite-wal").write_bytes(b"")
    with caplog.at_level(logging.WARNING, "serai.twin.account"):
        Account(tmp_path / "account.db", d1_path).close()
    assert sorted(path.name for path in (tmp_path / "d1").iterdir()) == [f"{kept}.sqlite", "notes.txt"]
    assert [record.getMessage() for record in caplog.records] == [
        f"removed the file of D1 database {orphan}: the account has no such database"
    ]


def test_a_deletion_that_was_interrupted_is_finished(tmp_path: Path, d1_path: Callable[[str], Path]) -> None:
    uuid = "00000000-0000-4000-8000-000000000001"
    account = Account(tmp_path / "account.db", d1_path)
    fill(account, uuid)
    with account.write() as tx:
        tx.insert("d1", uuid, "acme", {"uuid": uuid})
    with account.write() as tx:
        tx.remove_database(uuid)
    account.close()
    Account(tmp_path / "account.db", d1_path).close()
    assert list((tmp_path / "d1").iterdir()) == []


def test_the_databases_of_a_lost_account_are_set_aside(
    tmp_path: Path, d1_path: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    uuid = "00000000-0000-4000-8000-000000000001"
    account = Account(tmp_path / "account.db", d1_path)
    fill(account, uuid)
    account.close()
    with caplog.at_level(logging.ERROR, "serai.twin.account"):
        Account(tmp_path / "another.db", d1_path).close()
    aside = tmp_path / "d1" / "orphaned" / f"{uuid}.sqlite"
    assert f"set aside D1 database {uuid}" in caplog.text
    assert str(aside) in caplog.text
    with sqlite3.connect(aside) as connection:
        assert connection.execute("select a from t").fetchall() == [(1,)]
    connection.close()


def fill(account: Account, uuid: str) -> None:
    """A database with a row in it."""
    account.databases.create(uuid)
    with contextlib.closing(account.databases.open(uuid)) as connection:
        connection.execute("create table t (a)")
        connection.execute("insert into t values (1)")


def test_a_missing_file_is_reported(
    tmp_path: Path, d1_path: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    uuid = "00000000-0000-4000-8000-000000000001"
    account = Account(tmp_path / "account.db", d1_path)
    with account.write() as tx:
        tx.insert("d1", uuid, "acme", {"uuid": uuid})
    account.close()
    with caplog.at_level(logging.WARNING, "serai.twin.account"):
        Account(tmp_path / "account.db", d1_path).close()
    assert "is missing" in caplog.text


def test_a_newer_format_is_refused(tmp_path: Path, d1_path: Callable[[str], Path]) -> None:
    Account(tmp_path / "account.db", d1_path).close()
    with sqlite3.connect(tmp_path / "account.db") as connection:
        connection.execute("update meta set value = 99 where key = 'format'")
    connection.close()
    with pytest.raises(AccountError, match=r"has format 99.*install a newer one"):
        Account(tmp_path / "account.db", d1_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, d1_path: Callable[[str], Path]) -> None:
    (tmp_path / "account.db").write_bytes(b"x" * 5000)
    with pytest.raises(AccountError, match="Move the file away"):
        Account(tmp_path / "account.db", d1_path)


@pytest.mark.fault
def test_two_writers_killed_at_any_moment(tmp_path: Path, d1_path: Callable[[str], Path]) -> None:
    """Every row has its file and, once the account was opened again, every file its row."""
    for round_number in range(4):
        names = ("a", "b") if round_number % 2 == 0 else ("c", "d")
        if round_number >= 2:
            names = tuple(name.translate(str.maketrans("abcd", "ef01")) for name in names)
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
            for name in names
        ]
        lines = [writer.stdout.readline() for writer in writers if writer.stdout]
        assert lines == ["1\n", "1\n"]
        time.sleep(0.05 + round_number * 0.037)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        account = Account(tmp_path / "account.db", d1_path)
        with account.read() as tx:
            databases = {document["uuid"] for document in tx.all("d1")}
            workers = len(tx.all("worker"))
            assert tx.generation() == workers
        account.close()
        assert databases == files(tmp_path)
        assert len(databases) - workers in range(2 * (round_number + 1) + 1)
