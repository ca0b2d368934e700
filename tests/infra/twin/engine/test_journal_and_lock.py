"""A stack's journal and lock: refused with a sentence when they cannot be used."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.twin.engine import EngineError, JournalError, LockedError, Owner
from infra.twin.engine.journal import Journal, Row
from infra.twin.engine.lock import break_lock, stack_lock
from infra.twin.engine.values import Secret
from infra.twin.state import State

HOLD = """
import sys, time
from pathlib import Path
from infra.twin.engine.lock import stack_lock
with stack_lock(Path(sys.argv[1]), "base"):
    print("held", flush=True)
    time.sleep(60)
"""


def export(project: Any) -> Any:
    return project.up(lambda: pulumi.export("a", 1))


def test_rows_and_begun_steps_survive(state: State) -> None:
    row = Row("urn:a", "t", "a", custom=True, id="1", inputs={"text": Secret("hush")}, dependencies=("urn:b",))
    path = state.stack_path("base")
    with Journal(path, state.secrets.journal_key) as journal:
        old = journal.created(None, row)
        journal.begin("create", row, old.seq)
    with Journal(path, state.secrets.journal_key) as journal:
        assert journal.rows() == [old]
        (begun,) = journal.begun()
        assert (begun.kind, begun.resource, begun.row.inputs) == ("create", old.seq, {"text": Secret("hush")})
        new = journal.created(begun.seq, row, old.seq)
        assert journal.begun() == []
        assert [(item.seq, item.condemned) for item in journal.rows()] == [(old.seq, True), (new.seq, False)]
        assert journal.live("urn:a") == new


def test_a_scratch_journal_is_forgotten(state: State) -> None:
    path, key = state.stack_path("base"), state.secrets.journal_key
    with Journal(path, key, scratch=True) as journal:
        journal.created(None, Row("urn:a", "t", "a", custom=True))
    assert not path.exists()


def test_a_newer_journal_is_refused(project: Any) -> None:
    export(project)
    db = sqlite3.connect(project.state.stack_path("base"))
    db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(JournalError, match=r"format 99, made by a newer Serai"):
        project.engine.outputs("base")


@pytest.mark.parametrize("damage", ["garbage", "json", "table"])
def test_a_damaged_journal_is_named_with_a_remedy(project: Any, damage: str) -> None:
    export(project)
    path = project.state.stack_path("base")
    if damage == "garbage":
        for extra in ("-wal", "-shm"):
            path.with_name(path.name + extra).unlink(missing_ok=True)
        path.write_bytes(b"no database at all" * 1000)
    else:
        db = sqlite3.connect(path)
        db.execute("update resources set document = '{'" if damage == "json" else "drop table resources")
        db.commit()
        db.close()
    for call in (lambda: project.engine.resources("base"), lambda: export(project)):
        with pytest.raises(JournalError, match=r"base.db is damaged .*move it away and run `serai up`"):
            call()


def test_another_key_is_told(project: Any) -> None:
    project.up(lambda: pulumi.export("a", pulumi.Output.secret("hush")))
    with pytest.raises(JournalError, match=r"encrypted with another key.*secrets.json"):
        Journal(project.state.stack_path("base"), "A" * 43 + "=")


def test_a_second_run_is_told_who_holds_the_stack(project: Any) -> None:
    inside, leave = threading.Event(), threading.Event()

    def program() -> None:
        inside.set()
        leave.wait(10)

    thread = threading.Thread(target=lambda: project.up(program))
    thread.start()
    inside.wait(10)
    with pytest.raises(LockedError, match=rf"Stack base is locked by .*process {os.getpid()} on") as caught:
        export(project)
    assert caught.value.owner.pid == os.getpid()
    assert project.engine.lock_owner("base") == (caught.value.owner, True)
    assert project.preview(lambda: None).changes  # a preview takes no lock
    leave.set()
    thread.join()
    export(project)
    assert project.engine.lock_owner("base") is None


def test_a_dead_owners_lock_is_taken_over(project: Any) -> None:
    path = project.state.lock_path("base")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"process {process.pid} "):
            export(project)
        process.kill()
    owner = project.engine.lock_owner("base")
    assert owner
    assert (owner[0].pid, owner[1]) == (process.pid, False)
    export(project)


def test_another_hosts_lock_has_to_be_broken(project: Any) -> None:
    path = project.state.lock_path("base")
    path.write_text(json.dumps(asdict(Owner(1, "another-host", "serai up", "2026-01-01T00:00:00+00:00"))))
    with pytest.raises(LockedError, match="process 1 on another-host"):
        export(project)
    project.engine.break_lock("base")
    export(project)


def test_a_broken_lock_lets_the_next_one_in(tmp_path: Path) -> None:
    path = tmp_path / "base.lock"
    with stack_lock(path, "base"):
        break_lock(path)
        with stack_lock(path, "base"):
            assert socket.gethostname() in path.read_text()
    assert path.read_text() == ""


def test_a_disk_that_fails_is_an_error_of_its_own(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Journal, "_insert", full)
    with pytest.raises(EngineError, match="cannot be written: database or disk is full"):
        export(project)
