"""Given a log that grows, older parts move aside and running processes go on in the new file."""

import os
from pathlib import Path

from infra.twin.edge.logs import KEPT, ProcessLog


def test_rotation_keeps_the_newest_parts(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "logs" / "serai-cell-1.log", max_bytes=100)
    held = log.open()
    for number in range(KEPT + 3):
        os.write(held, b"part %d\n" % number * 20)
        log.rotate(lambda fd: os.dup2(fd, held))
    os.write(held, b"the newest\n")
    os.close(held)
    assert log.path.read_text() == "the newest\n"
    older = [log.path.with_name(f"{log.path.name}.{number}").read_text()[:6] for number in range(1, KEPT + 1)]
    assert older == [f"part {KEPT + 2 - number}" for number in range(KEPT)]
    assert len(list(log.path.parent.iterdir())) == KEPT + 1
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_the_tail_is_what_one_process_wrote(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "x.log")
    assert log.tail(0) == ""
    log.path.write_text("of an earlier process\n")
    since = log.size
    with log.path.open("a") as file:
        file.writelines(f"line {number}\n" for number in range(30))
    assert log.tail(since, lines=3).splitlines() == ["line 27", "line 28", "line 29"]
    assert "earlier" not in log.tail(since, lines=100)
