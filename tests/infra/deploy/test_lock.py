"""Two programs never share the folder of module files, whichever processes they run in."""

import subprocess
import sys
from pathlib import Path

from infra.deploy.lock import bundle_lock

HOLD = """
import sys, pathlib
from infra.deploy.lock import bundle_lock
with bundle_lock(lambda: print("waiting", flush=True), pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_a_second_program_waits_and_a_dead_one_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "bundle.lock"
    with hold(path) as first:
        assert said(first) == "held"
        with hold(path) as second:
            assert said(second) == "waiting"
            first.kill()
            assert said(second) == "held"
            second.communicate("")
        first.communicate()
    waited: list[bool] = []
    with bundle_lock(lambda: waited.append(True), path):
        assert not waited
